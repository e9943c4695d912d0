//! The NVIDIA driver: found at run time, its calls with results instead of codes.

use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::ptr;

use cudarc::driver::sys;

/// The CUDA version whose calls are used: graphs whose launches begin ahead.
const LEAST_VERSION: i32 = 12030;

/// A driver's refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure(pub sys::CUresult);

impl Failure {
    /// Whether memory ran out.
    pub fn is_out_of_memory(self) -> bool {
        self.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name: *const c_char = ptr::null();
        let mut text: *const c_char = ptr::null();
        // SAFETY: both write a pointer to a constant C string, or leave it null for a code that they do not know.
        unsafe {
            let _ = sys::cuGetErrorName(self.0, &mut name);
            let _ = sys::cuGetErrorString(self.0, &mut text);
        }
        let string = |s: *const c_char| {
            if s.is_null() {
                return "unknown error".into();
            }
            // SAFETY: not null, so a C string as said above.
            unsafe { CStr::from_ptr(s) }.to_string_lossy()
        };
        write!(f, "{} ({})", string(name), string(text))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The result of a call.
pub(super) fn check(code: sys::CUresult) -> Result<(), Failure> {
    match code {
        sys::CUresult::CUDA_SUCCESS => Ok(()),
        code => Err(Failure(code)),
    }
}

/// A call that writes its result through a pointer.
pub(super) fn get<T>(empty: T, call: impl FnOnce(*mut T) -> sys::CUresult) -> Result<T, Failure> {
    let mut value = empty;
    check(call(&mut value)).map(|()| value)
}

/// A GPU with its primary context and streams of our own.
pub(super) struct Gpu {
    device: sys::CUdevice,
    context: sys::CUcontext,
    pub stream: sys::CUstream,
    /// A stream for copies, which do not wait for launches: whoever copies has waited for those that use the memory.
    copies: sys::CUstream,
    pub name: String,
    /// Compute capability, 90 for 9.0.
    pub capability: u32,
    pub multiprocessors: u32,
    /// Bytes of shared memory of a multiprocessor.
    pub shared_memory: usize,
    /// Bytes of it that a block may have when the kernel asks for more than is usual.
    pub shared_memory_of_block: usize,
}

// SAFETY: the driver's handles may be used from any thread; every call makes the context current first.
unsafe impl Send for Gpu {}
// SAFETY: as above.
unsafe impl Sync for Gpu {}

impl Gpu {
    /// The GPU of an index, as the driver counts them.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn open(index: usize) -> Result<Self, String> {
        // SAFETY: looks for the library by its system names; loading NVIDIA's driver has no requirements.
        if !unsafe { sys::is_culib_present() } {
            return Err("there is no NVIDIA driver (libcuda.so.1 is not found)".into());
        }
        let said = |what: &'static str| move |failure: Failure| format!("{what}: {failure}");
        // SAFETY: the arguments of each call are as its documentation asks; handles come from the calls before.
        unsafe {
            check(sys::cuInit(0)).map_err(said("the NVIDIA driver does not start"))?;
            let version = get(0, |version| sys::cuDriverGetVersion(version))
                .map_err(said("cannot ask for the driver's version"))?;
            if version < LEAST_VERSION {
                return Err(format!(
                    "the NVIDIA driver is too old: it knows CUDA {}.{}, and 12.3 is needed (driver 545 or later)",
                    version / 1000,
                    version % 1000 / 10
                ));
            }
            let count = get(0, |count| sys::cuDeviceGetCount(count))
                .map_err(said("cannot count the GPUs"))?;
            if index >= usize::try_from(count).unwrap_or(0) {
                return Err(match count {
                    0 => "the NVIDIA driver sees no GPU".to_owned(),
                    1 => format!("there is no GPU {index}; the driver sees one, cuda:0"),
                    _ => format!(
                        "there is no GPU {index}; the driver sees {count}, cuda:0 to cuda:{}",
                        count - 1
                    ),
                });
            }
            let device = get(0, |device| sys::cuDeviceGet(device, index as i32))
                .map_err(said("cannot take the GPU"))?;
            let attribute = |attribute| {
                get(0, |value| {
                    sys::cuDeviceGetAttribute(value, attribute, device)
                })
                .map_err(said("cannot ask the GPU"))
            };
            let major =
                attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
            let minor =
                attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
            let multiprocessors =
                attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
            let shared_memory = attribute(
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
            )?;
            let shared_memory_of_block = attribute(
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
            )?;
            let mut name = [0_u8; 256];
            check(sys::cuDeviceGetName(
                name.as_mut_ptr().cast(),
                name.len() as i32 - 1,
                device,
            ))
            .map_err(said("cannot ask for the GPU's name"))?;
            let name = CStr::from_bytes_until_nul(&name).map_or_else(
                |_| "NVIDIA GPU".into(),
                |name| name.to_string_lossy().into_owned(),
            );
            if major < 8 {
                return Err(format!(
                    "{name} has compute capability {major}.{minor}; kernels need 8.0 or later"
                ));
            }
            let context = get(ptr::null_mut(), |context| {
                sys::cuDevicePrimaryCtxRetain(context, device)
            })
            .map_err(said("cannot make a context"))?;
            check(sys::cuCtxSetCurrent(context)).map_err(said("cannot use the context"))?;
            let non_blocking = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
            let stream = || {
                get(ptr::null_mut(), |stream| {
                    sys::cuStreamCreate(stream, non_blocking)
                })
                .map_err(said("cannot make a stream"))
            };
            let (stream, copies) = (stream()?, stream()?);
            Ok(Gpu {
                device,
                context,
                stream,
                copies,
                name,
                capability: (major * 10 + minor) as u32,
                multiprocessors: multiprocessors as u32,
                shared_memory: shared_memory as usize,
                shared_memory_of_block: shared_memory_of_block as usize,
            })
        }
    }

    /// Whether launches may begin before those are through that they wait for.
    pub fn begins_ahead(&self) -> bool {
        self.capability >= 90
    }

    /// Makes the context that of the calling thread, which every other call needs.
    pub fn enter(&self) -> Result<(), Failure> {
        // SAFETY: the context lives as long as this.
        check(unsafe { sys::cuCtxSetCurrent(self.context) })
    }

    /// Free and total bytes.
    pub fn memory(&self) -> Result<(u64, u64), Failure> {
        self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: writes both numbers.
        check(unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) })?;
        Ok((free as u64, total as u64))
    }

    /// Waits for everything on the stream. Failures of launches come out here.
    pub fn finish(&self) -> Result<(), Failure> {
        // SAFETY: the stream lives as long as this.
        check(unsafe { sys::cuStreamSynchronize(self.stream) })
    }

    /// Waits for the copies.
    fn finish_copies(&self) -> Result<(), Failure> {
        // SAFETY: the stream lives as long as this.
        check(unsafe { sys::cuStreamSynchronize(self.copies) })
    }

    /// Memory of the GPU.
    pub fn allocate(&self, bytes: usize) -> Result<sys::CUdeviceptr, Failure> {
        self.enter()?;
        // SAFETY: writes the address.
        get(0, |address| unsafe {
            sys::cuMemAlloc_v2(address, bytes.max(1))
        })
    }

    /// Gives memory back.
    ///
    /// # Safety
    /// It is from `allocate` and used by nobody.
    pub unsafe fn free(&self, address: sys::CUdeviceptr) -> Result<(), Failure> {
        self.enter()?;
        // SAFETY: the caller's promise.
        check(unsafe { sys::cuMemFree_v2(address) })
    }

    /// Copies to the host.
    ///
    /// # Safety
    /// The range is allocated, and nobody writes it.
    pub unsafe fn read(&self, address: sys::CUdeviceptr, into: &mut [u8]) -> Result<(), Failure> {
        self.enter()?;
        let to: *mut c_void = into.as_mut_ptr().cast();
        // SAFETY: the caller's promise; the copy is over when `finish_copies` returns.
        check(unsafe { sys::cuMemcpyDtoHAsync_v2(to, address, into.len(), self.copies) })?;
        self.finish_copies()
    }

    /// Copies from the host.
    ///
    /// # Safety
    /// The range is allocated, and nobody uses it.
    pub unsafe fn write(&self, address: sys::CUdeviceptr, from: &[u8]) -> Result<(), Failure> {
        self.enter()?;
        let from_start: *const c_void = from.as_ptr().cast();
        // SAFETY: as in `read`.
        check(unsafe { sys::cuMemcpyHtoDAsync_v2(address, from_start, from.len(), self.copies) })?;
        self.finish_copies()
    }

    /// Sets every byte of a range.
    ///
    /// # Safety
    /// As for `write`.
    pub unsafe fn fill(
        &self,
        address: sys::CUdeviceptr,
        bytes: usize,
        value: u8,
    ) -> Result<(), Failure> {
        self.enter()?;
        // SAFETY: the caller's promise.
        check(unsafe { sys::cuMemsetD8Async(address, value, bytes, self.copies) })?;
        self.finish_copies()
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: nothing of this device is left; a failure leaves nothing to do.
        unsafe {
            if self.enter().is_ok() {
                let _ = sys::cuStreamDestroy_v2(self.stream);
                let _ = sys::cuStreamDestroy_v2(self.copies);
            }
            let _ = sys::cuDevicePrimaryCtxRelease_v2(self.device);
        }
    }
}
