//! Loading PTX: the driver compiles each kernel that is asked for, and its function constants are set.

use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cudarc::driver::sys;
use mettle_msl::abi;
use mettle_msl::{ArtefactArgument, ArtefactArgumentKind};

use super::driver::{Failure, Gpu, check, get};
use super::ptx::Ptx;
use crate::backend::{LoadError, RawKernel};

/// Bytes for the messages of the driver's compiler.
const LOG: usize = 16 << 10;

/// Registers of a thread with which a threadgroup of any size up to 1024 fits a multiprocessor, which has 65536.
const REGISTERS_FOR_ANY_SIZE: usize = 64;

/// A module of the driver.
struct Module {
    gpu: Arc<Gpu>,
    handle: sys::CUmodule,
}

// SAFETY: the driver's handles may be used from any thread.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

/// One entry of the table of function constants: `mettle::Constant` with addresses of the GPU.
struct Constant {
    index: u32,
    size: u32,
    value: sys::CUdeviceptr,
    defined: sys::CUdeviceptr,
}

impl Module {
    /// Compiles PTX for the GPU, with at most so many registers a thread if a number is given, and sets its function constants.
    ///
    /// # Safety
    /// The text was made by `mettle_msl`.
    unsafe fn load(
        gpu: &Arc<Gpu>,
        ptx: &CStr,
        registers: Option<usize>,
        constants: &[(u32, u64)],
    ) -> Result<Self, LoadError> {
        let mut errors = vec![0_u8; LOG];
        let mut options = vec![
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER,
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ];
        // Numbers are passed as pointers.
        let mut values: Vec<*mut c_void> =
            vec![errors.as_mut_ptr().cast(), ptr::without_provenance_mut(LOG)];
        if let Some(registers) = registers {
            options.push(sys::CUjit_option::CU_JIT_MAX_REGISTERS);
            values.push(ptr::without_provenance_mut(registers));
        }
        gpu.enter()
            .map_err(|failure| LoadError::Code(failure.to_string()))?;
        // SAFETY: the text ends with a NUL; options and values are as many as said, and the log as long.
        let loaded = get(ptr::null_mut(), |module| unsafe {
            sys::cuModuleLoadDataEx(
                module,
                ptx.as_ptr().cast(),
                options.len() as u32,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        });
        let handle = loaded.map_err(|failure| {
            let log = CStr::from_bytes_until_nul(&errors).map_or_else(
                |_| String::new(),
                |log| log.to_string_lossy().trim().to_owned(),
            );
            LoadError::Code(format!(
                "the driver's compiler refused it: {failure}\n{log}"
            ))
        })?;
        let module = Module {
            gpu: gpu.clone(),
            handle,
        };
        // SAFETY: the caller's promise.
        unsafe { module.set_constants(constants) }?;
        Ok(module)
    }

    /// # Safety
    /// As for `load`.
    unsafe fn set_constants(&self, constants: &[(u32, u64)]) -> Result<(), LoadError> {
        if constants.is_empty() {
            return Ok(());
        }
        let refuse =
            |failure: Failure| LoadError::Code(format!("cannot set function constants: {failure}"));
        // SAFETY: the table and what it points to are as the ABI says.
        unsafe {
            let table = self.table().map_err(refuse)?;
            for &(index, bits) in constants {
                let constant = table
                    .iter()
                    .find(|constant| constant.index == index)
                    .ok_or(LoadError::UnknownConstant(index))?;
                let size = (constant.size as usize).min(8);
                self.gpu
                    .write(constant.value, &bits.to_le_bytes()[..size])
                    .map_err(refuse)?;
                self.gpu.write(constant.defined, &[1]).map_err(refuse)?;
            }
            if let Ok(derive) = self.function(c"mettle_derive_constants") {
                let none = ptr::null_mut();
                check(sys::cuLaunchKernel(
                    derive,
                    1,
                    1,
                    1,
                    1,
                    1,
                    1,
                    0,
                    self.gpu.stream,
                    none,
                    none,
                ))
                .map_err(refuse)?;
                self.gpu.finish().map_err(refuse)?;
            }
        }
        Ok(())
    }

    /// The table of function constants; empty if there is none.
    ///
    /// # Safety
    /// As for `load`.
    unsafe fn table(&self) -> Result<Vec<Constant>, Failure> {
        let (mut address, mut bytes) = (0, 0);
        // SAFETY: writes both.
        let found = unsafe {
            sys::cuModuleGetGlobal_v2(
                &mut address,
                &mut bytes,
                self.handle,
                c"mettle_constants".as_ptr(),
            )
        };
        if found == sys::CUresult::CUDA_ERROR_NOT_FOUND {
            return Ok(Vec::new());
        }
        check(found)?;
        let mut table = vec![0_u8; bytes];
        // SAFETY: the driver says where it lies and how long it is.
        unsafe { self.gpu.read(address, &mut table) }?;
        let word =
            |entry: &[u8], at: usize| u64::from_le_bytes(std::array::from_fn(|i| entry[at + i]));
        let entries = table
            .chunks_exact(size_of::<abi::Constant>())
            .map(|entry| Constant {
                index: word(entry, 0) as u32,
                size: (word(entry, 0) >> 32) as u32,
                value: word(entry, 8),
                defined: word(entry, 16),
            });
        Ok(entries.take_while(|constant| constant.size != 0).collect())
    }

    fn function(&self, name: &CStr) -> Result<sys::CUfunction, Failure> {
        // SAFETY: the module is loaded; the name ends with a NUL.
        get(ptr::null_mut(), |function| unsafe {
            sys::cuModuleGetFunction(function, self.handle, name.as_ptr())
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.gpu.enter().is_ok() {
            // SAFETY: nothing of the module is used any more.
            let _ = unsafe { sys::cuModuleUnload(self.handle) };
        }
    }
}

/// A loaded artefact.
pub(super) struct Code {
    gpu: Arc<Gpu>,
    ptx: Ptx,
    constants: Vec<(u32, u64)>,
    /// Kernels handed out; boxed so that their addresses stay.
    #[allow(clippy::vec_box)]
    kernels: Mutex<Vec<Box<Kernel>>>,
}

/// A kernel of a loaded artefact.
pub(super) struct Kernel {
    code: *const Code,
    entry: String,
    compiled: Compiled,
    /// Threads of a threadgroup that `compiled` has registers for.
    max_threads: u32,
    /// The same with few registers, for larger threadgroups; made when the first comes.
    narrow: OnceLock<Result<Compiled, String>>,
    /// Kind and index of each parameter after the first.
    pub parameters: Vec<(ArtefactArgumentKind, u32)>,
}

/// A module of one kernel.
struct Compiled {
    /// Unloaded with it.
    _module: Module,
    function: sys::CUfunction,
}

impl Code {
    /// Takes an artefact that has PTX, if it takes the function constants.
    ///
    /// # Safety
    /// It was made by `mettle_msl`.
    pub unsafe fn load(
        gpu: &Arc<Gpu>,
        ptx: &[u8],
        constants: &[(u32, u64)],
    ) -> Result<Self, LoadError> {
        let ptx = Ptx::new(ptx, gpu.begins_ahead()).map_err(LoadError::Code)?;
        // What is wrong with everything but a kernel is known now, and takes no time to compile.
        // SAFETY: the caller's promise.
        drop(unsafe { Module::load(gpu, ptx.shared(), None, constants) }?);
        Ok(Code {
            gpu: gpu.clone(),
            ptx,
            constants: constants.to_vec(),
            kernels: Mutex::default(),
        })
    }

    /// A kernel; it lives as long as the code.
    pub fn kernel(&self, kernel: RawKernel<'_>) -> Result<*const Kernel, String> {
        let entry = abi::ptx_entry(kernel.name);
        let compiled = self.compile(&entry, None)?;
        let threads = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK;
        // SAFETY: the function is of a loaded module.
        let max_threads = get(0, |value| unsafe {
            sys::cuFuncGetAttribute(value, threads, compiled.function)
        })
        .map_err(|failure| failure.to_string())?;
        let parameter = |argument: &ArtefactArgument| (argument.kind, argument.index);
        let kernel = Box::new(Kernel {
            code: self,
            entry,
            compiled,
            max_threads: max_threads as u32,
            narrow: OnceLock::new(),
            parameters: kernel.arguments.iter().map(parameter).collect(),
        });
        let address = &raw const *kernel;
        self.kernels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(kernel);
        Ok(address)
    }

    /// Compiles the kernel of an entry, with at most so many registers a thread if a number is given.
    fn compile(&self, entry: &str, registers: Option<usize>) -> Result<Compiled, String> {
        let missing = || format!("it has no entry {entry}");
        let ptx = self.ptx.kernel(entry).ok_or_else(missing)?;
        // SAFETY: the promise made to `Code::load`.
        let module = unsafe { Module::load(&self.gpu, ptx, registers, &self.constants) };
        let module = module.map_err(|error| match error {
            LoadError::Code(reason) => reason,
            LoadError::UnknownConstant(index) => format!("it has no function constant {index}"),
        })?;
        let name = CString::new(entry).map_err(|error| error.to_string())?;
        let function = module.function(&name);
        let function = function.map_err(|failure| format!("{}: {failure}", missing()))?;
        allow_all_shared_memory(&self.gpu, function).map_err(|failure| failure.to_string())?;
        Ok(Compiled {
            function,
            _module: module,
        })
    }
}

/// Lets a function's blocks have as much shared memory as the GPU can give them, of which what it declares itself is a part.
fn allow_all_shared_memory(gpu: &Gpu, function: sys::CUfunction) -> Result<(), Failure> {
    let own = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES;
    let dynamic = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    // SAFETY: the function is of a loaded module.
    let own = get(0, |value| unsafe {
        sys::cuFuncGetAttribute(value, own, function)
    })?;
    let rest = gpu.shared_memory_of_block as i32 - own;
    // SAFETY: as above.
    check(unsafe { sys::cuFuncSetAttribute(function, dynamic, rest) })
}

impl Kernel {
    /// The function for threadgroups of so many threads.
    ///
    /// # Safety
    /// The code is still loaded.
    pub unsafe fn function(&self, threads: u32) -> Result<sys::CUfunction, String> {
        if threads <= self.max_threads {
            return Ok(self.compiled.function);
        }
        let narrow = self.narrow.get_or_init(|| {
            // SAFETY: the caller's promise; the code is boxed and does not move.
            unsafe { &*self.code }.compile(&self.entry, Some(REGISTERS_FOR_ANY_SIZE))
        });
        match narrow {
            Ok(compiled) => Ok(compiled.function),
            Err(reason) => Err(reason.clone()),
        }
    }
}
