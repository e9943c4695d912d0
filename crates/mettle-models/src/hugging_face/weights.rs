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
    let mut names: Vec<String> = stored.keys().cloned().collect();
    names.sort_unstable();
    let mut tensors = Vec::new();
    for name in names {
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
        if of == "lm_head" && config.tie_word_embeddings {
            continue;
        }
        let Some(canonical) = canonical(of) else {
            return Err(bad(folder, Problem::UnknownTensor(name)));
        };
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
            _ => dense(folder, &name, canonical, codes.clone())?,
        };
        tensors.push(tensor);
    }
    Ok(tensors)
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

/// GGUF's name for a tensor, which is given without `.weight`.
fn canonical(name: &str) -> Option<String> {
    const TOP: [(&str, &str); 3] = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
    ];
    const OF_BLOCK: [(&str, &str); 15] = [
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("mlp.gate", "ffn_gate_inp"),
        ("mlp.switch_mlp.gate_proj", "ffn_gate_exps"),
        ("mlp.switch_mlp.up_proj", "ffn_up_exps"),
        ("mlp.switch_mlp.down_proj", "ffn_down_exps"),
    ];
    let among = |names: &[(&str, &'static str)], name: &str| {
        let found = names.iter().find(|(theirs, _)| *theirs == name);
        found.map(|(_, ours)| *ours)
    };
    if let Some(ours) = among(&TOP, name) {
        return Some(format!("{ours}.weight"));
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let layer: u32 = layer.parse().ok()?;
    Some(format!("blk.{layer}.{}.weight", among(&OF_BLOCK, part)?))
}

/// A tensor as it is; vectors become F32, which ops want.
fn dense(folder: &Path, theirs: &str, name: String, stored: Stored) -> Result<Tensor> {
    let format = match stored.kind {
        Dtype::F32 => Format::F32,
        Dtype::F16 => Format::F16,
        Dtype::BF16 => Format::BF16,
        other => {
            return Err(bad(
                folder,
                Problem::TensorType {
                    name: theirs.to_owned(),
                    found: other.to_string(),
                    wanted: "F32, F16 or BF16",
                },
            ));
        }
    };
    let shape = stored.shape.clone();
    if shape.len() != 1 || format == Format::F32 {
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
        memory(count * size_of::<f32>(), |bytes| {
            for (four, value) in bytes.chunks_exact_mut(4).zip(&values) {
                four.copy_from_slice(&value.to_le_bytes());
            }
        })
    };
    let contents = Contents::Made(Box::new(make));
    Ok(Tensor { info, contents })
}

/// Memory that `fill` writes.
pub(super) fn memory(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Mmap> {
    let failed = |source| Error::Request(format!("no memory for {len} bytes of weights: {source}"));
    // Nothing cannot be mapped.
    let mut map = MmapMut::map_anon(len.max(1)).map_err(failed)?;
    fill(&mut map[..len]);
    map.make_read_only().map_err(failed)
}
