//! Loading compiled artefacts: shared objects from memory, their hooks and function constants set.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::executor::HOOKS;
use crate::backend::{LoadError, RawKernel};
use mettle_msl::abi::{Constant, DeriveConstants, GroupEntry, Hooks, ThreadEntry};

/// A loaded artefact.
pub(super) struct Code {
    /// Kernels handed out; boxed so that their addresses stay.
    #[allow(clippy::vec_box)]
    kernels: Mutex<Vec<Box<Kernel>>>,
    library: Library,
    /// What the library was loaded from. The loader knows libraries by path, and the path of a file in memory is its descriptor: kept
    /// open, so that no other library gets the same path.
    _file: LoadedFile,
}

/// A kernel's entry.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    /// It synchronises: one call a thread, on fibers.
    Thread(ThreadEntry),
    /// It does not: one call a threadgroup.
    Group(GroupEntry),
    /// It does not, but tells its threads apart: one call a thread.
    Single(ThreadEntry),
}

/// Where code lies in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text {
    start: usize,
    bytes: usize,
    /// Where address 0 of the shared object is.
    base: usize,
}

impl Text {
    /// Some code from an address on.
    #[cfg(test)]
    pub fn at(start: usize) -> Self {
        Text {
            start,
            bytes: 4096,
            base: start,
        }
    }

    pub fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.bytes
    }

    /// Whether an instruction is what a failed check of an array's index runs into: what LLVM makes of `llvm.ubsantrap`. Its number, which tells
    /// kinds of checks apart, is not looked at, since this is the only kind that is compiled in.
    pub fn is_index_check(&self, pc: usize) -> bool {
        const BYTES: usize = 4;
        if !self.contains(pc) || !self.contains(pc.wrapping_add(BYTES - 1)) {
            return false;
        }
        let at: *const [u8; BYTES] = std::ptr::with_exposed_provenance(pc);
        // SAFETY: code of a loaded library; loaders map it readable.
        let instruction = unsafe { at.read_unaligned() };
        if cfg!(target_arch = "x86_64") {
            // ud1l number(%eax), %eax
            return instruction.starts_with(&[0x67, 0x0f, 0xb9]);
        }
        // brk #0x5500 + number
        u32::from_le_bytes(instruction) & 0xffff_e01f == 0xd420_0000 | 0x5500 << 5
    }

    /// The address of an instruction in the shared object.
    pub fn address_in_object(&self, pc: usize) -> Option<u64> {
        self.contains(pc).then(|| (pc - self.base) as u64)
    }
}

/// A kernel of a loaded artefact.
pub(super) struct Kernel {
    pub entry: Entry,
    pub text: Text,
    /// Measured time of one threadgroup in sixteenths of a nanosecond, a running mean; zero when it never ran.
    pub cost: AtomicU32,
}

enum LoadedFile {
    #[cfg(target_os = "linux")]
    InMemory {
        _file: File,
    },
    OnDisk {
        _file: tempfile::TempPath,
    },
}

impl Code {
    /// Loads a private copy of a shared object and sets its function constants.
    ///
    /// # Safety
    /// It was compiled by `mettle_msl` for this processor.
    pub unsafe fn load(code: &[u8], constants: &[(u32, u64)]) -> Result<Self, LoadError> {
        let refuse =
            |what: &str, error: &dyn std::fmt::Display| LoadError::Code(format!("{what}: {error}"));
        let (path, file) =
            place(code).map_err(|error| refuse("cannot place it for loading", &error))?;
        // SAFETY: the caller's promise; such objects have no initialisers that run at load time.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|error| refuse("the loader refused it", &error))?;
        let loaded = Code {
            kernels: Mutex::default(),
            library,
            _file: file,
        };
        // SAFETY: the caller's promise: the symbols have the types of the ABI.
        unsafe {
            let hooks = loaded.symbol::<*mut *const Hooks>("mettle_hooks");
            // An artefact none of whose kernels synchronises need not have them.
            if let Some(hooks) = hooks {
                *hooks = &raw const HOOKS;
            }
            loaded.set_constants(constants)?;
        }
        Ok(loaded)
    }

    /// The address of a symbol, as a pointer type.
    ///
    /// # Safety
    /// The symbol has that type.
    unsafe fn symbol<T: Copy>(&self, name: &str) -> Option<T> {
        // SAFETY: the caller's promise.
        unsafe { self.library.get::<T>(name).ok().map(|symbol| *symbol) }
    }

    unsafe fn set_constants(&self, constants: &[(u32, u64)]) -> Result<(), LoadError> {
        if constants.is_empty() {
            return Ok(());
        }
        // SAFETY: as in `load`. The table ends with an entry of size 0.
        unsafe {
            let table = self.symbol::<*const Constant>("mettle_constants");
            for &(index, bits) in constants {
                let mut entry = table.ok_or(LoadError::UnknownConstant(index))?;
                while (*entry).size != 0 && (*entry).index != index {
                    entry = entry.add(1);
                }
                let size = (*entry).size as usize;
                if size == 0 {
                    return Err(LoadError::UnknownConstant(index));
                }
                let bytes = bits.to_le_bytes();
                std::ptr::copy_nonoverlapping(
                    bytes.as_ptr(),
                    (*entry).value.cast(),
                    size.min(bytes.len()),
                );
                *(*entry).defined = true;
            }
            if let Some(derive) = self.symbol::<DeriveConstants>("mettle_derive_constants") {
                derive();
            }
        }
        Ok(())
    }

