//! From a model to a header and columns.

use std::fmt::Debug;

use bytemuck::Pod;

use super::{
    ALIGNMENT, FORMAT, Header, ImageHeader, MAGIC, PREFIX, RatingHeader, Several, VectorHeader, checksum, config,
};
use crate::data::labels::Lists;
use crate::data::vectors::Vectors;
use crate::error::{Error, Result};
use crate::model::model::Model;
use crate::serve::retrieve::Retrieval;

pub(super) fn write(model: &Model, image: Option<(ImageHeader, &Retrieval)>) -> Result<Vec<u8>> {
    let collaborative = model.collaborative_part();
    let (image, retrieval) = image.unzip();
    let header = Header {
        feedback: *model.feedback(),
        basis: collaborative.basis.clone(),
        blend: collaborative.blend,
        forest: model.forest().cloned(),
        calibrations: model.calibrations().clone(),
        weights: model.weights(),
        items: model.items().len(),
        factors: collaborative.factors.ncols(),
        neighbours: collaborative.neighbours.item.len(),
        ratings: model.ratings().map(|r| RatingHeader { items: r.items.len(), prior: r.prior.clone() }),
        image,
    };
    let failed = |error: bincode::error::EncodeError| Error::Corrupt(error.to_string());
    let mut header = bincode::serde::encode_to_vec(&header, config()).map_err(failed)?;
    let (several, vectors) = (Several::of(model.items()), VectorHeader::of(model.items()));
    if !(several.is_empty() && vectors.is_empty()) {
        header.extend(bincode::serde::encode_to_vec(several, config()).map_err(failed)?);
    }
    if !vectors.is_empty() {
        header.extend(bincode::serde::encode_to_vec(vectors, config()).map_err(failed)?);
    }
    let mut columns = columns(model);
    if let Some(retrieval) = retrieval {
        columns.extend(derived_columns(model, retrieval));
    }
    let mut out =
        Vec::with_capacity(PREFIX + header.len() + columns.iter().map(|c| c.len() + ALIGNMENT).sum::<usize>());
    out.extend(MAGIC);
    out.extend(FORMAT.to_le_bytes());
    out.extend((header.len() as u32).to_le_bytes());
    out.extend([0; 8]);
    out.extend(header);
    for column in columns {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend_from_slice(column);
    }
    let checksum = checksum(&out[..PREFIX], &out[PREFIX..]);
    out[PREFIX - 8..PREFIX].copy_from_slice(&checksum);
    Ok(out)
}

/// In the order that [`super::read::read_fitted`] reads.
fn columns(model: &Model) -> Vec<&[u8]> {
    let (items, neighbours) = (model.items(), &model.collaborative_part().neighbours);
    let mut columns = vec![
        items.id.bytes(),
        items.category.first.bytes(),
        items.author.first.bytes(),
        items.published.bytes(),
        items.latest.bytes(),
        items.ratings.bytes(),
        items.favorites.bytes(),
        items.positives.bytes(),
        items.stars_sum.bytes(),
        model.collaborative_part().factors.values.bytes(),
        neighbours.start.bytes(),
        neighbours.item.bytes(),
        neighbours.weight.bytes(),
    ];
    if let Some(ratings) = model.ratings() {
        columns.extend([ratings.items.bytes(), ratings.moments.bytes(), ratings.effects.bytes()]);
    }
    columns.extend([&items.category.more, &items.author.more].into_iter().flat_map(lists));
    if !items.vectors.is_empty() {
        columns.extend(vector_columns(&items.vectors));
    }
    columns
}

/// In the order that [`super::read::read_vectors`] reads.
fn vector_columns(Vectors { texts, embeddings }: &Vectors) -> impl Iterator<Item = &[u8]> {
    let words = [texts.vocabulary.bytes(), texts.rarity.bytes()].into_iter();
    let rest = [texts.weights.bytes(), embeddings.center.bytes(), embeddings.rows.bytes(), embeddings.scale.bytes()];
    words.chain(lists(&texts.terms)).chain(rest)
}

/// None where all lists are empty.
fn lists<T: Pod + PartialEq + Debug>(lists: &Lists<T>) -> impl Iterator<Item = &[u8]> {
    [lists.start.bytes(), lists.value.bytes()].into_iter().filter(|_| !lists.is_empty())
}

/// In the order that [`super::read::read_derived`] reads.
fn derived_columns<'a>(model: &'a Model, retrieval: &'a Retrieval) -> Vec<&'a [u8]> {
    let encoder = model.encoder();
    let mut columns =
        vec![model.derived().raw_popularity.bytes(), model.popularity_column().bytes(), encoder.values.bytes()];
    for groups in [&encoder.categories, &encoder.authors] {
        columns.extend([
            groups.ids.bytes(),
            groups.of_item.bytes(),
            groups.items.bytes(),
            groups.positives.bytes(),
            groups.embedding.values.bytes(),
        ]);
        columns.extend(lists(&groups.more));
    }
    let Retrieval { screen, popular, prior, by_author, by_category } = retrieval;
    columns.extend([
        screen.item.bytes(),
        screen.rows.bytes(),
        screen.step.bytes(),
        screen.norm.bytes(),
        screen.popularity.bytes(),
        popular.bytes(),
        prior.bytes(),
    ]);
    for index in [by_author, by_category] {
        columns.extend([index.item.bytes(), index.key.bytes()]);
    }
    columns
}
