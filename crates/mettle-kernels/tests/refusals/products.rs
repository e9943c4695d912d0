//! Of products of sixteen bits, and of what is done beside products.

use super::{device, f32s, refused};
use half::{bf16, f16};
use mettle_gpu::{Affine, AffineScales, Format, Scalar, Tensor};
use mettle_kernels::ops;

fn zeros<T: Scalar>(shape: impl Into<mettle_gpu::Shape>) -> Tensor {
    Tensor::zeros::<T>(&device(), shape).unwrap()
}

#[test]
fn of_sixteen_bits() {
    let d = device();
    let affine = Format::Affine(Affine::new(4, 64, AffineScales::BF16).unwrap());
    let weights = |format| Tensor::empty_as(&d, format, [5, 128]).unwrap();
    let (halves, bfloats) = (zeros::<f16>([2, 128]), zeros::<bf16>([2, 128]));
    let (mut few, mut some) = (zeros::<f16>([2, 5]), zeros::<bf16>([2, 5]));
    for format in [Format::F32, Format::BF16, Format::Q4_0, affine] {
        refused("mul_mat", "", |p| {
            ops::mul_mat(p, &weights(format), &halves, &mut few)
        });
    }
    for format in [Format::F32, Format::BF16, Format::F16] {
        refused("mul_mat", "", |p| {
            ops::mul_mat(p, &weights(format), &bfloats, &mut some)
        });
    }
    refused("mul_mat", "out", |p| {
        let mut out = f32s(&d, [2, 5]);
        ops::mul_mat(p, &weights(Format::F16), &halves, &mut out)
    });
    refused("mul_mat", "x", |p| {
        ops::mul_mat(p, &weights(Format::F16), &zeros::<f16>([2, 64]), &mut few)
    });
    refused("mul_mat", "out", |p| {
        let mut out = zeros::<bf16>([2, 4]);
        ops::mul_mat(p, &weights(affine), &bfloats, &mut out)
    });
}

#[test]
fn and_what_becomes_of_them() {
    let d = device();
    let (gate, up) = (f32s(&d, [5, 16]), f32s(&d, [4, 16]));
    let (x, halves) = (f32s(&d, [3, 16]), zeros::<f16>([3, 16]));
    let mut out = f32s(&d, [3, 5]);
    refused("mul_mat_accumulate", "x", |p| {
        ops::mul_mat_accumulate(p, &gate, &halves, &mut out)
    });
    refused("mul_mat", "out", |p| {
        ops::mul_mat_accumulate(p, &gate, &x, &mut f32s(&d, [3, 4]))
    });
    refused("mul_mat_swiglu", "x", |p| {
        ops::mul_mat_swiglu(p, &gate, &gate, &f32s(&d, [3, 15]), &mut out)
    });
    refused("mul_mat", "the other weights", |p| {
        ops::mul_mat_swiglu(p, &gate, &up, &x, &mut out)
    });
}
