//! Rows of a table in one of MLX's affine formats. [`embedding`](super::embedding()) takes it for them.

use super::check::Op;
use super::embedding::{add_bench, add_case, out_of_range};
use crate::Result;
use crate::bindings::embedding_affine::{Constants, Kernel, Params};
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Affine, AffineScales, Buffer, Format, Grid, Pass, Tensor};

/// Records the launch for checked arguments, with a thread for each sixteen columns of a token.
#[expect(
    clippy::too_many_arguments,
    reason = "what the kernel takes, and its grid"
)]
pub(super) fn launch(
    pass: &mut Pass,
    op: Op,
    table: &Tensor,
    affine: Affine,
    ids: &Buffer<u32>,
    out: &mut Buffer<f32>,
    scale: f32,
    grid: Grid,
) -> Result<()> {
    let kernel = Kernel {
        table: table.bytes(),
        ids,
        out,
        params: Params {
            rows: op.size("table", table.rows())?,
            columns: op.size("table", table.columns())?,
            scale,
        },
        constants: Constants {
            bits: affine.bits() as u32,
            group: affine.group() as u32,
            bf16: affine.scales() == AffineScales::BF16,
        },
    };
    Ok(pass.dispatch(kernel, grid)?)
}

/// The cases of `embedding_affine.metal`: several groups, repeated and last ids, and ids that the table does not have.
pub(crate) fn family() -> Family {
    Family::new("embedding_affine", Tolerance::EXACT, |cases| {
        for affine in Affine::ALL {
            let format = Format::Affine(affine);
            let name = format.name().to_lowercase();
            add_case(
                cases,
                "embedding_affine",
                &name,
                format,
                [37, 384],
                vec![0, 36, 5, 5, 17],
            );
        }
        let format = Format::Affine(Affine::ALL[0]);
        add_case(
            cases,
            "embedding_affine",
            "out_of_range",
            format,
            [7, 32],
            out_of_range(),
        );
    })
    .benches(|benches| {
        // What MLX makes by default.
        if let Some(affine) = Affine::new(4, 64, AffineScales::BF16) {
            add_bench(
                benches,
                "embedding_affine",
                "affine4_g64_bf16_",
                Format::Affine(affine),
            );
        }
    })
}
