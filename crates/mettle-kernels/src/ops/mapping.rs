//! How kernels over rows are spread over threads.

use mettle_gpu::{Affine, AffineScales, Device, DeviceKind, Format, Grid, Turbo};

/// The two mappings of kernels that reduce rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    /// One thread a row. Nothing waits for anything, so on the CPU device a threadgroup is a plain loop.
    RowPerThread,
    /// A SIMD group or a threadgroup a row, for GPUs.
    RowPerGroup,
}

/// Values of a row that a thread works on at a time: `WIDE` of `mettle/wide.h`.
pub(super) const WIDE: usize = 16;

/// Values that a threadgroup of the CPU device should go through: about half a microsecond. The device hands out several
/// groups at a time; small ones let it share the work evenly.
const VALUES_PER_GROUP: usize = 2048;

impl Mapping {
    /// Both, for cases.
    pub const ALL: [Mapping; 2] = [Mapping::RowPerThread, Mapping::RowPerGroup];

    /// The one that suits a device.
    pub fn of(device: &Device) -> Mapping {
        match device.kind() {
            DeviceKind::Cpu => Mapping::RowPerThread,
            _ => Mapping::RowPerGroup,
        }
    }

    /// For the names of cases.
    pub fn name(self) -> &'static str {
        match self {
            Mapping::RowPerThread => "thread",
            Mapping::RowPerGroup => "group",
        }
    }

    /// Whether a row belongs to one thread: the function constant `ROW_PER_THREAD`.
    pub fn row_per_thread(self) -> bool {
        self == Mapping::RowPerThread
    }

    /// The grid for rows of `columns` values: a thread, or a threadgroup with a thread for each sixteen, up to 256.
    pub fn rows(self, rows: usize, columns: usize) -> Grid {
        match self {
            Mapping::RowPerThread => Grid::elements(rows).threads(rows_per_group(rows, columns)),
            Mapping::RowPerGroup => {
                let threads = columns.div_ceil(WIDE).next_multiple_of(32).min(256);
                Grid::rows(rows).threads(threads)
            }
        }
    }
}

/// How the threads of a row share its values where they do not need each other: `mettle/sixteens.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sixteens {
    /// Sixteen values of a thread lie side by side, for vectors of CPUs.
    SideBySide,
    /// Neighbouring threads take neighbouring values, for GPUs.
    Interleaved,
}

impl Sixteens {
    /// Both, for cases.
    pub const ALL: [Sixteens; 2] = [Sixteens::SideBySide, Sixteens::Interleaved];

    /// Those that suit a device.
    pub fn of(device: &Device) -> Sixteens {
        match device.kind() {
            DeviceKind::Cpu => Sixteens::SideBySide,
            _ => Sixteens::Interleaved,
        }
    }

    /// For the names of cases.
    pub fn name(self) -> &'static str {
        match self {
            Sixteens::SideBySide => "sixteens",
            Sixteens::Interleaved => "interleaved",
        }
    }

    /// The function constant `INTERLEAVED`.
    pub fn interleaved(self) -> bool {
        self == Sixteens::Interleaved
    }

    /// The grid for rows of `columns` values: `[threads of a row, rows]`.
    pub fn rows(self, rows: usize, columns: usize) -> Grid {
        let threads = match self {
            Sixteens::SideBySide => columns.div_ceil(WIDE),
            Sixteens::Interleaved => columns.div_ceil(32 * WIDE) * 32,
        };
        Grid::threads_total([threads, rows])
            .threads([threads.min(256), rows_per_group(rows, columns).min(4)])
    }
}

/// The function constants `BITS`, `GROUP` and `BF16` of `mettle/formats/affine.h`.
pub(super) fn affine_constants(affine: Affine) -> (u32, u32, bool) {
    (
        affine.bits() as u32,
        affine.group() as u32,
        affine.scales() == AffineScales::BF16,
    )
}

/// The function constants `TURBO_BITS` and `TURBO_VALUES` of `mettle/turbo.h`.
pub(super) fn turbo_constants(turbo: Turbo) -> (u32, u32) {
    (turbo.bits() as u32, turbo.values() as u32)
}

/// What the names of cases and bench entries of weights begin with: kernels for affine formats serve all of them.
pub(super) fn label(format: Format) -> String {
    match format {
        Format::Affine(_) => format!("{format}_").to_lowercase(),
        _ => String::new(),
    }
}

/// Rows for one threadgroup of the CPU device, such that groups are about equal and have enough to do.
pub(super) fn rows_per_group(rows: usize, work_per_row: usize) -> usize {
    let groups = rows
        .saturating_mul(work_per_row)
        .div_ceil(VALUES_PER_GROUP)
        .clamp(1, rows.max(1));
    rows.div_ceil(groups).clamp(1, 256)
}
