//! Experts in files of their own beside the other tensors, as flash-moe and moeflux keep them: `packed_experts/layer_00.bin` and so on, one for each
//! layer, laid out as [`ExpertFile`] says.

use std::{path::Path, sync::Arc};

use memmap2::Mmap;
use mettle_kernels::formats::{ExpertFile, ExpertMatrix};

use super::{Interleaved, Problem, bad, config::Config};
use crate::{
    Result,
    checkpoint::{Strided, Tensor},
    expert_cache::{MATRICES, tensor_name},
    gguf::map_file,
};

const FOLDER: &str = "packed_experts";

/// The experts' tensors, under GGUF's names; none where the folder has no such files.
pub(super) fn open(folder: &Path, config: &Config) -> Result<Vec<Tensor>> {
    let files = folder.join(FOLDER);
    if !files.is_dir() {
        return Ok(Vec::new());
    }
    let Some((shape, bits)) = config.packed_experts() else {
        let what = "experts in files of their own are read of quantised mixtures of experts";
        return Err(bad(&files, Problem::Experts(what.to_owned())));
    };
    let [experts, intermediate, hidden] = shape;
    let refuse =
        |path: &Path, error: mettle_kernels::Error| bad(path, Problem::Experts(error.to_string()));
    let layout = ExpertFile::new(hidden, intermediate, bits, experts)
        .map_err(|error| refuse(&files, error))?;
    let mut tensors = Vec::new();
    for layer in 0..config.layers() {
        let path = files.join(format!("layer_{layer:02}.bin"));
        let map = map_file(&path)?;
        layout
            .check(map.len() as u64)
            .map_err(|error| refuse(&path, error))?;
        let matrices = [ExpertMatrix::Gate, ExpertMatrix::Up, ExpertMatrix::Down];
        for (matrix, name) in matrices.into_iter().zip(MATRICES) {
            let matrices = interleaved(&layout, matrix, experts, (&map, &path))
                .map_err(|error| refuse(&path, error))?;
            let [rows, columns] = layout.shape(matrix);
            tensors.push(matrices.tensor(tensor_name(layer, name), vec![experts, rows, columns]));
        }
    }
    Ok(tensors)
}

/// Where a matrix of each expert lies in a file.
fn interleaved(
    layout: &ExpertFile,
    matrix: ExpertMatrix,
    count: usize,
    (map, path): (&Arc<Mmap>, &Path),
) -> Result<Interleaved, mettle_kernels::Error> {
    let first = layout.ranges(0, matrix)?;
    let strided = |range: std::ops::Range<usize>| Strided {
        map: map.clone(),
        path: path.into(),
        start: range.start,
        stride: layout.expert_bytes(),
        len: range.len(),
    };
    Ok(Interleaved {
        format: layout.affine(),
        count,
        codes: strided(first.codes),
        scales: strided(first.scales),
        biases: strided(first.biases),
    })
}
