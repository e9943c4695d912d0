//! How products with a few columns are spread over threads.

use super::{ROWS, SIMD_GROUPS, VECTOR};
use crate::ops::mapping::{Mapping, WIDE};
use mettle_gpu::{Device, Format, Tensor};

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
        const AT_A_TIME: usize = 2048;
        const BESIDE: usize = 2;
        /// Threads for each processor.
        const THREADS: usize = 8;
        // `TogetherByDigits`.
        let together = match w.format() {
            Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 => 2,
            Format::Q4_K | Format::Q5_K => 2,
            Format::Q6_K => 1,
            _ => return None,
        };
        let units = AT_A_TIME / (4 * together * WIDE);
        let words = (3 * together + BESIDE) * WIDE;
        let processors = device.limits().compute_units.max(1) as usize;
        let rows = all_rows / (THREADS * processors);
        Some(RowsByDigits {
            rows: rows.clamp(16, 128),
            memory: 2 * units * words * size_of::<f32>(),
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

    /// The one that suits a device and weights. Staging takes up to 32 KB of threadgroup memory for 128 threads. Where as
    /// many threadgroups as hide the latency of memory have that together, it wins; elsewhere it would leave compute units
    /// idle.
    pub(super) fn of(device: &Device, format: Format) -> Spread {
        const GROUPS: usize = 4;
        let limits = device.limits();
        match Mapping::of(device) {
            Mapping::RowPerThread => Spread::RowPerThread,
            Mapping::RowPerGroup
                if has_whole_numbers(format)
                    && limits.resident_threadgroup_memory
                        >= GROUPS * limits.max_threadgroup_memory =>
            {
                Spread::Staged
            }
            Mapping::RowPerGroup => Spread::RowsPerGroup,
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
    /// How often a threadgroup takes rows: making digits once for all of them is worth it when there are enough threadgroups.
    pub(super) turns: usize,
    /// Bytes of threadgroup memory.
    pub(super) memory: usize,
}

impl Staging {
    /// For `all_rows` of `w` and of matrices beside it.
    pub(super) fn of(device: &Device, w: &Tensor, all_rows: usize, columns: usize) -> Staging {
        const LANES: usize = 32;
        /// Bytes that every device has.
        const MEMORY: usize = 32 * 1024;
        /// Of `2 * MAX_SIMD_GROUPS` floats.
        const HEAD: usize = 2 * 32 * size_of::<f32>();
        /// Rows of a threadgroup, at most.
        const MOST_ROWS: usize = 128;
        /// Threadgroups that a compute unit works on at a time.
        const RESIDENT: usize = 4;
        let (len, bytes) = (w.format().block_len(), w.format().block_bytes());
        // As `PartsOfLane` and `Chunk` of `mettle/staged.h` have them.
        let parts = match (len, columns) {
            (32, 1) => 4,
            (32, _) | (_, 1) => 2,
            _ => 1,
        };
        let values = LANES * parts * WIDE;
        let row = values / len * bytes;
        let on_their_way = if row > 1024 { ROWS / 2 } else { ROWS };
        let rows = if row > 2048 { ROWS } else { on_their_way };
        let batch = SIMD_GROUPS * on_their_way * row.next_multiple_of(VECTOR);
        let digits = columns * LANES * (parts * WIDE + 4) * size_of::<f32>();
        let all = w.columns().div_ceil(values);
        let chunks = all.min((MEMORY - HEAD - batch) / digits).max(1);
        let units = device.limits().compute_units as usize;
        // So many that all threadgroups run at a time, if that is not too many.
        let turns = match chunks == all {
            true => all_rows.div_ceil(rows * SIMD_GROUPS * RESIDENT * units.max(1)),
            false => 1,
        };
        Staging {
            chunks,
            rows,
            turns: turns.clamp(1, MOST_ROWS / (rows * SIMD_GROUPS)),
            memory: HEAD + chunks * digits + batch,
        }
    }
}
