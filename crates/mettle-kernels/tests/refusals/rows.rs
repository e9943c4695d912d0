//! Of operations on rows: norms, softmax, and what joins them.

use super::{device, f32s, i32s, refused, u32s};
use mettle_kernels::ops::{self, L2Eps, NormWeight, ResidualNorm};

#[test]
fn rows() {
    let d = device();
    let (x, mut out) = (f32s(&d, [4, 6]), f32s(&d, [4, 6]));
    refused("rms_norm", "weight", |p| {
        ops::rms_norm(p, &x, &f32s(&d, [5]), 1e-6, &mut out)
    });
    refused("rms_norm", "eps", |p| {
        ops::rms_norm(p, &x, &f32s(&d, [6]), f32::NAN, &mut out)
    });
    refused("rms_norm_assign", "weight", |p| {
        ops::rms_norm_assign(p, &mut out, &f32s(&d, [4]), 1e-6)
    });
    refused("rms_norm_assign", "eps", |p| {
        ops::rms_norm_assign(p, &mut out, &f32s(&d, [6]), -1e-6)
    });
    // Heads first is another shape than tokens first.
    let heads = f32s(&d, [2, 3, 8]);
    refused("rms_norm", "out", |p| {
        ops::rms_norm_permuted(p, &heads, NormWeight::None, 1e-6, &mut f32s(&d, [2, 3, 8]))
    });
    refused("rms_norm_gated", "z", |p| {
        ops::rms_norm_gated(p, &x, NormWeight::None, 1e-6, &f32s(&d, [4, 5]), &mut out)
    });
    refused("sum_squares", "out", |p| {
        ops::sum_squares(p, &x, &mut f32s(&d, [3]))
    });
    refused("layer_norm", "bias", |p| {
        ops::layer_norm(p, &x, None, Some(&f32s(&d, [4])), 1e-6, &mut out)
    });
    refused("l2_norm", "eps", |p| {
        ops::l2_norm(p, &x, L2Eps::Floor(-1.0), &mut out)
    });
    refused("l2_norm", "", |p| {
        ops::l2_norm(p, &i32s(&d, 4), L2Eps::Added(0.0), &mut i32s(&d, 4))
    });
    let norm = ResidualNorm {
        first: None,
        eps: 1e-6,
        scale: 1.0,
        out_scale: 1.0,
    };
    let weight = f32s(&d, [6]);
    refused("residual_norm", "y", |p| {
        ops::residual_norm(p, &mut out, Some(&f32s(&d, [6, 4])), norm, &mut [])
    });
    refused("residual_norm", "scale", |p| {
        let scale = f32::NAN;
        ops::residual_norm(
            p,
            &mut out,
            Some(&x),
            ResidualNorm { scale, ..norm },
            &mut [],
        )
    });
    refused("residual_norm", "out_scale", |p| {
        let out_scale = f32::INFINITY;
        let norm = ResidualNorm { out_scale, ..norm };
        ops::residual_norm(p, &mut out, None, norm, &mut [])
    });
    refused("residual_norm", "first", |p| {
        let first = Some(NormWeight::None);
        ops::residual_norm(p, &mut out, None, ResidualNorm { first, ..norm }, &mut [])
    });
    let mut outs = [(); 4].map(|()| f32s(&d, [4, 6]));
    refused("residual_norm", "", |p| {
        let mut four: Vec<_> = outs.iter_mut().map(|out| ((&weight).into(), out)).collect();
        ops::residual_norm(p, &mut out, Some(&x), norm, &mut four)
    });
    refused("residual_norm", "", |p| {
        let [first, second, ..] = &mut outs;
        let kinds = &mut [((&weight).into(), first), (NormWeight::None, second)];
        ops::residual_norm(p, &mut out, Some(&x), norm, kinds)
    });
    refused("softmax", "out", |p| {
        ops::softmax(p, &x, &mut f32s(&d, [6, 4]))
    });
    let mask = f32s(&d, [2, 6]);
    refused("scale_mask_softmax", "mask", |p| {
        ops::scale_mask_softmax(p, &x, 1.0, &f32s(&d, [3, 6]), &mut out)
    });
    refused("scale_mask_softmax", "mask", |p| {
        ops::scale_mask_softmax(p, &x, 1.0, &f32s(&d, [2, 5]), &mut out)
    });
    refused("scale_mask_softmax", "scale", |p| {
        ops::scale_mask_softmax(p, &x, 0.0, &mask, &mut out)
    });
    refused("scale_mask_softmax", "", |p| {
        ops::scale_mask_softmax(p, &x, 1.0, &i32s(&d, 6), &mut out)
    });
    refused("rms_norm_dual", "rounded", |p| {
        ops::rms_norm_dual(
            p,
            &x,
            NormWeight::None,
            0.0,
            &mut out,
            &mut f32s(&d, [4, 6]),
        )
    });
    refused("rms_norm_dual", "rounded", |p| {
        let mut heads = f32s(&d, [2, 4, 6]);
        let x = f32s(&d, [4, 2, 6]);
        ops::rms_norm_dual_permuted(
            p,
            &x,
            NormWeight::None,
            0.0,
            &mut heads,
            &mut f32s(&d, [4, 2, 6]),
        )
    });
    refused("argmax", "out", |p| ops::argmax(p, &x, &mut u32s(&d, 6)));
    refused("argmax", "out", |p| ops::argmax(p, &x, &mut i32s(&d, 4)));
}
