//! Shapes of tensors: up to four dimensions, outermost first.

use crate::error::{Error, Result};

/// The dimensions of a tensor, outermost first: `[rows, columns]`, `[tokens, heads, head_dim]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    rank: u8,
    dims: [usize; Shape::MAX_RANK],
}

impl Shape {
    /// The most dimensions there can be.
    pub const MAX_RANK: usize = 4;

    /// A shape of one to four dimensions. Arrays convert with `into()`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of dimensions.
    pub fn new(dims: &[usize]) -> Result<Self> {
        if dims.is_empty() || dims.len() > Self::MAX_RANK {
            return Err(Error::Shape {
                what: "a shape",
                shape: format!("{dims:?}"),
                reason: "must have one to four dimensions".to_owned(),
            });
        }
        let mut all = [1; Self::MAX_RANK];
        all[..dims.len()].copy_from_slice(dims);
        Ok(Shape {
            rank: dims.len() as u8,
            dims: all,
        })
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank()]
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    /// The innermost dimension.
    pub fn columns(&self) -> usize {
        self.dims[self.rank() - 1]
    }

    /// The product of all dimensions but the innermost; `usize::MAX` when it does not fit.
    pub fn rows(&self) -> usize {
        product(&self.dims()[..self.rank() - 1])
    }

    /// The number of values; `usize::MAX` when it does not fit.
    pub fn len(&self) -> usize {
        product(self.dims())
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn product(dims: &[usize]) -> usize {
    if dims.contains(&0) {
        return 0;
    }
    dims.iter().copied().fold(1, usize::saturating_mul)
}

impl std::ops::Index<usize> for Shape {
    type Output = usize;

    /// The dimension at an index, counted from the outermost.
    fn index(&self, index: usize) -> &usize {
        &self.dims()[index]
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self.dims() == other
    }
}

macro_rules! from_arrays {
    ($($rank:literal),*) => {
        $(impl From<[usize; $rank]> for Shape {
            fn from(dims: [usize; $rank]) -> Self {
                let mut all = [1; Shape::MAX_RANK];
                all[..$rank].copy_from_slice(&dims);
                Shape {
                    rank: $rank,
                    dims: all,
                }
            }
        })*
    };
}

from_arrays!(1, 2, 3, 4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns() {
        let shape = Shape::new(&[2, 3, 5]).unwrap();
        assert_eq!((shape.rows(), shape.columns(), shape.len()), (6, 5, 30));
        assert_eq!(shape, [2, 3, 5]);
        assert_eq!(Shape::new(&[7]).unwrap().rows(), 1);
        assert!(Shape::new(&[]).is_err());
        assert!(Shape::new(&[1; 5]).is_err());
        assert_eq!(Shape::from([usize::MAX, 2]).len(), usize::MAX);
        assert_eq!(Shape::from([usize::MAX, 2, 0]).len(), 0);
    }
}
