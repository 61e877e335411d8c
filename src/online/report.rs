//! Figures of what was shown: how often it was clicked, made a favourite, reviewed.

use std::collections::{BTreeMap, HashMap};

use reco_models::{Tally, more_entries};

use super::outcomes::{self, Came, Impression, Known, Span};
use crate::failure::Outcome;
use crate::site::Site;

/// What impressions are grouped by.
#[derive(Debug, Clone, Copy, Default)]
pub struct By {
    pub day: bool,
    pub surface: bool,
    pub version: bool,
    pub experiment: bool,
    pub variant: bool,
    pub source: bool,
}

/// A group: what is not grouped by is None.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Days since 2000.
    pub day: Option<i32>,
    pub surface: Option<String>,
    pub version: Option<i64>,
    pub experiment: Option<String>,
    pub variant: Option<String>,
    pub source: Option<String>,
}

impl Key {
    fn of(impression: &Impression, by: By) -> Key {
        let text = |by: bool, text: &String| by.then(|| text.clone());
        Key {
            day: by.day.then_some(impression.day),
            surface: text(by.surface, &impression.surface),
            version: impression.version.filter(|_| by.version),
            experiment: impression.experiment.clone().filter(|_| by.experiment),
            variant: impression.variant.clone().filter(|_| by.variant),
            source: text(by.source, &impression.source),
        }
    }
}

/// Impressions of one user in a group, and how many of them came out in which way.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    shown: u32,
    clicked: u32,
    converted: u32,
    engaged: u32,
    dismissed: u32,
}

impl Counts {
    fn add(&mut self, came: Came) {
        self.shown += 1;
        self.clicked += u32::from(came.clicked.is_some());
        self.converted += u32::from(came.converted.is_some());
        self.engaged += u32::from(came.engaged.is_some());
        self.dismissed += u32::from(came.dismissed.is_some());
    }
}

/// Shares of the impressions of a group, over its users.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub clicks: Tally,
    pub conversions: Tally,
    pub engagements: Tally,
    pub dismissals: u64,
}

impl Figures {
    fn of(users: &HashMap<i64, Counts>) -> Figures {
        let mut figures = Figures::default();
        for counts in users.values() {
            let shown = f64::from(counts.shown);
            figures.clicks.add(shown, f64::from(counts.clicked));
            figures.conversions.add(shown, f64::from(counts.converted));
            figures.engagements.add(shown, f64::from(counts.engaged));
            figures.dismissals += u64::from(counts.dismissed);
        }
        figures
    }
}

/// Groups by ascending key.
pub struct Report {
    pub groups: Vec<(Key, Figures)>,
    pub known: Known,
}

type Users = HashMap<i64, Counts>;

pub fn report(site: &Site<'_>, span: Span, by: By) -> Outcome<Report> {
    let mut open: BTreeMap<Key, Users> = BTreeMap::new();
    let mut groups = Vec::new();
    let mut day = None;
    let known = outcomes::each(site, span, |impression, came| {
        // Days come one after the other, so the users of only one are in memory.
        if by.day && day != Some(impression.day) {
            day = Some(impression.day);
            close(&mut open, &mut groups);
        }
        let users = open.entry(Key::of(impression, by)).or_default();
        more_entries(users, 1)?;
        users.entry(impression.user).or_default().add(came);
        Ok(())
    })?;
    close(&mut open, &mut groups);
    groups.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Report { groups, known })
}

fn close(open: &mut BTreeMap<Key, Users>, groups: &mut Vec<(Key, Figures)>) {
    groups.extend(std::mem::take(open).into_iter().map(|(key, users)| (key, Figures::of(&users))));
}
