//! What gradients and steps of training refuse.

use super::{device, f32s, refused, u32s};
use mettle_kernels::ops::{self, Adam};

#[test]
fn gradients() {
    let d = device();
    let (x, dy, few) = (f32s(&d, [4, 6]), f32s(&d, [4, 6]), f32s(&d, [4, 5]));
    let weight = f32s(&d, [6]);
    let mut dx = f32s(&d, [4, 6]);
    refused("silu_backward", "dy", |p| {
        ops::silu_backward(p, &x, &few, &mut dx)
    });
    refused("softmax_backward", "dx", |p| {
        ops::softmax_backward(p, &x, 1.0, &dy, &mut f32s(&d, [6, 4]))
    });
    refused("softmax_backward", "scale", |p| {
        ops::softmax_backward(p, &x, f32::NAN, &dy, &mut dx)
    });
    let mut dweight = f32s(&d, [6]);
    refused("rms_norm_backward", "eps", |p| {
        ops::rms_norm_backward(p, &x, &weight, -1.0, &dy, &mut dx, &mut dweight)
    });
    refused("rms_norm_backward", "dweight", |p| {
        let mut dweight = f32s(&d, [4]);
        ops::rms_norm_backward(p, &x, &weight, 0.0, &dy, &mut dx, &mut dweight)
    });
    refused("cross_entropy_backward", "targets", |p| {
        let mut loss = f32s(&d, [4]);
        ops::cross_entropy_backward(p, &x, &u32s(&d, 3), 1.0, &mut loss, &mut dx)
    });
    refused("cross_entropy_backward", "loss", |p| {
        let mut loss = f32s(&d, [3]);
        ops::cross_entropy_backward(p, &x, &u32s(&d, 4), 1.0, &mut loss, &mut dx)
    });
}

#[test]
fn training() {
    let d = device();
    let (x, y) = (f32s(&d, [4, 6]), f32s(&d, [4, 5]));
    refused("outer_add", "dw", |p| {
        ops::outer_add(p, &x, &y, &mut f32s(&d, [5, 6]))
    });
    refused("outer_add", "y", |p| {
        ops::outer_add(p, &x, &f32s(&d, [3, 5]), &mut f32s(&d, [6, 5]))
    });
    refused("scatter_add", "ids", |p| {
        ops::scatter_add(p, &x, &u32s(&d, 3), &mut f32s(&d, [9, 6]))
    });
    refused("scatter_add", "dy", |p| {
        ops::scatter_add(p, &x, &u32s(&d, 4), &mut f32s(&d, [9, 5]))
    });
    let plain = Adam::default();
    let step = |argument, adam: Adam, step: u32, of_m: usize| {
        refused("adam_step", argument, |p| {
            let [mut w, mut v] = [(); 2].map(|()| f32s(&d, [6]));
            let mut m = f32s(&d, [of_m]);
            let means = [&mut m, &mut v];
            ops::adam_step(p, adam, step, &mut w, means, &f32s(&d, [6]))
        });
    };
    step("step", plain, 0, 6);
    step("m", plain, 1, 5);
    let rate = f32::NAN;
    step("rate", Adam { rate, ..plain }, 1, 6);
    let beta1 = 1.0;
    step("beta1", Adam { beta1, ..plain }, 1, 6);
    let beta2 = -0.1;
    step("beta2", Adam { beta2, ..plain }, 1, 6);
    let eps = 0.0;
    step("eps", Adam { eps, ..plain }, 1, 6);
    let decay = f32::INFINITY;
    step("decay", Adam { decay, ..plain }, 1, 6);
}
