//! Which kernel multiplies weights with so many columns, and in pieces of what size: one table, by what a device can do and what weights
//! are, and what is counted from shapes.

use super::{FEW_COLUMNS, MAX_COLUMNS, by};
use crate::Result;
use crate::bench::Meter;
use crate::cases::{Rng, Scales, blocks as random};
use crate::ops::check::Op;
use crate::ops::mul_mm::{RESIDENT, Size, Tiles};
use mettle_gpu::{Device, DeviceKind, Format, Tensor};
use std::fmt;

/// What a device can do, as far as it decides about products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Threads with vector registers and caches of their own.
    Cpu,
    /// Compute units whose threadgroups may have the threadgroup memory that Metal gives them.
    Gpu,
    /// Compute units with much more of it, which one threadgroup may have.
    RoomyGpu,
    /// As `Gpu`, with units for tensor operations.
    TensorGpu,
}

impl Capability {
    /// That of a device.
    pub fn of(device: &Device) -> Capability {
        const ROOMY: usize = 96 * 1024;
        match device.kind() {
            DeviceKind::Cpu => Capability::Cpu,
            _ if device.limits().tensor_units => Capability::TensorGpu,
            _ if device.limits().max_threadgroup_memory >= ROOMY => Capability::RoomyGpu,
            _ => Capability::Gpu,
        }
    }
}

/// Weights that take the same ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// F32, which three products of tensor cores are made for.
    Floats,
    /// F16 and BF16.
    Halves,
    /// Formats of blocks of 32 weights in nine words at most, which `mul_mm` has loaded a step before they are decoded.
    Blocks,
    /// Other formats of blocks.
    OtherBlocks,
}

impl Kind {
    /// That of a format.
    pub fn of(format: Format) -> Kind {
        match format {
            Format::F32 => Kind::Floats,
            Format::F16 | Format::BF16 => Kind::Halves,
            Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 | Format::Q8_0 => {
                Kind::Blocks
            }
            _ => Kind::OtherBlocks,
        }
    }
}

/// What was measured for weights of a kind on devices of a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Of the device.
    pub capability: Capability,
    /// Of the weights.
    pub kind: Kind,
    /// Columns from which on one pass over the weights for all of them (`mul_panel` on CPUs, `mul_mm` and `mul_mm_tensor` on GPUs) is quicker than one for
    /// every few (`mul_mv`).
    pub many: usize,
    /// Threadgroups from which on large pieces of results are quicker than small ones, if ever.
    pub large: Option<usize>,
    /// Threadgroups for each compute unit, up to which several share the k of a piece of results.
    pub share: usize,
    /// Columns from which on it is quicker to make halves of blocks once, in memory, and to multiply these, than to decode blocks for each piece of results, if
    /// ever.
    pub halves: Option<usize>,
}

impl Tuning {
    const fn new(
        capability: Capability,
        kind: Kind,
        many: usize,
        large: Option<usize>,
        share: usize,
    ) -> Tuning {
        Tuning {
            capability,
            kind,
            many,
            large,
            share,
            halves: None,
        }
    }

    /// The same where halves are made of blocks for so many columns and more.
    const fn with_halves(self, halves: usize) -> Tuning {
        Tuning {
            halves: Some(halves),
            ..self
        }
    }
}

