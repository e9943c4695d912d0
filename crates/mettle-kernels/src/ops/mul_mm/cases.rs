//! The cases and bench entries of products of many columns, by tiles and by tensor operations.

use super::{
    Epilogue, Matrices, ROWS_OF_EXPERT, Size, Tiles, mul_mm, mul_mm_experts, mul_mm_of_tokens,
    mul_mm_with,
};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::{FORMATS, mul_mm as tiles, mul_mm_tensor as tensors};
use crate::cases::{Cases, Expected, Family, Tolerance};
use crate::ops::check::Op;
use crate::ops::fused_products::{mul_mat_accumulate, mul_mat_swiglu};
use crate::ops::mapping::label;
use crate::ops::moe_sort::{NONE, SortedExperts};
use crate::ops::mul_mm_tensor::{Results, multiply as multiply_tensors};
use crate::ops::mul_mv::{mul_mat, reference, swiglu};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("mul_mat");

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum By {
    Small,
    Large,
    /// Small, of halves that are made before.
    Halves,
    Tensors,
}

impl By {
    /// The kernel's name.
    pub fn kernel(self, format: Format) -> &'static str {
        match (self, format) {
            (By::Tensors, Format::Affine(_)) => "mul_mm_tensor_affine_f32",
            (By::Tensors, _) => tensors::F32Of::of(format).map_or("none", tensors::F32Of::name),
            (_, Format::Affine(_)) => "mul_mm_affine_f32",
            (By::Halves, _) => "mul_mm_f16_f32",
            _ => tiles::F32Of::of(format).map_or("none", tiles::F32Of::name),
        }
    }

    /// What tells formats apart in the names of a kernel's cases.
    fn label(self, format: Format) -> String {
        match self {
            By::Halves => format!("{format}_").to_lowercase(),
            _ => label(format),
        }
    }

    /// `out = x w^T` for batches.
    pub fn multiply(
        self,
        pass: &mut Pass,
        [batches, splits]: [usize; 2],
        w: &Tensor,
        x: &Tensor,
        out: &mut Tensor,
    ) -> Result<()> {
        let size = match self {
            By::Small | By::Halves => Size::Small,
            By::Large => Size::Large,
            By::Tensors => {
                let matrices = Matrices::Batches(batches);
                return multiply_tensors(pass, OP, splits, w, x, matrices, Results::Rows(out));
            }
        };
        let tiles = Tiles {
            size,
            splits,
            halves: self == By::Halves,
        };
        mul_mm(pass, OP, tiles, batches, w, x, out)
    }

    fn multiply_experts(
        self,
        pass: &mut Pass,
        w: &Tensor,
        x: &Tensor,
        experts: &Tensor,
        out: &mut Tensor,
    ) -> Result<()> {
        const OP: Op = Op("mul_mat_sorted");
        match self {
            By::Tensors => {
                let matrices = Matrices::Experts(experts);
                multiply_tensors(pass, OP, 1, w, x, matrices, Results::Rows(out))
            }
            _ => mul_mm_experts(pass, OP, w, x, experts, out),
        }
    }
}

/// Both factors are rounded to half: each product is off by up to two times 2^-11, that is 2^-10 or 8192 steps of f32, and
/// its mean square error is at most two times 2^-22 / 3 of its square. Halves below 2^-14, of values 2^-28 times as large as
/// the largest of their row, have fewer bits and count less. The sums' own rounding comes on top.
const HALVES: Tolerance = Tolerance {
    nmse: 1.6e-7,
    steps: 8192.0 + 64.0,
};

/// Two bfloats leave out up to 2^-18 of a value, 32 steps of f32: for weights of bf16 of x, for those of f32 of x, of the
/// weights, and once more with the product that is not made. Tensor cores cut off what their sums cannot hold, up to a step
/// each of the k / 16 times.
const BFLOATS: Tolerance = Tolerance {
    nmse: 1e-10,
    steps: 3.0 * 32.0 + 64.0,
};

pub(in crate::ops) fn tolerance(format: Format) -> Tolerance {
    match format {
        Format::F32 | Format::BF16 => BFLOATS,
        _ => HALVES,
    }
}

