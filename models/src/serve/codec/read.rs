//! From a header and columns to a model. Lengths are checked before memory is allocated for them.

use std::fmt::Debug;
use std::sync::Arc;

use bytemuck::Pod;

use super::{ALIGNMENT, Header, ImageHeader, RatingHeader, Several, Tail, VectorHeader, corrupt};
use crate::data::column::{Bytes, Column, Matrix};
use crate::data::description::WIDTH;
use crate::data::items::ItemTable;
use crate::data::labels::{Labels, Lists};
use crate::data::vectors::{Embeddings, Texts, Vectors};
use crate::error::Result;
use crate::model::model::{Fitted, Model};
use crate::model::uncalibrated::Derived;
use crate::parts::collaborative::Collaborative;
use crate::parts::content::{Encoder, Groups};
use crate::parts::neighbours::Neighbours;
use crate::parts::ratings::RatingModel;
use crate::serve::retrieve::{InvertedIndex, Retrieval, Screen};

pub(super) fn read_fitted(header: Header, tail: Tail, columns: &mut Columns<'_>) -> Result<Fitted> {
    let n = header.items;
    let (id, category, author) = (columns.next(n)?, columns.next(n)?, columns.next(n)?);
    let (published, latest) = (columns.next(n)?, columns.next(n)?);
    let (ratings, favorites, positives) = (columns.next(n)?, columns.next(n)?, columns.next(n)?);
    let stars_sum = columns.next(n)?;
    let factors = columns.matrix(n, header.factors)?;
    let start = columns.next(n.saturating_add(1))?;
    let (item, weight) = (columns.next(header.neighbours)?, columns.next(header.neighbours)?);
    let stars = header.ratings.map(|header| read_ratings(header, columns)).transpose()?;
    let category = Labels { first: category, more: columns.lists(n, tail.several.categories)? };
    let author = Labels { first: author, more: columns.lists(n, tail.several.authors)? };
    let vectors = Arc::new(read_vectors(n, tail.vectors, columns)?);
    Ok(Fitted {
        feedback: header.feedback,
        items: ItemTable { id, category, author, published, ratings, stars_sum, favorites, positives, latest, vectors },
        collaborative: Collaborative {
            factors,
            basis: header.basis,
            neighbours: Neighbours { start, item, weight },
            blend: header.blend,
        },
        forest: header.forest,
        calibrations: header.calibrations,
        weights: header.weights,
        ratings: stars,
    })
}

fn read_vectors(items: usize, header: VectorHeader, columns: &mut Columns<'_>) -> Result<Vectors> {
    if header.is_empty() {
        return Ok(Vectors::default());
    }
    let VectorHeader { documents, vocabulary, terms, dimension } = header;
    let texts = Texts {
        documents,
        vocabulary: columns.next(vocabulary)?,
        rarity: columns.next(vocabulary)?,
        terms: columns.lists(items, terms)?,
        weights: columns.next(terms)?,
    };
    let (width, items) = if dimension > 0 { (WIDTH, items) } else { (0, 0) };
    let bytes = items.checked_mul(width).ok_or_else(|| corrupt("its embeddings fit no machine"))?;
    let (center, rows, scale) = (columns.next(width)?, columns.next(bytes)?, columns.next(items)?);
    Ok(Vectors { texts, embeddings: Embeddings { dimension, center, rows, scale } })
}

fn read_ratings(header: RatingHeader, columns: &mut Columns<'_>) -> Result<RatingModel> {
    let (n, size) = (header.items, header.prior.center.len());
    let moments = n.checked_add(1).and_then(|rows| rows.checked_mul(RatingModel::width(size)));
    let effects = n.checked_mul(size);
    let (moments, effects) = moments.zip(effects).ok_or_else(|| corrupt("its ratings fit no machine"))?;
    Ok(RatingModel {
        items: columns.next(n)?,
        moments: columns.next(moments)?,
        effects: columns.next(effects)?,
        prior: header.prior,
    })
}

