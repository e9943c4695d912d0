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

    /// A shape of one to four dimensions.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of dimensions, or when the number of values does not fit `usize`.
    pub fn new(dims: &[usize]) -> Result<Self> {
        let refuse = |reason: &str| Error::Shape {
            what: "a shape",
            shape: format!("{dims:?}"),
            reason: reason.to_owned(),
        };
        if dims.is_empty() || dims.len() > Self::MAX_RANK {
            return Err(refuse("must have one to four dimensions"));
        }
        if dims
            .iter()
            .try_fold(1usize, |product, &n| product.checked_mul(n))
            .is_none()
        {
            return Err(refuse("has too many values"));
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

    /// The product of all dimensions but the innermost.
    pub fn rows(&self) -> usize {
        self.dims()[..self.rank() - 1].iter().product()
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
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

/// What can be taken as a shape: `[usize; N]`, `&[usize]` or a [`Shape`]. The dimensions are checked where it is used.
pub trait IntoShape {
    /// The checked shape.
    ///
    /// # Errors
    /// As for [`Shape::new`].
    fn into_shape(self) -> Result<Shape>;
}

impl IntoShape for Shape {
    fn into_shape(self) -> Result<Shape> {
        Ok(self)
    }
}

impl<const N: usize> IntoShape for [usize; N] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&self)
    }
}

impl IntoShape for &[usize] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}

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
        assert!(Shape::new(&[usize::MAX, 2]).is_err());
    }
}
