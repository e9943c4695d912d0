//! `*.safetensors`.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    path::Path,
    sync::Arc,
};

use memmap2::{Mmap, MmapMut};
use mettle_gpu::Format;
use mettle_kernels::formats;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::{Problem, affine::Parts, bad, config::Config, find_json};
use crate::{
    Error, Result,
    checkpoint::{Contents, Strided, Tensor},
    expert_cache::{MATRICES, tensor_name},
    gguf::{TensorInfo, map_file},
};

const ONE_FILE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// A tensor as a file has it.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) kind: Dtype,
    pub(super) shape: Vec<usize>,
    map: Arc<Mmap>,
    path: Arc<Path>,
    range: Range<usize>,
}

impl Stored {
    fn bytes(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }

    /// As so many equal parts, one after the other.
    pub(super) fn parts(&self, count: usize) -> Strided {
        let len = self.range.len() / count.max(1);
        Strided {
            map: self.map.clone(),
            path: self.path.clone(),
            start: self.range.start,
            stride: len,
            len,
        }
    }
}

/// The tensors of a folder, under GGUF's names.
pub(super) fn open(folder: &Path, config: &Config) -> Result<Vec<Tensor>> {
    let mut stored = HashMap::new();
    for part in parts(folder)? {
        read_part(&folder.join(part), &mut stored)?;
    }
    let family = config.family()?;
    let mut tensors = match family.has_experts() {
        true => stack_experts(folder, config, &mut stored)?,
        false => Vec::new(),
    };
    let mut names: Vec<String> = stored.keys().cloned().collect();
    names.sort_unstable();
    for name in names {
        if let Some(biased) = name.strip_suffix(".bias") {
            let Some(ours) = family.canonical(biased) else {
                return Err(bad(folder, Problem::UnknownTensor(name)));
            };
            let biases = stored[&name].clone();
            tensors.push(dense(folder, &name, format!("{ours}.bias"), biases, 0.0)?);
            continue;
        }
        // Scales and biases go with the codes that they are of.
        let Some(of) = name.strip_suffix(".weight") else {
            if let Some(of) = name
                .strip_suffix(".scales")
                .or(name.strip_suffix(".biases"))
                && stored.contains_key(&format!("{of}.weight"))
            {
                continue;
            }
            return Err(bad(folder, Problem::UnknownTensor(name)));
        };
        if of == "lm_head" && config.ties_embeddings(family) {
            continue;
        }
        let Some(ours) = family.canonical(of) else {
            return Err(bad(folder, Problem::UnknownTensor(name)));
        };
        let canonical = format!("{ours}.weight");
        let codes = &stored[&name];
        let beside = |what: &str| stored.get(&format!("{of}.{what}")).cloned();
        let tensor = match (beside("scales"), config.affine(folder, of)?) {
            (Some(scales), Some(affine)) => {
                let biases = beside("biases");
                let parts = Parts::new(codes.clone(), scales, biases, affine);
                let parts = parts.map_err(|reason| {
                    let name = name.clone();
                    bad(folder, Problem::Quantised { name, reason })
                })?;
                parts.tensor(canonical)
            }
            _ => {
                let less = if family.norms_less_one { 1.0 } else { 0.0 };
                dense(folder, &name, canonical, codes.clone(), less)?
            }
        };
        tensors.push(match config.heads_in_halves(family, &ours) {
            Some(heads) => in_pairs(tensor, heads)?,
            None => tensor,
        });
    }
    for (name, factors) in config.factors() {
        let info = TensorInfo {
            name: format!("{name}.weight"),
            format: Format::F32,
            shape: vec![factors.len()],
            range: 0..size_of_val(&factors[..]),
        };
        let contents = Contents::Made(Box::new(move || floats(&factors)));
        tensors.push(Tensor { info, contents });
    }
    Ok(tensors)
}

/// The matrices of experts that have a tensor each, put together; takes them out of those that are stored.
fn stack_experts(
    folder: &Path,
    config: &Config,
    stored: &mut HashMap<String, Stored>,
) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    let theirs = ["gate_proj", "up_proj", "down_proj"];
    for layer in 0..config.layers() {
        for (part, ours) in theirs.iter().zip(MATRICES) {
            let name = |expert| format!("model.layers.{layer}.mlp.experts.{expert}.{part}.weight");
            if !stored.contains_key(&name(0)) {
                continue;
            }
            let matrices: Vec<Stored> = (0..config.experts().unwrap_or(0))
                .map(|expert| {
                    let missing = || format!("tensor `{}` is missing", name(expert));
                    let matrix = stored.remove(&name(expert));
                    matrix.ok_or_else(|| bad(folder, Problem::Experts(missing())))
                })
                .collect::<Result<_>>()?;
            let Some((first, others)) = matrices.split_first() else {
                continue;
            };
            let alike = |other: &Stored| other.kind == first.kind && other.shape == first.shape;
            if first.shape.len() != 2 || !others.iter().all(alike) {
                let reason = format!(
                    "experts of layer {layer} have matrices `{part}` of several shapes or types"
                );
                return Err(bad(folder, Problem::Experts(reason)));
            }
            let format = format_of(folder, &name(0), first.kind)?;
            let len = first.range.len();
            let info = TensorInfo {
                name: tensor_name(layer, ours),
                format,
                shape: [&[matrices.len()], &first.shape[..]].concat(),
                range: 0..len * matrices.len(),
            };
            let make = move || {
                memory(len * matrices.len(), |bytes| {
                    for (to, from) in bytes.chunks_exact_mut(len.max(1)).zip(&matrices) {
                        to.copy_from_slice(from.bytes());
                    }
                })
            };
            let contents = Contents::Made(Box::new(make));
            tensors.push(Tensor { info, contents });
        }
    }
    Ok(tensors)
}

