//! Matrix products of many columns: tiles in threadgroup memory, multiplied by SIMD groups.

pub(super) mod cases;
mod memory;
mod of_tokens;
mod product;

pub(crate) use self::cases::family;
pub(super) use self::memory::Memory;
pub(super) use self::of_tokens::mul_mm_of_tokens;
use self::product::Product;
use super::check::Op;
use super::dequantize::dequantize;
use super::mul_mm_tensor::PIECE;
use super::mul_mv::{Choice, Way, experts_of};
use super::round_rows::{Operand, Rounded, round_rows};
use super::sum_parts::sum_parts;
use crate::Result;
use half::f16;
use mettle_gpu::{Buffer, Device, DeviceKind, Format, Grid, Pass, Tensor};

/// Values of k in a tile: `DEPTH` of `mul_mm.metal`.
const DEPTH: usize = 32;

/// Threads of a threadgroup: `THREADS` of `mul_mm.metal`.
const THREADS: usize = 128;

/// Bytes of threadgroup memory for each row and column of a threadgroup's results: of a tile of 32 16-bit values.
const BYTES_PER_ROW: usize = 32 * 2;

/// Threadgroups of a compute unit that tiles leave room for: as many as registers do.
pub(super) const RESIDENT: usize = 2;

/// Bytes of the vectors that dense weights are loaded as.
const VECTOR: usize = 16;

/// Bytes of the words that blocks of 32 weights are loaded as.
const WORD: usize = 4;

/// How many results a threadgroup computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// 64 x 64.
    Small,
    /// 128 x 128, for which a thread needs 128 registers of sums alone.
    Large,
}

impl Size {
    /// Rows and columns.
    pub(super) fn results(self) -> (usize, usize) {
        match self {
            Size::Small => (64, 64),
            Size::Large => (128, 128),
        }
    }

    /// Threadgroups for so many results.
    pub(super) fn groups(self, m: usize, n: usize) -> usize {
        let (rows, columns) = self.results();
        m.div_ceil(rows) * n.div_ceil(columns)
    }

    /// Bytes of threadgroup memory for the tiles of so many steps, two at least.
    pub(super) fn memory(self, steps: usize) -> usize {
        let (rows, columns) = self.results();
        steps * (rows + columns) * BYTES_PER_ROW
    }

    /// Whether weights are copied as they are, or their words fetched a step earlier: `copied` and `ahead` of `mul_mm.metal`.
    fn copies_ahead(self, format: Format) -> bool {
        match format {
            Format::F16 | Format::BF16 => true,
            Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 | Format::Q8_0 => {
                self == Size::Large
            }
            _ => false,
        }
    }

    /// Steps whose tiles there is memory for, and its bytes: four, so that copies have the time of two more, where these are asynchronous and nothing else of a step
    /// is waited for. Memory that decodes weights from rows is better left to the cache.
    fn stages(self, device: &Device, format: Format) -> (usize, usize) {
        let of_four = self.memory(4);
        let limits = device.limits();
        let has_room = RESIDENT * of_four <= limits.resident_threadgroup_memory
            && of_four <= limits.max_threadgroup_memory;
        let stages = match device.kind() {
            DeviceKind::Cuda if has_room && self.copies_ahead(format) => 4,
            _ => 2,
        };
        (stages, self.memory(stages))
    }
}

/// What becomes of a product besides being stored.
#[derive(Clone, Copy)]
pub(super) enum Epilogue<'a> {
    None,
    /// It is added to what is in `out`.
    Add,
    /// It goes through silu and meets the product with these weights, of the shape and format of the others.
    Gate(&'a Tensor),
}

impl Epilogue<'_> {
    /// `FUSED` of `mul_mm.metal`.
    fn bits(self) -> u32 {
        match self {
            Epilogue::None => 0,
            Epilogue::Add => 2,
            Epilogue::Gate(_) => 4,
        }
    }
}

/// How a product by tiles is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    pub(super) size: Size,
    /// Threadgroups that share the k of each piece of results.
    pub(super) splits: usize,
    /// Whether weights in blocks become halves in memory first. Else each piece of results decodes those that it is made of.
    pub(super) halves: bool,
}

/// `out = x w^T` by tiles, for each of `batches` matrices of `w` and of `x`, which lie one below the other: arguments and errors as
/// [`mul_mat`]'s, but that rows of `x` may have gaps between them.
pub(super) fn mul_mm(
    pass: &mut Pass,
    op: Op,
    tiles: Tiles,
    batches: usize,
    w: &Tensor,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    op.strided::<f32>("x", x, x.rows(), w.columns())?;
    let matrices = Matrices::Batches(batches);
    multiply(pass, op, tiles, w, x, matrices, Epilogue::None, out)
}

