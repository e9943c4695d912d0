//! The pipelines that a model needs.

use super::Model;
use std::collections::HashSet;

use mettle_gpu::{Format, PipelineRequest, Turbo, WarmProgress, WarmReport};
use mettle_kernels::catalogue::{self, serves_heads, serves_turbo};
use mettle_kernels::ops::{self, Fusion};

use crate::Architecture;

impl Model {
    /// The pipelines that sessions launch, and a few of the same kernels that they do not.
    pub fn pipelines(&self) -> Vec<PipelineRequest> {
        const FAMILIES: [&str; 12] = [
            "advance",
            "argmax",
            "binary",
            "embedding",
            "mul_mm",
            "mul_mv",
            "mul_panel",
            "pack_columns",
            "rms_norm",
            "round_rows",
            "sample",
            "sum_parts",
        ];
        let inner = &*self.inner;
        let of_latent: &[&str] = match inner.config.latent {
            Some(_) => &["copy", "latent_append"],
            None => &[],
        };
        let turbo_of = |format: &Format| match format {
            Format::Turbo(turbo) => Some(*turbo),
            _ => None,
        };
        let turbos: Vec<Turbo> = inner.cached.iter().filter_map(turbo_of).collect();
        let of_attention: &[&str] = match turbos.is_empty() {
            true => &[
                "attention",
                "attention_grouped",
                "attention_merge",
                "attention_tiles",
                "kv_to_half",
            ],
            false => &[
                "attention_grouped_turbo",
                "attention_merge",
                "attention_tiles",
                "attention_turbo",
                "hadamard",
                "kv_to_half_turbo",
            ],
        };
        let of_decoding: &[&str] = match ops::decodes_by_matrices(&inner.device) {
            true if turbos.is_empty() => &["attention_decode"],
            _ => &[],
        };
        let of_cache: &[&str] = match (turbos.is_empty(), inner.options.fusion) {
            (true, Fusion::On) => &["qk_norm_rope_append"],
            (true, Fusion::Off) => &["kv_append", "rope"],
            (false, Fusion::On) => &["qk_norm_rope_append_turbo"],
            (false, Fusion::Off) => &["kv_append_turbo", "rope"],
        };
        let of_fusion: &[&str] = match inner.options.fusion {
            Fusion::On => &["residual_norm"],
            Fusion::Off => &[],
        };
        let of_values: &[&str] = match inner.config.logit_softcap {
            Some(_) => &["unary"],
            None => &[],
        };
        let of_states: &[&str] = match &inner.config.linear {
            Some(_) => &["copy", "decay_beta", "fill", "gated_delta_net", "ssm_conv"],
            None => &[],
        };
        let of_shared: &[&str] = match (inner.config.shared_layers, inner.options.fusion) {
            (1.., Fusion::On) => &["head_norm_rope"],
            _ => &[],
        };
        let scales = inner.config.architecture == Architecture::Gemma4;
        let of_scales: &[&str] = match inner.options.fusion {
            Fusion::Off if scales => &["unary"],
            _ => &[],
        };
        let of_experts: &[&str] = match inner.config.experts {
            Some(_) => &["gather", "moe_combine", "moe_route", "moe_sort"],
            None => &[],
        };
        let name = |format: Format| format.name().to_lowercase();
        let cached: HashSet<String> = inner.cached.iter().map(|f| name(*f)).collect();
        let mut known: HashSet<String> = inner.formats.iter().map(|f| name(*f)).collect();
        known.extend(cached.iter().cloned());
        // Rows that are rounded for products by tiles are passed on as bits, masks of attention as bytes.
        known.extend(["f32", "u32", "i32", "u16", "u8"].map(str::to_owned));
        // What prompts see of quantised caches is made halves of.
        if inner.cached.iter().any(|format| format.is_quantised()) {
            known.insert("f16".to_owned());
        }
        // What prompts multiply weights as that are not multiplied as they are.
        let halved = |format: &&Format| ops::makes_halves(&inner.device, **format);
        let halved: Vec<Format> = inner.formats.iter().filter(halved).copied().collect();
        // What weights in affine formats are multiplied with, and looked up.
        let affine = |format: &Format| matches!(format, Format::Affine(_));
        let of_halves: &[&str] = match halved.iter().any(affine) {
            true => &["dequantize", "dequantize_affine"],
            false if halved.is_empty() => &[],
            false => &["dequantize"],
        };
        let of_affine: &[&str] = match inner.formats.iter().any(affine) {
            true => &[
                "embedding_affine",
                "mul_mm_affine",
                "mul_mv_affine",
                "mul_panel_affine",
            ],
            false => &[],
        };
        let mut pipelines = catalogue::pipelines(&inner.device, |kernel| {
            let sees_cache = matches!(
                kernel.family,
                "attention"
                    | "attention_decode"
                    | "attention_grouped"
                    | "kv_append"
                    | "kv_to_half"
                    | "latent_append"
                    | "qk_norm_rope_append"
            );
            let makes_halves = of_halves.contains(&kernel.family);
            let takes_halves = !halved.is_empty() && kernel.name == "mul_mm_f16_f32";
            let is_known = |dtype: &str| {
                known.contains(&dtype.to_lowercase())
                    || dtype == "f16" && (makes_halves || takes_halves)
            };
            [
                &FAMILIES[..],
                of_affine,
                of_attention,
                of_decoding,
                of_cache,
                of_fusion,
                of_values,
                of_states,
                of_experts,
                of_latent,
                of_scales,
                of_shared,
                of_halves,
            ]
            .iter()
            .any(|families| families.contains(&kernel.family))
                && (!sees_cache || kernel.dtypes.iter().any(|&dtype| cached.contains(dtype)))
                && (kernel.family == "round_rows"
                    || kernel.dtypes.iter().all(|dtype| is_known(dtype)))
        });
        let serves_one = |r: &PipelineRequest| turbos.iter().any(|&turbo| serves_turbo(r, turbo));
        pipelines.retain(|request| turbos.is_empty() || serves_one(request));
        let shapes = self.attention_shapes();
        let serves_one = |r: &PipelineRequest| shapes.iter().any(|&shape| serves_heads(r, shape));
        pipelines.retain(|request| shapes.is_empty() || serves_one(request));
        pipelines
    }

    /// Heads of queries, heads of keys and values, and their size, of layers with attention; none where it is latent, whose products have shapes of their own.
    fn attention_shapes(&self) -> HashSet<[usize; 3]> {
        let config = &self.inner.config;
        let with_heads = |layer: &usize| config.latent.is_none() && config.linear(*layer).is_none();
        let shape = |layer| {
            let heads = config.kv(layer);
            [config.heads, heads.kv_heads, heads.head_dim]
        };
        (0..config.layers).filter(with_heads).map(shape).collect()
    }

    /// Makes the pipelines of [`Model::pipelines`] on all processors, so that the first token does not wait for them one by one.
    pub fn warm(&self, progress: &(dyn Fn(WarmProgress<'_>) + Sync)) -> WarmReport {
        self.inner.device.warm(&self.pipelines(), progress)
    }
}
