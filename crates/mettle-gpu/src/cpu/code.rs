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
}

/// A kernel of a loaded artefact.
pub(super) struct Kernel {
    pub entry: Entry,
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
            if kernel.synchronises {
                self.symbol(&name("mettle_thread")).map(Entry::Thread)
            } else {
                self.symbol(&name("mettle_group")).map(Entry::Group)
            }
        };
        let entry = entry.ok_or_else(|| format!("it has no entry for kernel {}", kernel.name))?;
        let kernel = Box::new(Kernel {
            entry,
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
