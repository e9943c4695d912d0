//! How products with a few columns are spread over threads.

use super::tuning::Capability;
use super::{ROWS, VECTOR};
use crate::ops::mapping::WIDE;
use mettle_gpu::{Device, Format, Tensor};

/// Lanes of a SIMD group.
const LANES: usize = 32;

/// How a thread multiplies rows by digits of x: `mettle/rows_by_digits.h`.
pub(super) struct RowsByDigits {
    /// Rows of a thread: enough that making digits is little beside, few enough that threads are about equally busy.
    pub(super) rows: usize,
    /// Bytes of threadgroup memory.
    pub(super) memory: usize,
}

impl RowsByDigits {
    /// For `all_rows` of `w` and of matrices beside it; `None` for formats that are not multiplied by digits.
    pub(super) fn of(device: &Device, w: &Tensor, all_rows: usize) -> Option<RowsByDigits> {
        /// `DIGITS_AT_A_TIME`, and the sixteens of a unit's digits that are no values.
        const AT_A_TIME: usize = 4096;
        const BESIDE: usize = 2;
        /// Threads for each processor.
        const THREADS: usize = 8;
        // `TogetherByDigits`.
        let together = match w.format() {
            Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 => 2,
            Format::Q4_K | Format::Q5_K => 2,
            Format::Q2_K | Format::Q3_K | Format::Q6_K => 1,
            _ => return None,
        };
        let units = AT_A_TIME / (4 * together * WIDE);
        let words = (3 * together + BESIDE) * WIDE;
        let processors = device.limits().compute_units.max(1) as usize;
        let rows = all_rows / (THREADS * processors);
        Some(RowsByDigits {
            rows: rows.clamp(16, 128),
            memory: units * words * size_of::<f32>(),
        })
    }
}

/// How a launch is spread over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Spread {
    /// One thread a row.
    RowPerThread,
    /// A threadgroup for four rows.
    RowsPerGroup,
    /// A SIMD group for four rows, whose blocks go through threadgroup memory and meet the digits of x there.
    Staged,
}

impl Spread {
    pub(super) const ALL: [Spread; 3] =
        [Spread::RowPerThread, Spread::RowsPerGroup, Spread::Staged];

    /// The one that suits a device and weights. Staging takes some 96 KB of threadgroup memory for the threads that a compute unit has
    /// registers for. Where one threadgroup may have as much it wins; elsewhere it would leave compute units idle.
    pub(super) fn of(device: &Device, format: Format) -> Spread {
        match Capability::of(device) {
            Capability::Cpu => Spread::RowPerThread,
            Capability::RoomyGpu if has_whole_numbers(format) => Spread::Staged,
            Capability::Gpu | Capability::RoomyGpu | Capability::TensorGpu => Spread::RowsPerGroup,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Spread::RowPerThread => "thread",
            Spread::RowsPerGroup => "group",
            Spread::Staged => "staged",
        }
    }
}

/// Whether the values of a format are known as whole numbers of a byte times a scale, which products with digits are made of:
/// `whole_numbers` of `mettle/formats/block.h`. How large blocks are that only function constants tell apart is not known there.
pub(super) fn has_whole_numbers(format: Format) -> bool {
    format.block_len() > 1
        && !matches!(
            format,
            Format::F8_E4M3 | Format::F8_E5M2 | Format::Affine(_)
        )
}

/// How a staged launch of `mul_mv.metal` is laid out.
pub(super) struct Staging {
    /// Chunks of x whose digits a threadgroup has at a time.
    pub(super) chunks: usize,
    /// Rows that a SIMD group takes together.
    pub(super) rows: usize,
    /// SIMD groups that share such rows.
    pub(super) slices: usize,
    /// SIMD groups of a threadgroup.
    pub(super) simd_groups: usize,
    /// Threadgroups of each step of columns.
    pub(super) groups: usize,
    /// Bytes of threadgroup memory.
    pub(super) memory: usize,
}

/// Of `2 * MAX_SIMD_GROUPS` floats.
const HEAD: usize = 2 * 32 * size_of::<f32>();

/// SIMD groups of a threadgroup, at least.
const FEWEST_SIMD_GROUPS: usize = 2;

/// Batches of rows of a SIMD group: `STAGES` of `mettle/staged.h`.
const STAGES: usize = 2;

impl Staging {
    /// As many columns as a threadgroup has memory for at a time, up to `most`, with a chunk of the digits of each.
    pub(super) fn columns(device: &Device, format: Format, most: usize) -> usize {
        let fits = |columns: &usize| {
            let chunk = Chunk::of(format, *columns);
            let products = 2 * columns * chunk.rows * size_of::<f32>();
            let of_simd_group = STAGES * chunk.batch + products;
            let least = HEAD + FEWEST_SIMD_GROUPS * of_simd_group + chunk.digits(*columns);
            least <= device.limits().max_threadgroup_memory
        };
        let halves = |columns: &usize| (*columns > 1).then_some(columns / 2);
        let mut tried = std::iter::successors(Some(most), halves);
        tried.find(fits).unwrap_or(1)
    }

