//! What is scored, and what comes of it.

use crate::data::items::ItemInfo;
use crate::model::ensemble::Parts;

/// An item to be scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// Its index in the model.
    Known(u32),
    /// In the catalogue, but newer than the model.
    Newcomer(ItemInfo),
    /// Nowhere to be found.
    Unknown,
}

impl Target {
    /// The item's index in the model; None where the model does not know it.
    pub fn index(self) -> Option<u32> {
        match self {
            Target::Known(item) => Some(item),
            Target::Newcomer(_) | Target::Unknown => None,
        }
    }
}

/// Which step of the ladder a score stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Hybrid,
    FoldIn,
    Content,
    Popularity,
    Rules,
}

impl Source {
    /// As the column `source` shows it.
    pub fn name(self) -> &'static str {
        match self {
            Source::Hybrid => "hybrid",
            Source::FoldIn => "fold_in",
            Source::Content => "content",
            Source::Popularity => "popularity",
            Source::Rules => "rules",
        }
    }
}

/// One scored item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// In [0,1]: the weighted mean of the parts.
    pub score: f32,
    pub parts: Parts,
    pub source: Source,
}
