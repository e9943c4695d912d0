//! Libraries, functions and pipelines, compiled for the CPU.

use super::{Mock, World, autoreleased, lock};
use crate::backend::{Backend as _, LoadError, RawCode, RawKernel, RawLibrary, RawPipeline};
use crate::metal::api::{ApiError, DataType, Function, FunctionConstant, Library, Pipeline};
use mettle_msl::{
    Artefact, ArtefactKernel, CheckOptions, Diagnostic, Options, Scalar, Target, Unit,
};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

/// Threads of a threadgroup of a kernel whose name says that it takes few, as one with many registers does.
const FEW_THREADS: usize = 128;

/// Threads of a threadgroup of any other kernel.
const MAX_THREADS: usize = 1024;

/// `MTLLibrary`
pub(crate) struct LibraryObject {
    unit: Arc<Unit>,
}

pub(super) fn error(description: impl ToString) -> ApiError {
    ApiError {
        description: description.to_string(),
        code: 3,
        encoders: Vec::new(),
    }
}

impl LibraryObject {
    pub(super) fn new(source: &str, fast_math: bool) -> Result<Self, ApiError> {
        // No folder: as for Metal, there are no files to include.
        let mut options = Options::default();
        if fast_math {
            // As compilers of C say it. Kernels compute as without.
            options
                .defines
                .push(("__FAST_MATH__".to_owned(), "1".to_owned()));
        }
        let unit = Unit::from_source("program_source", source, &options).map_err(error)?;
        correct(&unit)?;
        Ok(LibraryObject {
            unit: Arc::new(unit),
        })
    }

    fn function(&self, name: &str, values: Option<Vec<(u32, u64)>>) -> Option<FunctionObject> {
        self.unit.kernel(name).ok()?;
        Some(FunctionObject {
            unit: self.unit.clone(),
            name: name.to_owned(),
            values,
        })
    }
}

impl Library<Mock> for LibraryObject {
    fn set_label(&self, label: &str) {
        assert!(!label.is_empty(), "a library has a label");
    }

    fn function_names(&self) -> Vec<String> {
        autoreleased();
        let kernels = self.unit.kernels.iter();
        kernels.map(|kernel| kernel.name.clone()).collect()
    }

    fn new_function(&self, name: &str) -> Option<FunctionObject> {
        autoreleased();
        self.function(name, None)
    }

    fn new_function_with_constants(
        &self,
        name: &str,
        values: &[(FunctionConstant, [u8; 8])],
    ) -> Result<FunctionObject, ApiError> {
        autoreleased();
        for (constant, _) in values {
            assert!(
                constants(&self.unit).contains(constant),
                "a value of another type than constant {}",
                constant.index
            );
        }
        let values = values
            .iter()
            .map(|(constant, bytes)| (constant.index, u64::from_le_bytes(*bytes)));
        self.function(name, Some(values.collect()))
            .ok_or_else(|| error(format!("there is no function {name}")))
    }
}

/// `MTLFunction`
pub(crate) struct FunctionObject {
    unit: Arc<Unit>,
    name: String,
    /// The values of function constants, if it was made with some.
    values: Option<Vec<(u32, u64)>>,
}

impl FunctionObject {
    /// What tells its machine code from that of others.
    pub(super) fn identity(&self) -> String {
        format!("{} {} {:?}", self.unit.digest(), self.name, self.values)
    }

    pub(super) fn compiled(&self) -> Compiled {
        if self.values.is_none() && !self.unit.constants.is_empty() {
            return Err(error(format!(
                "{} has function constants without values",
                self.name
            )));
        }
        compiled(&self.unit, &self.name)
    }
}

impl Function for FunctionObject {
    fn function_constants(&self) -> Vec<FunctionConstant> {
        autoreleased();
        constants(&self.unit)
    }
}

fn constants(unit: &Unit) -> Vec<FunctionConstant> {
    let constants = unit.constants.iter().map(|constant| FunctionConstant {
        index: constant.index,
        ty: data_type(constant.scalar),
    });
    constants.collect()
}

/// The number that Metal gives a type.
fn data_type(scalar: Scalar) -> DataType {
    DataType(match scalar {
        Scalar::F32 => 3,
        Scalar::F16 => 16,
        Scalar::I32 => 29,
        Scalar::U32 => 33,
        Scalar::I16 => 37,
        Scalar::U16 => 41,
        Scalar::I8 => 45,
        Scalar::U8 => 49,
        Scalar::Bool => 53,
        Scalar::I64 => 81,
        Scalar::U64 => 85,
        Scalar::BF16 => 121,
    })
}