/// The cases of `mul_mm.metal`: one row and column, tiles that are not full, several threadgroups, both sizes, weights that become halves first, steps that are
/// not full for dense weights, and rows of very large and small values.
pub(crate) fn family() -> Family {
    Family::new("mul_mm", HALVES, |cases| {
        for format in FORMATS {
            let block = format.block_len().max(32);
            add(cases, By::Small, format, (1, 1, block), 1.0);
            add(cases, By::Small, format, (70, 66, 2 * block), 1.0);
            add(cases, By::Large, format, (131, 17, block), 1.0);
            add_of_experts(cases, By::Small, format, (5, block));
            if format.block_len() == 1 {
                add_of_experts(cases, By::Small, format, (3, 45));
                add(cases, By::Small, format, (3, 5, 45), 1.0);
                add(cases, By::Large, format, (9, 130, 72), 1.0);
            }
        }
        for format in [
            Format::F32,
            Format::F16,
            Format::BF16,
            Format::Q4_0,
            Format::Q4_K,
        ] {
            let block = format.block_len().max(32);
            // Splits of unlike length, and more of them than there are steps.
            add_split(cases, By::Small, format, [1, 5, 9, 7 * block], 3);
            add_split(cases, By::Small, format, [1, 66, 70, 2 * block], 20);
            add_split(cases, By::Small, format, [3, 65, 5, block], 1);
            add_split(cases, By::Small, format, [2, 3, 70, 3 * block], 2);
        }
        for format in [Format::Q4_0, Format::Q5_K, Format::Q6_K] {
            let block = format.block_len().max(32);
            add(cases, By::Halves, format, (70, 66, 2 * block), 1.0);
            add_split(cases, By::Halves, format, [2, 3, 70, 3 * block], 2);
        }
        // In the scratch memory of the pass: halves are more than a megabyte, or rows of x are.
        add(cases, By::Halves, Format::Q4_0, (20, 1100, 512), 1.0);
        add_split(cases, By::Halves, Format::Q6_K, [2, 5, 600, 512], 2);
        add_split(cases, By::Small, Format::Q4_0, [2, 300, 9, 1024], 3);
        for format in [Format::BF16, Format::Q1_0] {
            let block = format.block_len().max(32);
            for by in [By::Small, By::Large] {
                for gate in [false, true] {
                    add_fused(cases, by, format, (70, 66, 2 * block), gate);
                }
            }
        }
        add_of_tokens(cases, [Format::Q4_0, Format::Q4_0], (5, 64));
        add_of_tokens(cases, [Format::F16, Format::BF16], (3, 45));
        add_of_tokens(cases, [Format::BF16, Format::BF16], (70, 72));
        for (m, n, k) in [(1, 1, 1), (3, 5, 45), (70, 66, 64), (9, 130, 72)] {
            for size in [Size::Small, Size::Large] {
                add_of_halves(cases, size, (m, n, k));
            }
        }
        for format in [Format::F32, Format::F16, Format::BF16, Format::Q4_0] {
            add(cases, By::Small, format, (5, 4, 64), 1e6);
            add(cases, By::Small, format, (5, 4, 64), 1e-30);
        }
    })
    .benches(benches)
}

