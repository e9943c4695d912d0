//! Rotary settings of `config.json`.

use std::f64::consts::TAU;

use serde::Deserialize;

/// How heads are rotated, as one version or another of `transformers` writes it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Settings {
    /// At the top before transformers 5, in `rope_parameters` since.
    rope_theta: Option<f32>,
    /// Of layers with a window, the same.
    rope_local_base_freq: Option<f32>,
    partial_rotary_factor: Option<f32>,
    original_max_position_embeddings: Option<u32>,
    rope_parameters: Option<Parameters>,
    rope_scaling: Option<Rope>,
}

/// Those of all layers, or of each kind.
#[derive(Debug, Deserialize)]
struct Parameters {
    full_attention: Option<Rope>,
    sliding_attention: Option<Rope>,
    #[serde(flatten)]
    all: Rope,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Rope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f32>,
    partial_rotary_factor: Option<f32>,
    pub(super) factor: Option<f32>,
    original_max_position_embeddings: Option<u32>,
    attention_factor: Option<f32>,
    pub(super) beta_fast: Option<f32>,
    pub(super) beta_slow: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    short_factor: Option<Vec<f32>>,
    long_factor: Option<Vec<f32>>,
}

impl Rope {
    /// The kind of scaling; what GGUF calls none is the default here.
    pub(super) fn kind(&self) -> Option<&str> {
        let kind = self.rope_type.as_deref();
        kind.filter(|&kind| kind != "default")
    }
}

impl Settings {
    /// Those of layers without a window, and of all where there is one kind.
    fn ropes(&self) -> impl Iterator<Item = &Rope> {
        let parameters = self.rope_parameters.as_ref();
        let of_full = parameters.and_then(|p| p.full_attention.as_ref());
        let of_all = parameters.map(|p| &p.all);
        [of_full, of_all, self.rope_scaling.as_ref()]
            .into_iter()
            .flatten()
    }

    fn of_windows(&self) -> Option<&Rope> {
        self.rope_parameters.as_ref()?.sliding_attention.as_ref()
    }

    /// Base of the frequencies.
    pub(super) fn base(&self) -> Option<f32> {
        self.rope_theta
            .or_else(|| self.ropes().find_map(|rope| rope.rope_theta))
    }

    /// Base of the frequencies of layers with a window, in families that have another.
    pub(super) fn window_base(&self) -> Option<f32> {
        self.rope_local_base_freq
            .or_else(|| self.of_windows()?.rope_theta)
    }

    /// Kind of scaling in layers with a window, where these have settings of their own.
    pub(super) fn window_scaling(&self) -> Option<&str> {
        self.of_windows()?.kind()
    }

    /// The rotated part of a head.
    pub(super) fn part(&self) -> Option<f32> {
        self.partial_rotary_factor
            .or_else(|| self.ropes().find_map(|rope| rope.partial_rotary_factor))
    }

    /// How frequencies are scaled.
    pub(super) fn scaling(&self) -> Option<&Rope> {
        self.ropes().find(|rope| rope.kind().is_some())
    }

    /// Positions of the first training.
    pub(super) fn original_context(&self) -> Option<u32> {
        let own = self.scaling()?.original_max_position_embeddings;
        own.or(self.original_max_position_embeddings)
    }

    /// What GGUF has as a factor of attention, for a model trained for so many positions at last.
    pub(super) fn attention_factor(&self, context: u32) -> Option<f32> {
        let rope = self.scaling()?;
        if rope.kind() != Some("longrope") {
            // GGUF multiplies YaRN's own correction of the temperature with it; here the two are given as one number.
            let own = 1.0 + 0.1 * rope.factor.unwrap_or(1.0).ln();
            return rope.attention_factor.map(|both| both / own);
        }
        let original = f64::from(self.original_context()?);
        let factor = rope.factor.map_or(f64::from(context) / original, f64::from);
        let computed = match factor > 1.0 {
            true => (1.0 + factor.ln() / original.ln()).sqrt(),
            false => 1.0,
        };
        Some(rope.attention_factor.unwrap_or(computed as f32))
    }

    /// Tensors that GGUF has of models with some kinds of scaling: divisors of the frequencies of so many rotated values of a head.
    pub(super) fn factors(&self, dims: usize) -> Vec<(&'static str, Vec<f32>)> {
        let Some(rope) = self.scaling() else {
            return Vec::new();
        };
        match rope.kind() {
            Some("llama3") => {
                let factors = self.of_llama3(rope, dims);
                factors.map(|f| ("rope_freqs", f)).into_iter().collect()
            }
            Some("longrope") => [
                ("rope_factors_short", &rope.short_factor),
                ("rope_factors_long", &rope.long_factor),
            ]
            .into_iter()
            .filter_map(|(name, factors)| Some((name, factors.clone()?)))
            .collect(),
            _ => Vec::new(),
        }
    }

    /// Llama 3.1's leave fast pairs as they are, divide slow ones, and mix those between.
    fn of_llama3(&self, rope: &Rope, dims: usize) -> Option<Vec<f32>> {
        let (factor, context) = (rope.factor?, rope.original_max_position_embeddings?);
        let (low, high) = (rope.low_freq_factor?, rope.high_freq_factor?);
        let base = f64::from(self.base()?);
        let of_pair = |pair: usize| {
            let wavelength = TAU * base.powf(2.0 * pair as f64 / dims as f64);
            let turns = f64::from(context) / wavelength;
            let kept = (turns - f64::from(low)) / f64::from(high - low);
            let kept = kept.clamp(0.0, 1.0);
            (1.0 / ((1.0 - kept) / f64::from(factor) + kept)) as f32
        };
        Some((0..dims / 2).map(of_pair).collect())
    }
}