/// The same of one matrix, without splits, and what the epilogue says. `x` and `out` are f32, or with weights of F16 and no epilogue both F16.
pub(super) fn mul_mm_with(
    pass: &mut Pass,
    op: Op,
    size: Size,
    w: &Tensor,
    x: &Tensor,
    epilogue: Epilogue<'_>,
    out: &mut Tensor,
) -> Result<()> {
    match x.format() {
        Format::F16 => op.strided::<f16>("x", x, x.rows(), w.columns()).map(drop)?,
        _ => op.strided::<f32>("x", x, x.rows(), w.columns()).map(drop)?,
    }
    let tiles = Tiles {
        size,
        splits: 1,
        halves: false,
    };
    multiply(pass, op, tiles, w, x, Matrices::Batches(1), epilogue, out)
}

/// Rows of a piece that has one expert.
pub(super) const ROWS_OF_EXPERT: usize = 64;

/// The same where each [`ROWS_OF_EXPERT`] rows of x, of which there are whole ones, are multiplied with one of the matrices of `w`,
/// `[experts, n, k]`: `experts` says which. Where it says none, `out` is not written.
pub(super) fn mul_mm_experts(
    pass: &mut Pass,
    op: Op,
    w: &Tensor,
    x: &Tensor,
    experts: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let tiles = Tiles {
        size: Size::Small,
        splits: 1,
        halves: false,
    };
    op.strided::<f32>("x", x, x.rows(), w.columns())?;
    let matrices = Matrices::Experts(experts);
    multiply(pass, op, tiles, w, x, matrices, Epilogue::None, out)
}

/// Which of the matrices of the weights rows are multiplied with.
#[derive(Clone, Copy)]
pub(super) enum Matrices<'a> {
    /// As many rows as there are batches, in order, with one each.
    Batches(usize),
    /// Each [`ROWS_OF_EXPERT`] rows with the one that these ids say.
    Experts(&'a Tensor),
}

/// The sizes of a product, and how its k is shared out.
pub(super) struct Extent<'a> {
    pub batches: usize,
    /// Matrices that the weights consist of.
    pub matrices: usize,
    pub experts: Option<&'a Tensor>,
    /// Rows of a batch.
    pub m: usize,
    /// Rows of a matrix of the weights.
    pub n: usize,
    pub k: usize,
    /// Values of k of each of so many threadgroups, whole tiles but for the last.
    pub depth: usize,
    pub splits: usize,
}

impl<'a> Extent<'a> {
    /// That of `w` and so many rows of x, of which `splits` threadgroups at most share the k of each piece of results.
    pub fn of(
        op: Op,
        splits: usize,
        w: &Tensor,
        rows: usize,
        matrices: Matrices<'a>,
    ) -> Result<Self> {
        op.dense("w", w)?;
        let (batches, matrices, experts) = match matrices {
            Matrices::Batches(batches) => (batches, batches, None),
            Matrices::Experts(experts) => (1, experts_of(w)?, Some(experts)),
        };
        let sizes = [rows / batches, w.rows() / matrices, w.columns()];
        let extent = Extent {
            matrices,
            experts,
            ..Extent::of_batches(batches, splits, sizes)
        };
        op.size("out", batches * extent.splits)?;
        Ok(extent)
    }

    /// That of as many matrices as batches.
    fn of_batches(batches: usize, splits: usize, [m, n, k]: [usize; 3]) -> Self {
        let depth = k.div_ceil(DEPTH).div_ceil(splits) * DEPTH;
        Extent {
            batches,
            matrices: batches,
            experts: None,
            m,
            n,
            k,
            depth,
            splits: k.next_multiple_of(DEPTH).div_ceil(depth),
        }
    }

    /// `experts` of the kernels' parameters.
    pub fn experts(&self, op: Op) -> Result<u32> {
        self.experts.map_or(Ok(0), |_| op.size("w", self.matrices))
    }

    /// The ids of experts; other memory where they are not read.
    pub fn ids(&self, op: Op, other: &Buffer<f32>) -> Result<Buffer<u32>> {
        match self.experts {
            Some(experts) => op.vector("experts", experts, self.m / ROWS_OF_EXPERT),
            None => Ok(other.cast()?),
        }
    }

    /// The grid for pieces of so many rows and columns.
    pub fn grid(&self, [rows, columns]: [usize; 2]) -> Grid {
        let pieces = [self.m.div_ceil(rows), self.n.div_ceil(columns)];
        Grid::groups([pieces[0], pieces[1], self.batches * self.splits]).threads(THREADS)
    }

