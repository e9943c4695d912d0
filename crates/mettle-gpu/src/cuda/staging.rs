//! Large copies to the GPU: weights from a mapped file. The driver reaches the full speed of the bus only from memory that is pinned, and pages
//! of a file are slow to read by one thread; so a few threads copy parts into pinned memory, each one part ahead of the bus.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys;

use super::driver::{Failure, Gpu, check, get};

/// Bytes of a part.
const PART: usize = 4 << 20;

/// Parts that a lane holds: one on the bus while the next is read.
const PARTS_OF_LANE: usize = 2;

/// Threads that read: four copy about as fast as a bus of 32 GB/s takes it.
const MAX_LANES: usize = 4;

/// Copies from this size on are worth it.
pub(super) const WORTHWHILE: usize = 2 * PART;

/// Pinned memory for copies, kept as long as the device: 32 MB, made when the first comes.
#[derive(Default)]
pub(super) struct Staging(Mutex<Vec<Lane>>);

/// What one thread copies through.
struct Lane {
    gpu: Arc<Gpu>,
    stream: sys::CUstream,
    /// Pinned memory of [`PART`] bytes each, and what is past when the bus is done with it.
    parts: Vec<(*mut u8, sys::CUevent)>,
}

// SAFETY: the memory belongs to the lane, and the driver's handles may be used from any thread.
unsafe impl Send for Lane {}

impl Staging {
    /// Copies from the host.
    ///
    /// # Safety
    /// The range is allocated, and nobody uses it.
    pub unsafe fn write(
        &self,
        gpu: &Arc<Gpu>,
        address: sys::CUdeviceptr,
        from: &[u8],
    ) -> Result<(), Failure> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_LANES);
        gpu.enter()?;
        while lanes.len() < wanted {
            lanes.push(Lane::new(gpu)?);
        }
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let threads: Vec<_> = lanes
                .iter_mut()
                .map(|lane| {
                    let next = &next;
                    // SAFETY: the caller's promise; lanes take different parts.
                    scope.spawn(move || unsafe { lane.copy_parts(address, from, next) })
                })
                .collect();
            let mut result = Ok(());
            for thread in threads {
                // A thread that panics, which none should, has copied nothing that counts.
                let copied = thread
                    .join()
                    .unwrap_or(Err(Failure(sys::CUresult::CUDA_ERROR_UNKNOWN)));
                result = result.and(copied);
            }
            result
        })
    }
}

impl Lane {
    /// The context is current.
    fn new(gpu: &Arc<Gpu>) -> Result<Self, Failure> {
        let non_blocking = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        let no_timing = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        // SAFETY: each call writes a handle, or the address of pinned memory.
        unsafe {
            let mut lane = Lane {
                gpu: gpu.clone(),
                stream: get(ptr::null_mut(), |stream| {
                    sys::cuStreamCreate(stream, non_blocking)
                })?,
                parts: Vec::new(),
            };
            for _ in 0..PARTS_OF_LANE {
                let memory = get(ptr::null_mut(), |memory| {
                    sys::cuMemHostAlloc(memory, PART, 0)
                })?;
                let event = get(ptr::null_mut(), |event| {
                    sys::cuEventCreate(event, no_timing)
                });
                match event {
                    Ok(event) => lane.parts.push((memory.cast(), event)),
                    Err(failure) => {
                        let _ = sys::cuMemFreeHost(memory);
                        return Err(failure);
                    }
                }
            }
            Ok(lane)
        }
    }

    /// Copies parts that no other lane has taken, until there are none, and waits for them.
    ///
    /// # Safety
    /// As for `Staging::write`.
    unsafe fn copy_parts(
        &mut self,
        address: sys::CUdeviceptr,
        from: &[u8],
        next: &AtomicUsize,
    ) -> Result<(), Failure> {
        self.gpu.enter()?;
        for turn in 0.. {
            let start = next.fetch_add(1, Ordering::Relaxed).saturating_mul(PART);
            if start >= from.len() {
                break;
            }
            let part = &from[start..from.len().min(start + PART)];
            let (memory, event) = self.parts[turn % PARTS_OF_LANE];
            // SAFETY: an event that was never recorded has come to pass; then the bus is done with the memory, which is as long as a part
            // and stays until the stream is done.
            unsafe {
                check(sys::cuEventSynchronize(event))?;
                ptr::copy_nonoverlapping(part.as_ptr(), memory, part.len());
                check(sys::cuMemcpyHtoDAsync_v2(
                    address + start as u64,
                    memory.cast(),
                    part.len(),
                    self.stream,
                ))?;
                check(sys::cuEventRecord(event, self.stream))?;
            }
        }
        // SAFETY: the stream lives.
        check(unsafe { sys::cuStreamSynchronize(self.stream) })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if self.gpu.enter().is_err() {
            return;
        }
        // SAFETY: all are ours; the stream is done before the memory goes.
        unsafe {
            let _ = sys::cuStreamSynchronize(self.stream);
            for &(memory, event) in &self.parts {
                let _ = sys::cuEventDestroy_v2(event);
                let _ = sys::cuMemFreeHost(memory.cast());
            }
            let _ = sys::cuStreamDestroy_v2(self.stream);
        }
    }
}
