//! What is given, held against what the kernel declares.

use anyhow::{Context, Result, bail, ensure};
use mettle_msl::{Argument, ArgumentKind, ConstantValue, Kernel, Struct, Type, Unit};

use super::data::Data;
use super::dtype::Dtype;
use super::spec::{BufferSpec, BytesSpec, ConstantSpec, Init, Spec};
use crate::commands::reflection::{declaration, place};

/// An argument that is complete and fits its declaration.
pub enum Bound {
    Buffer { index: u32, data: Data },
    Value { index: u32, bytes: Vec<u8> },
    ThreadgroupMemory { index: u32, bytes: usize },
}

/// Holds what a launch gives against the signature of a kernel; `warn` is told what is odd but possible.
///
/// # Errors
/// Arguments that are missing, unknown, given twice or of another kind, all in one message; data that cannot be read or made.
pub fn bind(
    unit: &Unit,
    kernel: &Kernel,
    spec: &Spec,
    mut warn: impl FnMut(String),
) -> Result<Vec<Bound>> {
    check_names(kernel, spec)?;
    let mut bound = Vec::new();
    for argument in &kernel.arguments {
        let index = argument.index;
        let context = || format!("{} {}", place(argument), declaration(argument));
        let bytes = spec.bytes.iter().find(|b| b.index == index);
        let buffer = spec.buffers.iter().find(|b| b.index == index);
        let out = spec.outs.iter().find(|o| o.index == index);
        if argument.condition.is_some() && !is_given(argument, spec) {
            continue;
        }
        bound.push(match &argument.kind {
            ArgumentKind::ThreadgroupMemory { .. } => {
                let given = spec.threadgroup_memory.iter().find(|t| t.0 == index);
                let bytes = given.map_or(0, |t| t.1);
                Bound::ThreadgroupMemory { index, bytes }
            }
            ArgumentKind::Value { ty } => {
                let data = match (bytes, buffer) {
                    (Some(parts), _) => value(unit, ty, parts).with_context(context)?,
                    (None, Some(buffer)) => Data::of(buffer).with_context(context)?.bytes,
                    (None, None) => bail!("{} is missing", context()),
                };
                Bound::Value { index, bytes: data }
            }
            ArgumentKind::Buffer { element, .. } => {
                let data = match (buffer, bytes, out) {
                    (Some(buffer), ..) => Data::of(buffer),
                    (None, Some(parts), _) => value(unit, element, parts).map(|bytes| Data {
                        dtype: Dtype(mettle_msl::Scalar::U8),
                        bytes,
                    }),
                    // Only to be shown: what the kernel leaves unwritten must be seen.
                    (None, None, Some(out)) => Data::of(&BufferSpec {
                        index,
                        dtype: Some(out.dtype),
                        len: Some(out.len),
                        init: Init::Uninit,
                    }),
                    (None, None, None) => bail!("{} is missing", context()),
                };
                let data = data.with_context(context)?;
                let declared = Dtype::of(element);
                // Bytes stand for anything.
                if declared.is_some_and(|d| d != data.dtype && data.dtype.size() > 1) {
                    warn(format!("{} is given as {}", context(), data.dtype));
                }
                Bound::Buffer { index, data }
            }
        });
    }
    for out in &spec.outs {
        let given = bound.iter().find_map(|b| match b {
            Bound::Buffer { index, data } if *index == out.index => Some(data.bytes.len()),
            _ => None,
        });
        let given = given.with_context(|| format!("--out {}: it is no buffer", out.index))?;
        ensure!(
            out.len
                .checked_mul(out.dtype.size())
                .is_some_and(|n| n <= given),
            "--out {}: {} elements of {} are more than the {given} bytes of the buffer",
            out.index,
            out.len,
            out.dtype
        );
    }
    Ok(bound)
}

/// Whether something is bound to an argument.
fn is_given(argument: &Argument, spec: &Spec) -> bool {
    let index = argument.index;
    let buffer = spec.buffers.iter().any(|b| b.index == index);
    let bytes = spec.bytes.iter().any(|b| b.index == index);
    match argument.kind {
        ArgumentKind::ThreadgroupMemory { .. } => {
            spec.threadgroup_memory.iter().any(|t| t.0 == index)
        }
        ArgumentKind::Value { .. } => buffer || bytes,
        ArgumentKind::Buffer { .. } => {
            buffer || bytes || spec.outs.iter().any(|o| o.index == index)
        }
    }
}

