//! The contract between a compiled kernel and the device that runs it: the exact mirror of `include/mettle/abi.h`.
//!
//! A CPU artefact is a shared object that exports
//! - `mettle_hooks`: a pointer to [`Hooks`], which the loader sets before it calls anything;
//! - for each kernel one entry: `mettle_thread__<name>` ([`ThreadEntry`]) if the kernel synchronises, else `mettle_group__<name>` ([`GroupEntry`]);
//! - if it is generic: `mettle_constants`, an array of [`Constant`] that ends with size 0, and, if constants are computed from
//!   others, `mettle_derive_constants` ([`DeriveConstants`]), to be called once they are set.
//!
//! A thread's SIMD group is its index divided by 32, its lane the remainder; threads are numbered x fastest, then y, then z, within the
//! group's own size.
//!
//! A PTX artefact is text without a NUL that holds
//! - for each kernel one entry, named by [`ptx_entry`]. Its parameters are a [`Dispatch`] and then the kernel's arguments in the order of
//!   [`ArtefactKernel::arguments`](crate::ArtefactKernel::arguments): an address for a buffer, the bytes of a value, and for threadgroup memory
//!   its offset (`u32`, a multiple of 16) in the launch's dynamic shared memory. A block is a threadgroup;
//! - if it is generic: `mettle_constants` as above, with addresses of the GPU, and, if needed, a kernel `mettle_derive_constants` without
//!   parameters, to be run by one thread once they are set.

use std::ffi::c_void;

/// Lanes of a SIMD group.
pub const SIMD_WIDTH: u32 = 32;

/// Length of the tables [`Launch::buffers`] and [`Launch::threadgroup_memory`].
pub const MAX_ARGUMENTS: usize = 31;

/// What is the same for every thread of one threadgroup.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    /// [`MAX_ARGUMENTS`] addresses by `[[buffer(i)]]`; a `constant T&` argument is the address of its bytes.
    pub buffers: *const *mut c_void,
    /// [`MAX_ARGUMENTS`] addresses by `[[threadgroup(i)]]`.
    pub threadgroup_memory: *const *mut c_void,
    /// Size of the grid, in threads.
    pub threads_per_grid: [u32; 3],
    /// Size of the grid, in threadgroups.
    pub threadgroups_per_grid: [u32; 3],
    /// Size of threadgroups as dispatched.
    pub threads_per_threadgroup: [u32; 3],
    /// Size of this group: smaller at the edge of a non-uniform grid.
    pub threadgroup_size: [u32; 3],
    /// Position of this group in the grid, in threadgroups.
    pub threadgroup_position: [u32; 3],
}

/// Computes the results of one operation of a SIMD group: `in[lane]` and `out[lane]` belong to the lanes in the mask, entries of other lanes are null.
pub type Combine =
    unsafe extern "C" fn(input: *const *const c_void, output: *const *mut c_void, active: u32);

/// First parameter of every kernel on an NVIDIA GPU. All blocks of a launch have one size: the smaller groups at the edge of a grid are
/// launched on their own.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Size of the grid, in threads.
    pub threads_per_grid: [u32; 3],
    /// Size of the grid, in threadgroups.
    pub threadgroups_per_grid: [u32; 3],
    /// Size of threadgroups as dispatched.
    pub threads_per_threadgroup: [u32; 3],
    /// Position in the grid, in threadgroups, of the launch's first block.
    pub origin: [u32; 3],
}

/// What the numbers of an argument of a message are: [`LogArgument::kind`].
pub mod log_kind {
    /// Signed integers.
    pub const SIGNED: u32 = 0;
    /// Unsigned integers.
    pub const UNSIGNED: u32 = 1;
    /// Floating-point numbers.
    pub const FLOATING: u32 = 2;
}

/// An argument of a message: a number, or a vector of up to four.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogArgument {
    /// Integers extended to 64 bits, or the bits of an `f32`.
    pub values: [u64; 4],
    /// One of [`log_kind`].
    pub kind: u32,
    /// Bytes of one number, after promotion unless it is in a vector.
    pub size: u32,
    /// How many numbers: 1 unless it is a vector.
    pub count: u32,
}

/// A message of a kernel: a format as `printf`'s and its arguments. Strings end with NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LogMessage {
    /// Subsystem of the log, empty for the default one.
    pub subsystem: *const std::ffi::c_char,
    /// Category of the log, empty for the default one.
    pub category: *const std::ffi::c_char,
    /// The format.
    pub format: *const std::ffi::c_char,
    /// `count` arguments.
    pub arguments: *const LogArgument,
    /// 0 debug, 1 info, 2 default, 3 error, 4 fault.
    pub kind: u32,
    /// Number of arguments.
    pub count: u32,
}

/// What a running kernel asks of the device.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// Waits until every thread of the SIMD group that has not returned waits in a hook; then `combine` (unless null) runs once for the
    /// threads at the same `site`.
    pub collective: unsafe extern "C" fn(
        site: u64,
        combine: Option<Combine>,
        input: *const c_void,
        output: *mut c_void,
    ),
    /// Waits until every thread of the threadgroup waits here.
    pub barrier: unsafe extern "C" fn(site: u64, memory_flags: u32),
    /// The calling thread's index in its threadgroup.
    pub thread_index: unsafe extern "C" fn() -> u32,
    /// Hands a message to the host's log.
    pub log: unsafe extern "C" fn(message: *const LogMessage),
}

/// One function constant of a generic artefact.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    /// Its index; meaningless in the last entry.
    pub index: u32,
    /// Bytes of its value; 0 ends the table.
    pub size: u32,
    /// Where its value is stored.
    pub value: *mut c_void,
    /// What `is_function_constant_defined` answers.
    pub defined: *mut bool,
}

/// Name of the entry of a kernel in PTX: characters of the host name that PTX does not allow are written as `$` and their hexadecimal code.
pub fn ptx_entry(kernel: &str) -> String {
    let mut name = "mettle_kernel__".to_owned();
    for byte in kernel.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("${byte:02x}"));
        }
    }
    name
}

/// Runs one thread.
pub type ThreadEntry =
    unsafe extern "C" fn(launch: *const Launch, thread_index_in_threadgroup: u32);

/// Runs all threads of a group whose kernel does not synchronise.
pub type GroupEntry = unsafe extern "C" fn(launch: *const Launch);

/// Recomputes constants that depend on function constants.
pub type DeriveConstants = unsafe extern "C" fn();

/// Line and column of a synchronisation site, in the text that was compiled. [`Artefact::locate`](crate::Artefact::locate) leads to the user's file.
pub const fn site_line_column(site: u64) -> (u32, u32) {
    ((site >> 12) as u32 & 0xf_ffff, site as u32 & 0xfff)
}
