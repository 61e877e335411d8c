//! Columns of numbers that are owned, or views of bytes that several processes share: a model in a mapped file costs
//! each of them nothing but the page tables.

use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use bytemuck::Pod;
use ndarray::{Array2, ArrayView2};

// Views read what other processes of the same machine wrote, and stored models are little-endian.
#[cfg(target_endian = "big")]
compile_error!("stored models are little-endian and are read in place");

/// Bytes that stay at their address as long as a reference to them exists.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Numbers that are read as a slice.
#[derive(Clone)]
pub struct Column<T>(Values<T>);

/// Where the numbers lie.
#[derive(Clone)]
enum Values<T> {
    Owned(Vec<T>),
    View(View<T>),
}

/// Numbers within bytes that many share. Their address is kept, not only their range: scoring reads single numbers of a
/// column, and asking the bytes for their address is a call that is not inlined.
#[derive(Clone)]
struct View<T> {
    first: NonNull<T>,
    len: usize,
    /// Keeps them at their address.
    _bytes: Bytes,
}

// SAFETY: a view only reads, as a shared slice does, and what it keeps may be sent and shared.
unsafe impl<T: Sync> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T: Pod> Column<T> {
    /// The values in a range of the bytes, in place where their alignment allows it, else copied. None if the range
    /// leaves the bytes, or is not a whole number of values.
    pub fn view(bytes: &Bytes, range: Range<usize>) -> Option<Column<T>> {
        let values = (**bytes).as_ref().get(range)?;
        match bytemuck::try_cast_slice::<u8, T>(values) {
            Ok(values) => {
                let (first, len) = (NonNull::from(values).cast(), values.len());
                Some(Column(Values::View(View { first, len, _bytes: Arc::clone(bytes) })))
            }
            Err(bytemuck::PodCastError::TargetAlignmentGreaterAndInputNotAligned) => {
                let mut owned = vec![T::zeroed(); values.len() / size_of::<T>()];
                let target = bytemuck::cast_slice_mut::<T, u8>(&mut owned);
                (target.len() == values.len()).then(|| target.copy_from_slice(values))?;
                Some(owned.into())
            }
            Err(_) => None,
        }
    }

    /// The values as they lie in memory.
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

impl<T: Pod> Deref for Column<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Values::Owned(values) => values,
            // SAFETY: made from a slice of these bytes, which stay at their address as long as the view keeps them.
            Values::View(view) => unsafe { slice::from_raw_parts(view.first.as_ptr(), view.len) },
        }
    }
}

impl<T> From<Vec<T>> for Column<T> {
    fn from(values: Vec<T>) -> Self {
        Column(Values::Owned(values))
    }
}

impl<T> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Pod + PartialEq> PartialEq for Column<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// A row-major matrix, rows × columns, over a column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    pub values: Column<f32>,
    rows: usize,
    columns: usize,
}

impl Matrix {
    /// None if there are not rows × columns values.
    pub fn new(values: Column<f32>, rows: usize, columns: usize) -> Option<Matrix> {
        (rows.checked_mul(columns)? == values.len()).then_some(Matrix { values, rows, columns })
    }

    pub fn nrows(&self) -> usize {
        self.rows
    }

    pub fn ncols(&self) -> usize {
        self.columns
    }

    /// One row, as long as there are columns.
    pub fn row(&self, row: usize) -> &[f32] {
        self.rows_of(row..row + 1)
    }

    /// The rows of a range, one after the other.
    pub fn rows_of(&self, range: Range<usize>) -> &[f32] {
        &self.values[range.start * self.columns..range.end * self.columns]
    }

    /// The same matrix for ndarray.
    pub fn view(&self) -> ArrayView2<'_, f32> {
        // As long as `new` checked; a view of other lengths is an empty one.
        ArrayView2::from_shape((self.rows, self.columns), &self.values).unwrap_or_else(|_| ArrayView2::from(&[[]; 0]))
    }
}

impl From<Array2<f32>> for Matrix {
    fn from(array: Array2<f32>) -> Self {
        let (rows, columns) = array.dim();
        let values = if array.is_standard_layout() {
            array.into_raw_vec_and_offset().0
        } else {
            array.iter().copied().collect()
        };
        Matrix { values: values.into(), rows, columns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_reads_what_was_written_whether_aligned_or_not() {
        let mut raw = vec![0u8; 3];
        raw.extend([1.5f32, -2.0, 3.25].iter().flat_map(|v| v.to_le_bytes()));
        let bytes: Bytes = Arc::new(raw);
        let column = Column::<f32>::view(&bytes, 3..15).unwrap();
        assert_eq!(&*column, [1.5, -2.0, 3.25]);
        let aligned: Bytes = Arc::new(column.bytes().to_vec());
        assert_eq!(Column::<f32>::view(&aligned, 0..12).unwrap(), column);
        assert!(Column::<f32>::view(&bytes, 3..14).is_none() && Column::<f32>::view(&bytes, 4..16).is_none());
    }

    #[test]
    fn a_matrix_needs_rows_times_columns_values() {
        let matrix = Matrix::new(vec![1.0, 2.0, 3.0, 4.0].into(), 2, 2).unwrap();
        assert_eq!((matrix.row(1), matrix.view()[(0, 1)]), ([3.0, 4.0].as_slice(), 2.0));
        assert!(Matrix::new(vec![1.0].into(), 2, 2).is_none());
        assert_eq!(Matrix::from(Array2::<f32>::zeros((0, 5))).view().dim(), (0, 5));
    }
}
