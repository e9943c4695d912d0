//! The catalogue of Metal kernels for language-model inference.
//!
//! Owns: the `.metal` sources, their typed bindings, the ops over tensors, number formats, host references and cases.
//! May not know: model architectures, files, backends.
//!
//! - [`ops`]: what models call. An op takes tensors, checks their shapes, and picks the kernel and its grid.
//! - [`bindings`]: one struct a kernel, generated from its `.metal` file. What ops launch; also the way to launch a
//!   kernel by hand.
//! - [`catalogue`]: what there is.
//! - [`formats`]: decoding and encoding of quantised weights on the host.
//! - [`cases`]: inputs, references and bounds that prove each kernel on a device.
//! - [`mod@bench`]: launches whose bytes and operations are known, and what the device can do at most.
//!
//! ```
//! use mettle_gpu::{Device, Grid, Preference, Tensor};
//! use mettle_kernels::{bindings::binary, ops};
//!
//! let device = Device::open(Preference::Auto)?;
//! let x = Tensor::from_slice(&device, &[1.0f32, 2.0, 3.0], [3])?;
//! let y = Tensor::from_slice(&device, &[10.0f32, 20.0, 30.0], [3])?;
//! let mut sum = Tensor::zeros::<f32>(&device, [3])?;
//! let mut twice = device.zeros::<f32>(3)?;
//!
//! let mut pass = device.pass();
//! ops::add(&mut pass, &x, &y, &mut sum)?;
//! let (x, y) = (&sum.buffer()?, &sum.buffer()?);
//! let params = binary::Params { columns: 3, x_stride: 3, y_stride: 3 };
//! let constants = binary::Constants { function: 0, interleaved: false };
//! let kernel = binary::F32 { x, y, out: &mut twice, params, constants };
//! pass.dispatch(kernel, Grid::elements(1))?;
//! pass.submit()?.wait()?;
//!
//! assert_eq!(sum.to_vec::<f32>()?, [11.0, 22.0, 33.0]);
//! assert_eq!(twice.read()?, [22.0, 44.0, 66.0]);
//! # Ok::<(), mettle_kernels::Error>(())
//! ```

pub mod bench;
pub mod bindings;
pub mod cases;
pub mod catalogue;
mod embedded;
mod error;
pub mod formats;
pub mod ops;
mod reference;

pub use error::{Error, Result};
