//! The option that switches fusions off, for all commands that run a model.

use mettle_models::Fusion;

/// How operations become launches.
#[derive(clap::Args)]
pub struct FusionArgs {
    /// Launch every operation on its own instead of fusing sequences of them: for comparing.
    #[arg(long)]
    no_fusion: bool,
}

impl FusionArgs {
    /// For the options of loading.
    pub fn fusion(&self) -> Fusion {
        if self.no_fusion {
            Fusion::Off
        } else {
            Fusion::On
        }
    }
}
