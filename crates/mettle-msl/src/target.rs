//! What code is made for.

use std::fmt;

/// What code is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A shared object for a CPU on Linux.
    Cpu(CpuLevel),
}

/// Instruction set of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CpuLevel {
    /// x86-64 with AVX2, FMA and F16C.
    X86_64V3,
    /// x86-64 with AVX-512 (F, BW, CD, DQ, VL).
    X86_64V4,
    /// AArch64, Armv8.2 with half-precision arithmetic.
    Aarch64,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 3] = [
        Self::Cpu(CpuLevel::X86_64V3),
        Self::Cpu(CpuLevel::X86_64V4),
        Self::Cpu(CpuLevel::Aarch64),
    ];

    /// Name, as in the names of files: `cpu-x86-64-v3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu(CpuLevel::X86_64V3) => "cpu-x86-64-v3",
            Self::Cpu(CpuLevel::X86_64V4) => "cpu-x86-64-v4",
            Self::Cpu(CpuLevel::Aarch64) => "cpu-aarch64",
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
                && has!("avx512vl");
            match (v3, v4) {
                (true, true) => Some(Self::Cpu(CpuLevel::X86_64V4)),
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
    pub(crate) const fn clang_arguments(self) -> [&'static str; 2] {
        match self {
            Self::Cpu(CpuLevel::X86_64V3) => {
                ["--target=x86_64-unknown-linux-gnu", "-march=x86-64-v3"]
            }
            Self::Cpu(CpuLevel::X86_64V4) => {
                ["--target=x86_64-unknown-linux-gnu", "-march=x86-64-v4"]
            }
            Self::Cpu(CpuLevel::Aarch64) => [
                "--target=aarch64-unknown-linux-gnu",
                "-march=armv8.2-a+fp16",
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
