//! From lists to figures: means over users with their intervals, and how much of the catalogue is recommended.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::segments::{Group, Segment};
use super::{Lists, RANKING, Request};
use crate::control::Control;
use crate::data::room::room;
use crate::data::split::Split;
use crate::error::Result;
use crate::learn::evaluate::System;
use crate::learn::metrics::{self, intervals, measure};
use crate::learn::variety::Variety;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub system: System,
    pub segment: Segment,
    /// The cut-off.
    pub k: usize,
    pub metric: &'static str,
    /// Over whom it is the mean.
    pub users: usize,
    pub value: f64,
    /// Its 95 % interval; None of the coverage. A resample of users repeats some and lacks a third, so that what it covers is
    /// always less, and its interval would not hold the value.
    pub interval: Option<(f64, f64)>,
}

/// What figures are made of.
pub struct Figures<'a> {
    split: &'a Split,
    users: &'a [u32],
    lists: &'a Lists,
    variety: Variety<'a>,
    /// Without the content part of a model that has none.
    systems: Vec<System>,
    request: &'a Request,
    control: &'a Control,
}

impl<'a> Figures<'a> {
    pub fn new(
        split: &'a Split,
        users: &'a [u32],
        lists: &'a Lists,
        has_content: bool,
        request: &'a Request,
        control: &'a Control,
    ) -> Figures<'a> {
        let exists = |system: &System| has_content || *system != System::ContentBased;
        let systems = System::ALL.into_iter().filter(exists).collect();
        Figures { split, users, lists, variety: Variety::of(&split.train.data), systems, request, control }
    }

    /// The figures of every system for each of the groups, in their order.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`] and [`crate::Error::OutOfMemory`].
    pub fn of_all(&self, groups: &[Group]) -> Result<Vec<Figure>> {
        let tasks: Vec<(&Group, System)> =
            groups.iter().flat_map(|group| self.systems.iter().map(move |system| (group, *system))).collect();
        let done = AtomicUsize::new(0);
        let figures = tasks.par_iter().with_max_len(1).map(|(group, system)| {
            let before = done.fetch_add(1, Ordering::Relaxed) as f32 / tasks.len() as f32;
            self.control.done(RANKING + (1.0 - RANKING) * before)?;
            self.of_group(group, *system)
        });
        Ok(figures.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn of_group(&self, group: &Group, system: System) -> Result<Vec<Figure>> {
        let names = self.names(group);
        let cutoffs = &self.request.cutoffs;
        let (columns, users) = (names.len() * cutoffs.len(), group.places.len());
        let mut values = room(users * columns)?;
        for place in &group.places {
            self.control.check()?;
            self.measure(group, *place, system, &mut values);
        }
        let check = || self.control.check();
        let mut ends = intervals(&values, columns, self.request.seed, check)?.into_iter();
        let mut columns = (0..columns).map(|column| {
            let of_users = values.iter().skip(column).step_by(columns);
            of_users.sum::<f64>() / users.max(1) as f64
        });
        let covered = self.coverage(group, system);
        let mut figures = Vec::with_capacity(cutoffs.len() * (names.len() + 1));
        for (k, covered) in cutoffs.iter().zip(covered) {
            let figure = |metric, value, interval| {
                let segment = group.segment;
                Figure { system, segment, k: *k, metric, users, value, interval }
            };
            figures.extend(
                names
                    .iter()
                    .zip(columns.by_ref())
                    .zip(ends.by_ref())
                    .map(|((name, value), interval)| figure(*name, value, Some(interval))),
            );
            figures.push(figure("coverage", covered, None));
        }
        Ok(figures)
    }

    /// A list is as novel and as diverse as it is, whatever of it is in a segment of the items.
    fn names(&self, group: &Group) -> Vec<&'static str> {
        let of_lists = ["novelty", "diversity"]
            .into_iter()
            .filter(|name| group.items.is_none() && (*name != "diversity" || self.variety.has_labels()));
        metrics::NAMES.into_iter().chain(of_lists).collect()
    }

    /// Appends what [`Figures::names`] names, for each cut-off, of one user.
    fn measure(&self, group: &Group, place: usize, system: System, values: &mut Vec<f64>) {
        let list = self.lists.of(place, system);
        let held_out = self.split.held_out(self.users[place] as usize);
        let of_segment: Vec<u32> = match &group.items {
            None => held_out.to_vec(),
            Some(items) => held_out.iter().copied().filter(|item| items[*item as usize]).collect(),
        };
        for k in &self.request.cutoffs {
            let best = &list[..list.len().min(*k)];
            values.extend(measure(best, &of_segment, *k).values());
            if group.items.is_none() {
                values.push(self.variety.novelty(best));
                values.extend(self.variety.has_labels().then(|| self.variety.diversity(best)));
            }
        }
    }

    /// For each cut-off, the share of the items of the segment, or of all, that is in a list of its users; of a segment of
    /// items in a list of anybody.
    fn coverage(&self, group: &Group, system: System) -> Vec<f64> {
        let everybody: Vec<usize> = (0..self.users.len()).collect();
        let places = if group.items.is_some() { &everybody } else { &group.places };
        // By item the best place of it in a list.
        let mut first = vec![usize::MAX; self.split.train.data.items.len()];
        for place in places {
            for (rank, item) in self.lists.of(*place, system).iter().enumerate() {
                let best = &mut first[*item as usize];
                *best = rank.min(*best);
            }
        }
        let inside = |item: usize| group.items.as_ref().is_none_or(|items| items[item]);
        let first: Vec<usize> = (0..first.len()).filter(|item| inside(*item)).map(|item| first[item]).collect();
        let share = |k: &usize| first.iter().filter(|rank| *rank < k).count() as f64 / first.len().max(1) as f64;
        self.request.cutoffs.iter().map(share).collect()
    }
}