/// Every argument that is missing and every one that the kernel does not have, by name.
fn check_names(kernel: &Kernel, spec: &Spec) -> Result<()> {
    let mut wrong = Vec::new();
    let is_memory = |kind: &ArgumentKind| matches!(kind, ArgumentKind::ThreadgroupMemory { .. });
    let buffers: Vec<u32> = spec.buffers.iter().map(|b| b.index).collect();
    let bytes: Vec<u32> = spec.bytes.iter().map(|b| b.index).collect();
    let outs: Vec<u32> = spec.outs.iter().map(|o| o.index).collect();
    let memory: Vec<u32> = spec.threadgroup_memory.iter().map(|t| t.0).collect();
    for argument in &kernel.arguments {
        let index = argument.index;
        let option = match &argument.kind {
            ArgumentKind::ThreadgroupMemory { .. } => format!("--threadgroup {index}=BYTES"),
            ArgumentKind::Value { ty } => {
                let name = Dtype::of(ty).map_or("TYPE".to_owned(), |d| d.to_string());
                format!("--bytes {index}={name}:VALUE")
            }
            ArgumentKind::Buffer { element, .. } => {
                let name = Dtype::of(element).map_or("u8".to_owned(), |d| d.to_string());
                format!("--buffer {index}={name}:LENGTH")
            }
        };
        // One that depends on a function constant may be left out.
        let given = argument.condition.is_some() || is_given(argument, spec);
        if !given {
            let (place, declared) = (place(argument), declaration(argument));
            wrong.push(format!("{place} {declared} is missing: give {option}"));
        }
    }
    let mut seen = Vec::new();
    for (index, threadgroup) in buffers
        .iter()
        .chain(&bytes)
        .map(|i| (*i, false))
        .chain(memory.iter().map(|i| (*i, true)))
    {
        let what = if threadgroup { "threadgroup" } else { "buffer" };
        if seen.contains(&(index, threadgroup)) {
            wrong.push(format!("{what}({index}) is given twice"));
        }
        seen.push((index, threadgroup));
    }
    seen.extend(outs.iter().map(|i| (*i, false)));
    for (index, threadgroup) in seen {
        let known = |a: &Argument| a.index == index && is_memory(&a.kind) == threadgroup;
        if !kernel.arguments.iter().any(known) {
            let what = if threadgroup { "threadgroup" } else { "buffer" };
            wrong.push(format!("there is no {what}({index})"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.dedup();
    let signature: Vec<String> = kernel
        .arguments
        .iter()
        .map(|a| format!("\n  {:<15} {}", place(a), declaration(a)))
        .collect();
    bail!(
        "the arguments do not fit: {}\nkernel {} takes{}",
        wrong.join("; "),
        kernel.name,
        signature.concat()
    )
}

/// The bytes of a value: by the fields of a struct, or one after the other, each aligned to its size.
fn value(unit: &Unit, ty: &Type, spec: &BytesSpec) -> Result<Vec<u8>> {
    let size = unit.layout(ty).map(|layout| layout.size);
    let first = &spec.parts[0].0;
    if first.parse::<Dtype>().is_err()
        && let Some(found) = unit
            .structs
            .iter()
            .find(|s| *ty == Type::Struct(s.name.clone()))
    {
        return fields(found, spec);
    }
    let mut bytes: Vec<u8> = Vec::new();
    let mut dtype = None;
    for (name, text) in &spec.parts {
        if !name.is_empty() {
            dtype = Some(name.parse::<Dtype>()?);
        }
        let dtype = dtype.context("the type is missing")?;
        bytes.resize(bytes.len().next_multiple_of(dtype.size()), 0);
        dtype.encode(text, &mut bytes)?;
    }
    if let Some(size) = size {
        // Padding at the end may be left out.
        ensure!(
            bytes.len() <= size && size - bytes.len() < 16,
            "it has {size} bytes, {} are given",
            bytes.len()
        );
        bytes.resize(size, 0);
    }
    Ok(bytes)
}

fn fields(found: &Struct, spec: &BytesSpec) -> Result<Vec<u8>> {
    let mut bytes = vec![0; found.size];
    let mut given: Vec<&str> = Vec::new();
    let names = || {
        let names: Vec<&str> = found.fields.iter().map(|f| f.name.as_str()).collect();
        names.join(", ")
    };
    let mut next = 0;
    for (name, text) in &spec.parts {
        // Without a name: the next element of the array field before.
        let name = if name.is_empty() {
            given.last().copied().unwrap_or("")
        } else {
            next = 0;
            name
        };
        let field = found.fields.iter().find(|f| f.name == name);
        let field = field.with_context(|| {
            format!(
                "struct {} has no field {name:?}; it has {}",
                found.name,
                names()
            )
        })?;
        let dtype = Dtype::of(&field.ty)
            .with_context(|| format!("field {name} is a {}; give its bytes by type", field.ty))?;
        let mut element = Vec::new();
        dtype
            .encode(text, &mut element)
            .with_context(|| format!("field {name}"))?;
        let at = field.offset + next * dtype.size();
        let end = field
            .ty
            .layout(&[])
            .map_or(at, |layout| field.offset + layout.size);
        ensure!(
            at + element.len() <= end,
            "field {name} has more values than elements"
        );
        bytes[at..at + element.len()].copy_from_slice(&element);
        next += 1;
        given.push(name);
    }
    let missing = found
        .fields
        .iter()
        .find(|f| !given.contains(&f.name.as_str()));
    if let Some(field) = missing {
        bail!(
            "field {} of struct {} is missing; it has {}",
            field.name,
            found.name,
            names()
        );
    }
    Ok(bytes)
}

/// The values of function constants, by index or name, by ascending index.
pub fn constants(unit: &Unit, specs: &[ConstantSpec]) -> Result<Vec<(u32, ConstantValue)>> {
    let mut values = Vec::new();
    for spec in specs {
        let by_index = spec.constant.parse::<u32>().ok();
        let known = unit
            .constants
            .iter()
            .find(|c| c.name == spec.constant || Some(c.index) == by_index);
        let Some(known) = known else {
            let all: Vec<String> = unit
                .constants
                .iter()
                .map(|c| format!("{} {} {}", c.index, c.scalar.msl_name(), c.name))
                .collect();
            bail!(
                "there is no function constant {}; {}",
                spec.constant,
                if all.is_empty() {
                    "the file has none".to_owned()
                } else {
                    format!("there are {}", all.join(", "))
                }
            );
        };
        let what = || format!("function constant {} {}", known.index, known.name);
        let declared = Dtype(known.scalar);
        if let Some(given) = spec.dtype.filter(|given| *given != declared) {
            bail!("{} is a {declared}, not a {given}", what());
        }
        ensure!(
            !values.iter().any(|(index, _)| *index == known.index),
            "{} is given twice",
            what()
        );
        values.push((
            known.index,
            declared.constant(&spec.value).with_context(what)?,
        ));
    }
    values.sort_by_key(|(index, _)| *index);
    Ok(values)
}
