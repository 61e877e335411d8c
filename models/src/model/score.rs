//! An item to be scored, and its score.

use crate::data::items::ItemInfo;
use crate::model::ensemble::Parts;

/// An item to be scored.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// An item of the model, by its index.
    Known(u32),
    /// An item of the catalogue that is newer than the model.
    Newcomer(ItemInfo),
    /// Neither in the model nor in the catalogue.
    Unknown,
}

impl Target {
    /// The item's index in the model; None where the model does not know it.
    pub fn index(&self) -> Option<u32> {
        match self {
            Target::Known(item) => Some(*item),
            Target::Newcomer(_) | Target::Unknown => None,
        }
    }
}

/// A rung of the ladder from the whole model down to the rules: what a score could be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// All parts, with the vector that training stored for the user.
    Hybrid,
    /// All parts; the vector was solved for, because the user's interactions have changed since the training.
    FoldIn,
    /// No collaborative part: the user likes nothing that has factors, or the item is newer than the model.
    Content,
    /// Neither of the two.
    Popularity,
    /// No model: the rules of the site.
    Rules,
}

impl Rung {
    /// As the column `source` of the SQL functions shows it.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Hybrid => "hybrid",
            Rung::FoldIn => "fold_in",
            Rung::Content => "content",
            Rung::Popularity => "popularity",
            Rung::Rules => "rules",
        }
    }
}

/// One scored item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// 0 to 1: the weighted mean of the parts.
    pub score: f32,
    pub parts: Parts,
    pub rung: Rung,
}