/// CPUs: an EPYC with AVX-512, two threads, 3072 x 1024. Eight columns of f32 took 605 us by `mul_mv` and in one pass, of f16 464 and 460; of q4_0 291 and 434, twelve
/// 430 and 540, sixteen 579 and 545; of q6_K 520 and 702, 602 and 690, 798 and 694. Roomy GPUs: an H200, 4096 x 4096. Eight columns of q8_0 took 25 us by `mul_mv`, which takes
/// up to sixteen together, and 31 in one pass by tiles, 12 took 45 and 31; q4_0 29 and 29, 59 and 30; four of f16 took 18 and 31, five 43 and 31; 16 of f32 87
/// and 116, 24 took 138 and 114. With one threadgroup for each compute unit, the pass for 16 columns took 55 us in q8_0, with two 37, four 31, six 38. 256 large
/// threadgroups of f16 that share k took 88 us where 512 small ones took 114, and a model in q4_0 reads prompts of 100 to 256 tokens 9 to 19 % faster with 30 large ones, up
/// to two for each compute unit sharing k, than with small ones up to 96 and 128 and four that share, longer and shorter ones as fast. 128 columns of q4_0 took 51 us as blocks and 46 as halves of them, 256 took 76 and 61; of q8_0 41 and 49, 59 and 62, and 512 90 and 73; 16 of q4_K took 35 and 39, 128 took 63
/// and 47, 16 of q6_K 58 and 41. No other GPU was measured: they have numbers of an H100 from before `mul_mv` staged blocks.
const TABLE: [Tuning; 16] = [
    Tuning::new(Capability::Cpu, Kind::Floats, 8, None, 1),
    Tuning::new(Capability::Cpu, Kind::Halves, 8, None, 1),
    Tuning::new(Capability::Cpu, Kind::Blocks, 16, None, 1),
    Tuning::new(Capability::Cpu, Kind::OtherBlocks, 16, None, 1),
    Tuning::new(Capability::Gpu, Kind::Floats, 16, Some(96), 2),
    Tuning::new(Capability::Gpu, Kind::Halves, 16, Some(96), 2),
    Tuning::new(Capability::Gpu, Kind::Blocks, 16, Some(96), 2),
    Tuning::new(Capability::Gpu, Kind::OtherBlocks, 16, Some(96), 2),
    Tuning::new(Capability::RoomyGpu, Kind::Floats, 24, Some(256), 6),
    Tuning::new(Capability::RoomyGpu, Kind::Halves, 5, Some(30), 4),
    Tuning::new(Capability::RoomyGpu, Kind::Blocks, 9, Some(30), 4).with_halves(256),
    Tuning::new(Capability::RoomyGpu, Kind::OtherBlocks, 9, Some(128), 4).with_halves(9),
    Tuning::new(Capability::TensorGpu, Kind::Floats, 16, None, 2),
    Tuning::new(Capability::TensorGpu, Kind::Halves, 16, None, 2),
    Tuning::new(Capability::TensorGpu, Kind::Blocks, 16, None, 2),
    Tuning::new(Capability::TensorGpu, Kind::OtherBlocks, 16, None, 2),
];

impl Tuning {
    /// The line of the table for a device and weights.
    pub fn of(device: &Device, format: Format) -> Tuning {
        Tuning::line(Capability::of(device), Kind::of(format))
    }

    fn line(capability: Capability, kind: Kind) -> Tuning {
        let line = |tuning: &&Tuning| (tuning.capability, tuning.kind) == (capability, kind);
        // Every pair has one.
        *TABLE.iter().find(line).unwrap_or(&TABLE[0])
    }
}

/// Bytes of the halves that are made of blocks, at most: those of 28672 x 8192.
const MOST_HALVES: usize = 512 << 20;

/// Values of k that are worth a threadgroup of their own.
const SHORTEST_SPLIT: usize = 256;

/// The way a product takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Way {
    /// `mul_mv`: a few columns at a time.
    Few,
    /// `mul_panel`.
    Panels,
    /// `mul_mm`.
    Tiles(Tiles),
    /// `mul_mm_tensor`, with so many threadgroups that share the k of each piece of results.
    Tensors { splits: usize },
}

/// How weights `[batches, n, k]` are multiplied with `[batches, m, k]`, and why. Its `Display` says both.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    pub(in crate::ops) way: Way,
    tuning: Tuning,
    /// The line that pieces of results follow: that of halves, if they are made.
    pieces: Tuning,
    m: usize,
    /// Threadgroups without splits, and compute units.
    groups: usize,
    units: usize,
}

impl Choice {
    /// For a device, weights of a format, and `[batches, m, n, k]`.
    pub fn of(device: &Device, format: Format, shape: [usize; 4]) -> Choice {
        Choice::by(device, Tuning::of(device, format), format, shape)
    }

