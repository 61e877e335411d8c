//! A pass over the items by their factors that reads most of them as bytes, or not at all.

use super::partial::PartialScore;
use super::top_items::{ItemSet, TopItems};
use crate::data::column::Column;
use crate::math::isa::Isa;
use crate::math::simd::{LANES, dot, dot_rows_of_bytes_on};
use crate::model::model::Model;
use crate::parts::collaborative::Likes;

/// Rows per step of the pass, bounded together by the norm of the first.
const CHUNK: usize = 1024;

/// The items that have factors by falling norm, with their factors rounded to one byte each.
#[derive(Debug, Clone)]
pub struct Screen {
    /// By row, the index of the item.
    pub item: Column<u32>,
    /// By row the rounded factors, padded with zeros to [`Screen::width`] bytes.
    pub rows: Column<i8>,
    /// By row, the value of a byte of 1.
    pub step: Column<f32>,
    /// By chunk, the largest norm in it.
    pub norm: Column<f32>,
    /// By chunk, the highest popularity in it and after it.
    pub popularity: Column<f32>,
}

impl Screen {
    /// Bytes per row of k factors: a whole number of vectors of the processor.
    pub fn width(factors: usize) -> usize {
        factors.next_multiple_of(LANES)
    }

    /// The number of chunks that this number of rows makes.
    pub fn chunks(rows: usize) -> usize {
        rows.div_ceil(CHUNK)
    }

    pub fn new(model: &Model) -> Screen {
        let factors = &model.collaborative_part().factors;
        let popularity = model.popularity();
        let row = |item: u32| factors.row(item as usize);
        let mut order: Vec<(f32, u32)> = (0..factors.nrows() as u32)
            .map(|item| (dot(row(item), row(item)).sqrt(), item))
            .filter(|(norm, _)| *norm > 0.0)
            .collect();
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let highest = |chunk: &[(f32, u32)]| chunk.iter().map(|(_, i)| popularity[*i as usize]).fold(0.0, f32::max);
        let mut from_here: Vec<f32> = order.chunks(CHUNK).map(highest).collect();
        for i in (1..from_here.len()).rev() {
            from_here[i - 1] = from_here[i - 1].max(from_here[i]);
        }
        let width = Screen::width(factors.ncols());
        let mut rows = vec![0i8; order.len() * width];
        let mut step = Vec::with_capacity(order.len());
        for ((_, item), bytes) in order.iter().zip(rows.chunks_exact_mut(width.max(1))) {
            let largest = row(*item).iter().map(|v| v.abs()).fold(f32::MIN_POSITIVE, f32::max);
            step.push(largest / 127.0);
            bytes.iter_mut().zip(row(*item)).for_each(|(byte, v)| *byte = (v / largest * 127.0).round() as i8);
        }
        Screen {
            norm: order.chunks(CHUNK).map(|chunk| chunk[0].0).collect(),
            popularity: from_here.into(),
            item: order.into_iter().map(|(_, item)| item).collect(),
            rows: rows.into(),
            step: step.into(),
        }
    }

    /// Offers every item that can enter the list and is not taken. `weight`: of the product of the factors in a raw
    /// score.
    pub fn pass(
        &self,
        partial: &PartialScore<'_>,
        likes: &Likes,
        weight: f32,
        taken: &mut ItemSet,
        list: &mut TopItems,
    ) {
        let factors = &partial.model.collaborative_part().factors;
        let width = Screen::width(factors.ncols());
        let mut vector = likes.factor.clone();
        let length = dot(&vector, &vector).sqrt();
        // Rounding changes a factor by at most half a step; the rest is for rounding in the sums.
        let slack = 0.5001 * vector.iter().map(|v| v.abs()).sum::<f32>();
        vector.resize(width, 0.0);
        let mut products = [0.0; CHUNK];
        for (chunk, (norm, popularity)) in self.norm.iter().zip(&*self.popularity).enumerate() {
            let needed = partial.needed(list.bar(), *popularity);
            if 1.0001 * weight * norm * length <= needed {
                break;
            }
            let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(self.item.len());
            let rows = &self.rows[range.start * width..range.end * width];
            dot_rows_of_bytes_on(Isa::best(), rows, &vector, &mut products);
            for ((item, step), product) in self.item[range.clone()].iter().zip(&self.step[range]).zip(&products) {
                if weight * step * (product + slack) > needed && taken.insert(*item) {
                    let product = dot(factors.row(*item as usize), &likes.factor);
                    list.offer(partial.of(*item, weight * product), *item);
                }
            }
        }
    }
}
