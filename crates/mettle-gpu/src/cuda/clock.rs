//! The time of launches by the GPU's own clock.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cudarc::driver::sys;

use super::driver::{Failure, Gpu, check, get};

/// Keeps the stream busy for so many nanoseconds.
const HOLD: &CStr = c"
.version 7.0
.target sm_80
.address_size 64
.visible .entry hold(.param .u32 nanoseconds)
{
  .reg .pred %p;
  .reg .b32 %r<2>;
  .reg .b64 %t<4>;
  ld.param.u32 %r1, [nanoseconds];
  cvt.u64.u32 %t1, %r1;
  mov.u64 %t2, %globaltimer;
  add.u64 %t1, %t1, %t2;
more:
  nanosleep.u32 200;
  mov.u64 %t3, %globaltimer;
  setp.lt.u64 %p, %t3, %t1;
  @%p bra more;
  ret;
}
";

/// Nanoseconds that putting a launch and an event on the stream takes, and what comes before the first, at most as a rule.
const HELD_FOR_LAUNCH: usize = 10_000;
const HELD_AT_FIRST: usize = 20_000;

/// Nanoseconds of a hold, at most.
const LONGEST_HOLD: usize = 10_000_000;

/// Measures launches: they are put on the stream while it is kept busy, so that the GPU goes from one to the next and does not wait for the
/// host in between.
#[derive(Default)]
pub(super) struct Clock(OnceLock<Option<Hold>>);

/// The kernel that keeps the stream busy. The driver unloads it with the context.
struct Hold {
    function: sys::CUfunction,
}

// SAFETY: the driver's handles may be used from any thread.
unsafe impl Send for Hold {}
// SAFETY: as above.
unsafe impl Sync for Hold {}

impl Clock {
    /// Keeps the stream busy while so many launches are put on it. Without that times are longer, but as right.
    pub fn hold(&self, gpu: &Arc<Gpu>, launches: usize) {
        let hold = self.0.get_or_init(|| match Hold::load() {
            Ok(hold) => Some(hold),
            Err(failure) => {
                tracing::warn!(device = gpu.name, %failure, "times of launches will include the host's");
                None
            }
        });
        if let Some(hold) = hold {
            let nanoseconds =
                (HELD_AT_FIRST + HELD_FOR_LAUNCH.saturating_mul(launches)).min(LONGEST_HOLD);
            if let Err(failure) = hold.launch(gpu, nanoseconds as u32) {
                tracing::warn!(device = gpu.name, %failure, "cannot keep the stream busy");
            }
        }
    }
}

impl Hold {
    /// The context is current.
    fn load() -> Result<Self, Failure> {
        // SAFETY: the text ends with a NUL; the module is kept.
        unsafe {
            let module = get(ptr::null_mut(), |module| {
                sys::cuModuleLoadData(module, HOLD.as_ptr().cast())
            })?;
            let function = get(ptr::null_mut(), |function| {
                sys::cuModuleGetFunction(function, module, c"hold".as_ptr())
            })?;
            Ok(Hold { function })
        }
    }

    fn launch(&self, gpu: &Gpu, mut nanoseconds: u32) -> Result<(), Failure> {
        let mut parameters: [*mut c_void; 1] = [(&raw mut nanoseconds).cast()];
        // SAFETY: the kernel has this one parameter, which the call copies.
        check(unsafe {
            sys::cuLaunchKernel(
                self.function,
                1,
                1,
                1,
                1,
                1,
                1,
                0,
                gpu.stream,
                parameters.as_mut_ptr(),
                ptr::null_mut(),
            )
        })
    }
}

/// A point in the stream whose time is taken.
pub(super) struct Event(sys::CUevent);

// SAFETY: the driver's handles may be used from any thread.
unsafe impl Send for Event {}

impl Event {
    /// One that is next in the stream. The context is current.
    pub fn next(gpu: &Gpu) -> Result<Self, Failure> {
        // SAFETY: writes the handle.
        let event = get(ptr::null_mut(), |event| unsafe {
            sys::cuEventCreate(event, 0)
        })?;
        let event = Event(event);
        // SAFETY: the event and the stream live.
        check(unsafe { sys::cuEventRecord(event.0, gpu.stream) })?;
        Ok(event)
    }

    /// Waits until it has come to pass. Failures of launches before come out here. The context is current.
    pub fn wait(&self) -> Result<(), Failure> {
        // SAFETY: the event lives.
        check(unsafe { sys::cuEventSynchronize(self.0) })
    }

    /// The time since an earlier one; both have come to pass.
    pub fn since(&self, earlier: &Event) -> Result<Duration, Failure> {
        // SAFETY: both events live.
        let milliseconds = get(0.0_f32, |value| unsafe {
            sys::cuEventElapsedTime(value, earlier.0, self.0)
        })?;
        Ok(Duration::from_nanos((f64::from(milliseconds) * 1e6) as u64))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it is used no more; the context is current.
        let _ = unsafe { sys::cuEventDestroy_v2(self.0) };
    }
}
