//! The option that says how keys and values are cached, for all commands that run a model.

use anyhow::Result;
use mettle_models::KvFormat;

/// How keys and values are cached.
#[derive(clap::Args)]
pub struct KvCacheArgs {
    /// Type of the KV cache: f32, f16, bf16; q8_0 or q4_0 (8.5 and 4.5 bits a value, for heads of a multiple of 32); tq2, tq3, tq4, tq5, tq6 or tq8
    /// (TurboQuant: so many bits, for heads of 64, 128, 256 or 512).
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    kv_type: String,
}

impl KvCacheArgs {
    /// For the options of loading.
    pub fn format(&self) -> Result<KvFormat> {
        Ok(self.kv_type.parse()?)
    }
}
