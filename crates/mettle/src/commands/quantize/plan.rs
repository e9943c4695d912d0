//! What becomes of each tensor and of the metadata.

use std::fmt;

use anyhow::{Result, ensure};
use mettle_gpu::Format;
use mettle_kernels::formats::WEIGHTS;
use mettle_models::gguf::{File, Metadata, NewTensor, TensorInfo, Value};

/// Matrices that models keep as they are: routers and short convolutions decide much and take little.
const KEPT: [&str; 3] = ["_norm.weight", "ffn_gate_inp.weight", "conv1d.weight"];

/// What the new file will be.
pub struct Plan {
    pub metadata: Metadata,
    /// In the order of the input.
    pub tensors: Vec<NewTensor>,
    /// Why tensors do not have the format that was asked for, with their number.
    pub fallbacks: Vec<(Fallback, usize)>,
}

/// A format in place of the one that was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    pub format: Format,
    /// The block that rows are no multiple of.
    pub block: usize,
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, having rows that are no multiple of {}",
            self.format, self.block
        )
    }
}

impl Plan {
    /// The plan for `file` with weights in `target`.
    pub fn new(file: &File, target: Format) -> Result<Self> {
        ensure!(
            WEIGHTS.contains(&target),
            "{target} is not a format of weights; there are {}",
            names()
        );
        let mut fallbacks: Vec<(Fallback, usize)> = Vec::new();
        let mut tensors = Vec::new();
        for tensor in file.tensors() {
            let (format, fallback) = match is_weight(&tensor) {
                true => format_for(&tensor, target),
                false => (tensor.format, None),
            };
            if let Some(fallback) = fallback {
                match fallbacks.iter_mut().find(|(known, _)| *known == fallback) {
                    Some((_, count)) => *count += 1,
                    None => fallbacks.push((fallback, 1)),
                }
            }
            tensors.push(NewTensor {
                name: tensor.name.clone(),
                format,
                shape: tensor.shape.clone(),
            });
        }
        Ok(Self {
            metadata: metadata(file.metadata(), target, &tensors),
            tensors,
            fallbacks,
        })
    }
}

/// The names of the formats of weights.
pub fn names() -> String {
    WEIGHTS.map(|format| format.name()).join(", ")
}

/// Whether a tensor is converted: matrices (and stacks of them) of weights that can be decoded.
fn is_weight(tensor: &TensorInfo) -> bool {
    let matrix = tensor.shape.len() >= 2 && tensor.name.ends_with(".weight");
    let kept = KEPT.iter().any(|end| tensor.name.ends_with(end));
    matrix && !kept && WEIGHTS.contains(&tensor.format)
}

/// The target or, where rows are not whole blocks of it, Q8_0 or F16, whichever fits first.
fn format_for(tensor: &TensorInfo, target: Format) -> (Format, Option<Fallback>) {
    let columns = tensor.shape.last().copied().unwrap_or(1);
    let fits = |format: &Format| columns.is_multiple_of(format.block_len());
    let format = [target, Format::Q8_0].into_iter().find(fits);
    let format = format.unwrap_or(Format::F16);
    let fallback = (format != target).then_some(Fallback {
        format,
        block: target.block_len(),
    });
    (format, fallback)
}

/// The metadata of the input with what says how the new file is stored, and without what says how the old one is split.
fn metadata(old: &Metadata, target: Format, tensors: &[NewTensor]) -> Metadata {
    let mut new = old.clone();
    let kind = file_type(target);
    new.retain(|key| match key {
        "general.file_type" => kind.is_some(),
        _ => !key.starts_with("split."),
    });
    if let Some(kind) = kind {
        new.set("general.file_type", Value::U32(kind));
    }
    // OxiBonsai's files are told by this from others that use the same tensor type.
    let ternary = |tensor: &NewTensor| tensor.format == Format::TQ2_0_g128;
    let version = match tensors.iter().any(ternary) {
        true => Value::String("TQ2_0_G128".to_owned()),
        false => Value::U32(2),
    };
    new.set("general.quantization_version", version);
    new
}

/// `general.file_type` as llama.cpp numbers it: of the mixtures that a format has there, the one with the fewest others.
fn file_type(format: Format) -> Option<u32> {
    Some(match format {
        Format::F32 => 0,
        Format::F16 => 1,
        Format::Q4_0 => 2,
        Format::Q4_1 => 3,
        Format::Q8_0 => 7,
        Format::Q5_0 => 8,
        Format::Q5_1 => 9,
        Format::Q2_K => 10,
        Format::Q3_K => 11,
        Format::Q4_K => 14,
        Format::Q5_K => 16,
        Format::Q6_K => 18,
        Format::IQ4_NL => 25,
        Format::IQ4_XS => 30,
        Format::BF16 => 32,
        Format::TQ2_0 => 37,
        Format::Q1_0 => 40,
        _ => return None,
    })
}