    /// For the launch of a product with `w`.
    pub(super) fn of(device: &Device, w: &Tensor, staged: Staged) -> Staging {
        /// Those of a compute unit, as many as its registers are enough for.
        const SIMD_GROUPS: usize = 16;
        let Staged {
            rows,
            rows_of_others,
            columns,
            steps,
            gate,
        } = staged;
        let limits = device.limits();
        let chunk = Chunk::of(w.format(), columns);
        let digits = chunk.digits(columns);
        let all = w.columns().div_ceil(chunk.values);
        let units = rows.div_ceil(chunk.rows) + 2 * rows_of_others.div_ceil(chunk.rows);
        let products = columns * chunk.rows * (1 + usize::from(gate)) * size_of::<f32>();
        // A threadgroup has as many SIMD groups as there is memory for, with the digits of one chunk and a unit for each.
        let staged = STAGES * chunk.batch;
        let room = |simd_groups: usize| {
            let staged = simd_groups * staged;
            let least = HEAD + staged + digits + simd_groups * products;
            (limits.max_threadgroup_memory >= least)
                .then(|| limits.max_threadgroup_memory - HEAD - staged)
        };
        let (simd_groups, room) = [SIMD_GROUPS, SIMD_GROUPS / 2]
            .into_iter()
            .find_map(|simd_groups| Some((simd_groups, room(simd_groups)?)))
            .unwrap_or_else(|| {
                let least = digits + FEWEST_SIMD_GROUPS * products;
                (
                    FEWEST_SIMD_GROUPS,
                    room(FEWEST_SIMD_GROUPS).unwrap_or(least),
                )
            });
        let resident = SIMD_GROUPS / simd_groups * (limits.compute_units as usize).max(1);
        let fewest = units.div_ceil((room - digits) / products);
        let groups = (resident / steps).max(fewest).clamp(1, units.max(1));
        let own = units.div_ceil(groups);
        // With so many slices, how many chunks have room, and how many a SIMD group goes through.
        let sharing = |slices: usize| {
            let room = room.checked_sub(own * slices * products)? / digits;
            let chunks = match all.min(room) {
                some if some < all => some / slices * slices,
                all => all,
            };
            // A unit's end takes an eighth of a chunk's time.
            let time = own.div_ceil(simd_groups / slices) * (8 * all.div_ceil(slices) + 1);
            (slices <= chunks).then_some((time, slices, chunks))
        };
        let (_, slices, chunks) = [1, 2, 4, 8, 16]
            .into_iter()
            .filter(|&slices| simd_groups.is_multiple_of(slices))
            .filter_map(sharing)
            .min()
            .unwrap_or((0, 1, 1));
        Staging {
            chunks,
            rows: chunk.rows,
            slices,
            simd_groups,
            groups,
            memory: HEAD + simd_groups * staged + chunks * digits + own * slices * products,
        }
    }
}

/// What a staged launch computes.
#[derive(Clone, Copy)]
pub(super) struct Staged {
    /// Of the first matrix.
    pub(super) rows: usize,
    /// Of each of the other two.
    pub(super) rows_of_others: usize,
    /// Of a step.
    pub(super) columns: usize,
    pub(super) steps: usize,
    /// Whether each row meets one of the gated matrix.
    pub(super) gate: bool,
}

/// `PartsOfLane` and `Chunk` of `mettle/staged.h`.
struct Chunk {
    parts: usize,
    values: usize,
    /// Rows that a SIMD group takes together.
    rows: usize,
    /// Bytes of rows that a SIMD group fetches together.
    batch: usize,
}

impl Chunk {
    /// Bytes of its digits of x.
    fn digits(&self, columns: usize) -> usize {
        columns * LANES * (self.parts * WIDE + 4) * size_of::<f32>()
    }

    fn of(format: Format, columns: usize) -> Chunk {
        let (len, bytes) = (format.block_len(), format.block_bytes());
        // Sixteens that come from the same bytes.
        let four = matches!(format, Format::Q4_K | Format::Q5_K);
        let parts = match (len, columns) {
            (32, 1) => 4,
            (_, 1) if four => 4,
            (32, _) | (_, 1) => 2,
            _ => 1,
        };
        let values = LANES * parts * WIDE;
        let row = values / len * bytes;
        let on_their_way = if row > 1024 { ROWS / 2 } else { ROWS };
        let batch = on_their_way * row.next_multiple_of(VECTOR);
        Chunk {
            parts,
            values,
            rows: if row > 2048 { ROWS } else { on_their_way },
            batch,
        }
    }
}
