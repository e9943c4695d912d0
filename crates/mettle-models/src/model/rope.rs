//! The rotary embeddings of a model.

use mettle_gpu::Device;
use mettle_kernels::ops::{Rope, RopeConfig, Yarn};

use crate::{Architecture, Config, Result, RopeScaling, weights::Loader};

/// The rotary embedding of layers with a window, where it is another than that of the rest.
pub(super) fn of_window(device: &Device, config: &Config) -> Result<Option<Rope>> {
    let base = config.window.as_ref().and_then(|window| window.rope_base);
    let rope = base.map(|base| {
        let pairing = config.architecture.family().pairing;
        let heads = config.window.as_ref().and_then(|window| window.heads);
        let dims = heads.unwrap_or(config.kv).rope_dims;
        Rope::new(device, &RopeConfig::new(pairing, dims, base.into()))
    });
    Ok(rope.transpose()?)
}

/// The rotary embedding in a context of so many positions, with what the metadata or the file say about its frequencies.
pub(super) fn of_model(
    device: &Device,
    config: &Config,
    context: usize,
    loader: &mut Loader<'_>,
) -> Result<Rope> {
    const FACTORS: &str = "rope_freqs.weight";
    // Those of Gemma 4 say which pairs are rotated at all.
    let has_factors = loader.has(FACTORS) || config.architecture == Architecture::Gemma4;
    let mut read = |name: &str| -> Result<Vec<f32>> {
        Ok(loader.vector(name, config.kv.rope_dims / 2)?.to_vec()?)
    };
    let factors = match config.rope_scaling {
        RopeScaling::LongRope {
            original_context, ..
        } => {
            let short = read("rope_factors_short.weight")?;
            let long = read("rope_factors_long.weight")?;
            Some(if context > original_context {
                long
            } else {
                short
            })
        }
        _ if has_factors => Some(read(FACTORS)?),
        _ => None,
    };
    let mut rope = RopeConfig {
        freq_factors: factors.as_deref(),
        ..RopeConfig::new(
            config.architecture.family().pairing,
            config.kv.rope_dims,
            config.rope_base.into(),
        )
    };
    match config.rope_scaling {
        RopeScaling::None => {}
        RopeScaling::LongRope {
            attention_factor, ..
        } => rope.attention = attention_factor.into(),
        RopeScaling::Linear { factor } => rope.scale = 1.0 / f64::from(factor),
        RopeScaling::Yarn {
            factor,
            original_context,
            attention_factor,
            beta_fast,
            beta_slow,
        } => {
            rope.scale = 1.0 / f64::from(factor);
            rope.yarn = Some(Yarn {
                original_context,
                beta_fast: beta_fast.into(),
                beta_slow: beta_slow.into(),
                extrapolation: 1.0,
                attention: attention_factor.into(),
            });
        }
    }
    Ok(Rope::new(device, &rope)?)
}
