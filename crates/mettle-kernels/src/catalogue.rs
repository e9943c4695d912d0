//! What there is: every kernel with its file, arguments and element types, without a compiler or a device.

mod seed_names;

pub use seed_names::{SeedName, seed_names};

use std::collections::HashSet;

use mettle_gpu::{Device, EmbeddedUnit, PipelineRequest, Turbo};

/// A kernel of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Host name.
    pub name: &'static str,
    /// Stem of its file; the module of its binding and of its op.
    pub family: &'static str,
    /// Its file, relative to this crate.
    pub file: &'static str,
    /// Element types of its buffers: `f32`, `q4_0`.
    pub dtypes: &'static [&'static str],
    /// Arguments in the order written.
    pub arguments: &'static [Argument],
    /// Names of the function constants of its file, in the order of their indices.
    pub constants: &'static [&'static str],
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Name.
    pub name: &'static str,
    /// Index among the buffers, or among the threadgroup memories.
    pub index: u32,
    /// As MSL writes it: `device const float* x`.
    pub declaration: &'static str,
    /// What is bound and what the kernel may do with it.
    pub access: Access,
}

impl Argument {
    pub(crate) const fn new(
        index: u32,
        name: &'static str,
        declaration: &'static str,
        access: Access,
    ) -> Argument {
        Argument {
            name,
            index,
            declaration,
            access,
        }
    }
}

/// What is bound to an argument and what the kernel may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A buffer that is read.
    Read,
    /// A buffer that is read and written.
    ReadWrite,
    /// A value that is copied into the launch.
    Value,
    /// Threadgroup memory whose size is chosen at the launch.
    ThreadgroupMemory,
}

/// The compiled units, one a `.metal` file.
pub fn units() -> impl Iterator<Item = &'static EmbeddedUnit> {
    crate::embedded::UNITS.iter().copied()
}

/// Whether the kernels of a family are for a device: those made for the threads of CPUs are not compiled for NVIDIA GPUs.
pub fn is_for(family: &str, device: &Device) -> bool {
    units().all(|unit| unit.name != family || unit.is_for(device))
}

/// The kernels that there is to be code of for a target, as `mettle_msl` names it.
pub fn kernels_for(target: &str) -> impl Iterator<Item = &'static Kernel> {
    let meant = units().filter(|unit| unit.is_meant_for(target));
    let families: HashSet<&str> = meant.map(|unit| unit.name).collect();
    kernels().filter(move |kernel| families.contains(kernel.family))
}

/// Every kernel, by family.
pub fn kernels() -> impl Iterator<Item = &'static Kernel> {
    crate::bindings::CATALOGUE.iter().copied().flatten()
}

/// The function constants of `mettle/turbo.h` that tell formats of TurboQuant apart: `TURBO_BITS` and `TURBO_VALUES`.
const TURBO_CONSTANTS: [u32; 2] = [13, 14];

/// Whether a pipeline serves caches of a format of TurboQuant, or has nothing to do with such formats.
pub fn serves_turbo(request: &PipelineRequest, turbo: Turbo) -> bool {
    let mut wanted = TURBO_CONSTANTS
        .into_iter()
        .zip([turbo.bits() as u64, turbo.values() as u64]);
    // Elsewhere these constants are other ones.
    !request.unit.name.ends_with("_turbo")
        || wanted.all(|constant| request.constants.entries().contains(&constant))
}

/// The pipelines that ops ask for on a device, of the kernels that are wanted: for [`Device::warm`].
pub fn pipelines(device: &Device, wanted: impl Fn(&Kernel) -> bool) -> Vec<PipelineRequest> {
    let names: HashSet<&str> = kernels().filter(|k| wanted(k)).map(|k| k.name).collect();
    units()
        .flat_map(|unit| unit.pipelines(device))
        .filter(|request| names.contains(request.kernel))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mettle_gpu::{DeviceKind, Preference};

    #[test]
    fn pipelines_for_turbo_are_of_one_format() {
        let device = Device::open(Preference::Cpu).unwrap();
        assert_eq!(device.kind(), DeviceKind::Cpu);
        let serving = |family: &str, bits| {
            let turbo = Turbo::new(bits, 128).unwrap();
            let requests = pipelines(&device, |kernel| kernel.family == family);
            let all = requests.len();
            let serving = requests.iter().filter(|r| serves_turbo(r, turbo)).count();
            (serving, all)
        };
        // Those of heads of 64 and 128, with four bits.
        assert_eq!(serving("attention_turbo", 4), (1, 2));
        assert_eq!(serving("attention_turbo", 3), (0, 2));
        let (some, all) = serving("mul_mv_affine", 4);
        assert!(all > 0 && some == all);
    }
}
