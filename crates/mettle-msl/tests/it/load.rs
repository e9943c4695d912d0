//! Loads compiled kernels into the test's process and runs them on one thread.

use libloading::{Library, Symbol};
use mettle_msl::Artefact;
use mettle_msl::abi::{
    Combine, Constant, DeriveConstants, GroupEntry, Hooks, Launch, LogMessage, MAX_ARGUMENTS,
    ThreadEntry,
};
use std::ffi::c_void;
use std::io::Write;
use std::ptr;

/// A loaded artefact.
pub struct Loaded {
    library: Library,
    artefact: Artefact,
}

/// One dispatch: sizes in threads.
pub struct Grid {
    pub threads: [u32; 3],
    pub group: [u32; 3],
}

extern "C" fn thread_index() -> u32 {
    0
}

extern "C" fn barrier(_site: u64, _flags: u32) {}

unsafe extern "C" fn log(_message: *const LogMessage) {}

/// A SIMD group of one lane, which is what groups of one thread have.
unsafe extern "C" fn collective(
    _site: u64,
    combine: Option<Combine>,
    input: *const c_void,
    output: *mut c_void,
) {
    let mut inputs = [ptr::null(); 32];
    let mut outputs = [ptr::null_mut(); 32];
    (inputs[0], outputs[0]) = (input, output);
    if let Some(combine) = combine {
        // SAFETY: both tables have an entry for each lane, and the entries of the one active lane are what the kernel passed.
        unsafe { combine(inputs.as_ptr(), outputs.as_ptr(), 1) }
    }
}

static HOOKS: Hooks = Hooks {
    collective,
    barrier,
    thread_index,
    log,
};

impl Loaded {
    /// Loads the code from a temporary file.
    pub fn new(artefact: Artefact) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&artefact.code).unwrap();
        // SAFETY: the code was compiled just now; it has at most initialisers of constants.
        let library = unsafe { Library::new(file.path()) }.unwrap();
        // SAFETY: abi.h declares the symbol as a pointer to hooks; nothing runs yet that could read it.
        unsafe {
            let hooks: Symbol<'_, *mut *const Hooks> = library.get(b"mettle_hooks").unwrap();
            **hooks = &HOOKS;
        }
        Self { library, artefact }
    }

    /// Whether a symbol is exported.
    pub fn exports(&self, name: &str) -> bool {
        // SAFETY: the symbol is looked up but not used.
        unsafe { self.library.get::<*const c_void>(name.as_bytes()) }.is_ok()
    }

    /// Sets a function constant of a generic artefact; false if there is none of this index and size.
    pub fn set<T: Copy>(&self, index: u32, value: T) -> bool {
        // SAFETY: the table ends with size 0, and its entries point to variables of the size they state.
        unsafe {
            let table: Symbol<'_, *const Constant> = self.library.get(b"mettle_constants").unwrap();
            let mut entry = *table;
            while (*entry).size != 0 {
                if (*entry).index == index && (*entry).size as usize == size_of::<T>() {
                    (*entry).value.cast::<T>().write_unaligned(value);
                    *(*entry).defined = true;
                    if let Ok(derive) = self
                        .library
                        .get::<DeriveConstants>(b"mettle_derive_constants")
                    {
                        derive();
                    }
                    return true;
                }
                entry = entry.add(1);
            }
        }
        false
    }

    /// Runs a kernel over a grid, group by group, with the given buffers. Threadgroup memory is 4 KiB an index.
    pub fn run(&self, kernel: &str, grid: &Grid, buffers: &[*mut c_void]) {
        let found = self
            .artefact
            .kernels
            .iter()
            .find(|k| k.name == kernel)
            .expect("the kernel is in the artefact");
        let mut table = [ptr::null_mut(); MAX_ARGUMENTS];
        table[..buffers.len()].copy_from_slice(buffers);
        let mut memory = vec![[0u128; 256]; MAX_ARGUMENTS];
        let memory: Vec<*mut c_void> = memory.iter_mut().map(|m| m.as_mut_ptr().cast()).collect();
        let groups: [u32; 3] = std::array::from_fn(|d| grid.threads[d].div_ceil(grid.group[d]));
        for index in 0..groups.iter().product() {
            let position = [
                index % groups[0],
                index / groups[0] % groups[1],
                index / (groups[0] * groups[1]),
            ];
            let size: [u32; 3] = std::array::from_fn(|d| {
                grid.group[d].min(grid.threads[d] - position[d] * grid.group[d])
            });
            let launch = Launch {
                buffers: table.as_ptr(),
                threadgroup_memory: memory.as_ptr(),
                threads_per_grid: grid.threads,
                threadgroups_per_grid: groups,
                threads_per_threadgroup: grid.group,
                threadgroup_size: size,
                threadgroup_position: position,
            };
            // SAFETY: the entries have these types by the contract of `abi`; the caller passes buffers that fit the kernel.
            unsafe {
                if found.synchronises {
                    let entry: Symbol<'_, ThreadEntry> = self
                        .library
                        .get(format!("mettle_thread__{kernel}").as_bytes())
                        .unwrap();
                    assert_eq!(
                        size, [1; 3],
                        "these hooks can only serve groups of one thread"
                    );
                    entry(&launch, 0);
                } else {
                    let entry: Symbol<'_, GroupEntry> = self
                        .library
                        .get(format!("mettle_group__{kernel}").as_bytes())
                        .unwrap();
                    entry(&launch);
                }
            }
        }
    }
}
