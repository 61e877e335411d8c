//! An item as the features of a pair see it.

use std::iter;

use super::groups::Groups;
use super::names::ITEM_FEATURES;
use crate::data::items::ItemInfo;
use crate::data::vectors::{Vectors, VectorsOf};

/// The features of an item, and what those of a pair need of it.
#[derive(Debug, Clone, Copy)]
pub struct ItemFeatures<'a> {
    pub(super) values: [f32; ITEM_FEATURES],
    /// Its first category and author.
    pub(super) category: u32,
    pub(super) author: u32,
    /// Whether it may have others. Asked first, because the general way takes half of the time of a score.
    pub(super) several: bool,
    pub(super) origin: Origin<'a>,
}

/// Where the further categories and authors of an item are found, and its vectors.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// In the model, by the item's index.
    Model(u32),
    /// The item is newer than the model.
    Catalog(&'a ItemInfo),
}

impl<'a> ItemFeatures<'a> {
    /// The `first` of its groups and the others, which a newcomer has by their `ids`.
    pub(super) fn groups<I: Iterator<Item = i64>>(
        &self,
        all: &'a Groups,
        first: u32,
        ids: fn(&'a ItemInfo) -> I,
    ) -> impl Iterator<Item = u32> {
        let (more, newer) = match self.origin {
            Origin::Model(item) => (all.more.of(item as usize), None),
            Origin::Catalog(info) => (&[][..], Some(all.found(ids(info)).skip(1))),
        };
        iter::once(first).chain(more.iter().copied()).chain(newer.into_iter().flatten())
    }

    /// Its index in the model; None for an item that is newer than the model.
    pub(super) fn index(&self) -> Option<u32> {
        match self.origin {
            Origin::Model(item) => Some(item),
            Origin::Catalog(_) => None,
        }
    }

    /// Those of its text and its embedding.
    pub(super) fn vectors(&self, all: &'a Vectors) -> VectorsOf<'a> {
        match self.origin {
            Origin::Model(item) => all.of(item as usize),
            Origin::Catalog(info) => info.vectors.as_ref().map_or(VectorsOf::default(), |vectors| vectors.view()),
        }
    }
}
