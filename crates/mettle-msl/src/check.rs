//! Whether a unit is correct MSL, without making code of it.

use crate::compile;
use crate::{Cache, Diagnostic, Result, Severity, Target, Unit, lint};

/// What [`check`] looks at.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions<'a> {
    /// Host names of the kernels to look at; none means all.
    pub kernels: &'a [&'a str],
    /// Also refuse what Metal refuses and C++ accepts ([`lint`]), in the unit as a whole.
    pub strict: bool,
    /// Where to note that a unit is correct, so that it need not be looked at again.
    pub cache: Option<&'a Cache>,
}

/// Every message of the compiler about a unit: all its kernels (or those named) and everything they use. No error among
/// them means that the unit compiles.
///
/// # Errors
/// [`crate::Error::UnknownKernel`], [`crate::Error::Timeout`], and whatever keeps the compiler from running.
pub fn check(unit: &Unit, options: &CheckOptions<'_>) -> Result<Vec<Diagnostic>> {
    let target = Target::host_cpu().unwrap_or(Target::ALL[0]);
    let key = match options.cache {
        Some(_) => {
            let compiled = compile::fingerprint(unit, target, None, options.kernels)?;
            let key = if options.strict { &STRICT_KEY } else { &KEY };
            Some(blake3::keyed_hash(key, compiled.as_bytes()))
        }
        None => None,
    };
    // Only that there is nothing to say is kept: positions are no part of the key.
    let kept = options.cache.zip(key.as_ref());
    if kept.is_some_and(|(cache, key)| cache.get(key).is_some()) {
        return Ok(Vec::new());
    }
    let mut diagnostics = compile::check(unit, target, options.kernels)?;
    // What the compiler refuses need not be looked at for finer points.
    if options.strict && !diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.extend(lint(unit)?);
    }
    if let Some((cache, key)) = kept.filter(|_| diagnostics.is_empty())
        && let Err(error) = cache.put(key, b"correct")
    {
        tracing::warn!(%error, "the result of a check is not kept");
    }
    Ok(diagnostics)
}

/// Tells entries of checks from those of artefacts.
const KEY: [u8; 32] = *b"mettle-msl: result of a check   ";
const STRICT_KEY: [u8; 32] = *b"mettle-msl: of a strict check   ";

impl Diagnostic {
    /// Whether the unit cannot be used because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn what_check_accepts_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let options = CheckOptions {
            cache: Some(&cache),
            ..CheckOptions::default()
        };
        let entries = || std::fs::read_dir(folder.path()).unwrap().count();
        let unit = |text| Unit::from_source("u.metal", text, &Options::default()).unwrap();
        let good = unit("kernel void f(device int* x [[buffer(0)]]) { x[0] = 1; }");
        assert_eq!(check(&good, &options).unwrap(), []);
        assert_eq!(entries(), 1);
        assert_eq!(check(&good, &options).unwrap(), []);
        let bad = unit("kernel void f(device int* x [[buffer(0)]]) {\n  x[0] = y;\n}");
        for _ in 0..2 {
            let found = check(&bad, &options).unwrap();
            assert!(
                found[0].is_error() && found[0].location.line == 2,
                "{found:?}"
            );
        }
        assert_eq!(entries(), 1);
    }

    #[test]
    fn only_the_kernels_named_count() {
        let text = "template <class T> kernel void f(device T* x [[buffer(0)]]) { x[0] = x[0].y; }\n\
            template [[host_name(\"a\")]] kernel void f<float2>(device float2*);\n\
            template [[host_name(\"b\")]] kernel void f<float>(device float*);\n";
        let text = text.replace("x[0] = x[0].y", "x[0] = T(x[0].y)");
        let unit = Unit::from_source("u", &text, &Options::default()).unwrap();
        let of = |kernels: &[&str]| {
            let options = CheckOptions {
                kernels,
                ..CheckOptions::default()
            };
            check(&unit, &options).unwrap()
        };
        assert_eq!(of(&["a"]), []);
        assert!(of(&["b"]).iter().any(Diagnostic::is_error));
        assert!(of(&[]).iter().any(Diagnostic::is_error));
    }

    #[test]
    fn what_is_wrong_in_one_kernel_is_no_matter_of_others() {
        let text = "kernel void helper(device int* x [[buffer(0)]]) { x[0] = 1; }\n\
            kernel void bad(device int* x [[buffer(0)]]) {\n  threadgroup int t[4];\n  x[0] = t[y];\n}\n\
            kernel void good(device int* x [[buffer(0)]]) { helper(x); }\n";
        let unit = Unit::from_source("u", text, &Options::default()).unwrap();
        let target = Target::host_cpu().unwrap();
        compile::compile(&unit, target, None, &["good"]).unwrap();
        let error = compile::compile(&unit, target, None, &["good", "bad"]).unwrap_err();
        assert_eq!(error.diagnostics()[0].location.line, 4);
    }
}
