//! A reason as a sentence that a page can show, in the language of `reco.locale`.

use std::collections::HashMap;

use reco_models::{ItemInfo, Model, Parts, Reason, Target, User};

use crate::failure::Outcome;
use crate::pg::session::pause;
use crate::read::RulesReader;
use crate::settings::{self, Locale};
use crate::site::Site;

/// Why each item is recommended by a model, given the parts of its score; None where there is no reason. What is
/// `disliked` is not named.
pub fn by_model(
    site: &Site<'_>,
    model: &Model,
    user: &User<'_>,
    items: &[(Target, Parts)],
    disliked: &[i64],
) -> Outcome<Vec<Option<String>>> {
    sentences(site, &model.reasons(user, items, pause)?, disliked)
}

/// Why each item is recommended by the rules.
pub fn by_rules(site: &Site<'_>, reader: &RulesReader, items: &[ItemInfo]) -> Outcome<Vec<Option<String>>> {
    let reasons: Vec<_> =
        items.iter().map(|info| reader.taste.reason(info, reader.now, reader.liked.as_slice())).collect();
    sentences(site, &reasons, &reader.disliked)
}

/// One look-up for all titles.
fn sentences(site: &Site<'_>, reasons: &[Option<Reason>], disliked: &[i64]) -> Outcome<Vec<Option<String>>> {
    let named =
        reasons.iter().flatten().filter_map(|reason| liked(*reason)).filter(|id| !disliked.contains(id)).collect();
    let titles = site.titles(named)?;
    let locale = settings::locale();
    Ok(reasons.iter().map(|reason| reason.map(|reason| sentence(reason, &titles, locale))).collect())
}

/// The liked item that a reason names.
pub fn liked(reason: Reason) -> Option<i64> {
    match reason {
        Reason::Liked(id) | Reason::Readers(id) | Reason::Author(id) | Reason::Category(id) => Some(id),
        Reason::Description | Reason::Taste | Reason::WellRated | Reason::Popular | Reason::New => None,
    }
}

/// With the title of the item that the reason names, where it is known.
pub fn sentence(reason: Reason, titles: &HashMap<i64, String>, locale: Locale) -> String {
    let title = liked(reason).and_then(|id| titles.get(&id));
    match locale {
        Locale::Es => spanish(reason, title.map(|title| format!("«{title}»")).as_deref()),
        Locale::En => english(reason, title.map(|title| format!("“{title}”")).as_deref()),
    }
}

fn spanish(reason: Reason, title: Option<&str>) -> String {
    match (reason, title) {
        (Reason::Liked(_), Some(title)) => format!("Porque te gustó {title}"),
        (Reason::Liked(_), None) => "Por lo que te ha gustado".into(),
        (Reason::Readers(_), Some(title)) => format!("A quienes les gustó {title} también les gusta"),
        (Reason::Readers(_), None) => "Les gusta a lectores como tú".into(),
        (Reason::Author(_), Some(title)) => format!("Del autor de {title}"),
        (Reason::Author(_), None) => "De un autor que te gusta".into(),
        (Reason::Category(_), Some(title)) => format!("De la misma categoría que {title}"),
        (Reason::Category(_), None) => "De una categoría que te gusta".into(),
        (Reason::Description, _) => "Su descripción se parece a lo que te gusta".into(),
        (Reason::Taste, _) => "Acorde con tus gustos".into(),
        (Reason::WellRated, _) => "Muy bien valorado por los lectores".into(),
        (Reason::Popular, _) => "Popular entre los lectores".into(),
        (Reason::New, _) => "Novedad".into(),
    }
}

fn english(reason: Reason, title: Option<&str>) -> String {
    match (reason, title) {
        (Reason::Liked(_), Some(title)) => format!("Because you liked {title}"),
        (Reason::Liked(_), None) => "Because of what you liked".into(),
        (Reason::Readers(_), Some(title)) => format!("People who liked {title} like this too"),
        (Reason::Readers(_), None) => "Readers like you like this".into(),
        (Reason::Author(_), Some(title)) => format!("By the author of {title}"),
        (Reason::Author(_), None) => "By an author you like".into(),
        (Reason::Category(_), Some(title)) => format!("In the same category as {title}"),
        (Reason::Category(_), None) => "In a category you like".into(),
        (Reason::Description, _) => "Its description is like what you like".into(),
        (Reason::Taste, _) => "Matches your taste".into(),
        (Reason::WellRated, _) => "Rated highly by readers".into(),
        (Reason::Popular, _) => "Popular with readers".into(),
        (Reason::New, _) => "New".into(),
    }
}
