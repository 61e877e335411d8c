//! What the catalogue says of items now.

use std::cmp::Reverse;
use std::collections::HashMap;

use reco_models::{ItemInfo, Model, NONE, Target};

use super::record::Title;
use crate::failure::Outcome;
use crate::pg::session;
use crate::pg::spi::arg;
use crate::site::{Column, Site, Source};

/// Items that were looked up by id.
pub struct FoundItems {
    /// By ascending id, each once.
    items: Vec<(i64, ItemInfo)>,
}

impl FoundItems {
    pub fn get(&self, id: i64) -> Option<ItemInfo> {
        self.items.binary_search_by_key(&id, |(id, _)| *id).ok().map(|i| self.items[i].1)
    }

    /// An item that the catalogue does not have is one that nothing is known of.
    pub fn get_or_unknown(&self, id: i64) -> ItemInfo {
        self.get(id).unwrap_or(ItemInfo { category: NONE, author: NONE, published: NONE })
    }

    pub fn contains(&self, id: i64) -> bool {
        self.get(id).is_some()
    }

    pub fn as_slice(&self) -> &[(i64, ItemInfo)] {
        &self.items
    }
}

/// Orders by id, and leaves one of each: a view of books and their categories has some several times. The last of its
/// attributes is the one that a training takes too.
pub fn each_once(items: &mut Vec<(i64, ItemInfo)>) {
    items.sort_unstable_by_key(|(id, info)| (*id, Reverse((info.category, info.author, info.published))));
    items.dedup_by_key(|(id, _)| *id);
}

fn where_any(column: &Column) -> String {
    format!("WHERE {}", column.is_any("$1"))
}

impl Site<'_> {
    /// Those of the given items that the catalogue has.
    pub fn items(&self, ids: Vec<i64>) -> Outcome<FoundItems> {
        let mut items: Vec<(i64, ItemInfo)> = match self.mapping.items().filter(|_| !ids.is_empty()) {
            Some(source) => {
                let ids = self.ids_as_arg(source.table(), &source.id, ids)?;
                self.select(source, &where_any(&source.id), &[ids])?
            }
            None => Vec::new(),
        };
        each_once(&mut items);
        Ok(FoundItems { items })
    }

    /// The same for any number of ids: in portions, between which the call can be cancelled.
    pub fn items_in_portions(&self, ids: &[i64]) -> Outcome<Vec<(i64, ItemInfo)>> {
        const PORTION: usize = 10_000;
        let mut found = Vec::new();
        for ids in ids.chunks(PORTION) {
            session::pause();
            found.extend_from_slice(self.items(ids.to_vec())?.as_slice());
        }
        Ok(found)
    }

    /// At most `most` items, those with the highest ids first; none below `least`.
    pub fn newest(&self, least: Option<i64>, most: i64) -> Outcome<Vec<(i64, ItemInfo)>> {
        let Some(source) = self.mapping.items() else { return Ok(Vec::new()) };
        let id = source.id.quoted();
        match least {
            Some(least) => {
                let clauses = format!("WHERE {id} OPERATOR(pg_catalog.>=) $1 ORDER BY {id} DESC LIMIT $2");
                self.select(source, &clauses, &[arg(least), arg(most)])
            }
            None => self.select(source, &format!("ORDER BY {id} DESC LIMIT $1"), &[arg(most)]),
        }
    }

    /// All items of a category, or at most `most` of them, those with the highest ids first.
    ///
    /// # Errors
    /// 42703 where the catalogue has no column for the category.
    pub fn category(&self, category: i64, most: Option<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
        if let Some(source) = self.mapping.items() {
            source.category()?;
        }
        self.in_categories(vec![category], most)
    }

    /// As [`Site::category`], of several; none where the catalogue has no column for the category.
    pub fn in_categories(&self, categories: Vec<i64>, most: Option<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
        self.grouped(self.mapping.items().and_then(|source| source.category.as_ref()), categories, most)
    }

    /// The items of some authors, as [`Site::in_categories`].
    pub fn by_authors(&self, authors: Vec<i64>, most: Option<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
        self.grouped(self.mapping.items().and_then(|source| source.author.as_ref()), authors, most)
    }

    fn grouped(&self, column: Option<&Column>, keys: Vec<i64>, most: Option<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
        let columns = self.mapping.items().zip(column).filter(|_| !keys.is_empty());
        let Some((source, column)) = columns else { return Ok(Vec::new()) };
        let keys = self.ids_as_arg(source.table(), column, keys)?;
        match most {
            Some(most) => {
                let clauses = format!("{} ORDER BY {} DESC LIMIT $2", where_any(column), source.id.quoted());
                self.select(source, &clauses, &[keys, arg(most)])
            }
            // Not ordered: that would be a sort of the category, or a walk through the whole primary key.
            None => self.select(source, &where_any(column), &[keys]),
        }
    }

    /// The titles of the given items, as far as the catalogue has them.
    pub fn titles(&self, ids: Vec<i64>) -> Outcome<HashMap<i64, String>> {
        let source = self.mapping.items().filter(|source| source.title.is_some() && !ids.is_empty());
        let Some(source) = source else { return Ok(HashMap::new()) };
        let ids = self.ids_as_arg(source.table(), &source.id, ids)?;
        let titles = self.select::<Title>(source, &where_any(&source.id), &[ids])?;
        let named = titles.into_iter().filter(|found| !found.title.trim().is_empty());
        Ok(named.map(|found| (found.item, found.title)).collect())
    }

    /// Items as a model scores them: those that it knows by index, the others as the catalogue has them, if it does. What
    /// the caller may not see is unknown.
    pub fn targets(&self, model: &Model, items: &[i64]) -> Outcome<Vec<Target>> {
        let index: Vec<Option<u32>> = items.iter().map(|id| model.items().index(*id)).collect();
        let whole = self.shows_whole_catalogue();
        let in_question = items.iter().zip(&index).filter(|(_, index)| index.is_none() || !whole);
        let found = self.items(in_question.map(|(id, _)| *id).collect())?;
        let target = |(id, index): (&i64, Option<u32>)| match (index, found.get(*id)) {
            (Some(index), info) if whole || info.is_some() => Target::Known(index),
            (None, Some(info)) => Target::Newcomer(info),
            _ => Target::Unknown,
        };
        Ok(items.iter().zip(index).map(target).collect())
    }
}
