//! What the processor can run.

use crate::error::Result;

/// The artefact targets that this processor can load, best first.
///
/// # Errors
/// [`Error::UnsupportedCpu`](crate::Error::UnsupportedCpu) names what it lacks.
#[cfg(target_arch = "x86_64")]
pub(super) fn targets() -> Result<&'static [&'static str]> {
    use std::arch::is_x86_feature_detected as has;

    let v3 = [
        ("avx", has!("avx")),
        ("avx2", has!("avx2")),
        ("bmi1", has!("bmi1")),
        ("bmi2", has!("bmi2")),
        ("f16c", has!("f16c")),
        ("fma", has!("fma")),
        ("lzcnt", has!("lzcnt")),
        ("movbe", has!("movbe")),
    ];
    let v4 = has!("avx512f")
        && has!("avx512bw")
        && has!("avx512cd")
        && has!("avx512dq")
        && has!("avx512vl")
        && has!("avx512vnni");
    choose(&v3, v4)
}

/// The targets for given features: those that the lower level needs, and whether the higher level is complete.
#[cfg(target_arch = "x86_64")]
fn choose(v3: &[(&str, bool)], v4: bool) -> Result<&'static [&'static str]> {
    let missing: Vec<&str> = v3
        .iter()
        .filter(|(_, present)| !present)
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        return Err(crate::Error::UnsupportedCpu {
            needed: "x86-64-v3 (AVX2, FMA, BMI2, F16C: Intel since 2013, AMD since 2015)",
            missing: missing.join(", "),
        });
    }
    Ok(if v4 {
        &["cpu-x86-64-v4-vnni", "cpu-x86-64-v3"]
    } else {
        &["cpu-x86-64-v3"]
    })
}

/// The artefact targets that this processor can load.
///
/// # Errors
/// [`Error::UnsupportedCpu`](crate::Error::UnsupportedCpu) when it lacks half-precision arithmetic.
#[cfg(target_arch = "aarch64")]
pub(super) fn targets() -> Result<&'static [&'static str]> {
    if !std::arch::is_aarch64_feature_detected!("fp16") {
        return Err(crate::Error::UnsupportedCpu {
            needed: "Armv8.2 with half-precision arithmetic (fp16)",
            missing: "fp16".to_owned(),
        });
    }
    Ok(&["cpu-aarch64"])
}

/// The artefact targets that this processor can load.
///
/// # Errors
/// [`Error::UnsupportedCpu`](crate::Error::UnsupportedCpu): kernels are compiled for x86-64 and aarch64.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn targets() -> Result<&'static [&'static str]> {
    Err(crate::Error::UnsupportedCpu {
        needed: "x86-64-v3 or aarch64",
        missing: std::env::consts::ARCH.to_owned(),
    })
}

/// The processor's name for people, with the number of threads that kernels run on.
pub(super) fn processor_name() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
    let model = model.unwrap_or_else(|| format!("{} CPU", std::env::consts::ARCH));
    format!("{model} ({threads} threads)")
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn levels() {
        assert_eq!(
            choose(&[("avx2", true)], true).unwrap(),
            ["cpu-x86-64-v4-vnni", "cpu-x86-64-v3"]
        );
        assert_eq!(choose(&[("avx2", true)], false).unwrap(), ["cpu-x86-64-v3"]);
        let error = choose(&[("avx2", false), ("fma", true), ("bmi2", false)], false).unwrap_err();
        assert!(
            matches!(&error, Error::UnsupportedCpu { missing, .. } if missing == "avx2, bmi2"),
            "{error}"
        );
    }
}