/// `MTLComputePipelineState`
pub(crate) struct PipelineObject {
    world: Arc<World>,
    object: u64,
    library: RawLibrary,
    raw: RawPipeline,
    kernel: ArtefactKernel,
}

impl PipelineObject {
    pub(super) fn new(world: &Arc<World>, function: &FunctionObject) -> Result<Self, ApiError> {
        let name = function.name.as_str();
        let (artefact, kernel) = function.compiled()?;
        let values = function.values.as_deref().unwrap_or_default();
        let code = RawCode {
            unit: &artefact.unit,
            bytes: &artefact.code,
            constants: values,
            part: true,
        };
        // SAFETY: the code was just compiled for this CPU.
        let library = unsafe { world.cpu.load(code) }.map_err(|reason| match reason {
            LoadError::Code(reason) => error(reason),
            LoadError::UnknownConstant(index) => error(format!("no function constant {index}")),
        })?;
        let described = RawKernel {
            name,
            synchronises: kernel.synchronises,
            arguments: &kernel.arguments,
        };
        // SAFETY: the library was just loaded, and is unloaded with the object.
        let raw = unsafe { world.cpu.pipeline(library, described) }.map_err(error)?;
        Ok(PipelineObject {
            world: world.clone(),
            object: world.new_object(),
            library,
            raw,
            kernel,
        })
    }

    pub(super) fn object(&self) -> u64 {
        self.object
    }

    #[track_caller]
    pub(super) fn check_device(&self, world: &Arc<World>) {
        assert!(
            Arc::ptr_eq(&self.world, world),
            "a pipeline of another device"
        );
    }

    pub(super) fn raw(&self) -> RawPipeline {
        self.raw
    }

    pub(super) fn kernel(&self) -> &ArtefactKernel {
        &self.kernel
    }
}

/// Refuses a library that does not compile, whole, as Metal does.
fn correct(unit: &Unit) -> Result<(), ApiError> {
    type Checked = Arc<OnceLock<Result<(), ApiError>>>;
    static CHECKED: LazyLock<Mutex<HashMap<String, Checked>>> = LazyLock::new(Mutex::default);
    let key = unit.digest().to_string();
    let cell = lock(&CHECKED).entry(key).or_default().clone();
    let check = || {
        let messages = mettle_msl::check(unit, &CheckOptions::default()).map_err(error)?;
        let errors = messages.iter().filter(|message| message.is_error());
        let errors: Vec<String> = errors.map(Diagnostic::to_string).collect();
        match errors.is_empty() {
            true => Ok(()),
            false => Err(error(errors.join("\n"))),
        }
    };
    cell.get_or_init(check).clone()
}

type Compiled = Result<(Arc<Artefact>, ArtefactKernel), ApiError>;

/// What is compiled, by unit: one artefact serves all kernels, values of function constants and devices. Kernels of a unit are
/// compiled together, which takes a fraction of the time of one after the other.
type Known = HashMap<String, Arc<OnceLock<Result<Arc<Artefact>, ApiError>>>>;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

fn compiled(unit: &Unit, name: &str) -> Compiled {
    let key = unit.digest().to_string();
    let cell = lock(&KNOWN).entry(key).or_default().clone();
    let artefact = cell.get_or_init(|| compile(unit)).clone()?;
    let kernel = artefact.kernels.iter().find(|kernel| kernel.name == name);
    let kernel = kernel
        .cloned()
        .ok_or_else(|| error("nothing was compiled"))?;
    Ok((artefact, kernel))
}

fn compile(unit: &Unit) -> Result<Arc<Artefact>, ApiError> {
    let target = Target::host_cpu().ok_or_else(|| error("this CPU runs no kernels"))?;
    mettle_msl::compile(unit, target, None, &[])
        .map(Arc::new)
        .map_err(error)
}

impl Pipeline for PipelineObject {
    fn max_total_threads_per_threadgroup(&self) -> usize {
        if self.kernel.name.contains("few_threads") {
            FEW_THREADS
        } else {
            self.kernel
                .max_threads
                .map_or(MAX_THREADS, |threads| threads as usize)
        }
    }

    fn thread_execution_width(&self) -> usize {
        32
    }

    fn static_threadgroup_memory_length(&self) -> usize {
        self.kernel.static_threadgroup_memory
    }
}

impl Drop for PipelineObject {
    fn drop(&mut self) {
        self.world.release(self.object, "a pipeline");
        // SAFETY: it was loaded for this object, which nobody uses, as was just checked.
        unsafe { self.world.cpu.unload(self.library) };
    }
}