/// A matrix with the rows of each head in the order that neighbours rotate together in, where those half a head apart did.
fn in_pairs(tensor: Tensor, heads: usize) -> Result<Tensor> {
    let info = TensorInfo::clone(&tensor.info);
    let &[rows, columns] = &info.shape[..] else {
        return Ok(tensor); // Loading tells which shape is wanted.
    };
    if heads == 0 || !rows.is_multiple_of(2 * heads) {
        return Ok(tensor); // The same.
    }
    let (width, row) = (rows / heads, info.format.row_bytes(columns)?);
    let len = info.range.len();
    let make = move || {
        let (map, range) = tensor.bytes()?;
        let from = &map[range];
        memory(len, |to| {
            for (place, to) in to.chunks_exact_mut(row.max(1)).enumerate() {
                let (head, i) = (place / width, place % width);
                let at = head * width + i % 2 * (width / 2) + i / 2;
                to.copy_from_slice(&from[at * row..(at + 1) * row]);
            }
        })
    };
    let info = TensorInfo {
        range: 0..len,
        ..info
    };
    let contents = Contents::Made(Box::new(make));
    Ok(Tensor { info, contents })
}

/// Names of the files with tensors.
fn parts(folder: &Path) -> Result<BTreeSet<String>> {
    let path = folder.join(INDEX);
    let Some(index) = find_json::<Index>(&path)? else {
        return match folder.join(ONE_FILE).exists() {
            true => Ok(BTreeSet::from([ONE_FILE.to_owned()])),
            false => Err(bad(folder, Problem::NoTensors)),
        };
    };
    for name in index.weight_map.values() {
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(bad(&path, Problem::PartName(name.clone())));
        }
    }
    Ok(index.weight_map.into_values().collect())
}

fn read_part(path: &Path, stored: &mut HashMap<String, Stored>) -> Result<()> {
    let map = map_file(path)?;
    let malformed =
        |error: safetensors::SafeTensorError| bad(path, Problem::Safetensors(error.to_string()));
    let parsed = SafeTensors::deserialize(&map).map_err(malformed)?;
    for (name, view) in parsed.iter() {
        let start = view.data().as_ptr().addr() - map.as_ptr().addr();
        let tensor = Stored {
            kind: view.dtype(),
            shape: view.shape().to_vec(),
            map: map.clone(),
            path: path.into(),
            range: start..start + view.data().len(),
        };
        if stored.insert(name.to_owned(), tensor).is_some() {
            return Err(bad(path, Problem::DuplicateTensor(name.to_owned())));
        }
    }
    Ok(())
}

fn format_of(folder: &Path, name: &str, kind: Dtype) -> Result<Format> {
    match kind {
        Dtype::F32 => Ok(Format::F32),
        Dtype::F16 => Ok(Format::F16),
        Dtype::BF16 => Ok(Format::BF16),
        other => Err(bad(
            folder,
            Problem::TensorType {
                name: name.to_owned(),
                found: other.to_string(),
                wanted: "F32, F16 or BF16",
            },
        )),
    }
}

/// A tensor as it is; vectors become F32, which ops want, with `less` added.
fn dense(folder: &Path, theirs: &str, name: String, stored: Stored, less: f32) -> Result<Tensor> {
    let format = format_of(folder, theirs, stored.kind)?;
    let shape = stored.shape.clone();
    if shape.len() != 1 || format == Format::F32 && less == 0.0 {
        let info = TensorInfo {
            name,
            format,
            shape,
            range: stored.range,
        };
        let contents = Contents::Mapped(stored.map, stored.path);
        return Ok(Tensor { info, contents });
    }
    let count: usize = shape.iter().product();
    let info = TensorInfo {
        name,
        format: Format::F32,
        shape,
        range: 0..count * size_of::<f32>(),
    };
    let make = move || {
        let mut values = vec![0.0f32; count];
        formats::dequantize(format, stored.bytes(), &mut values)?;
        values.iter_mut().for_each(|value| *value += less);
        floats(&values)
    };
    let contents = Contents::Made(Box::new(make));
    Ok(Tensor { info, contents })
}

/// Values in memory.
fn floats(values: &[f32]) -> Result<Mmap> {
    memory(size_of_val(values), |bytes| {
        for (four, value) in bytes.chunks_exact_mut(4).zip(values) {
            four.copy_from_slice(&value.to_le_bytes());
        }
    })
}

/// Memory that `fill` writes.
pub(super) fn memory(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Mmap> {
    let failed = |source| Error::Request(format!("no memory for {len} bytes of weights: {source}"));
    // Nothing cannot be mapped.
    let mut map = MmapMut::map_anon(len.max(1)).map_err(failed)?;
    fill(&mut map[..len]);
    map.make_read_only().map_err(failed)
}
