//! What code is made for.

use std::fmt;

/// What code is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A shared object for a CPU on Linux.
    Cpu(CpuLevel),
    /// PTX text for an NVIDIA GPU, whose driver compiles it when it is loaded.
    Ptx(PtxLevel),
}

/// Instruction set of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CpuLevel {
    /// x86-64 with AVX2, FMA and F16C.
    X86_64V3,
    /// x86-64 with AVX-512 (F, BW, CD, DQ, VL) and its products of bytes (VNNI): Intel's since Ice Lake, AMD's since Zen 4.
    X86_64V4Vnni,
    /// AArch64, Armv8.2 with half-precision arithmetic.
    Aarch64,
}

/// Architecture of an NVIDIA GPU that PTX is made for; later ones run it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PtxLevel {
    /// Compute capability 8.0 (Ampere) and PTX 7.0, which drivers from 450 on read.
    Sm80,
    /// Compute capability 9.0 (Hopper) with what is its own, and PTX 8.0, which drivers from 525 on read. No other GPU runs it.
    Sm90a,
}

/// The two kinds of processors, which kernels may be written for in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetClass {
    /// Threads of a group run one after the other.
    Cpu,
    /// Threads of a group run together.
    Gpu,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 5] = [
        Self::Cpu(CpuLevel::X86_64V3),
        Self::Cpu(CpuLevel::X86_64V4Vnni),
        Self::Cpu(CpuLevel::Aarch64),
        Self::Ptx(PtxLevel::Sm80),
        Self::Ptx(PtxLevel::Sm90a),
    ];

    /// Name, as in the names of files: `cpu-x86-64-v3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu(CpuLevel::X86_64V3) => "cpu-x86-64-v3",
            Self::Cpu(CpuLevel::X86_64V4Vnni) => "cpu-x86-64-v4-vnni",
            Self::Cpu(CpuLevel::Aarch64) => "cpu-aarch64",
            Self::Ptx(PtxLevel::Sm80) => "ptx-sm80",
            Self::Ptx(PtxLevel::Sm90a) => "ptx-sm90a",
        }
    }

    /// Its class.
    pub const fn class(self) -> TargetClass {
        match self {
            Self::Cpu(_) => TargetClass::Cpu,
            Self::Ptx(_) => TargetClass::Gpu,
        }
    }

    /// The target of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The best target that this machine's CPU runs; `None` when it runs none.
    pub fn host_cpu() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let v3 = has!("avx2")
                && has!("fma")
                && has!("f16c")
                && has!("bmi1")
                && has!("bmi2")
                && has!("lzcnt")
                && has!("movbe");
            let v4 = has!("avx512f")
                && has!("avx512bw")
                && has!("avx512cd")
                && has!("avx512dq")
                && has!("avx512vl")
                && has!("avx512vnni");
            match (v3, v4) {
                (true, true) => Some(Self::Cpu(CpuLevel::X86_64V4Vnni)),
                (true, false) => Some(Self::Cpu(CpuLevel::X86_64V3)),
                _ => None,
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            std::arch::is_aarch64_feature_detected!("fp16").then_some(Self::Cpu(CpuLevel::Aarch64))
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            None
        }
    }

    /// Arguments that make clang compile for it.
    ///
    /// PTX is compiled as CUDA, not as C++ for `nvptx64`: so clang itself knows that threadgroup memory is another address space and that
    /// barriers and SIMD-group operations must not be moved into branches, and the optimiser sees it from its first pass on.
    pub(crate) const fn clang_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Cpu(CpuLevel::X86_64V3) => {
                &["--target=x86_64-unknown-linux-gnu", "-march=x86-64-v3"]
            }
            Self::Cpu(CpuLevel::X86_64V4Vnni) => &[
                "--target=x86_64-unknown-linux-gnu",
                "-march=x86-64-v4",
                "-mavx512vnni",
            ],
            Self::Cpu(CpuLevel::Aarch64) => &[
                "--target=aarch64-unknown-linux-gnu",
                "-march=armv8.2-a+fp16",
            ],
            Self::Ptx(PtxLevel::Sm80) => &[
                "--cuda-device-only",
                "-nocudainc",
                "-nocudalib",
                "--cuda-gpu-arch=sm_80",
                "-Xclang",
                "-target-feature",
                "-Xclang",
                "+ptx70",
            ],
            Self::Ptx(PtxLevel::Sm90a) => &[
                "--cuda-device-only",
                "-nocudainc",
                "-nocudalib",
                "--cuda-gpu-arch=sm_90a",
                "-Xclang",
                "-target-feature",
                "-Xclang",
                "+ptx80",
            ],
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for target in Target::ALL {
            assert_eq!(Target::from_name(target.name()), Some(target));
        }
        assert_eq!(Target::from_name("cpu"), None);
    }
}