/// Weights of model shapes with prompts of several lengths.
fn benches(benches: &mut Benches) {
    for format in FORMATS {
        for (m, n, k) in [
            (32, 4096, 4096),
            (512, 4096, 4096),
            (512, 14_336, 4096),
            (4096, 4096, 4096),
        ] {
            add_bench(benches, format, (m, n, k));
        }
    }
    let (m, n, k) = (512, 4096, 4096);
    let name = format!("n{n}_k{k}_m{m}");
    let work = Work::new(2 * (n * k + m * (n + k)), 2 * n * k * m);
    benches.add("mul_mm_f16_f16", name.clone(), work, move |setup| {
        let w = setup.weights(Format::F16, n, k)?;
        let x = setup.values_as(Format::F16, [m, k])?;
        let mut out = setup.output(Format::F16, [m, n])?;
        Ok(Box::new(move |pass| mul_mat(pass, &w, &x, &mut out)))
    });
    let q1 = Format::Q1_0;
    let weights = n * k / q1.block_len() * q1.block_bytes();
    let work = Work::new(weights + 4 * m * (2 * n + k), 2 * n * k * m);
    let kernel = By::Small.kernel(q1);
    benches.add(kernel, format!("{name}_add"), work, move |setup| {
        let w = setup.weights(q1, n, k)?;
        let x = setup.values([m, k])?;
        let mut out = setup.values([m, n])?;
        Ok(Box::new(move |pass| {
            mul_mat_accumulate(pass, &w, &x, &mut out)
        }))
    });
    let work = Work::new(2 * weights + 4 * m * (n + k), 4 * n * k * m);
    benches.add(kernel, format!("{name}_gate"), work, move |setup| {
        let (gate, up) = (setup.weights(q1, n, k)?, setup.weights(q1, n, k)?);
        let x = setup.values([m, k])?;
        let mut out = setup.output(Format::F32, [m, n])?;
        Ok(Box::new(move |pass| {
            mul_mat_swiglu(pass, &gate, &up, &x, &mut out)
        }))
    });
    // A prompt of 512 tokens with 8 of 128 experts each, sorted by these.
    let (format, experts, n, k) = (Format::Q8_0, 128, 768, 2048);
    let m = experts * ROWS_OF_EXPERT;
    let weights = experts * n * k / format.block_len() * format.block_bytes();
    let work = Work::new(weights + 4 * m * (n + k), 2 * n * k * m);
    let name = format!("n{n}_k{k}_m{m}_{experts}experts");
    benches.add(By::Small.kernel(format), name, work, move |setup| {
        let w = setup.weights(format, experts * n, k)?;
        let w = w.reshape([experts, n, k])?;
        let of_pieces: Vec<u32> = (0..experts as u32).collect();
        let (x, of_pieces) = (setup.values([m, k])?, setup.of(&of_pieces)?);
        let mut out = setup.output(Format::F32, [m, n])?;
        Ok(Box::new(move |pass| {
            mul_mm_experts(pass, Op("mul_mat_sorted"), &w, &x, &of_pieces, &mut out)
        }))
    });
}

/// A product of x `[m, k]` and weights `[n, k]`.
pub(in crate::ops) fn add_bench(
    benches: &mut Benches,
    format: Format,
    (m, n, k): (usize, usize, usize),
) {
    let weights = n * k / format.block_len() * format.block_bytes();
    let work = Work::new(weights + 4 * m * (n + k), 2 * n * k * m);
    let name = format!("{}n{n}_k{k}_m{m}", label(format));
    benches.add(By::Small.kernel(format), name, work, move |setup| {
        let w = setup.weights(format, n, k)?;
        let x = setup.values([m, k])?;
        let mut out = setup.output(Format::F32, [m, n])?;
        Ok(Box::new(move |pass| mul_mat(pass, &w, &x, &mut out)))
    });
}

/// A case of x `[m, k]`, whose rows are `scale` times as large as activations are, and weights `[n, k]`.
pub(in crate::ops) fn add(
    cases: &mut Cases,
    by: By,
    format: Format,
    (m, n, k): (usize, usize, usize),
    scale: f32,
) {
    let of = by.label(format);
    let name = format!("{of}{by:?}_m{m}_n{n}_k{k}_scale{scale:e}").to_lowercase();
    cases.add_with(tolerance(format), by.kernel(format), name, move |run| {
        let (w, weights) = run.weights(format, n, k)?;
        let mut x = run.rng().activations(m * k);
        x.iter_mut().for_each(|x| *x *= scale);
        let xs = run.input(&x, [m, k])?;
        let mut out = run.output(Format::F32, [m, n])?;
        run.pass(|pass| by.multiply(pass, [1, 1], &w, &xs, &mut out))?;
        run.check(&out, || reference(&weights, &x, k))
    });
}

