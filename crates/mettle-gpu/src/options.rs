//! Which device to open, and how.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};

/// Which device to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preference {
    /// The best device there is.
    #[default]
    Auto,
    /// The host's processor.
    Cpu,
    /// The NVIDIA GPU of this index, as the driver counts them.
    Cuda(usize),
}

impl FromStr for Preference {
    type Err = Error;

    /// Reads `auto`, `cpu`, `cuda` (the first GPU) or `cuda:1`.
    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::UnknownDevice {
            name: name.to_owned(),
            known: "auto, cpu, cuda, cuda:1 (and so on)",
        };
        match name {
            "auto" => Ok(Preference::Auto),
            "cpu" => Ok(Preference::Cpu),
            "cuda" => Ok(Preference::Cuda(0)),
            _ => {
                let index = name.strip_prefix("cuda:").ok_or_else(unknown)?;
                index.parse().map(Preference::Cuda).map_err(|_| unknown())
            }
        }
    }
}

/// How a device is opened. The default is for kernels that are known to be right: nothing that costs time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceOptions {
    /// Finds accesses outside of buffers. On the CPU device every buffer gets memory of its own that ends where inaccessible memory begins,
    /// and memory that a kernel may only read is read-only while it runs. Allocation and launches cost some microseconds more.
    /// On a GPU the launches of a submission run one by one, so that what the driver reports is known to be of the launch.
    pub guard: bool,
    /// The longest that a submission may run; none: as long as it takes.
    pub budget: Option<Duration>,
    /// The threads that run kernels on the CPU device, the submitting one included; none: as many as the processor has.
    pub workers: Option<NonZeroUsize>,
}
