//! What there is: every kernel with its file, arguments and element types, without a compiler or a device.

mod seed_names;

pub use seed_names::{SeedName, seed_names};

use std::collections::HashSet;

use crate::ops::{head_rows, heads_together};
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

/// The value that a pipeline's function constant of a name has; `None` where its file has no such constant.
pub fn constant(request: &PipelineRequest, name: &str) -> Option<u64> {
    let kernel = kernels().find(|kernel| kernel.name == request.kernel)?;
    let place = kernel.constants.iter().position(|known| *known == name)?;
    // Both are in the order of their indices.
    let (_, value) = request.constants.entries().get(place)?;
    Some(*value)
}

/// Whether a pipeline serves caches of a format of TurboQuant, or has nothing to do with such formats.
pub fn serves_turbo(request: &PipelineRequest, turbo: Turbo) -> bool {
    let is = |name, wanted| constant(request, name).is_none_or(|value| value == wanted as u64);
    is("TURBO_BITS", turbo.bits()) && is("TURBO_VALUES", turbo.values())
}

/// Whether a pipeline serves attention of so many query heads, over caches in one piece of so many heads of keys and values of a size, or does not depend on it.
pub fn serves_heads(request: &PipelineRequest, [heads, kv_heads, size]: [usize; 3]) -> bool {
    let is = |name, wanted| constant(request, name).is_none_or(|value| value == wanted as u64);
    let group = heads / kv_heads.max(1);
    let together = match request.unit.name {
        "attention_decode" => head_rows(group),
        _ => heads_together(group),
    };
    is("HEAD_SIZE", size) && is("HEADS", together) && is("PAGED", 0)
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
    use mettle_gpu::{ConstantSet, DeviceKind, EmbeddedVariant, Preference};

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

    #[test]
    fn pipelines_for_heads_are_of_their_shape() {
        // Those that GPUs have.
        let requests = |unit: &str| -> Vec<PipelineRequest> {
            let unit = units().find(|known| known.name == unit).unwrap();
            let of = |variant: &'static EmbeddedVariant| {
                variant.kernels.iter().map(move |kernel| PipelineRequest {
                    unit,
                    kernel,
                    constants: ConstantSet::new(variant.constants),
                })
            };
            unit.variants.iter().flat_map(of).collect()
        };
        let serving = |unit, kernel, shape| {
            let requests = requests(unit).into_iter();
            let of_kernel = requests.filter(|request| request.kernel == kernel);
            of_kernel
                .filter(|request| serves_heads(request, shape))
                .count()
        };
        // Eight query heads to one of keys are computed four at a time.
        assert_eq!(
            serving("attention_grouped", "attention_grouped_f16", [32, 4, 128]),
            1
        );
        assert_eq!(
            serving("attention_grouped", "attention_grouped_f16", [16, 8, 64]),
            1
        );
        assert_eq!(
            serving("attention_grouped", "attention_grouped_f16", [16, 8, 112]),
            0
        );
        assert_eq!(
            serving("attention_merge", "attention_merge", [32, 4, 128]),
            1
        );
        let all = requests("mul_mv").len();
        assert!(all > 0);
        let serves = |request: &PipelineRequest| serves_heads(request, [32, 4, 128]);
        assert_eq!(requests("mul_mv").iter().filter(|r| serves(r)).count(), all);
    }
}
