//! Tokens sorted by expert.

use std::ops::Range;

use super::check::Op;
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::moe_sort::{Constants, Params, U32};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Device, Format, Grid, Pass, Tensor};

const OP: Op = Op("moe_sort");

/// What stands for no token and no expert: `NONE` of `moe_sort.metal`.
pub(super) const NONE: u32 = u32::MAX;

/// SIMD groups of the threadgroup that sorts, at most, and counters that it has in memory for them; one of them has those of all experts.
const SIMD_GROUPS: usize = 16;
const COUNTERS: usize = 4096;

/// Pairs of a token and an expert in the order of their experts, in pieces of rows that have one in common: see [`moe_sort()`].
#[derive(Clone, Debug)]
pub struct SortedExperts {
    experts: Tensor,
    tokens: Tensor,
    rows: Tensor,
    /// Rows of a piece.
    step: usize,
}

impl SortedExperts {
    /// Memory for `tokens` that have `slots` experts each of `experts`, in pieces of `step` rows.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for no tokens, slots, experts or rows of a piece; memory running out.
    pub fn new(
        device: &Device,
        [tokens, slots]: [usize; 2],
        experts: usize,
        step: usize,
    ) -> Result<SortedExperts> {
        if [tokens, slots, experts, step].contains(&0) {
            let reason = format!(
                "are to be {tokens} x {slots} pairs of {experts} experts in pieces of {step}, must all be at least one"
            );
            return Err(OP.refuse("sorted", reason));
        }
        let pieces = pieces(tokens * slots, experts, step);
        Ok(SortedExperts {
            experts: Tensor::empty::<u32>(device, [pieces])?,
            tokens: Tensor::empty::<u32>(device, [pieces * step])?,
            rows: Tensor::empty::<u32>(device, [tokens, slots])?,
            step,
        })
    }

    /// The part of this memory that `tokens` of `experts` take, of which there are no more than it was made for.
    ///
    /// # Errors
    /// More of them.
    pub fn part(&self, tokens: usize, experts: usize) -> Result<SortedExperts> {
        let pieces = pieces(tokens * self.rows.columns(), experts, self.step);
        Ok(SortedExperts {
            experts: self.experts.rows_range(0..pieces)?,
            tokens: self.tokens.rows_range(0..pieces * self.step)?,
            rows: self.rows.rows_range(0..tokens)?,
            step: self.step,
        })
    }

    /// As the host has arranged pairs: the expert of each piece of `step` rows, the token of each row, and the row of each pair, `[tokens, slots]`.
    pub(super) fn arranged(
        device: &Device,
        [experts, tokens, rows]: [&[u32]; 3],
        slots: usize,
        step: usize,
    ) -> Result<SortedExperts> {
        Ok(SortedExperts {
            experts: Tensor::from_slice(device, experts, [experts.len()])?,
            tokens: Tensor::from_slice(device, tokens, [tokens.len()])?,
            rows: Tensor::from_slice(device, rows, [rows.len() / slots, slots])?,
            step,
        })
    }

    /// Some of the pieces, with the rows that they have.
    pub(super) fn pieces(&self, range: Range<usize>) -> Result<SortedExperts> {
        let rows = range.start * self.step..range.end * self.step;
        Ok(SortedExperts {
            experts: self.experts.rows_range(range)?,
            tokens: self.tokens.rows_range(rows)?,
            rows: self.rows.clone(),
            step: self.step,
        })
    }

    /// Rows of a piece.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// For cases: pairs in these rows.
    pub(super) fn of_rows(rows: Tensor, tokens: Tensor) -> SortedExperts {
        SortedExperts {
            experts: tokens.clone(),
            tokens,
            rows,
            step: 1,
        }
    }

    /// The expert of each piece, u32; `u32::MAX` for a piece that is left over.
    pub fn experts(&self) -> &Tensor {
        &self.experts
    }

    /// The token of each row of the pieces, u32; `u32::MAX` for a row that is left over.
    pub fn tokens(&self) -> &Tensor {
        &self.tokens
    }

    /// The row of each pair, u32 `[tokens, slots]`.
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }
}

/// The most pieces of `step` rows that so many pairs can take: each expert that is not without any leaves up to `step - 1` rows over.
fn pieces(pairs: usize, experts: usize, step: usize) -> usize {
    (pairs + experts.min(pairs) * (step - 1)) / step
}

/// Sorts the pairs of a token and an expert by expert, those of an expert in their own order. Each expert has whole pieces of as many rows
/// as `sorted` was made for, and none where no token has it. `ids` is u32 `[tokens, slots]`; an id that is not below `experts` stands for
/// the last one, as in [`mul_mat_id`](super::mul_mat_id).
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for another format, gaps, no experts, or memory for other numbers of them; those of the
/// launch, when the memory for it does not suffice for so many experts among others.
pub fn moe_sort(
    pass: &mut Pass,
    ids: &Tensor,
    experts: usize,
    sorted: &mut SortedExperts,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, ids, experts, sorted)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    ids: &Tensor,
    experts: usize,
    sorted: &mut SortedExperts,
) -> Result<()> {
    let (tokens, slots) = (ids.rows(), ids.columns());
    let pairs = tokens.saturating_mul(slots);
    if experts == 0 {
        return Err(OP.refuse("experts", "are none, must be at least one"));
    }
    let (of_sorted, step) = (sorted.experts.len(), sorted.step);
    let needed = pieces(pairs, experts, step);
    if of_sorted < needed {
        let reason = format!("has {of_sorted} pieces of {step} rows, must have {needed}");
        return Err(OP.refuse("sorted", reason));
    }
    let simd_groups = (COUNTERS / experts).clamp(1, SIMD_GROUPS);
    let (grid, counters) = match mapping {
        Mapping::RowPerThread => (Grid::elements(1).threads(1), experts),
        Mapping::RowPerGroup => (
            Grid::rows(1).threads(32 * simd_groups),
            simd_groups * experts,
        ),
    };
    let kernel = U32 {
        ids: &OP.values("ids", ids)?,
        experts: &mut OP.values("sorted", &sorted.experts)?,
        tokens: &mut OP.values("sorted", &sorted.tokens)?,
        rows: &mut OP.matrix("sorted", &sorted.rows, tokens, slots)?,
        params: Params {
            pairs: OP.size("ids", pairs)?,
            slots: OP.size("ids", slots)?,
            experts: OP.size("experts", experts)?,
            step: OP.size("sorted", step)?,
            pieces: OP.size("sorted", of_sorted)?,
        },
        memory: counters * size_of::<u32>(),
        constants: Constants {
            alone: mapping.row_per_thread(),
        },
    };
    Ok(pass.dispatch(kernel, grid)?)
}

