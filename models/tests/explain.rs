//! Explanations, by the public interface: they sum to the score on every rung of the ladder, and what they name is true.

mod common;

use common::sources;
use reco_models::{
    Control, Evidence, Favorites, ItemInfo, MOST_POINTS, NONE, PART_NAMES, Params, Reason, Row, Rung, Scored, Sources,
    Target, Taste, Term, Trained, User, train,
};
use serde_json::{Value, json};

fn run(options: Value) -> Trained {
    let params = Params::from_json(&options).unwrap().validate().unwrap();
    train(sources(800, 400, 20_000), &params, None, 2, &Control::default()).unwrap()
}

/// Targets of every kind: items of the model, newer items with and without attributes, and an unknown one.
fn targets(trained: &Trained, seed: usize) -> Vec<Target> {
    let items = &trained.model.items();
    let known = (0..8).map(|i| Target::Known(((seed * 7919 + i * 104_729) % items.len()) as u32));
    let newcomers = [
        ItemInfo::new(items.category.of(seed % items.len()), items.author.of(0), items.published[0]),
        ItemInfo::default(),
    ];
    known.chain(newcomers.map(Target::Newcomer)).chain([Target::Unknown]).collect()
}

/// Calls `look` with users of the training, the same with other interactions, a user who likes nothing, and one without
/// interactions.
fn with_users(trained: &Trained, mut look: impl FnMut(&User<'_>, &Row<'_>, usize)) {
    let model = &trained.model;
    for user in (0..trained.data.users.len()).step_by(19) {
        let row = trained.data.events.row(user);
        let stored = Some(trained.user_factors.row(user).to_vec()).filter(|f| f.iter().any(|v| *v != 0.0));
        look(&model.user(row, trained.data.since[user], stored).unwrap(), &row, user);
        let few = Row { item: &row.item[..1], stars: &[0.0], favorite: &[true], at: &[NONE], signal: &[] };
        look(&model.user(few, NONE, None).unwrap(), &few, user);
    }
    let disliked = Row { item: &[3, 5], stars: &[1.0, 2.0], favorite: &[false; 2], at: &[NONE; 2], signal: &[] };
    let nothing = Row { item: &[], stars: &[], favorite: &[], at: &[], signal: &[] };
    for (i, row) in [disliked, nothing].into_iter().enumerate() {
        look(&model.user(row, NONE, None).unwrap(), &row, i);
    }
}

fn part_sum(terms: &[Term], part: usize) -> f64 {
    terms.iter().filter(|t| t.part == part).map(|t| t.contribution).sum()
}

fn check_sums(trained: &Trained, scored: &Scored, terms: &[Term]) {
    let sum: f64 = terms.iter().map(|t| t.contribution).sum();
    assert!((sum - f64::from(scored.score)).abs() < 1e-6, "{sum} {scored:?}");
    let weights = trained.model.weights().shares(&scored.parts);
    for (part, value) in scored.parts.as_array().into_iter().enumerate() {
        let rows = terms.iter().filter(|t| t.part == part).count();
        match value {
            Some(value) => {
                let expected = weights[part] * f64::from(value);
                let found = part_sum(terms, part);
                assert!(rows > 0 && (found - expected).abs() < 1e-9, "{}: {found} {expected}", PART_NAMES[part]);
            }
            None => assert_eq!(rows, 0),
        }
    }
}

#[test]
fn contributions_sum_to_the_score_on_every_rung() {
    let kinds = [
        json!({}),
        json!({"neighbours": 0}),
        json!({"trees": 0}),
        json!({"weights": {"collaborative": 1, "content_based": 0, "popularity": 0}}),
        json!({"weights": "auto", "split": "by_user", "factors": 4}),
    ];
    for options in kinds {
        let trained = run(options);
        let (mut met, mut pairs) = (Vec::new(), 0);
        with_users(&trained, |user, row, seed| {
            let targets = targets(&trained, seed);
            let scores = trained.model.score(user, &targets);
            for (target, expected) in targets.iter().zip(scores) {
                let (scored, terms) = trained.model.explain(user, target).unwrap();
                assert_eq!(scored, expected);
                check_sums(&trained, &scored, &terms);
                for term in &terms {
                    if let Evidence::Liked(item) = term.evidence {
                        assert!(term.part == 0 && row.item.contains(&item));
                    }
                }
                met.push(scored.rung);
                pairs += 1;
            }
        });
        assert!(pairs > 500);
        for rung in [Rung::Hybrid, Rung::FoldIn, Rung::Popularity] {
            assert!(met.contains(&rung), "{rung:?} was not met");
        }
        assert!(met.contains(&Rung::Content) || trained.model.forest().is_none());
    }
}

