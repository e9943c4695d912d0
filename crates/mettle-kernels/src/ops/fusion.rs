//! Fusions: sequences of operations that models have in common, each declared once.
//!
//! An op of this module records either one launch for the whole sequence or a launch for each operation of it, as
//! [`Fusion`] says and as far as there is a kernel for the sequence. What a single launch does not need (a normalised row,
//! a product before it is added) stays in registers, so the scratch tensors that these ops take hold something afterwards
//! only where launches were separate. Both ways compute the same formulas and differ by rounding alone.

use super::mapping::Mapping;
use super::mul_mv::{Beside, mul_mat_beside};
use super::qk_norm_rope_append::launch;
use super::{
    Binary, EachHead, Hadamard, HeadNormRope, ResidualNorm, Rope, Unary, add_assign, binary,
    hadamard, head_norm_rope, kv_append, kv_append_ring, mul_mat, residual_norm, rms_norm,
    rms_norm_assign, rope, unary_assign,
};
use crate::Result;
use mettle_gpu::{Format, Pass, Tensor};

/// Whether sequences of operations are fused into single launches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fusion {
    /// Wherever there is a kernel for it: small launches one after the other cost more than what they compute.
    #[default]
    On,
    /// Never: a launch for each operation, to compare with.
    Off,
}

impl Fusion {
    /// Whether products with `x` do something beside: the kernels for it take one row.
    pub(super) fn of_products(self, x: &Tensor) -> bool {
        self == Fusion::On && x.rows() == 1
    }
}

/// An RMS norm over the rows of what it is applied to: see [`rms_norm()`](super::rms_norm()).
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// f32, as many values as a row has.
    pub weight: &'a Tensor,
    /// Added to the mean square.
    pub eps: f32,
}

