//! The text of an artefact, taken apart by kernel: the driver compiles what it is given, and a program launches few of the kernels of an
//! artefact, which has one for each format.

use std::collections::HashMap;
use std::ffi::{CStr, CString};

use mettle_msl::ptx;

/// PTX with kernels that can be taken out of it one by one.
pub(super) struct Ptx {
    /// What all kernels need: declarations, constants, functions, and entries that are no kernels.
    shared: CString,
    /// The text of each kernel by the name of its entry, with what it needs.
    kernels: HashMap<String, CString>,
}

impl Ptx {
    /// Takes PTX apart. If `ahead`, kernels may [begin before the launches before them are through](ptx::Part::begin_ahead).
    ///
    /// # Errors
    /// Why it is no such text.
    pub fn new(text: &[u8], ahead: bool) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
        let mut shared = String::new();
        let mut kernels = HashMap::new();
        for part in ptx::parts(text)? {
            let text = match ahead {
                true => part.begin_ahead(),
                false => part.text.to_owned(),
            };
            match part.entry {
                Some(name) => drop(kernels.insert(name.to_owned(), text)),
                None => shared.push_str(&text),
            }
        }
        let text = |text: String| CString::new(text).map_err(|_| "its text holds a NUL");
        let with_shared = |(name, kernel): (String, String)| -> Result<_, String> {
            Ok((name, text(shared.clone() + &kernel)?))
        };
        Ok(Self {
            kernels: kernels
                .into_iter()
                .map(with_shared)
                .collect::<Result<_, _>>()?,
            shared: text(shared)?,
        })
    }

    /// What is there besides kernels.
    pub fn shared(&self) -> &CStr {
        &self.shared
    }

    /// One kernel with what it needs, if there is one of this name.
    pub fn kernel(&self, entry: &str) -> Option<&CStr> {
        self.kernels.get(entry).map(CString::as_c_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//\n.version 7.0\n.target sm_80\n.global .b32 table;\n\t// .globl\tmettle_kernel__a\n.visible .entry mettle_kernel__a(\n\
        \t.param .u64 p\n)\n.maxntid 32, 1, 1\n{\n\t{\n\tret;\n\t}\n}\n.visible .entry mettle_derive_constants()\n{\n\tret;\n}\n\
        .visible .entry mettle_kernel__a_b()\n{\n\tret;\n}\n";

    #[test]
    fn kernels_come_one_by_one() {
        let ptx = Ptx::new(TEXT.as_bytes(), false).unwrap();
        let shared = ptx.shared().to_str().unwrap();
        assert!(
            shared.contains("table") && shared.contains("mettle_derive_constants()\n{\n\tret;\n}")
        );
        assert!(!shared.contains(".entry mettle_kernel__"));
        let kernel = ptx.kernel("mettle_kernel__a").unwrap();
        let kernel = kernel.to_str().unwrap();
        assert!(kernel.ends_with(".param .u64 p\n)\n.maxntid 32, 1, 1\n{\n\t{\n\tret;\n\t}\n}\n"));
        assert!(kernel.starts_with(shared) && !kernel.contains("a_b()"));
        assert!(ptx.kernel("mettle_kernel__a_b").is_some());
        assert!(ptx.kernel("mettle_derive_constants").is_none());
    }

    #[test]
    fn kernels_that_begin_ahead_wait() {
        let ptx = Ptx::new(TEXT.as_bytes(), true).unwrap();
        assert!(ptx.shared().to_str().unwrap().contains(".target sm_90\n"));
        let kernel = ptx.kernel("mettle_kernel__a").unwrap();
        let kernel = kernel.to_str().unwrap();
        assert_eq!(kernel.matches("griddepcontrol.wait;").count(), 1);
    }

    #[test]
    fn damaged_text_is_refused() {
        let cut = &TEXT.as_bytes()[..TEXT.len() - 3];
        for (text, reason) in [
            (&b"\xff"[..], "it is not text"),
            (b"a\0", "its text holds a NUL"),
            (cut, "its entry mettle_kernel__a_b has no end"),
        ] {
            assert_eq!(Ptx::new(text, false).err().unwrap(), reason);
        }
    }
}
