//! What the catalogue says of items now.

use std::collections::HashMap;

use reco_models::{Description, ItemInfo, Model, NONE, Target};

use super::record::{Described, Link, Title};
use crate::failure::Outcome;
use crate::pg::catalog;
use crate::pg::session;
use crate::pg::spi::arg;
use crate::site::{Column, LinkSource, Linked, Site, Source};

/// Items that were looked up by id.
pub struct FoundItems {
    /// By ascending id, each once.
    items: Vec<(i64, ItemInfo)>,
}

impl FoundItems {
    pub fn get(&self, id: i64) -> Option<&ItemInfo> {
        self.items.binary_search_by_key(&id, |(id, _)| *id).ok().map(|i| &self.items[i].1)
    }

    /// An item that the catalogue does not have is one that nothing is known of.
    pub fn get_or_unknown(&self, id: i64) -> ItemInfo {
        self.get(id).cloned().unwrap_or_default()
    }

    pub fn contains(&self, id: i64) -> bool {
        self.get(id).is_some()
    }

    pub fn as_slice(&self) -> &[(i64, ItemInfo)] {
        &self.items
    }
}

/// Orders by id, and leaves one of each: a view of books and their categories has some several times. That one has what all
/// of them have, as in a training.
pub fn each_once(items: &mut Vec<(i64, ItemInfo)>) {
    items.sort_by_key(|(id, _)| *id);
    items.dedup_by(|(id, info), (kept, all)| {
        if id == kept {
            all.add(info);
        }
        id == kept
    });
}

pub(super) fn where_any(column: &Column) -> String {
    format!("WHERE {}", column.is_any("$1"))
}

/// Which role of the items is asked for.
#[derive(Clone, Copy)]
enum Group {
    Category,
    Author,
}

