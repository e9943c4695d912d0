//! Key-value caches in pages: sequences of any lengths share a pool (Kwon et al., "Efficient Memory Management for Large Language Model Serving
//! with PagedAttention", 2023).
//!
//! A pool is `[pages, page_size, kv_heads, head_size]`. A sequence has as many of its pages as it needs, in any order; its page table says which
//! ones. [`kv_append_paged`](super::kv_append_paged) writes and [`attention_paged`](super::attention_paged) reads through these tables; one launch
//! takes tokens of any of the sequences.

use super::check::Op;
use crate::Result;
use mettle_gpu::{Buffer, Device, Tensor};

const OP: Op = Op("PageTables");

/// What a table has where its sequence has no page: `NO_PAGE` of `mettle/pages.h`.
const NO_PAGE: u32 = u32::MAX;

/// The fewest rows of a page.
const MIN_PAGE_SIZE: usize = 16;

/// Which pages of a pool the rows of some sequences lie in.
#[derive(Clone, Debug)]
pub struct PageTables {
    /// u32 `[sequences, width]`.
    tables: Tensor,
    page_size: usize,
    /// Pages of the pool.
    pool: usize,
}

impl PageTables {
    /// Tables for sequences with these pages of a pool of `pool` pages, each of `page_size` rows. Row j of a sequence is row `j % page_size` of
    /// its page `j / page_size`. A page may belong to several sequences, which then have what it holds in common.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for a page size that is no power of two or below 16, a pool with more than 2^32 - 1 rows, no
    /// sequences, or a page that the pool does not have; memory running out.
    pub fn new(
        device: &Device,
        page_size: usize,
        pool: usize,
        sequences: &[impl AsRef<[u32]>],
    ) -> Result<PageTables> {
        if !page_size.is_power_of_two() || page_size < MIN_PAGE_SIZE {
            let reason = format!("is {page_size}, must be a power of two from {MIN_PAGE_SIZE} on");
            return Err(OP.refuse("page_size", reason));
        }
        OP.size("pool", pool.saturating_mul(page_size))?;
        if sequences.is_empty() {
            return Err(OP.refuse("sequences", "is empty"));
        }
        let lengths = sequences.iter().map(|pages| pages.as_ref().len());
        let width = lengths.max().unwrap_or(0).max(1);
        OP.size("sequences", width.saturating_mul(page_size))?;
        let mut tables = vec![NO_PAGE; sequences.len() * width];
        for (i, (table, pages)) in tables.chunks_exact_mut(width).zip(sequences).enumerate() {
            let pages = pages.as_ref();
            if let Some(page) = pages.iter().find(|&&page| page as usize >= pool) {
                let reason = format!("has page {page} in sequence {i}, the pool has {pool} pages");
                return Err(OP.refuse("sequences", reason));
            }
            table[..pages.len()].copy_from_slice(pages);
        }
        let tables = Tensor::from_slice(device, &tables, [sequences.len(), width])?;
        Ok(PageTables {
            tables,
            page_size,
            pool,
        })
    }

    /// Rows that a table has room for: of the sequence with the most pages.
    pub fn capacity(&self) -> usize {
        self.tables.columns() * self.page_size
    }
}

/// Which sequences the tokens of a launch belong to, and where these lie.
#[derive(Clone, Copy, Debug)]
pub struct Paged<'a> {
    /// Of the sequences.
    pub tables: &'a PageTables,
    /// u32 `[tokens]`: the sequence of each token, by its place among the tables.
    pub sequence_of: &'a Tensor,
}

/// What kernels are given about pages.
pub(super) struct PageArguments {
    /// The function constant `PAGED`.
    pub paged: bool,
    pub tables: Buffer<u32>,
    pub sequence_of: Buffer<u32>,
    pub sequences: u32,
    /// Of a table.
    pub pages: u32,
    pub page_shift: u32,
}

impl PageArguments {
    /// For caches without pages: nothing of `other` is read.
    pub fn none(other: &Buffer<i32>) -> Result<PageArguments> {
        Ok(PageArguments {
            paged: false,
            tables: other.cast()?,
            sequence_of: other.cast()?,
            sequences: 0,
            pages: 0,
            page_shift: 0,
        })
    }

    fn of(op: Op, paged: Paged<'_>, tokens: usize) -> Result<PageArguments> {
        let Paged {
            tables: PageTables {
                tables, page_size, ..
            },
            sequence_of,
        } = paged;
        Ok(PageArguments {
            paged: true,
            sequences: op.size("tables", tables.rows())?,
            pages: op.size("tables", tables.columns())?,
            page_shift: page_size.trailing_zeros(),
            tables: op.values("tables", tables)?,
            sequence_of: op.vector("sequence_of", sequence_of, tokens)?,
        })
    }
}

/// How the rows of a cache are found.
pub(super) struct CacheShape<'a> {
    /// Rows of a sequence, at most.
    pub capacity: usize,
    /// Rows in all.
    pub rows: usize,
    pub kv_heads: usize,
    pub head_size: usize,
    paged: Option<Paged<'a>>,
}

impl<'a> CacheShape<'a> {
    /// That of `cache`: `[capacity, kv_heads, head_size]` or, with pages, `[pages, page_size, kv_heads, head_size]` as the tables have it.
    pub fn of(op: Op, cache: &Tensor, paged: Option<Paged<'a>>) -> Result<CacheShape<'a>> {
        let shape = cache.shape();
        match (paged, shape.dims()) {
            (None, &[capacity, kv_heads, head_size]) => Ok(CacheShape {
                capacity,
                rows: capacity,
                kv_heads,
                head_size,
                paged,
            }),
            (Some(Paged { tables, .. }), &[pages, page_size, kv_heads, head_size])
                if (pages, page_size) == (tables.pool, tables.page_size) =>
            {
                Ok(CacheShape {
                    capacity: tables.capacity(),
                    rows: pages * page_size,
                    kv_heads,
                    head_size,
                    paged,
                })
            }
            (None, _) => Err(op.refuse(
                "cache_k",
                format!("has shape {shape}, must be [capacity, kv_heads, head_size]"),
            )),
            (Some(Paged { tables, .. }), _) => Err(op.refuse(
                "cache_k",
                format!(
                    "has shape {shape}, must be [{}, {}, kv_heads, head_size] for these page tables",
                    tables.pool, tables.page_size
                ),
            )),
        }
    }

    /// What kernels are given about pages for tokens at `positions`.
    pub fn pages(&self, op: Op, positions: &Buffer<i32>) -> Result<PageArguments> {
        match self.paged {
            None => PageArguments::none(positions),
            Some(paged) => PageArguments::of(op, paged, positions.len()),
        }
    }

    /// Values of all rows.
    pub fn values(&self) -> usize {
        self.rows * self.kv_heads * self.head_size
    }
}
