//! Libraries: the kernels of a unit on a device, by the chain of artefacts, and the registry of pipelines.
//!
//! Code of a kernel comes from the first of these that serves, on every device:
//!
//! 1. what is embedded in the program, compiled with exactly the constants asked for, else generic;
//! 2. the cache on disk;
//! 3. the offline compiler of the device's kind (clang, or Xcode's on a Mac), whose result goes to the cache;
//! 4. source, where the device's driver compiles it (Metal).
//!
//! What is refused on the way is logged with its reason. Compilation holds no lock but that of its own result.

mod chain;
mod registry;
mod slot;
mod sources;
mod unit;
mod warm;

use std::sync::Arc;

use mettle_msl::TargetClass;

pub use self::sources::Reloaded;
pub use self::warm::{PipelineRequest, WarmProgress, WarmReport};

pub(crate) use self::registry::Registry;
pub(crate) use self::slot::Loaded;

use self::slot::Slot;
use self::sources::Registered;
use self::unit::Unit;
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::Result;
use crate::pass::Binding;
use crate::pipeline::{CodeOrigin, Pipeline};

/// The compiled forms of one `.metal` file, embedded in the program.
#[derive(Debug)]
pub struct EmbeddedUnit {
    /// The unit's name: the file's stem.
    pub name: &'static str,
    /// Its artefacts, for all targets and variants; with the one for [`mettle_msl::metal::SOURCE`] others can be compiled at run time.
    pub artefacts: &'static [EmbeddedArtefact],
    /// The pipelines that ops ask for.
    pub variants: &'static [EmbeddedVariant],
}

/// One compiled form of a unit.
#[derive(Debug)]
pub struct EmbeddedArtefact {
    /// The target, as `mettle_msl` names it (`cpu-x86-64-v3`).
    pub target: &'static str,
    /// The function constants it was compiled with, sorted by index, as in [`ConstantSet`]; `None`: they are set when it is loaded.
    pub constants: Option<&'static [(u32, u64)]>,
    /// The artefact as `mettle_msl` wrote it.
    pub bytes: &'static [u8],
}

/// Kernels of a unit with the function constants that they are launched with.
#[derive(Debug)]
pub struct EmbeddedVariant {
    /// The devices it is meant for; `None` means all.
    pub class: Option<TargetClass>,
    /// Index and bits of the constants, by index.
    pub constants: &'static [(u32, u64)],
    /// Names of the kernels.
    pub kernels: &'static [&'static str],
}

/// A unit on one device. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    device: Device,
    registered: Arc<Registered>,
}

impl Library {
    /// A kernel with function constants: from the artefact compiled with exactly these constants where there is one, else from a
    /// private copy of the generic artefact, else compiled now. A kernel that does not compile is refused each time it is asked for, without another
    /// try, and does not keep others from being used.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`](crate::Error::UnknownKernel), [`Error::NoArtefact`](crate::Error::NoArtefact),
    /// [`Error::Artefact`](crate::Error::Artefact), [`Error::Compile`](crate::Error::Compile), [`Error::Constant`](crate::Error::Constant).
    pub fn pipeline(&self, kernel: &str, constants: &ConstantSet) -> Result<Pipeline> {
        let unit = self.registered.current();
        Ok(Pipeline {
            inner: unit.pipeline(&self.device, kernel, constants)?,
            device: self.device.clone(),
        })
    }

    /// Whether [`Library::pipeline`] has the pipeline already.
    pub fn is_cached(&self, kernel: &str, constants: &ConstantSet) -> bool {
        self.registered.current().is_cached(kernel, constants)
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Library")
            .field(&self.registered.current().name())
            .finish()
    }
}

impl Device {
    /// The library of an embedded unit.
    pub fn library(&self, unit: &'static EmbeddedUnit) -> Library {
        Library {
            device: self.clone(),
            registered: self.inner().registry.unit(self, unit),
        }
    }

    /// The pipeline of a kernel of a binding, which launches of the binding use.
    ///
    /// # Errors
    /// Those of [`Library::pipeline`].
    pub fn pipeline<B: Binding>(
        &self,
        kernel: &'static str,
        constants: &ConstantSet,
    ) -> Result<Pipeline> {
        let registry = &self.inner().registry;
        Ok(Pipeline {
            inner: registry.pipeline(self, B::unit(), kernel, constants)?,
            device: self.clone(),
        })
    }

    /// Whether [`Device::pipeline`] has the pipeline already.
    pub fn is_cached<B: Binding>(&self, kernel: &str, constants: &ConstantSet) -> bool {
        let unit = self.inner().registry.unit(self, B::unit());
        unit.current().is_cached(kernel, constants)
    }

    /// A library of artefacts made at run time: pairs of target and bytes as `mettle_msl` writes them, with the constants that
    /// each was compiled with (`None`: generic). They are native code and run as part of this process.
    pub fn library_from(
        &self,
        name: &str,
        artefacts: Vec<(String, Option<ConstantSet>, Vec<u8>)>,
    ) -> Library {
        let slots = artefacts
            .into_iter()
            .map(|(target, constants, bytes)| {
                let constants = constants.map(|set| set.entries().to_vec().into());
                Slot::new(target.into(), constants, bytes.into(), CodeOrigin::Embedded)
            })
            .collect();
        Library {
            device: self.clone(),
            registered: Arc::new(Registered::fixed(Unit::new(name.to_owned(), slots, None))),
        }
    }
}