#[test]
fn a_liked_item_with_the_same_users_explains_the_collaborative_part() {
    // Half of the users like items 0 to 9, the other half items 10 to 19.
    let mut sources = Sources::default();
    for user in 0..200i64 {
        for item in (0..10i64).filter(|item| (user + item) % 3 != 0) {
            sources.favorites.user.push(user);
            sources.favorites.item.push(item + if user % 2 == 0 { 0 } else { 10 });
            sources.favorites.at.push(NONE);
        }
    }
    let params = Params::from_json(&json!({"trees": 0, "factors": 4})).unwrap().validate().unwrap();
    let trained = train(sources, &params, None, 2, &Control::default()).unwrap();
    let favorites = Favorites { user: vec![999; 2], item: vec![4, 14], at: vec![NONE; 2] };
    let history = trained.model.history(&Default::default(), &favorites, &Default::default());
    let user = trained.model.user(history.row(), NONE, None).unwrap();
    for (target, own, other) in [(7, 4, 14), (17, 14, 4)] {
        let (_, terms) = trained.model.explain(&user, &Target::Known(target)).unwrap();
        let of = |item| {
            let mut rows = terms.iter().filter(|t| t.evidence == Evidence::Liked(item));
            rows.next().map_or(0.0, |t| t.contribution)
        };
        assert!(of(own) > 0.05 && of(own) > 5.0 * of(other).abs(), "{terms:?}");
        let scored = trained.model.score(&user, &[Target::Known(target)]);
        let reasons = trained.model.reasons(&user, &[(Target::Known(target), scored[0].parts)], || {}).unwrap();
        let named = [Some(Reason::Liked(own.into())), Some(Reason::Readers(own.into()))];
        assert!(named.contains(&reasons[0]), "{reasons:?}");
    }
}

#[test]
fn a_reason_is_the_first_term_of_the_explanation() {
    let trained = run(json!({}));
    let items = &trained.model.items();
    let mut met = Vec::new();
    with_users(&trained, |user, row, seed| {
        let targets: Vec<Target> =
            targets(&trained, seed).into_iter().filter(|t| t.index().is_none_or(|i| !row.item.contains(&i))).collect();
        let scored = trained.model.score(user, &targets);
        let pairs: Vec<_> = targets.iter().cloned().zip(scored.iter().map(|s| s.parts)).collect();
        let mut pauses = 0;
        let reasons = trained.model.reasons(user, &pairs, || pauses += 1).unwrap();
        assert!(pauses > pairs.len(), "{pauses}");
        for (target, reason) in targets.iter().zip(reasons) {
            let (_, terms) = trained.model.explain(user, target).unwrap();
            let gain = |part: usize| -> f64 {
                let counted = |t: &&Term| t.part == part && !matches!(t.evidence, Evidence::Base | Evidence::Unknown);
                terms.iter().filter(counted).map(|t| t.contribution).sum()
            };
            let Some(reason) = reason else {
                assert!((0..3).all(|part| gain(part) <= 0.0 || part == 1), "{terms:?}");
                continue;
            };
            met.push(std::mem::discriminant(&reason));
            match reason {
                Reason::Liked(id) | Reason::Readers(id) => {
                    assert!(gain(0) >= gain(1) && gain(0) >= gain(2), "{terms:?}");
                    let top =
                        terms.iter().find(|t| t.part == 0 && t.contribution > 0.0 && t.evidence != Evidence::Base);
                    let item = items.index(id).unwrap();
                    assert_eq!(top.unwrap().evidence, Evidence::Liked(item));
                }
                Reason::Author(id) | Reason::Category(id) => {
                    assert!(gain(1) > 0.0 && row.item.contains(&items.index(id).unwrap()));
                }
                Reason::Popular | Reason::WellRated | Reason::New | Reason::Taste | Reason::Description => {
                    assert!(gain(1) > 0.0 || gain(2) > 0.0);
                }
            }
        }
    });
    met.sort_by_key(|m| format!("{m:?}"));
    met.dedup();
    assert!(met.len() >= 3, "only {met:?}");
}

#[test]
fn the_rules_name_a_liked_item() {
    let info = |category, author, published| ItemInfo::new([category], [author], published);
    let liked = [(11, info(1, 7, NONE)), (12, info(2, 8, NONE))];
    let taste = Taste::of(liked.iter().map(|(_, info)| info));
    let now = 1_000_000_000;
    assert_eq!(taste.reason(&info(2, 7, NONE), now, &liked), Some(Reason::Category(12)));
    assert_eq!(taste.reason(&info(9, 7, NONE), now, &liked), Some(Reason::Author(11)));
    assert_eq!(taste.reason(&info(9, 9, now - 5), now, &liked), Some(Reason::New));
    assert_eq!(taste.reason(&info(NONE, NONE, NONE), now, &liked), None);
    let points: f32 = taste.points(&info(2, 7, now - 5), now).iter().sum();
    assert_eq!(points, MOST_POINTS);
}
