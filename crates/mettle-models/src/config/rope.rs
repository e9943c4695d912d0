//! How rotary frequencies are scaled.

use super::{Architecture, Keys};
use crate::{Error, Result};

/// How rotary frequencies are changed for contexts longer than those of the first training.
///
/// Llama 3's scheme is not here: GGUF stores its result as the tensor `rope_freqs.weight`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All angles are divided by `factor`.
    Linear {
        /// At least 1 in practice.
        factor: f32,
    },
    /// YaRN (Peng et al., 2023, arXiv 2309.00071): slow pairs are interpolated by `factor`, fast ones stay.
    Yarn {
        /// Ratio of the new to the old context.
        factor: f32,
        /// Positions of the first training.
        original_context: usize,
        /// Multiplies the attention's temperature correction `1 + 0.1 ln(factor)`.
        attention_factor: f32,
        /// Turns over the original context from which a pair is left as it is.
        beta_fast: f32,
        /// Turns over the original context up to which a pair is interpolated fully.
        beta_slow: f32,
    },
    /// LongRoPE (Ding et al., 2024, arXiv 2402.13753): the frequencies have divisors of their own, which GGUF has as tensors, and others
    /// for contexts longer than those of the first training.
    LongRope {
        /// Positions of the first training.
        original_context: usize,
        /// A factor of the rotated values, in any context.
        attention_factor: f32,
    },
}

impl RopeScaling {
    pub(super) fn from_keys(
        keys: &Keys<'_>,
        architecture: Architecture,
        context: usize,
    ) -> Result<Self> {
        const ATTENTION: &str = "rope.scaling.attn_factor";
        const ORIGINAL: &str = "rope.scaling.original_context_length";
        // Files of Phi 3 do not name the scheme: those with tensors of divisors have the factor.
        if architecture == Architecture::Phi3
            && let Some(attention_factor) = keys.find_positive(ATTENTION)?
        {
            return Ok(Self::LongRope {
                original_context: keys.dimension(ORIGINAL, Some(context), u32::MAX)?,
                attention_factor,
            });
        }
        let factor = match keys.find::<f32>("rope.scaling.factor")? {
            None => keys.find::<f32>("rope.scale_linear")?,
            found => found,
        };
        // Converters write 0 for "no scaling".
        let factor = match factor {
            None | Some(0.0) => 1.0,
            Some(_) => keys.positive("rope.scaling.factor", factor)?,
        };
        // DeepSeek corrects the temperature in the factor of all scores, and not in the rotated values.
        let in_scores = match architecture {
            Architecture::DeepSeek2 => 1.0 + 0.1 * factor.ln(),
            _ => 1.0,
        };
        Ok(
            match keys.find::<&str>("rope.scaling.type")?.unwrap_or("linear") {
                "none" => Self::None,
                "linear" if factor == 1.0 => Self::None,
                "linear" => Self::Linear { factor },
                "yarn" => Self::Yarn {
                    factor,
                    original_context: keys.dimension(ORIGINAL, Some(context), u32::MAX)?,
                    attention_factor: keys.positive(ATTENTION, Some(1.0))? / in_scores,
                    beta_fast: keys.positive("rope.scaling.yarn_beta_fast", Some(32.0))?,
                    beta_slow: keys.positive("rope.scaling.yarn_beta_slow", Some(1.0))?,
                },
                other => {
                    return Err(Error::Unsupported(format!(
                        "rotary scaling of type `{other}`"
                    )));
                }
            },
        )
    }
}
