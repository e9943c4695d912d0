//! The standard library in `include/`: what its functions compute.

mod integers;
mod math;
mod math_operands;
mod numbers;
mod types;

use crate::load::{Grid, Loaded};
use crate::{host, options};
use bytemuck::Pod;
use mettle_msl::{Unit, compile};
use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

/// A file beside this one.
fn source(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/stdlib")
        .join(name)
}

/// The kernels of a file beside this one, or only the named ones.
fn load(name: &str, kernels: &[&str]) -> Loaded {
    let unit = Unit::from_file(&source(name), &options()).unwrap_or_else(|e| panic!("{e}"));
    Loaded::new(compile(&unit, host(), None, kernels).unwrap_or_else(|e| panic!("{e}")))
}

/// Runs `threads` threads of a kernel in one group.
fn run(loaded: &Loaded, kernel: &str, threads: usize, buffers: &[*mut c_void]) {
    let threads = [u32::try_from(threads).unwrap(), 1, 1];
    let grid = Grid {
        threads,
        group: threads,
    };
    loaded.run(kernel, &grid, buffers);
}

/// A buffer as kernels need it: aligned for any vector of up to 16 bytes.
struct Buffer<T> {
    words: Vec<u128>,
    len: usize,
    of: std::marker::PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    fn new(values: &[T]) -> Self {
        let mut words = vec![0u128; size_of_val(values).div_ceil(16)];
        bytemuck::cast_slice_mut(&mut words)[..values.len()].copy_from_slice(values);
        Self {
            words,
            len: values.len(),
            of: std::marker::PhantomData,
        }
    }

    fn filled(value: T, len: usize) -> Self {
        Self::new(&vec![value; len])
    }

    /// The address of an argument that the kernel reads.
    fn read(&self) -> *mut c_void {
        self.words.as_ptr().cast_mut().cast()
    }

    /// The address of an argument that the kernel writes.
    fn write(&mut self) -> *mut c_void {
        self.words.as_mut_ptr().cast()
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}