    /// The same of products that become something else in the same launch, which decodes blocks itself.
    pub(in crate::ops) fn of_fused(device: &Device, format: Format, shape: [usize; 4]) -> Choice {
        let tuning = Tuning {
            halves: None,
            ..Tuning::of(device, format)
        };
        Choice::by(device, tuning, format, shape)
    }

    /// By a line of the table.
    fn by(
        device: &Device,
        tuning: Tuning,
        format: Format,
        [batches, m, n, k]: [usize; 4],
    ) -> Choice {
        let units = device.limits().compute_units.max(1) as usize;
        let halves = tuning.halves.is_some_and(|from| m >= from)
            && 2usize
                .saturating_mul(batches)
                .saturating_mul(n)
                .saturating_mul(k)
                <= MOST_HALVES
            && format.block_len() > 1;
        // As halves they are multiplied by the numbers for these.
        let (format, pieces) = match halves {
            true => (Format::F16, Tuning::line(tuning.capability, Kind::Halves)),
            false => (format, tuning),
        };
        let large = batches * Size::Large.groups(m, n);
        // Two threadgroups of large pieces, with all their registers and memory, are to be on a compute unit at a time.
        let room = device.limits().resident_threadgroup_memory >= RESIDENT * Size::Large.memory(2);
        let size = match pieces.large {
            Some(enough) if room && large >= enough => Size::Large,
            _ => Size::Small,
        };
        let groups = batches * size.groups(m, n);
        let way = match tuning.capability {
            _ if m < tuning.many => Way::Few,
            Capability::Cpu => Way::Panels,
            _ => {
                // What splits write and read again, four bytes a result each way, should be no more than the weights.
                let row = k / format.block_len() * format.block_bytes();
                let worth = (k / SHORTEST_SPLIT).min(row / (8 * m));
                // More large pieces than are on a compute unit at a time would wait for each other.
                let share = match size {
                    Size::Large => pieces.share.min(RESIDENT),
                    Size::Small => pieces.share,
                };
                let idle = share * units / groups.max(1);
                let splits = idle.min(worth).max(1);
                match tuning.capability {
                    Capability::TensorGpu => Way::Tensors { splits },
                    _ => Way::Tiles(Tiles {
                        size,
                        splits,
                        halves,
                    }),
                }
            }
        };
        Choice {
            way,
            tuning,
            pieces,
            m,
            groups,
            units,
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuning {
            capability,
            kind,
            many,
            halves,
            ..
        } = self.tuning;
        let m = self.m;
        match self.way {
            Way::Few => write!(
                f,
                "mul_mv, up to {} columns at a time: {m} columns are fewer than {many}",
                if capability == Capability::Cpu {
                    FEW_COLUMNS
                } else {
                    MAX_COLUMNS
                }
            )?,
            Way::Panels => write!(
                f,
                "mul_panel, all columns in one pass over the weights: {m} columns are at least {many}"
            )?,
            Way::Tiles(Tiles { splits, .. }) | Way::Tensors { splits } => {
                let (groups, units) = (self.groups, self.units);
                match self.way {
                    Way::Tiles(Tiles { size, .. }) => write!(f, "mul_mm in {size:?} pieces")?,
                    _ => f.write_str("mul_mm_tensor")?,
                }
                write!(f, ", {groups} threadgroups for {units} compute units")?;
                if splits > 1 {
                    write!(f, ", so {splits} share the k of each")?;
                }
                write!(f, ": {m} columns are at least {many}")?;
                if let Way::Tiles(Tiles { halves: true, .. }) = self.way {
                    let from = halves.unwrap_or(many);
                    write!(f, ", from {from} on halves are made of blocks")?;
                }
                if let Some(large) = self.pieces.large {
                    write!(f, ", and Large pieces want {large} threadgroups")?;
                }
            }
        }
        write!(f, " ({capability:?}, {kind:?})")
    }
}

/// Whether products with weights of a format make halves of them on a device, if there are columns enough.
pub fn makes_halves(device: &Device, format: Format) -> bool {
    Tuning::of(device, format).halves.is_some()
}

/// A number that was tried, and the median seconds of both ways with cold caches.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// Columns, or threadgroups of large pieces.
    pub number: usize,
    /// By `mul_mv`, in small pieces, or of blocks.
    pub low: f64,
    /// In one pass over the weights, in large pieces, or of halves.
    pub high: f64,
}