/// A product of x `[m, k]` and weights `[n, k]` that is added to what is there, or the first of two that meet.
fn add_fused(
    cases: &mut Cases,
    by: By,
    format: Format,
    (m, n, k): (usize, usize, usize),
    gate: bool,
) {
    let beside = if gate { "gate" } else { "add" };
    let name = format!("{by:?}_m{m}_n{n}_k{k}_{beside}").to_lowercase();
    let size = match by {
        By::Large => Size::Large,
        _ => Size::Small,
    };
    cases.add_with(tolerance(format), by.kernel(format), name, move |run| {
        let (w, weights) = run.weights(format, n, k)?;
        let (second, more) = run.weights(format, n, k)?;
        let x = run.rng().activations(m * k);
        let xs = run.input(&x, [m, k])?;
        let before = run.rng().activations(m * n);
        let (epilogue, mut out) = match gate {
            true => (Epilogue::Gate(&second), run.output(Format::F32, [m, n])?),
            false => (Epilogue::Add, run.input(&before, [m, n])?),
        };
        run.pass(|pass| mul_mm_with(pass, OP, size, &w, &xs, epilogue, &mut out))?;
        run.check(&out, || {
            let products = reference(&weights, &x, k);
            if gate {
                let others = reference(&more, &x, k);
                let pairs = products.iter().zip(&others);
                let gated = |(product, other): (&Expected, &Expected)| {
                    let of = |x: &Expected| (x.value(), x.magnitude());
                    let (value, magnitude) = swiglu(of(product), of(other));
                    Expected::near(value, magnitude)
                };
                return pairs.map(gated).collect();
            }
            let pairs = products.iter().zip(&before);
            let sum = |(product, &before): (&Expected, &f32)| {
                let before = f64::from(before);
                Expected::near(product.value() + before, product.magnitude() + before.abs())
            };
            pairs.map(sum).collect()
        })
    });
}

/// A product of x `[m, k]` and weights `[n, k]`, all of F16.
fn add_of_halves(cases: &mut Cases, size: Size, (m, n, k): (usize, usize, usize)) {
    let name = format!("{size:?}_m{m}_n{n}_k{k}").to_lowercase();
    cases.add("mul_mm_f16_f16", name, move |run| {
        let (w, weights) = run.weights(Format::F16, n, k)?;
        let x = run.rng().activations(m * k);
        let (xs, x) = run.rounded(Format::F16, &x, [m, k])?;
        let mut out = run.output(Format::F16, [m, n])?;
        run.pass(|pass| mul_mm_with(pass, OP, size, &w, &xs, Epilogue::None, &mut out))?;
        run.check(&out, || reference(&weights, &x, k))
    });
}

/// Batches of x `[m, k]`, whose rows have gaps between them, and of weights `[n, k]`; threadgroups share k.
pub(in crate::ops) fn add_split(
    cases: &mut Cases,
    by: By,
    format: Format,
    [batches, m, n, k]: [usize; 4],
    splits: usize,
) {
    const GAP: usize = 7;
    let of = by.label(format);
    let name = format!("{of}batches{batches}_m{m}_n{n}_k{k}_splits{splits}");
    cases.add_with(tolerance(format), by.kernel(format), name, move |run| {
        let (w, weights) = run.weights(format, batches * n, k)?;
        let x = run.rng().activations(batches * m * k);
        let with_gaps: Vec<f32> = x
            .chunks_exact(k)
            .flat_map(|row| [row, &[f32::NAN; GAP]].concat())
            .collect();
        let xs = run.input(&with_gaps, [batches * m, k + GAP])?;
        let xs = xs.columns_range(0..k)?;
        let mut out = run.output(Format::F32, [batches * m, n])?;
        run.pass(|pass| by.multiply(pass, [batches, splits], &w, &xs, &mut out))?;
        run.check(&out, || {
            let of_batches = weights.chunks_exact(n * k).zip(x.chunks_exact(m * k));
            of_batches.flat_map(|(w, x)| reference(w, x, k)).collect()
        })
    });
}