/// `out = rms_norm(x) w^T` for each pair `(w, out)` of `products`. `x` is f32 `[tokens, k]`, each `w` is `[n, k]` in any format that is
/// [decoded](super::decodes), its `out` is f32 `[tokens, n]`; `normed`, of the shape of `x`, is scratch memory. Three products of one row are one
/// launch if their outs lie one after the other in memory.
///
/// # Errors
/// Those of [`rms_norm()`](super::rms_norm()) and [`mul_mat`].
pub fn norm_mul_mats<'a>(
    pass: &mut Pass,
    fusion: Fusion,
    x: &Tensor,
    norm: Norm<'a>,
    normed: &mut Tensor,
    products: &mut [(&'a Tensor, &mut Tensor)],
) -> Result<()> {
    if fusion.of_products(x) && Beside::can_norm(pass.device()) {
        let beside = Beside {
            norm: Some(norm),
            ..Beside::default()
        };
        return mul_mats(pass, x, beside, products);
    }
    rms_norm(pass, x, norm.weight, norm.eps, normed)?;
    if fusion.of_products(x) {
        return mul_mats(pass, normed, Beside::default(), products);
    }
    for (w, out) in products {
        mul_mat(pass, w, normed, out)?;
    }
    Ok(())
}

/// Products of one row with each of the matrices. Three are one launch if their results lie one after the other and the last two have the
/// same shape, as queries, keys and values do.
fn mul_mats<'a>(
    pass: &mut Pass,
    x: &Tensor,
    beside: Beside<'a>,
    products: &mut [(&'a Tensor, &mut Tensor)],
) -> Result<()> {
    if let [(w, out), (second, second_out), (third, third_out)] = products {
        let alike = second.shape() == third.shape()
            && [&*second, &*third]
                .iter()
                .all(|other| other.format() == w.format());
        let joined = Tensor::joined(&[out, second_out, third_out]).filter(|_| alike);
        if let Some(joined) = joined {
            let others = Some([*second, *third]);
            let mut out = joined.reshape([1, joined.len()])?;
            return mul_mat_beside(pass, w, x, Beside { others, ..beside }, &mut out);
        }
    }
    for (w, out) in products {
        mul_mat_beside(pass, w, x, beside, out)?;
    }
    Ok(())
}

/// What the gate of a gated feed-forward layer goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + exp(-x))`: SwiGLU.
    Silu,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`: GeGLU, as Gemma has it.
    Gelu,
}

impl Activation {
    /// What it makes of a gate, times what the gate lets through.
    pub(super) fn gated(self) -> Binary {
        match self {
            Activation::Silu => Binary::SiluMul,
            Activation::Gelu => Binary::GeluTanhMul,
        }
    }
}

/// A gated linear unit (Shazeer, "GLU Variants Improve Transformer", 2020).
#[derive(Clone, Copy, Debug)]
pub struct Glu<'a> {
    /// Of the gate.
    pub activation: Activation,
    /// `[n, k]`, in any format that is [decoded](super::decodes).
    pub gate: &'a Tensor,
    /// As `gate`.
    pub up: &'a Tensor,
}

/// Scratch memory of [`norm_glu`], f32.
#[derive(Debug)]
pub struct GluScratch<'a> {
    /// Of the shape of `x`.
    pub normed: &'a mut Tensor,
    /// Of the shape of `out`.
    pub gate: &'a mut Tensor,
    /// Of the shape of `out`.
    pub up: &'a mut Tensor,
}

/// `out = activation(n gate^T) * (n up^T)` with `n = rms_norm(x)`. `x` is f32 `[tokens, k]`, `out` is f32 `[tokens, n]`.
///
/// # Errors
/// Those of [`rms_norm()`](super::rms_norm()), [`mul_mat`] and [`binary()`](super::binary()).
pub fn norm_glu(
    pass: &mut Pass,
    fusion: Fusion,
    x: &Tensor,
    norm: Norm<'_>,
    glu: Glu<'_>,
    scratch: GluScratch<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let Glu {
        activation,
        gate,
        up,
    } = glu;
    if activation == Activation::Silu && fusion.of_products(x) && gate.format() == up.format() {
        let beside = Beside {
            gated: Some(up),
            ..Beside::default()
        };
        if Beside::can_norm(pass.device()) {
            let norm = Some(norm);
            return mul_mat_beside(pass, gate, x, Beside { norm, ..beside }, out);
        }
        rms_norm(pass, x, norm.weight, norm.eps, scratch.normed)?;
        return mul_mat_beside(pass, gate, scratch.normed, beside, out);
    }
    let products = &mut [(gate, &mut *scratch.gate), (up, &mut *scratch.up)];
    norm_mul_mats(pass, fusion, x, norm, scratch.normed, products)?;
    self::glu(pass, activation, scratch.gate, scratch.up, out)
}

/// `out = activation(gate) * up`, elementwise over f32 of the same shape: what [`norm_glu`] does behind its products.
///
/// # Errors
/// Those of [`binary()`](super::binary()).
pub fn glu(
    pass: &mut Pass,
    activation: Activation,
    gate: &Tensor,
    up: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    binary(pass, activation.gated(), gate, up, out)
}

/// `stream += x w^T`. `w` is `[n, k]` in any format that is [decoded](super::decodes), `x` is f32 `[tokens, k]`, `stream` f32
/// `[tokens, n]`; `projected`, of the shape of `stream`, is scratch memory.
///
/// # Errors
/// Those of [`mul_mat`] and [`add_assign`].
pub fn mul_mat_add(
    pass: &mut Pass,
    fusion: Fusion,
    w: &Tensor,
    x: &Tensor,
    projected: &mut Tensor,
    stream: &mut Tensor,
) -> Result<()> {
    if fusion.of_products(x) {
        let beside = Beside {
            add: true,
            ..Beside::default()
        };
        return mul_mat_beside(pass, w, x, beside, stream);
    }
    mul_mat(pass, w, x, projected)?;
    add_assign(pass, stream, projected)
}

/// `stream += rms_norm(projected)`, both f32 `[tokens, n]`; `projected` is scratch memory afterwards.
///
/// # Errors
/// Those of [`residual_norm()`](super::residual_norm()), [`rms_norm_assign`] and [`add_assign`].
pub fn norm_add(
    pass: &mut Pass,
    fusion: Fusion,
    norm: Norm<'_>,
    projected: &mut Tensor,
    stream: &mut Tensor,
) -> Result<()> {
    norm_add_scaled(pass, fusion, norm, 1.0, projected, stream)
}

/// `stream = (stream + rms_norm(projected)) scale`: [`norm_add`] with a factor of the sum.
///
/// # Errors
/// Those of [`norm_add`] and [`unary_assign`].
pub fn norm_add_scaled(
    pass: &mut Pass,
    fusion: Fusion,
    norm: Norm<'_>,
    scale: f32,
    projected: &mut Tensor,
    stream: &mut Tensor,
) -> Result<()> {
    if fusion == Fusion::On {
        let norm = ResidualNorm {
            first: Some(norm.weight.into()),
            eps: norm.eps,
            scale,
            out_scale: 1.0,
        };
        return residual_norm(pass, stream, Some(projected), norm, &mut []);
    }
    rms_norm_assign(pass, projected, norm.weight, norm.eps)?;
    add_assign(pass, stream, projected)?;
    match scale == 1.0 {
        true => Ok(()),
        false => unary_assign(pass, Unary::Scale(scale), stream),
    }
}

/// RMS norms over each head of queries and of keys ("QK norm").
#[derive(Clone, Copy, Debug)]
pub struct HeadNorms<'a> {
    /// f32, as many values as a head has.
    pub query: &'a Tensor,
    /// As `query`.
    pub key: &'a Tensor,
    /// Added to the mean squares.
    pub eps: f32,
}

/// Heads as their projections made them, f32 `[tokens, heads, head_size]` each.
#[derive(Debug)]
pub struct ProjectedHeads<'a> {
    /// Queries, changed in place; those of the last tokens, if there are fewer than of keys; none where only the cache is wanted.
    pub query: Option<&'a mut Tensor>,
    /// Keys, which are scratch memory afterwards.
    pub key: &'a mut Tensor,
    /// Values, as many heads as of keys; scratch memory afterwards.
    pub value: &'a mut Tensor,
    /// What is still to be added to the projections.
    pub biases: Option<HeadBiases<'a>>,
}

/// Biases of the projections to heads, f32, one for each value of a token's heads.
#[derive(Clone, Copy, Debug)]
pub struct HeadBiases<'a> {
    /// `heads * head_size` values.
    pub query: &'a Tensor,
    /// `kv_heads * head_size` values.
    pub key: &'a Tensor,
    /// As `key`.
    pub value: &'a Tensor,
}

/// Where keys and values go: see [`kv_append()`](super::kv_append()).
#[derive(Debug)]
pub struct CacheRows<'a> {
    /// `[capacity, kv_heads, head_size]` in one of [`CACHE_FORMATS`](super::CACHE_FORMATS) or [`Format::Turbo`].
    pub keys: &'a mut Tensor,
    /// As `keys`.
    pub values: &'a mut Tensor,
    /// i32 `[tokens]`: the row for each token, and the position that its heads are rotated by.
    pub positions: &'a Tensor,
    /// The keys that a query sees, where keys and values are rings: see [`kv_append_ring`].
    pub ring: Option<u32>,
}

/// Adds the biases, where there are any; normalises each head of the queries and keys where there are norms, rotates it by the position of its token, and appends keys
/// and values to the cache, converted to its format. With a cache of [`Format::Turbo`] all heads are transformed at last, those of queries too: see
/// [`hadamard`](super::hadamard()). A token whose position lies outside the cache is rotated but not stored.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for caches of another format; [`Error::Argument`](crate::Error::Argument) for
/// other formats or shapes or gaps, heads smaller than the rotated part, an `eps` that is negative or no number, or rings with too few rows; those of the
/// launch, when a tensor that is written shares memory with another argument among others.
pub fn qk_norm_rope_append(
    pass: &mut Pass,
    fusion: Fusion,
    norms: Option<HeadNorms<'_>>,
    rotation: &Rope,
    heads: ProjectedHeads<'_>,
    cache: CacheRows<'_>,
) -> Result<()> {
    if fusion == Fusion::On {
        let mapping = Mapping::of(pass.device());
        return launch(pass, mapping, norms, rotation, heads, cache);
    }
    let ProjectedHeads {
        mut query,
        key,
        value,
        biases,
    } = heads;
    let CacheRows {
        keys,
        values,
        positions,
        ring,
    } = cache;
    if let Some(biases) = biases {
        let of_rows = |x: &Tensor| x.reshape([x.shape()[0], x.len() / x.shape()[0].max(1)]);
        if let Some(query) = &mut query {
            add_assign(pass, &mut of_rows(query)?, biases.query)?;
        }
        add_assign(pass, &mut of_rows(key)?, biases.key)?;
        add_assign(pass, &mut of_rows(value)?, biases.value)?;
    }
    if let Some(norms) = norms {
        if let Some(query) = &mut query {
            rms_norm_assign(pass, query, norms.query, norms.eps)?;
        }
        rms_norm_assign(pass, key, norms.key, norms.eps)?;
    }
    if let Some(query) = &mut query {
        let tokens = positions.len();
        let first = tokens.saturating_sub(query.shape()[0]);
        rope(pass, query, &positions.rows_range(first..tokens)?, rotation)?;
    }
    rope(pass, key, positions, rotation)?;
    if let Format::Turbo(_) = keys.format() {
        if let Some(query) = query {
            hadamard(pass, Hadamard::Forward, query)?;
        }
        hadamard(pass, Hadamard::Forward, key)?;
        hadamard(pass, Hadamard::Forward, value)?;
    }
    match ring {
        Some(window) => kv_append_ring(pass, key, value, keys, values, positions, window),
        None => kv_append(pass, key, value, keys, values, positions),
    }
}

/// Queries for keys and values that have been cached before: normalises each head where there is a norm, and rotates it by the position of its
/// token. `query` is f32 `[tokens, heads, head_size]`, changed in place, `positions` i32 `[tokens]`. For a cache in blocks of
/// [`Format::Turbo`], which `cached` says, heads are transformed at last: see [`hadamard`](super::hadamard()).
///
/// # Errors
/// Those of [`head_norm_rope()`](super::head_norm_rope()), [`rms_norm_assign`], [`rope()`](super::rope()) and [`hadamard`](super::hadamard()).
pub fn query_norm_rope(
    pass: &mut Pass,
    fusion: Fusion,
    norm: Option<Norm<'_>>,
    rotation: &Rope,
    query: &mut Tensor,
    positions: &Tensor,
    cached: Format,
) -> Result<()> {
    if fusion == Fusion::On {
        let way = HeadNormRope {
            norm: norm.map(|norm| EachHead {
                query: norm.weight.into(),
                key: norm.weight.into(),
                eps: norm.eps,
            }),
            rotation: Some((rotation, positions)),
        };
        head_norm_rope(pass, query, None, way)?;
    } else {
        if let Some(norm) = norm {
            rms_norm_assign(pass, query, norm.weight, norm.eps)?;
        }
        rope(pass, query, positions, rotation)?;
    }
    match cached {
        Format::Turbo(_) => hadamard(pass, Hadamard::Forward, query),
        _ => Ok(()),
    }
}