/// The cases of `moe_sort.metal`: one pair, pieces of one row, experts without a token and with more than a piece, more experts than threads, more
/// tokens than are on their way at a time, such that all have the same expert, and ids that there are not.
pub(crate) fn family() -> Family {
    Family::new("moe_sort", Tolerance::EXACT, |cases| {
        for mapping in Mapping::ALL {
            let mut add = |tokens, slots, experts, step| {
                add_case(
                    cases,
                    mapping,
                    [tokens, slots],
                    experts,
                    step,
                    Ids::Distinct,
                );
            };
            add(1, 1, 1, 1);
            add(1, 8, 60, 8);
            add(5, 2, 3, 1);
            add(40, 6, 20, 8);
            add(130, 2, 5, 64);
            add(3, 4, 700, 8);
            add(700, 3, 700, 8);
            add(1100, 8, 128, 64);
            add_case(cases, mapping, [70, 1], 9, 8, Ids::AllTheSame);
            add_case(cases, mapping, [20, 3], 7, 4, Ids::SomeThereAreNot);
        }
    })
    .benches(benches)
}

#[derive(Clone, Copy, Debug)]
enum Ids {
    Distinct,
    AllTheSame,
    SomeThereAreNot,
}

fn add_case(
    cases: &mut Cases,
    mapping: Mapping,
    [tokens, slots]: [usize; 2],
    experts: usize,
    step: usize,
    kind: Ids,
) {
    let name = format!(
        "{}_tokens{tokens}_slots{slots}_experts{experts}_step{step}_{kind:?}",
        mapping.name()
    )
    .to_lowercase();
    cases.add("moe_sort_u32", name, move |run: &mut Run<'_>| {
        let ids: Vec<u32> = (0..tokens)
            .flat_map(|_| run.rng().permutation(experts).into_iter().take(slots))
            .enumerate()
            .map(|(i, id)| match kind {
                Ids::Distinct => id as u32,
                Ids::AllTheSame => 4,
                Ids::SomeThereAreNot if i % 5 == 0 => u32::MAX - id as u32,
                Ids::SomeThereAreNot => id as u32,
            })
            .collect();
        let count = pieces(ids.len(), experts, step);
        let given = run.input(&ids, [tokens, slots])?;
        let mut sorted = SortedExperts {
            experts: run.output(Format::U32, [count])?,
            tokens: run.output(Format::U32, [count * step])?,
            rows: run.output(Format::U32, [tokens, slots])?,
            step,
        };
        run.pass(|pass| mapped(pass, mapping, &given, experts, &mut sorted))?;
        let expected = |which: usize| {
            let all = reference(&ids, slots, experts, step, count);
            all[which].iter().map(|&x| Expected::exact(x)).collect()
        };
        for (which, out) in [&sorted.experts, &sorted.tokens, &sorted.rows]
            .into_iter()
            .enumerate()
        {
            run.check(out, || expected(which))?;
        }
        Ok(())
    });
}

/// The expert of each piece, the token of each row, and the row of each pair.
fn reference(
    ids: &[u32],
    slots: usize,
    experts: usize,
    step: usize,
    pieces: usize,
) -> [Vec<u32>; 3] {
    let (mut of_pieces, mut of_rows) = (Vec::new(), Vec::new());
    let mut rows = vec![0; ids.len()];
    for expert in 0..experts {
        for (pair, &id) in ids.iter().enumerate() {
            if (id as usize).min(experts - 1) == expert {
                rows[pair] = of_rows.len() as u32;
                of_rows.push((pair / slots) as u32);
            }
        }
        of_rows.resize(of_rows.len().next_multiple_of(step), NONE);
        of_pieces.resize(of_rows.len() / step, expert as u32);
    }
    of_pieces.resize(pieces, NONE);
    of_rows.resize(pieces * step, NONE);
    [of_pieces, of_rows, rows]
}

/// Prompts of a model of 128 experts.
fn benches(benches: &mut Benches) {
    let (slots, experts) = (8, 128);
    for tokens in [512_usize, 2048] {
        let pairs = tokens * slots;
        benches.add(
            "moe_sort_u32",
            format!("tokens{tokens}_slots{slots}_experts{experts}"),
            Work::new(12 * pairs, pairs),
            move |setup| {
                let ids: Vec<u32> = (0..pairs).map(|i| (i * 37 % experts) as u32).collect();
                let ids = setup.of(&ids)?.reshape([tokens, slots])?;
                let device = setup.device();
                let mut sorted = SortedExperts::new(device, [tokens, slots], experts, 64)?;
                Ok(Box::new(move |pass| {
                    moe_sort(pass, &ids, experts, &mut sorted)
                }))
            },
        );
    }
}