/// Pieces of rows with weights `[n, k]` of their own, one of which has none.
pub(in crate::ops) fn add_of_experts(
    cases: &mut Cases,
    by: By,
    format: Format,
    (n, k): (usize, usize),
) {
    const EXPERTS: usize = 3;
    const OF_PIECES: [u32; 3] = [2, u32::MAX, 0];
    let name = format!("{}of_experts_n{n}_k{k}", label(format));
    cases.add_with(tolerance(format), by.kernel(format), name, move |run| {
        let rows = OF_PIECES.len() * ROWS_OF_EXPERT;
        let (w, weights) = run.weights(format, EXPERTS * n, k)?;
        let w = w.reshape([EXPERTS, n, k])?;
        let x = run.rng().activations(rows * k);
        let xs = run.input(&x, [rows, k])?;
        let experts = run.input(&OF_PIECES, [OF_PIECES.len()])?;
        let mut out = run.output(Format::F32, [rows, n])?;
        run.pass(|pass| by.multiply_experts(pass, &w, &xs, &experts, &mut out))?;
        run.check(&out, || {
            reference_of_experts(&weights, &x, [n, k], &OF_PIECES, ROWS_OF_EXPERT)
        })
    });
}

/// Tokens that are put in pieces, with two matrices `[n, k]` of each expert. Rows that are left over disturb no others.
fn add_of_tokens(cases: &mut Cases, formats: [Format; 2], (n, k): (usize, usize)) {
    const EXPERTS: usize = 3;
    const OF_PIECES: [u32; 3] = [2, 0, NONE];
    const TOKENS: usize = 9;
    let kernel = By::Small.kernel(formats[0]);
    let name = format!("of_tokens_{}_n{n}_k{k}", formats[1].name().to_lowercase());
    cases.add_with(tolerance(formats[0]), kernel, name, move |run| {
        let rows = OF_PIECES.len() * ROWS_OF_EXPERT;
        let x = run.rng().activations(TOKENS * k);
        let xs = run.input(&x, [TOKENS, k])?;
        let live = 2 * ROWS_OF_EXPERT;
        let token = |row: usize| match row {
            row if row % 7 == 6 || row >= live => NONE,
            row => (row * 5 % TOKENS) as u32,
        };
        let tokens: Vec<u32> = (0..rows).map(token).collect();
        let sorted = [&OF_PIECES[..], &tokens, &[0]];
        let sorted = SortedExperts::arranged(run.device(), sorted, 1, ROWS_OF_EXPERT)?;
        let [format, other] = formats;
        let (w, weights) = run.weights(format, EXPERTS * n, k)?;
        let (second, of_second) = run.weights(other, EXPERTS * n, k)?;
        let w = w.reshape([EXPERTS, n, k])?;
        let second = second.reshape([EXPERTS, n, k])?;
        let mut out = run.output(Format::F32, [rows, n])?;
        let mut results = run.output(Format::F32, [rows, n])?;
        run.pass(|pass| {
            let products = [(&w, &mut out), (&second, &mut results)];
            mul_mm_of_tokens(pass, OP, &xs, &sorted, products)
        })?;
        let row = |&token: &u32| match x.chunks_exact(k).nth(token as usize) {
            Some(row) => row.to_vec(),
            None => vec![f32::NAN; k],
        };
        let put: Vec<f32> = tokens.iter().flat_map(row).collect();
        for (out, weights) in [(&out, &weights), (&results, &of_second)] {
            run.check(out, || {
                reference_of_experts(weights, &put, [n, k], &OF_PIECES, ROWS_OF_EXPERT)
            })?;
        }
        Ok(())
    });
}

/// Products of pieces of `step` rows with the matrices `[n, k]` of their experts, where they have one.
pub(in crate::ops) fn reference_of_experts(
    weights: &[f32],
    x: &[f32],
    [n, k]: [usize; 2],
    experts: &[u32],
    step: usize,
) -> Vec<Expected> {
    let pieces = experts.iter().zip(x.chunks_exact(step * k));
    pieces
        .flat_map(|(&expert, x)| {
            let matrix = weights.chunks_exact(n * k).nth(expert as usize);
            match matrix {
                Some(matrix) => reference(matrix, x, k),
                None => vec![Expected::untouched(); step * n],
            }
        })
        .collect()
}