    /// The memory for `x` rounded, of a multiple of `step` rows, for halves of weights if they are made, and for what threadgroups write.
    pub fn memory(
        &self,
        pass: &mut Pass,
        operand: Operand,
        step: usize,
        halves: bool,
    ) -> Result<Memory> {
        Memory::of(pass, &self.parts_of_memory(operand, step, halves))
    }

    fn parts_of_memory(&self, operand: Operand, step: usize, halves: bool) -> [usize; 4] {
        let [values, scales] = Rounded::bytes(operand, [self.batches * self.m, self.k], step);
        let halves = match halves {
            true => size_of::<f16>() * self.matrices * self.n * self.k,
            false => 0,
        };
        let results = match self.splits {
            1 => 0,
            splits => size_of::<f32>() * splits * self.batches * self.m * self.n,
        };
        [halves, values, scales, results]
    }

    /// Where threadgroups write: to `out`, or to parts of it that [`Extent::sum`] adds up.
    pub fn parts(
        &self,
        pass: &Pass,
        memory: &mut Memory,
        out: &Buffer<f32>,
    ) -> Result<Buffer<f32>> {
        match self.splits {
            1 => Ok(out.clone()),
            splits => memory.take(pass, splits * out.len()),
        }
    }

    /// Adds up what threadgroups wrote.
    pub fn sum(&self, pass: &mut Pass, parts: &Buffer<f32>, out: &mut Buffer<f32>) -> Result<()> {
        match self.splits {
            1 => Ok(()),
            splits => sum_parts(pass, parts, [self.batches, splits], out),
        }
    }
}

/// Bytes of scratch memory that [`mul_mat`](super::mul_mat()) takes on a device for `m` rows of x and weights `[n, k]`: for x rounded, for halves of weights, and for
/// results whose k is shared.
pub fn scratch_of_product(device: &Device, format: Format, [m, n, k]: [usize; 3]) -> u64 {
    let (step, splits, halves) = match Choice::of(device, format, [1, m, n, k]).way {
        Way::Tiles(tiles) => (tiles.size.results().0, tiles.splits, tiles.halves),
        Way::Tensors { splits } => (PIECE, splits, false),
        Way::Few | Way::Panels => return 0,
    };
    let extent = Extent::of_batches(1, splits, [m, n, k]);
    Memory::scratch_bytes(&extent.parts_of_memory(operand(format), step, halves)) as u64
}

#[expect(
    clippy::too_many_arguments,
    reason = "those of the op, and what all of its forms have"
)]
fn multiply(
    pass: &mut Pass,
    op: Op,
    tiles: Tiles,
    w: &Tensor,
    x: &Tensor,
    matrices: Matrices<'_>,
    epilogue: Epilogue<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let extent = Extent::of(op, tiles.splits, w, x.rows(), matrices)?;
    let activations = x.format();
    let results = [extent.batches * extent.m, extent.n];
    let of_out = op.matrix_of("out", out, activations, results[0], results[1])?;
    let second = match epilogue {
        Epilogue::Gate(second) => {
            if (second.format(), second.rows(), second.columns())
                != (w.format(), w.rows(), extent.k)
            {
                let (shape, format) = (second.shape(), second.format());
                let needed = w.format();
                let reason = format!(
                    "has {format} of shape {shape}, must be as the gate, {needed} of {}",
                    w.shape()
                );
                return Err(op.refuse("up", reason));
            }
            op.dense("up", second)?;
            second
        }
        _ => w,
    };
    let (rows, _) = tiles.size.results();
    let operand = operand(w.format());
    let mut memory = extent.memory(pass, operand, rows, tiles.halves)?;
    let halved;
    let w = if tiles.halves {
        let mut values = memory.take(pass, w.len())?;
        dequantize(pass, op, w, &mut values)?;
        halved = Tensor::from_buffer(values.cast()?, Format::F16, *w.shape())?;
        &halved
    } else {
        w
    };
    let product = Product {
        op,
        size: tiles.size,
        w,
        second,
        x: &round_rows(pass, operand, x, rows, &mut memory)?,
        fused: epilogue.bits(),
    };
    if (w.format(), activations) == (Format::F16, Format::F16) {
        return product.record_f16(pass, &extent, &mut of_out.cast()?);
    }
    let mut out = of_out.cast()?;
    let mut parts = extent.parts(pass, &mut memory, &out)?;
    product.record(pass, &extent, &mut parts)?;
    extent.sum(pass, &parts, &mut out)
}

/// What activations are rounded to for weights of a format.
pub(super) fn operand(format: Format) -> Operand {
    match format {
        Format::F32 | Format::BF16 => Operand::TwoBfloats,
        _ => Operand::Half,
    }
}
