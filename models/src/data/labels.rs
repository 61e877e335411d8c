//! Categories or authors by item: one of each item in a plain column, and lists of the further ones of those items that have
//! several. Where every item has one, the lists are empty and cost nothing.

use std::ops::Range;

use bytemuck::Pod;

use crate::data::column::Column;
use crate::data::dataset::NONE;

/// Lists of different lengths, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lists<T: Pod + PartialEq + std::fmt::Debug> {
    /// One more offset into `value` than there are lists; empty where all lists are.
    pub start: Column<u64>,
    pub value: Column<T>,
}

impl<T: Pod + PartialEq + std::fmt::Debug> Lists<T> {
    /// A list of each of the `lists`, of which all may be empty.
    pub fn new<L: IntoIterator<Item = T>>(lists: impl Iterator<Item = L>) -> Lists<T> {
        let (mut start, mut value) = (vec![0], Vec::new());
        for list in lists {
            value.extend(list);
            start.push(value.len() as u64);
        }
        if value.is_empty() {
            return Lists { start: Vec::new().into(), value: value.into() };
        }
        Lists { start: start.into(), value: value.into() }
    }

    /// Whether all lists are empty.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// Whether there is a list for each of `lists` items, or none at all, and all values are in one.
    pub fn valid(&self, lists: usize) -> bool {
        match self.start.split_last() {
            None => self.value.is_empty(),
            Some((last, _)) => {
                self.start.len() == lists + 1
                    && self.start[0] == 0
                    && *last == self.value.len() as u64
                    && self.start.is_sorted()
            }
        }
    }

    /// One list; empty for a number beyond the last one.
    #[inline]
    pub fn of(&self, list: usize) -> &[T] {
        self.value.get(self.range(list)).unwrap_or(&[])
    }

    /// The places of the values of a list.
    #[inline]
    pub fn range(&self, list: usize) -> Range<usize> {
        let (Some(from), Some(to)) = (self.start.get(list), self.start.get(list + 1)) else { return 0..0 };
        *from as usize..*to as usize
    }
}

/// The categories of all items, or their authors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// The lowest key of each item, or [`NONE`].
    pub first: Column<i64>,
    /// The others, ascending.
    pub more: Lists<i64>,
}

impl Labels {
    /// From the keys of `items` items as (item, key), in any order and any number of times.
    pub fn new(items: usize, mut pairs: Vec<(u32, i64)>) -> Labels {
        pairs.retain(|(_, key)| *key != NONE);
        if !pairs.is_sorted() {
            pairs.sort_unstable();
        }
        pairs.dedup();
        let mut first = vec![NONE; items];
        for (item, key) in pairs.iter().rev() {
            first[*item as usize] = *key;
        }
        pairs.retain(|(item, key)| first[*item as usize] != *key);
        let mut rest = pairs.as_slice();
        let more = Lists::new((0..items as u32).map(|item| {
            let own;
            (own, rest) = rest.split_at(rest.partition_point(|(of, _)| *of == item));
            own.iter().map(|(_, key)| *key)
        }));
        Labels { first: first.into(), more }
    }

    /// The keys of an item, ascending.
    pub fn of(&self, item: usize) -> impl Iterator<Item = i64> + '_ {
        Some(self.first[item]).filter(|key| *key != NONE).into_iter().chain(self.more.of(item).iter().copied())
    }

    /// Whether the lists are those of that many items, and no key in them is [`NONE`], twice or out of order.
    pub fn valid(&self, items: usize) -> bool {
        let sound = |item: usize| {
            let more = self.more.of(item);
            more.is_empty() || (self.first[item] != NONE && self.of(item).is_sorted_by(|a, b| a < b))
        };
        self.first.len() == items && self.more.valid(items) && (0..items).all(sound)
    }

    /// Those of some items, in the order in which they are named.
    pub fn pick(&self, items: &[u32]) -> Labels {
        let first = items.iter().map(|item| self.first[*item as usize]).collect();
        Labels { first, more: Lists::new(items.iter().map(|item| self.more.of(*item as usize).iter().copied())) }
    }
}

/// One key of each item, or [`NONE`].
impl From<Vec<i64>> for Labels {
    fn from(first: Vec<i64>) -> Labels {
        Labels { first: first.into(), more: Lists::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_an_item_are_ascending_and_each_once() {
        let keys = Labels::new(4, vec![(2, 7), (0, 5), (2, 3), (2, 7), (3, NONE), (2, 9)]);
        assert_eq!(*keys.first, [5, NONE, 3, NONE]);
        let of = |item| keys.of(item).collect::<Vec<_>>();
        assert_eq!((of(0), of(1), of(2), of(3)), (vec![5], vec![], vec![3, 7, 9], vec![]));
        let picked = keys.pick(&[2, 0]);
        assert_eq!((picked.of(0).collect::<Vec<_>>(), picked.of(1).collect::<Vec<_>>()), (vec![3, 7, 9], vec![5]));
    }

    #[test]
    fn a_missing_key_is_in_no_list() {
        let damaged = |first: i64, more: i64| Labels {
            first: vec![first, 7].into(),
            more: Lists::new([vec![more], vec![]].into_iter().map(Vec::into_iter)),
        };
        assert!(damaged(3, 4).valid(2) && !damaged(3, 4).valid(3));
        assert!(!damaged(3, NONE).valid(2) && !damaged(NONE, 4).valid(2) && !damaged(4, 4).valid(2));
    }

    #[test]
    fn where_no_item_has_several_there_are_no_lists() {
        let keys = Labels::new(3, vec![(1, 4), (1, 4), (0, 2)]);
        assert!(keys.more.is_empty() && keys.more.of(1).is_empty());
        assert_eq!(keys, vec![2, 4, NONE].into());
        assert!(Labels::new(3, vec![(1, 4), (1, 5)]).pick(&[0, 2]).more.is_empty());
    }
}