pub(super) fn read_derived(
    fitted: Fitted,
    image: &ImageHeader,
    several: Several,
    columns: &mut Columns<'_>,
) -> Result<Model> {
    let (n, k) = (fitted.items.len(), fitted.collaborative.factors.ncols());
    let (raw_popularity, popularity, values) = (columns.next(n)?, columns.next(n)?, columns.next(n)?);
    let mut groups = |count: usize, further: usize| -> Result<Groups> {
        Ok(Groups {
            ids: columns.next(count)?,
            of_item: columns.next(n)?,
            items: columns.next(count)?,
            positives: columns.next(count)?,
            embedding: columns.matrix(count, k)?,
            more: columns.lists(n, further)?,
        })
    };
    let (categories, authors) =
        (groups(image.categories, several.categories)?, groups(image.authors, several.authors)?);
    let encoder = Encoder {
        feedback: fitted.feedback,
        values,
        categories,
        authors,
        vectors: Arc::clone(&fitted.items.vectors),
        total_positives: image.total_positives,
        mean_stars: image.mean_stars,
    };
    let derived = Derived { raw_popularity, scale: image.scale, encoder };
    Ok(Model::with_derived(fitted, derived, popularity))
}

pub(super) fn read_retrieval(
    items: usize,
    factors: usize,
    image: &ImageHeader,
    several: Several,
    columns: &mut Columns<'_>,
) -> Result<Retrieval> {
    let rows = image.screened;
    let bytes = rows.checked_mul(Screen::width(factors)).ok_or_else(|| corrupt("its factors fit no machine"))?;
    let screen = Screen {
        item: columns.next(rows)?,
        rows: columns.next(bytes)?,
        step: columns.next(rows)?,
        norm: columns.next(Screen::chunks(rows))?,
        popularity: columns.next(Screen::chunks(rows))?,
    };
    let (popular, prior) = (columns.next(items)?, columns.next(image.prior)?);
    let mut index = |further: usize| {
        let listed = items.saturating_add(further);
        Ok(InvertedIndex { item: columns.next(listed)?, key: columns.next(listed)? })
    };
    let (by_author, by_category) = (index(several.authors)?, index(several.categories)?);
    Ok(Retrieval { screen, popular, prior, by_author, by_category })
}

/// Reads the columns one after the other.
pub(super) struct Columns<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Columns<'a> {
    /// They begin after the offset `at`.
    pub(super) fn new(bytes: &'a Bytes, at: usize) -> Self {
        Columns { bytes, at }
    }

    fn next<T: Pod>(&mut self, n: usize) -> Result<Column<T>> {
        let start = self.at.next_multiple_of(ALIGNMENT);
        let end = n.checked_mul(size_of::<T>()).and_then(|length| start.checked_add(length));
        let column = end.and_then(|end| Column::view(self.bytes, start..end));
        self.at = end.unwrap_or(start);
        column.ok_or_else(|| corrupt("its columns are not as long as its header says"))
    }

    /// Lists of `n` items with `values` values in all.
    fn lists<T: Pod + PartialEq + Debug>(&mut self, n: usize, values: usize) -> Result<Lists<T>> {
        if values == 0 {
            return Ok(Lists { start: Column::default(), value: Column::default() });
        }
        Ok(Lists { start: self.next(n.saturating_add(1))?, value: self.next(values)? })
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Result<Matrix> {
        let values = self.next(rows.checked_mul(columns).ok_or_else(|| corrupt("its factors fit no machine"))?)?;
        Matrix::new(values, rows, columns).ok_or_else(|| corrupt("its factors are not as many as its header says"))
    }

    pub(super) fn end(&self) -> Result<()> {
        match self.at == (**self.bytes).as_ref().len() {
            true => Ok(()),
            false => Err(corrupt("it is longer than its header says")),
        }
    }
}
