//! Libraries and pipelines.

use super::SIMD_WIDTH;
use super::api::{Api, Device as _, Function as _, FunctionConstant, Library as _, Pipeline as _};
use super::archive::{Archives, Wanted};
use crate::backend::{LoadError, PipelineInfo, RawCode, RawPipeline};
use mettle_msl::Cache;
use mettle_msl::metal::Language;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// First bytes of a metallib.
const METALLIB: &[u8] = b"MTLB";

/// The libraries in use, by their code: one serves all sets of function constants, and threads that ask for it meanwhile wait.
pub(super) struct Libraries<A: Api> {
    known: Mutex<Known<A>>,
}

type Known<A> = HashMap<Box<[u8]>, Weak<Compiled<A>>>;

/// A library, once it is compiled.
type Compiled<A> = OnceLock<Result<Opened<A>, String>>;

struct Opened<A: Api> {
    library: A::Library,
    /// Every function constant that a kernel of it has.
    constants: Vec<FunctionConstant>,
    /// Digest of its code and of how it was compiled.
    digest: blake3::Hash,
}

/// A library with the values of its function constants, and the pipelines made of it.
pub(super) struct Code<A: Api> {
    compiled: Arc<Compiled<A>>,
    values: Vec<(FunctionConstant, [u8; 8])>,
    pipelines: Mutex<Vec<Box<State<A>>>>,
}

/// A pipeline; its address is the handle of the layer above.
pub(super) struct State<A: Api> {
    pub pipeline: A::Pipeline,
    /// The kernel's name.
    pub name: String,
    /// Its machine code was kept from an earlier start.
    archived: bool,
}

impl<A: Api> Default for Libraries<A> {
    fn default() -> Self {
        Libraries {
            known: Mutex::default(),
        }
    }
}

impl<A: Api> Libraries<A> {
    pub fn load(
        &self,
        device: &A::Device,
        code: &RawCode<'_>,
        fast_math: bool,
    ) -> Result<Code<A>, LoadError> {
        let compiled = self.compiled(code.bytes);
        let opened = compiled
            .get_or_init(|| open(device, code, fast_math))
            .as_ref()
            .map_err(|reason| LoadError::Code(reason.clone()))?;
        let mut values = Vec::with_capacity(code.constants.len());
        for &(index, bits) in code.constants {
            let declared = opened.constants.iter().find(|c| c.index == index);
            match declared {
                Some(constant) => values.push((*constant, bits.to_le_bytes())),
                // Metal tells of those that a function uses.
                None if code.part => {}
                None => return Err(LoadError::UnknownConstant(index)),
            }
        }
        Ok(Code {
            values,
            compiled,
            pipelines: Mutex::default(),
        })
    }

    fn compiled(&self, code: &[u8]) -> Arc<Compiled<A>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(code).and_then(Weak::upgrade) {
            return found;
        }
        known.retain(|_, library| library.strong_count() > 0);
        let new = Arc::default();
        known.insert(code.into(), Arc::downgrade(&new));
        new
    }
}

fn open<A: Api>(
    device: &A::Device,
    code: &RawCode<'_>,
    fast_math: bool,
) -> Result<Opened<A>, String> {
    let bytes = code.bytes;
    let library = if bytes.starts_with(METALLIB) {
        device.new_library_with_data(bytes)
    } else {
        let source = std::str::from_utf8(bytes)
            .map_err(|error| format!("it is neither a metallib nor Metal source: {error}"))?;
        device.new_library_with_source(source, Language::of(source), fast_math)
    };
    let library = library.map_err(|error| error.description)?;
    library.set_label(code.unit);
    let mut constants: Vec<FunctionConstant> = library
        .function_names()
        .iter()
        .filter_map(|name| library.new_function(name))
        .flat_map(|function| function.function_constants())
        .collect();
    constants.sort_by_key(|constant| constant.index);
    constants.dedup();
    Ok(Opened {
        library,
        constants,
        digest: Cache::key([bytes, &[u8::from(fast_math)]]),
    })
}

impl<A: Api> Code<A> {
    /// A new pipeline, which lives as long as this.
    pub fn pipeline(
        &self,
        device: &A::Device,
        archives: &Archives,
        name: &str,
    ) -> Result<*const State<A>, String> {
        let Some(Ok(opened)) = self.compiled.get() else {
            return Err("it is not loaded".to_owned());
        };
        let library = &opened.library;
        let function = if opened.constants.is_empty() {
            library
                .new_function(name)
                .ok_or_else(|| format!("its library has no function {name}"))?
        } else {
            library
                .new_function_with_constants(name, &self.values)
                .map_err(|error| format!("kernel {name}: {}", error.description))?
        };
        let made = archives.pipeline::<A>(
            device,
            &Wanted {
                library: &opened.digest,
                function: &function,
                name,
                values: &self.values,
            },
        );
        let (pipeline, archived) =
            made.map_err(|error| format!("kernel {name}: {}", error.description))?;
        let width = pipeline.thread_execution_width();
        if width != SIMD_WIDTH {
            return Err(format!(
                "kernel {name}: SIMD groups have {width} threads on this GPU, kernels need {SIMD_WIDTH}"
            ));
        }
        let state = Box::new(State {
            pipeline,
            name: name.to_owned(),
            archived,
        });
        let address: *const State<A> = &raw const *state;
        self.pipelines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(state);
        Ok(address)
    }
}

impl<A: Api> State<A> {
    /// # Safety
    /// The pipeline is of this backend, and its library lives as long as the reference.
    pub unsafe fn of<'a>(pipeline: RawPipeline) -> &'a Self {
        let state: *const Self = std::ptr::with_exposed_provenance(pipeline.0 as usize);
        // SAFETY: the caller's promise; handles are made from `Code::pipeline` only.
        unsafe { &*state }
    }

    pub fn info(&self) -> PipelineInfo {
        PipelineInfo {
            max_threads: self.pipeline.max_total_threads_per_threadgroup() as u32,
            static_threadgroup_memory: self.pipeline.static_threadgroup_memory_length(),
            archived: self.archived,
        }
    }
}
