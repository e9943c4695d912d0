//! Mixtures of experts.

use mettle_kernels::ops::{ExpertGroups, Scores};

use super::{Architecture, Keys, MAX_DIMENSION, MAX_LAYERS};
use crate::Result;

/// Feed-forward layers of experts, of which each token takes a few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// There are in a layer.
    pub count: usize,
    /// Of a token.
    pub used: usize,
    /// Width of one.
    pub feed_forward: usize,
    /// Width of an expert that all tokens have besides, where there is one.
    pub shared: Option<usize>,
    /// Whether that one is weighted by a gate of its own.
    pub shared_gate: bool,
    /// Whether these layers have a feed-forward layer for all tokens, too.
    pub dense_besides: bool,
    /// Leading layers that have a feed-forward layer for all tokens instead.
    pub dense_layers: usize,
    /// How logits become scores.
    pub scores: Scores,
    /// Groups that experts are chosen from first.
    pub groups: Option<ExpertGroups>,
    /// Whether the weights of a token's experts add up to one before they are scaled.
    pub renormalise: bool,
    /// Factor of the weights.
    pub scale: f32,
}

impl Experts {
    pub(super) fn from_keys(keys: &Keys<'_>, architecture: Architecture) -> Result<Option<Self>> {
        const COUNT: &str = "expert_count";
        const USED: &str = "expert_used_count";
        let family = match architecture {
            Architecture::Qwen3Moe | Architecture::Qwen35Moe | Architecture::Qwen3Next => {
                Self::of_qwen
            }
            Architecture::DeepSeek2 => Self::of_deepseek,
            Architecture::Gemma4 if keys.find::<u32>(COUNT)?.is_some_and(|count| count > 0) => {
                Self::of_gemma
            }
            _ => return Self::none(keys),
        };
        let count = keys.dimension(COUNT, None, MAX_DIMENSION)?;
        let used = keys.dimension(USED, None, MAX_DIMENSION)?;
        if used > count {
            return Err(keys.bad(USED, used, format!("there are {count} experts")));
        }
        let feed_forward = keys.dimension("expert_feed_forward_length", None, MAX_DIMENSION)?;
        let plain = Self {
            count,
            used,
            feed_forward,
            shared: None,
            shared_gate: false,
            dense_besides: false,
            dense_layers: 0,
            scores: Scores::Softmax,
            groups: None,
            renormalise: true,
            scale: 1.0,
        };
        family(plain, keys, architecture).map(Some)
    }

    fn of_qwen(self, keys: &Keys<'_>, architecture: Architecture) -> Result<Self> {
        const SHARED: &str = "expert_shared_feed_forward_length";
        if architecture == Architecture::Qwen3Moe {
            return Ok(self);
        }
        Ok(Self {
            shared: Some(keys.dimension(SHARED, None, MAX_DIMENSION)?),
            shared_gate: true,
            ..self
        })
    }

    fn of_gemma(self, _: &Keys<'_>, _: Architecture) -> Result<Self> {
        Ok(Self {
            dense_besides: true,
            ..self
        })
    }

    fn of_deepseek(self, keys: &Keys<'_>, _: Architecture) -> Result<Self> {
        const GATING: &str = "expert_gating_func";
        let shared = keys.find::<u32>("expert_shared_count")?.unwrap_or(0) as usize;
        // Files from before there was the key are of models with a softmax.
        let scores = match keys.find::<u32>(GATING)?.unwrap_or(1) {
            0 | 1 => Scores::Softmax,
            2 => Scores::Sigmoid,
            other => {
                let reason = "only softmax, 1, and sigmoid, 2, are supported".to_owned();
                return Err(keys.bad(GATING, other, reason));
            }
        };
        let dense_layers = keys.find::<u32>("leading_dense_block_count")?.unwrap_or(0);
        Ok(Self {
            shared: (shared > 0).then(|| shared.saturating_mul(self.feed_forward)),
            dense_layers: dense_layers.min(MAX_LAYERS) as usize,
            scores,
            groups: self.groups(keys, scores)?,
            renormalise: keys.find::<bool>("expert_weights_norm")?.unwrap_or(false),
            scale: keys.find_positive("expert_weights_scale")?.unwrap_or(1.0),
            ..self
        })
    }

    /// Groups of which a token takes experts from the best few only: DeepSeek-V2 tells how good one is by its best expert, V3 by its best
    /// two together.
    fn groups(&self, keys: &Keys<'_>, scores: Scores) -> Result<Option<ExpertGroups>> {
        const COUNT: &str = "expert_group_count";
        const KEPT: &str = "expert_group_used_count";
        let Some(count) = keys.find::<u32>(COUNT)?.filter(|&count| count > 1) else {
            return Ok(None);
        };
        let count = count as usize;
        if !self.count.is_multiple_of(count) {
            let reason = format!("{} experts do not divide into them", self.count);
            return Err(keys.bad(COUNT, count, reason));
        }
        let kept = keys.dimension(KEPT, None, MAX_DIMENSION)?;
        if kept > count || self.used > self.count / count * kept {
            let reason = format!(
                "there are {count} groups, and those kept must have the {} experts of a token",
                self.used
            );
            return Err(keys.bad(KEPT, kept, reason));
        }
        let best = match scores {
            Scores::Softmax => 1,
            Scores::Sigmoid => 2,
        };
        Ok(Some(ExpertGroups { count, kept, best }))
    }

    /// For families without experts.
    fn none(keys: &Keys<'_>) -> Result<Option<Self>> {
        match keys.find::<usize>("expert_count")?.filter(|&n| n > 0) {
            Some(experts) => {
                let reason = "mixtures of experts in models of this family are not supported";
                Err(keys.bad("expert_count", experts, reason.to_owned()))
            }
            None => Ok(None),
        }
    }
}
