//! Mixtures of experts.

use super::{Architecture, Keys, MAX_DIMENSION};
use crate::{Error, Result};

/// Feed-forward layers of experts, of which each token takes a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// There are in a layer.
    pub count: usize,
    /// Of a token.
    pub used: usize,
    /// Width of one.
    pub feed_forward: usize,
    /// Width of an expert that all tokens have besides, where there is one.
    pub shared: Option<usize>,
}

impl Experts {
    pub(super) fn from_keys(keys: &Keys<'_>, architecture: Architecture) -> Result<Option<Self>> {
        const USED: &str = "expert_used_count";
        let shared = match architecture {
            Architecture::Qwen3Moe => None,
            Architecture::Qwen35Moe | Architecture::Qwen3Next => {
                Some("expert_shared_feed_forward_length")
            }
            _ => return Self::none(keys),
        };
        let count = keys.dimension("expert_count", None, MAX_DIMENSION)?;
        let used = keys.dimension(USED, None, MAX_DIMENSION)?;
        if used > count {
            return Err(keys.bad(USED, used, format!("there are {count} experts")));
        }
        let feed_forward = keys.dimension("expert_feed_forward_length", None, MAX_DIMENSION)?;
        Ok(Some(Self {
            count,
            used,
            feed_forward,
            shared: shared
                .map(|key| keys.dimension(key, None, MAX_DIMENSION))
                .transpose()?,
        }))
    }

    /// For families without experts.
    fn none(keys: &Keys<'_>) -> Result<Option<Self>> {
        match keys.find::<usize>("expert_count")?.filter(|&n| n > 0) {
            Some(experts) => Err(Error::Unsupported(format!(
                "a mixture of {experts} experts in a model of this family"
            ))),
            None => Ok(None),
        }
    }
}