impl Site<'_> {
    /// How many items there are; None where the caller may not read them. It reads them all.
    pub fn catalogue_size(&self) -> Outcome<Option<i64>> {
        let Some(source) = self.mapping.items().filter(|source| catalog::may_read(source.table().oid)) else {
            return Ok(None);
        };
        let sql = format!("SELECT pg_catalog.count(*) FROM {}", source.table().rows());
        self.connection.read(&sql, &[])?.single()
    }

    /// Those of the given items that the catalogue has.
    pub fn items(&self, ids: Vec<i64>) -> Outcome<FoundItems> {
        let mut found = self.present(ids)?;
        self.add_links(&mut found.items)?;
        Ok(found)
    }

    /// The same without what link tables say of them.
    pub fn present(&self, ids: Vec<i64>) -> Outcome<FoundItems> {
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

    /// Adds the categories and authors that link tables have of these items, of which each is there once, by ascending id.
    fn add_links(&self, items: &mut [(i64, ItemInfo)]) -> Outcome<()> {
        self.add_links_of(self.mapping.categories(), items, |key| ItemInfo::new([key], [], NONE))?;
        self.add_links_of(self.mapping.authors(), items, |key| ItemInfo::new([], [key], NONE))
    }

    fn add_links_of<L: Linked>(
        &self,
        source: Option<&LinkSource<L>>,
        items: &mut [(i64, ItemInfo)],
        info: impl Fn(i64) -> ItemInfo,
    ) -> Outcome<()> {
        let Some(source) = source.filter(|_| !items.is_empty()) else { return Ok(()) };
        let ids: Vec<i64> = items.iter().map(|(id, _)| *id).collect();
        let ids = self.ids_as_arg(source.table(), &source.item, ids)?;
        for link in self.select::<Link<L>>(source, &where_any(&source.item), &[ids])? {
            if let Ok(place) = items.binary_search_by_key(&link.item, |(id, _)| *id) {
                items[place].1.add(&info(link.key));
            }
        }
        Ok(())
    }

    /// Orders by id, each once, and adds what link tables say.
    pub fn complete(&self, items: &mut Vec<(i64, ItemInfo)>) -> Outcome<()> {
        each_once(items);
        self.add_links(items)
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

    /// All items of a category, or at most `most` of them, those with the highest ids first. As the catalogue has them: see
    /// [`Site::complete`].
    ///
    /// # Errors
    /// 42703 where nothing says which category an item is in.
    pub fn category(&self, category: i64, most: Option<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
        self.mapping.check_category()?;
        self.in_categories(vec![category], most)
    }

    /// As [`Site::category`], of several; none where nothing says which category an item is in.
    pub fn in_categories(&self, categories: Vec<i64>, most: Option<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
        self.grouped(Group::Category, categories, most)
    }

    /// The items of some authors, as [`Site::in_categories`].
    pub fn by_authors(&self, authors: Vec<i64>, most: Option<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
        self.grouped(Group::Author, authors, most)
    }

    /// Those of the column, then those of the table of pairs; an item may be among both.
    fn grouped(&self, group: Group, keys: Vec<i64>, most: Option<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
        let Some(source) = self.mapping.items().filter(|_| !keys.is_empty()) else { return Ok(Vec::new()) };
        let (column, links) = match group {
            Group::Category => {
                (source.category.as_ref(), self.mapping.categories().map(|links| links.items_of(source)))
            }
            Group::Author => (source.author.as_ref(), self.mapping.authors().map(|links| links.items_of(source))),
        };
        let own = column.map(|column| (where_any(column), source.table(), column));
        let mut found = Vec::new();
        for (condition, table, column) in own.into_iter().chain(links) {
            let keys = self.ids_as_arg(table, column, keys.clone())?;
            found.append(&mut match most {
                Some(most) => {
                    let clauses = format!("{condition} ORDER BY {} DESC LIMIT $2", source.id.quoted());
                    self.select(source, &clauses, &[keys, arg(most)])?
                }
                // Not ordered: that would be a sort of the category, or a walk through the whole primary key.
                None => self.select(source, &condition, &[keys])?,
            });
        }
        Ok(found)
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

    /// Adds what the texts and embeddings say of those of the items that the model does not know, if it makes use of them.
    pub fn describe(&self, model: &Model, items: &mut [(i64, ItemInfo)]) -> Outcome<()> {
        const PORTION: usize = 1000;
        let source = self.mapping.items().filter(|source| source.has_descriptions() && model.reads_descriptions());
        let Some(source) = source else { return Ok(()) };
        let mut newer: Vec<&mut (i64, ItemInfo)> =
            items.iter_mut().filter(|(id, _)| model.items().index(*id).is_none()).collect();
        for items in newer.chunks_mut(PORTION) {
            session::pause();
            let ids: Vec<i64> = items.iter().map(|item| item.0).collect();
            let ids = self.ids_as_arg(source.table(), &source.id, ids)?;
            let mut found: HashMap<i64, Description> = HashMap::new();
            for Described { item, description, .. } in self.select(source, &where_any(&source.id), &[ids])? {
                let longest = match found.remove(&item) {
                    Some(other) => other.longer(description),
                    None => description,
                };
                found.insert(item, longest);
            }
            for (id, info) in items {
                if let Some(description) = found.get(id) {
                    *info = model.describe(std::mem::take(info), description);
                }
            }
        }
        Ok(())
    }

    /// Items as a model scores them: those that it knows by index, the others as the catalogue has them, if it does. What
    /// the caller may not see is unknown.
    pub fn targets(&self, model: &Model, items: &[i64]) -> Outcome<Vec<Target>> {
        let index: Vec<Option<u32>> = items.iter().map(|id| model.items().index(*id)).collect();
        let whole = self.shows_whole_catalogue();
        let in_question = items.iter().zip(&index).filter(|(_, index)| index.is_none() || !whole);
        let mut found = self.items(in_question.map(|(id, _)| *id).collect())?;
        self.describe(model, &mut found.items)?;
        let target = |(id, index): (&i64, Option<u32>)| match (index, found.get(*id)) {
            (Some(index), info) if whole || info.is_some() => Target::Known(index),
            (None, Some(info)) => Target::Newcomer(info.clone()),
            _ => Target::Unknown,
        };
        Ok(items.iter().zip(index).map(target).collect())
    }
}