/// A line of the table as measured, and what it follows from.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// The line.
    pub tuning: Tuning,
    /// Numbers of columns.
    pub columns: Vec<Tried>,
    /// Large pieces, where there are two sizes.
    pub pieces: Vec<Tried>,
    /// Threadgroups for each compute unit that share k, and the median seconds of [`SHARED_COLUMNS`] columns, where they can.
    pub shares: Vec<(usize, f64)>,
    /// Numbers of columns with blocks as they are and with halves that are made of them, where there are blocks and tiles.
    pub halves: Vec<Tried>,
}

/// Columns with which sharing k is measured: a large device has more compute units than they have pieces of results.
pub const SHARED_COLUMNS: usize = 16;

/// Measures the line of the table for weights `[n, k]` of a format on a meter's device.
///
/// # Errors
/// Weights that no kernel decodes; memory running out; failures of the launches.
pub fn tune(meter: &Meter<'_>, format: Format, [n, k]: [usize; 2]) -> Result<Tuned> {
    const COLUMNS: [usize; 11] = [2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48];
    const PIECES: [usize; 7] = [64, 128, 256, 512, 1024, 2048, 4096];
    const SHARES: [usize; 5] = [1, 2, 4, 6, 8];
    const COLUMNS_OF_HALVES: [usize; 7] = [16, 32, 64, 128, 256, 512, 1024];
    const OP: Op = Op("tune");
    let device = meter.device();
    let row = random(&mut Rng::new(1), format, k, Scales::Typical)?;
    let w = Tensor::quantized(device, format, &row.bytes.repeat(n), [n, k])?;
    let seconds = |way: Way, m: usize| -> Result<f64> {
        let x = Rng::new(2).activations(m * k);
        let x = Tensor::from_slice(device, &x, [m, k])?;
        let mut out = Tensor::zeros::<f32>(device, [m, n])?;
        let measured = meter.measure_launch(|pass| by(pass, OP, way, 1, &w, &x, &mut out))?;
        Ok(measured.cold.median)
    };
    let known = Tuning::of(device, format);
    let mut many = Tuning {
        many: 0,
        halves: None,
        ..known
    };
    let mut shares = Vec::new();
    for share in SHARES
        .into_iter()
        .filter(|_| known.capability != Capability::Cpu)
    {
        let tuning = Tuning { share, ..many };
        let way = Choice::by(device, tuning, format, [1, SHARED_COLUMNS, n, k]).way;
        shares.push((share, seconds(way, SHARED_COLUMNS)?));
    }
    let best = shares.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    many.share = best.map_or(known.share, |&(share, _)| share);
    let mut columns = Vec::new();
    for number in COLUMNS {
        let way = Choice::by(device, many, format, [1, number, n, k]).way;
        let (low, high) = (seconds(Way::Few, number)?, seconds(way, number)?);
        columns.push(Tried { number, low, high });
    }
    let mut pieces = Vec::new();
    let of_two_sizes = matches!(known.capability, Capability::Gpu | Capability::RoomyGpu);
    for m in PIECES.into_iter().filter(|_| of_two_sizes) {
        let tiles = |size| {
            Way::Tiles(Tiles {
                size,
                splits: 1,
                halves: false,
            })
        };
        let (low, high) = (
            seconds(tiles(Size::Small), m)?,
            seconds(tiles(Size::Large), m)?,
        );
        let number = Size::Large.groups(m, n);
        pieces.push(Tried { number, low, high });
    }
    let large = from(&pieces);
    let mut halves = Vec::new();
    let blocks = of_two_sizes && format.block_len() > 1;
    for number in COLUMNS_OF_HALVES.into_iter().filter(|_| blocks) {
        let way = |halves| {
            let tuning = Tuning {
                large,
                halves,
                ..many
            };
            Choice::by(device, tuning, format, [1, number, n, k]).way
        };
        let (low, high) = (seconds(way(None), number)?, seconds(way(Some(0)), number)?);
        halves.push(Tried { number, low, high });
    }
    let tuning = Tuning {
        many: from(&columns).unwrap_or(usize::MAX),
        large,
        halves: from(&halves),
        ..many
    };
    Ok(Tuned {
        tuning,
        columns,
        pieces,
        shares,
        halves,
    })
}

