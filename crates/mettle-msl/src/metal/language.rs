//! Versions of the Metal Shading Language that sources need.

/// A version of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// 3.1: the first with `bfloat`.
    Metal3_1,
    /// 4.0: the first with tensors.
    Metal4_0,
}

impl Language {
    /// The oldest that has what a source includes.
    pub fn of(source: &str) -> Language {
        const OF_TENSORS: [&str; 3] = [
            "<metal_tensor>",
            "<metal_cooperative_tensor>",
            "<MetalPerformancePrimitives/",
        ];
        match OF_TENSORS.iter().any(|header| source.contains(header)) {
            true => Language::Metal4_0,
            false => Language::Metal3_1,
        }
    }

    /// Its name among the options of Apple's compiler.
    pub const fn standard(self) -> &'static str {
        match self {
            Language::Metal3_1 => "metal3.1",
            Language::Metal4_0 => "metal4.0",
        }
    }

    /// The first macOS that has it.
    pub const fn system(self) -> &'static str {
        match self {
            Language::Metal3_1 => "14.0",
            Language::Metal4_0 => "26.0",
        }
    }

    /// `__METAL_VERSION__` and `__cplusplus`.
    pub(crate) const fn versions(self) -> [&'static str; 2] {
        match self {
            Language::Metal3_1 => ["310", "201402L"],
            Language::Metal4_0 => ["400", "201703L"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_new() {
        let plain = "#include <metal_stdlib>\nkernel void k() {}\n";
        assert_eq!(Language::of(plain), Language::Metal3_1);
        let header = "#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>\n";
        assert_eq!(Language::of(header), Language::Metal4_0);
    }
}
