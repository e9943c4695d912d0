//! Hadamard transforms of heads: randomised ones, for caches in the blocks of TurboQuant (Zandieh et al., 2025).
//!
//! Attention is the same among heads that have all been through one transform that changes no length: so queries, keys and values are
//! transformed, keys and values are cached in codes of few bits (by [`kv_append`](super::kv_append()), in
//! [`Format::Turbo`](mettle_gpu::Format::Turbo)), attention reads these, and what comes out of it is transformed back.

use super::check::Op;
use super::mapping::{Mapping, rows_per_group};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::hadamard::{self, Constants, Params};
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Grid, Pass, Tensor};

const OP: Op = Op("hadamard");

/// SIMD groups of a threadgroup. They have nothing in common; a few are enough to hide each other's waiting.
const SIMD_GROUPS: usize = 4;

/// Heads that can be transformed.
pub(super) const HEAD_SIZES: [usize; 4] = [64, 128, 256, 512];

/// A direction of [`hadamard()`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hadamard {
    /// `H (s * x) / sqrt(head_size)`, with fixed signs s and the Walsh-Hadamard transform H in natural order.
    Forward,
    /// `s * (H x) / sqrt(head_size)`: what undoes it.
    Inverse,
    /// `(H x) / sqrt(head_size)`, without signs: its own inverse. Values are not always about normal afterwards.
    Unsigned,
}

/// Transforms every head of `x`, f32 `[.., head_size]`, in place. Heads have 64, 128, 256 or 512 values. No length and no product of two heads
/// changes, and after [`Hadamard::Forward`] the values of a head are about normal, whatever they were.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats, heads of other sizes, or gaps.
pub fn hadamard(pass: &mut Pass, direction: Hadamard, x: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, direction, x)
}

pub(super) fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    direction: Hadamard,
    x: &mut Tensor,
) -> Result<()> {
    let (heads, head_size) = (x.rows(), x.columns());
    if !HEAD_SIZES.contains(&head_size) {
        return Err(OP.refuse(
            "x",
            format!("has heads of {head_size}, must have heads of {HEAD_SIZES:?}"),
        ));
    }
    let kernel = hadamard::F32 {
        x: &mut OP.values("x", x)?,
        params: Params {
            heads: OP.size("x", heads)?,
            head_size: head_size as u32,
            inverse: (direction == Hadamard::Inverse).into(),
        },
        constants: Constants {
            row_per_thread: mapping.row_per_thread(),
            signed: direction != Hadamard::Unsigned,
        },
    };
    let grid = match mapping {
        Mapping::RowPerThread => Grid::elements(heads).threads(rows_per_group(heads, head_size)),
        Mapping::RowPerGroup => Grid::groups(heads.div_ceil(SIMD_GROUPS)).threads(32 * SIMD_GROUPS),
    };
    Ok(pass.dispatch(kernel, grid)?)
}

/// The cases of `hadamard.metal`: heads of every size in both directions and without signs, more of them than a threadgroup takes.
pub(crate) fn family() -> Family {
    Family::new("hadamard", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for head_size in HEAD_SIZES {
                for direction in [Hadamard::Forward, Hadamard::Inverse, Hadamard::Unsigned] {
                    let name =
                        format!("{}_{direction:?}_head{head_size}", mapping.name()).to_lowercase();
                    cases.add("hadamard_f32", name, move |run| {
                        let values = run.rng().activations(5 * head_size);
                        let mut x = run.input(&values, [5, head_size])?;
                        run.pass(|pass| mapped(pass, mapping, direction, &mut x))?;
                        run.check(&x, || {
                            let exact = |&x: &f32| Expected::near(x.into(), x.abs().into());
                            let x: Vec<Expected> = values.iter().map(exact).collect();
                            reference(direction, &x, head_size)
                        })
                    });
                }
            }
        }
    })
    .benches(benches)
}

/// 32 heads of 128: of a token, and of a prompt.
fn benches(benches: &mut Benches) {
    let (heads, head_size) = (32, 128);
    for tokens in [1, 512] {
        let values = tokens * heads * head_size;
        benches.add(
            "hadamard_f32",
            format!("tokens{tokens}_heads{heads}_head{head_size}"),
            Work::new(8 * values, 8 * values),
            move |setup| {
                let mut x = setup.values([tokens, heads, head_size])?;
                Ok(Box::new(move |pass| {
                    hadamard(pass, Hadamard::Forward, &mut x)
                }))
            },
        );
    }
}

/// By the definition: entry i, j of the transform is 1 where `i & j` has an even number of bits, else -1.
pub(super) fn reference(direction: Hadamard, x: &[Expected], head_size: usize) -> Vec<Expected> {
    let odd = |bits: u32| if bits % 2 == 1 { -1.0 } else { 1.0 };
    let sign = |i: usize| odd(SIGNS[i / 32] >> (i % 32));
    let root = (head_size as f64).sqrt();
    let of_head = |head: &[Expected], i: usize| {
        let term = |(j, x): (usize, &Expected)| {
            let sign = match direction {
                Hadamard::Forward => sign(j),
                Hadamard::Inverse => sign(i),
                Hadamard::Unsigned => 1.0,
            };
            x.value() * sign * odd((i & j).count_ones()) / root
        };
        let magnitudes = head.iter().map(|x| x.magnitude() / root);
        Expected::near(head.iter().enumerate().map(term).sum(), magnitudes.sum())
    };
    let heads = x.chunks_exact(head_size);
    heads
        .flat_map(|head| (0..head_size).map(move |i| of_head(head, i)))
        .collect()
}

/// The first 512 bits of the fraction of pi: `HADAMARD_SIGNS` of `mettle/hadamard.h`.
#[rustfmt::skip]
const SIGNS: [u32; 16] = [
    0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89,
    0x4528_21e6, 0x38d0_1377, 0xbe54_66cf, 0x34e9_0c6c, 0xc0ac_29b7, 0xc97c_50dd, 0x3f84_d5b5, 0xb547_0917,
];