/// The least number from which on all that were tried are quicker the second way.
fn from(tried: &[Tried]) -> Option<usize> {
    let quicker = |tried: &&Tried| tried.high < tried.low;
    let last = tried.iter().rev().take_while(quicker).last();
    last.map(|tried| tried.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mettle_gpu::Preference;

    #[test]
    fn every_pair_has_one_line() {
        for capability in [
            Capability::Cpu,
            Capability::Gpu,
            Capability::RoomyGpu,
            Capability::TensorGpu,
        ] {
            for kind in [Kind::Floats, Kind::Halves, Kind::Blocks, Kind::OtherBlocks] {
                let lines = TABLE
                    .iter()
                    .filter(|t| (t.capability, t.kind) == (capability, kind));
                assert_eq!(lines.count(), 1, "{capability:?} {kind:?}");
            }
        }
    }

    #[test]
    fn choices_say_why() {
        let device = Device::open(Preference::Cpu).unwrap();
        let said = |capability, [m, n]: [usize; 2]| {
            let line = |t: &&Tuning| (t.capability, t.kind) == (capability, Kind::Blocks);
            let tuning = TABLE.iter().find(line).unwrap();
            let choice = Choice::by(&device, *tuning, Format::Q4_0, [1, m, n, 4096]);
            Choice { units: 7, ..choice }.to_string()
        };
        assert_eq!(
            said(Capability::Cpu, [1, 4096]),
            "mul_mv, up to 4 columns at a time: 1 columns are fewer than 16 (Cpu, Blocks)"
        );
        assert_eq!(
            said(Capability::Cpu, [20, 4096]),
            "mul_panel, all columns in one pass over the weights: 20 columns are at least 16 (Cpu, Blocks)"
        );
        assert_eq!(
            said(Capability::RoomyGpu, [512, 4096]),
            "mul_mm in Small pieces, 512 threadgroups for 7 compute units: 512 columns are at least 9, from 256 on halves are made of blocks, and Large pieces want 30 threadgroups (RoomyGpu, Blocks)"
        );
        assert_eq!(
            said(Capability::Gpu, [512, 4096]),
            "mul_mm in Small pieces, 512 threadgroups for 7 compute units: 512 columns are at least 16, and Large pieces want 96 threadgroups (Gpu, Blocks)"
        );
        assert_eq!(
            said(Capability::TensorGpu, [512, 4096]),
            "mul_mm_tensor, 512 threadgroups for 7 compute units: 512 columns are at least 16 (TensorGpu, Blocks)"
        );
    }

    #[test]
    fn few_threadgroups_share_long_rows() {
        let device = Device::open(Preference::Cpu).unwrap();
        let units = device.limits().compute_units.max(1) as usize;
        let tiles =
            |m: usize, k: usize| match Choice::by(&device, TABLE[5], Format::Q4_0, [1, m, 64, k])
                .way
            {
                Way::Tiles(tiles) => tiles.splits,
                other => panic!("{other:?}"),
            };
        assert_eq!(tiles(16, 256), 1);
        assert_eq!(tiles(16, 1 << 20), TABLE[5].share * units);
        // Partial sums of 64 columns, written and read again, are as many bytes as such weights with four splits.
        assert_eq!(tiles(64, 4096), (TABLE[5].share * units).min(4));
    }

    #[test]
    fn numbers_from_which_on_the_second_way_is_quicker() {
        let tried = |quicker: &[bool]| -> Option<usize> {
            let tried = quicker.iter().zip(1..).map(|(&quicker, number)| Tried {
                number,
                low: 2.0,
                high: if quicker { 1.0 } else { 3.0 },
            });
            from(&tried.collect::<Vec<_>>())
        };
        assert_eq!(tried(&[true, false, true, true]), Some(3));
        assert_eq!(tried(&[true, true]), Some(1));
        assert_eq!(tried(&[true, false]), None);
    }
}