    /// A kernel; it lives as long as the code.
    ///
    /// # Safety
    /// As for `load`; the description is the artefact's own.
    pub unsafe fn kernel(&self, kernel: RawKernel<'_>) -> Result<*const Kernel, String> {
        let name = |prefix: &str| format!("{prefix}__{}", kernel.name);
        // SAFETY: the caller's promise.
        let entry = unsafe {
            let thread = self.symbol(&name("mettle_thread"));
            match thread {
                Some(entry) if kernel.synchronises => Some(Entry::Thread(entry)),
                // Only code that is to be examined has it.
                Some(entry) => Some(Entry::Single(entry)),
                None if kernel.synchronises => None,
                None => self.symbol(&name("mettle_group")).map(Entry::Group),
            }
        };
        let entry = entry.ok_or_else(|| format!("it has no entry for kernel {}", kernel.name))?;
        let address = match entry {
            Entry::Thread(entry) | Entry::Single(entry) => entry as usize,
            Entry::Group(entry) => entry as usize,
        };
        let kernel = Box::new(Kernel {
            entry,
            // SAFETY: an entry of a loaded shared object, which stays loaded.
            text: unsafe { text_around(address) }.unwrap_or_default(),
            cost: AtomicU32::new(0),
        });
        let address = &raw const *kernel;
        let mut kernels = self
            .kernels
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        kernels.push(kernel);
        Ok(address)
    }
}

/// The executable part of the loaded shared object that holds an address, read from the program headers that the loader has mapped.
///
/// # Safety
/// The address is one of code of a shared object that stays loaded meanwhile.
#[cfg(target_os = "linux")]
unsafe fn text_around(address: usize) -> Option<Text> {
    const HEADER_BYTES: usize = 64;
    const ENTRY_BYTES: usize = 56;
    const LOAD: u32 = 1;
    const EXECUTABLE: u32 = 1;
    // SAFETY: zeroes are a valid `Dl_info`; the loader keeps the file's first page mapped at the base.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(std::ptr::with_exposed_provenance(address), &raw mut info) == 0 {
            return None;
        }
        let base = info.dli_fbase.cast::<u8>();
        let header = std::slice::from_raw_parts(base, HEADER_BYTES);
        // ELF64: offset, size and count of the program headers at bytes 32, 54 and 56; of each: type, flags, address and size in memory at
        // bytes 0, 4, 16 and 40.
        let half =
            |bytes: &[u8], at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let word = |bytes: &[u8], at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let long = |bytes: &[u8], at: usize| {
            word(bytes, at) as usize | (word(bytes, at + 4) as usize) << 32
        };
        if !header.starts_with(b"\x7fELF\x02\x01") || half(header, 54) != ENTRY_BYTES {
            return None;
        }
        let entries = base.add(long(header, 32));
        for index in 0..half(header, 56) {
            let entry = std::slice::from_raw_parts(entries.add(index * ENTRY_BYTES), ENTRY_BYTES);
            let text = Text {
                start: base.addr() + long(entry, 16),
                bytes: long(entry, 40),
                base: base.addr(),
            };
            if word(entry, 0) == LOAD && word(entry, 4) & EXECUTABLE != 0 && text.contains(address)
            {
                return Some(text);
            }
        }
        None
    }
}

/// Code is not found elsewhere, so its faults are not caught.
///
/// # Safety
/// Nothing is asked for.
#[cfg(not(target_os = "linux"))]
unsafe fn text_around(_address: usize) -> Option<Text> {
    None
}

/// Puts code where the loader finds it: in memory where the system can, else in a temporary file.
#[cfg(target_os = "linux")]
fn place(code: &[u8]) -> io::Result<(PathBuf, LoadedFile)> {
    use std::os::fd::{AsRawFd, FromRawFd};

    // SAFETY: the name is a C string; the flags are valid.
    let descriptor = unsafe { libc::memfd_create(c"mettle".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "no files in memory; using a temporary file");
        return place_on_disk(code);
    }
    // SAFETY: a new descriptor that nobody else owns.
    let mut file = unsafe { File::from_raw_fd(descriptor) };
    file.write_all(code)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok((path, LoadedFile::InMemory { _file: file }))
}

/// Puts code where the loader finds it.
#[cfg(not(target_os = "linux"))]
fn place(code: &[u8]) -> io::Result<(PathBuf, LoadedFile)> {
    place_on_disk(code)
}

fn place_on_disk(code: &[u8]) -> io::Result<(PathBuf, LoadedFile)> {
    let mut file = tempfile::Builder::new()
        .prefix("mettle-")
        .suffix(".so")
        .tempfile()?;
    file.write_all(code)?;
    let path = file.into_temp_path();
    Ok((path.to_path_buf(), LoadedFile::OnDisk { _file: path }))
}
