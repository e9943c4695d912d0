//! Which device to open, and how.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mettle_msl::Cache;

use crate::error::{Error, Result};

/// Which device to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Preference {
    /// The best device there is.
    #[default]
    Auto,
    /// The host's processor.
    Cpu,
    /// The NVIDIA GPU of this index, as the driver counts them.
    Cuda(usize),
    /// An Apple GPU, on a Mac.
    Metal(MetalDevice),
}

/// Which of a Mac's GPUs to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MetalDevice {
    /// The one that the system prefers.
    #[default]
    Default,
    /// One that saves power, on a Mac with several.
    LowPower,
    /// The first whose name contains this, upper and lower case alike.
    Named(String),
}

impl std::fmt::Display for MetalDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MetalDevice::Default => f.write_str("the system's default"),
            MetalDevice::LowPower => f.write_str("a low-power one"),
            MetalDevice::Named(name) => write!(f, "named like \"{name}\""),
        }
    }
}

impl FromStr for Preference {
    type Err = Error;

    /// Reads `auto`, `cpu`, `cuda` (the first GPU), `cuda:1`, `metal`, `metal:low-power` or `metal:` and a part of the GPU's name.
    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::UnknownDevice {
            name: name.to_owned(),
            known: "auto, cpu, cuda, cuda:1 (and so on), metal, metal:low-power, metal:NAME",
        };
        match name {
            "auto" => Ok(Preference::Auto),
            "cpu" => Ok(Preference::Cpu),
            "cuda" => Ok(Preference::Cuda(0)),
            "metal" => Ok(Preference::Metal(MetalDevice::Default)),
            "metal:low-power" => Ok(Preference::Metal(MetalDevice::LowPower)),
            _ => match name.split_once(':') {
                Some(("cuda", index)) => index.parse().map(Preference::Cuda).map_err(|_| unknown()),
                Some(("metal", part)) if !part.trim().is_empty() => Ok(Preference::Metal(
                    MetalDevice::Named(part.trim().to_owned()),
                )),
                _ => Err(unknown()),
            },
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
    /// Metal source that the system compiles when a kernel of it is first used is compiled with fast math: no NaN, no infinities, and sums in any
    /// order; metallibs, which are compiled without, are passed over. Kernels that mask with infinities fail then. Metal devices only.
    pub fast_math: bool,
    /// The threads that run kernels on the CPU device, the submitting one included; none: as many as the processor has.
    pub workers: Option<NonZeroUsize>,
    /// Where what is compiled at run time is kept: units, and the machine code that Metal makes of their kernels.
    pub cache: CacheFolder,
    /// A folder whose `.metal` files take the place of embedded units of the same name, with their headers in its `include`: for working on
    /// kernels without building the program. A file that does not compile leaves the embedded unit in place, with an error in the log.
    pub sources: Option<PathBuf>,
    /// Looks now and then, when a pass is begun, whether files of units have changed, and reads them again: see
    /// [`Device::reload`](crate::Device::reload).
    pub hot_reload: bool,
}

/// Where what is compiled at run time is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CacheFolder {
    /// In this user's cache, below `METTLE_CACHE`, `XDG_CACHE_HOME/mettle` or `HOME/.cache/mettle`; in memory where there is none of them.
    #[default]
    User,
    /// In a folder.
    At(PathBuf),
    /// In the memory of this process.
    None,
}

impl CacheFolder {
    /// The cache in this folder; in memory where there can be none.
    pub(crate) fn open(&self) -> Cache {
        let opened = match self {
            CacheFolder::User => Cache::of_user(),
            CacheFolder::At(folder) => Cache::at(folder)
                .inspect_err(|error| tracing::warn!(%error, "there is no cache on disk"))
                .ok(),
            CacheFolder::None => None,
        };
        opened.unwrap_or_else(Cache::in_memory)
    }
}
