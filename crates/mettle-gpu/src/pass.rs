//! Recording launches: kernels, grids, and what becomes of a launch that is refused.

use std::sync::Arc;

use crate::arguments::Arguments;
use crate::buffer::{Buffer, Element};
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::library::EmbeddedUnit;
use crate::pipeline::{Pipeline, PipelineInner};
use crate::recording::Recording;
use crate::submission::Submission;

/// The arguments of a kernel, or of several with the same ones, with names and types. Generated from the signature.
pub trait Binding {
    /// The kernel's host name.
    fn kernel(&self) -> &'static str;

    /// The unit that holds the kernel.
    fn unit() -> &'static EmbeddedUnit;

    /// The values of the kernel's function constants.
    fn constants(&self) -> ConstantSet;

    /// Binds every argument.
    fn bind(&self, arguments: &mut Arguments<'_>);
}

/// Launches to run together: recorded here, run by [`Pass::submit`].
///
/// Launches behave as if they ran one after the other. Those that touch no common bytes, or only read them, may overlap.
pub struct Pass {
    device: Device,
    recording: Recording,
    scratch: Option<Buffer<u8>>,
}

impl Pass {
    pub(crate) fn new(device: Device, recording: Recording) -> Self {
        Pass {
            device,
            recording,
            scratch: None,
        }
    }

    /// The device it records for.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Memory for what launches of this pass hand on to each other: `len` elements with unspecified contents, aligned as a buffer of the
    /// device. Whoever asks again gets the same memory, unless it is too small; launches are ordered by what they do with it, as with any
    /// buffer. It goes back to the device's pool when the launches are done.
    ///
    /// # Errors
    /// As for [`Device::buffer`].
    pub fn scratch<T: Element>(&mut self, len: usize) -> Result<Buffer<T>> {
        let bytes = len.saturating_mul(size_of::<T>());
        let scratch = match self.scratch.take() {
            Some(scratch) if scratch.len() >= bytes => scratch,
            _ => self.device.buffer(bytes)?,
        };
        self.scratch.insert(scratch).slice(0..bytes)?.cast()
    }

    /// The memory that [`scratch`](Self::scratch) gave out last.
    pub fn lent(&self) -> Option<Buffer<u8>> {
        self.scratch.clone()
    }

    /// Lets [`scratch`](Self::scratch) give out this memory, where it is enough. Passes that run one after the other can share it; their
    /// launches are then given the same, which spares a GPU that runs them as a graph.
    pub fn lend(&mut self, scratch: Option<Buffer<u8>>) {
        self.scratch = scratch;
    }

    /// Asks for the time of each kernel: see [`Submission::wait_profile`]. Launches no longer overlap then.
    pub fn profile(&mut self, on: bool) {
        self.recording.profile = on;
    }

    /// The number of launches recorded.
    pub fn len(&self) -> usize {
        self.recording.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of the launches wait for those before them.
    pub fn barriers(&self) -> usize {
        self.recording.barriers()
    }

    /// The kernels of the launches so far, in order, each with the values of its function constants.
    pub fn launches(&self) -> impl Iterator<Item = (&str, ConstantSet)> {
        (0..self.recording.len()).map(|launch| {
            let pipeline = self.recording.pipeline(launch);
            (pipeline.kernel.name.as_str(), pipeline.constants)
        })
    }

    /// Records a launch. A launch that is refused leaves the pass as it was.
    ///
    /// # Errors
    /// [`Error::Launch`] names the kernel and the argument at fault; errors of [`Library::pipeline`](crate::Library::pipeline) when the
    /// kernel cannot be loaded.
    pub fn dispatch<B: Binding>(&mut self, binding: B, grid: Grid) -> Result<()> {
        let registry = &self.device.inner().registry;
        let pipeline = registry.pipeline(
            &self.device,
            B::unit(),
            binding.kernel(),
            &binding.constants(),
        )?;
        self.record(pipeline, grid, |arguments| binding.bind(arguments))
    }

    /// Records a launch of a pipeline with arguments that `bind` binds.
    ///
    /// # Errors
    /// [`Error::Launch`]; [`Error::ForeignBuffer`] when the pipeline is of another device.
    pub fn dispatch_pipeline(
        &mut self,
        pipeline: &Pipeline,
        grid: Grid,
        bind: impl FnOnce(&mut Arguments<'_>),
    ) -> Result<()> {
        if !Arc::ptr_eq(pipeline.device.inner(), self.device.inner()) {
            return Err(Error::ForeignBuffer {
                device: self.device.name().to_owned(),
            });
        }
        self.record(pipeline.inner.clone(), grid, bind)
    }

    fn record(
        &mut self,
        pipeline: Arc<PipelineInner>,
        grid: Grid,
        bind: impl FnOnce(&mut Arguments<'_>),
    ) -> Result<()> {
        let mark = self.recording.mark_position();
        let mut arguments = Arguments::new(&self.device, &pipeline, &mut self.recording);
        bind(&mut arguments);
        let checked = arguments
            .check(mark)
            .and_then(|()| grid.resolve(self.device.limits(), pipeline.max_threads));
        match checked {
            Ok(grid) => {
                self.recording.push_launch(pipeline, grid, mark);
                Ok(())
            }
            Err(cause) => {
                self.recording.rewind(mark);
                Err(Error::Launch {
                    kernel: pipeline.kernel.name.clone(),
                    cause,
                })
            }
        }
    }

    /// Hands the launches to the device, which may have run them when this returns or runs them meanwhile: see [`Submission`].
    ///
    /// # Errors
    /// None of the CPU device's: failures of launches are reported by [`Submission::wait`].
    pub fn submit(self) -> Result<Submission> {
        Ok(self
            .device
            .inner()
            .timeline
            .submit(&self.device, self.recording))
    }
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass")
            .field("device", &self.device)
            .field("launches", &self.len())
            .field("barriers", &self.barriers())
            .finish()
    }
}
