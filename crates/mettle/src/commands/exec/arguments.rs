//! What is given, held against what the kernel declares.

use anyhow::{Context, Result, bail, ensure};
use mettle_msl::{Argument, ArgumentKind, ConstantValue, Kernel, Struct, Type, Unit};

use super::data::Data;
use super::dtype::Dtype;
use super::spec::{BufferSpec, BytesSpec, ConstantSpec, Init, OutSpec, Spec};
use crate::commands::reflection::{declaration, place};

/// Bytes of a pointer on every device.
const POINTER: usize = 8;

/// An argument that is complete and fits its declaration.
#[derive(Clone)]
pub enum Bound {
    Buffer {
        index: u32,
        data: Data,
        pointers: Vec<Pointer>,
    },
    Value {
        index: u32,
        bytes: Vec<u8>,
        pointers: Vec<Pointer>,
    },
    ThreadgroupMemory {
        index: u32,
        bytes: usize,
    },
    /// No argument: what a pointer leads to.
    Reached {
        index: u32,
        data: Data,
    },
}

impl Bound {
    /// The buffer that it needs: its index and what it holds.
    pub fn buffer(&self) -> Option<(u32, &Data)> {
        match self {
            Bound::Buffer { index, data, .. } | Bound::Reached { index, data } => {
                Some((*index, data))
            }
            Bound::Value { .. } | Bound::ThreadgroupMemory { .. } => None,
        }
    }

    /// The pointers among its bytes.
    pub fn pointers(&self) -> &[Pointer] {
        match self {
            Bound::Buffer { pointers, .. } | Bound::Value { pointers, .. } => pointers,
            Bound::ThreadgroupMemory { .. } | Bound::Reached { .. } => &[],
        }
    }
}

/// Where, among the bytes of an argument, the address of a buffer belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pointer {
    pub offset: usize,
    /// The index that the buffer is given by.
    pub buffer: u32,
}

/// The bytes of a value, and the pointers among them.
#[derive(Default)]
struct Value {
    bytes: Vec<u8>,
    pointers: Vec<Pointer>,
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
                let Value { bytes, pointers } = match (bytes, buffer) {
                    (Some(parts), _) => value(unit, ty, parts).with_context(context)?,
                    (None, Some(buffer)) => Value {
                        bytes: Data::of(buffer).with_context(context)?.bytes,
                        pointers: Vec::new(),
                    },
                    (None, None) => bail!("{} is missing", context()),
                };
                Bound::Value {
                    index,
                    bytes,
                    pointers,
                }
            }
            ArgumentKind::Buffer { element, .. } => {
                let mut pointers = Vec::new();
                let data = match (buffer, bytes, out) {
                    (Some(buffer), ..) => Data::of(buffer),
                    (None, Some(parts), _) => value(unit, element, parts).map(|value| {
                        pointers = value.pointers;
                        Data {
                            dtype: Dtype(mettle_msl::Scalar::U8),
                            bytes: value.bytes,
                        }
                    }),
                    (None, None, Some(out)) => shown(out),
                    (None, None, None) => bail!("{} is missing", context()),
                };
                let data = data.with_context(context)?;
                let declared = Dtype::of(element);
                // Bytes stand for anything.
                if declared.is_some_and(|d| d != data.dtype && data.dtype.size() > 1) {
                    warn(format!("{} is given as {}", context(), data.dtype));
                }
                Bound::Buffer {
                    index,
                    data,
                    pointers,
                }
            }
        });
    }
    for index in reached(spec) {
        if bound
            .iter()
            .any(|b| b.buffer().is_some_and(|(i, _)| i == index))
        {
            continue;
        }
        let buffer = spec.buffers.iter().find(|b| b.index == index);
        let out = spec.outs.iter().find(|o| o.index == index);
        let data = match (buffer, out) {
            (Some(buffer), _) => Data::of(buffer),
            (None, Some(out)) => shown(out),
            (None, None) => bail!(
                "@{index} leads to no buffer: give --buffer {index}=TYPE:LENGTH or --out {index}=TYPE:LENGTH"
            ),
        };
        let data = data.with_context(|| format!("buffer({index})"))?;
        bound.push(Bound::Reached { index, data });
    }
    for out in &spec.outs {
        let mut buffers = bound.iter().filter_map(Bound::buffer);
        let given = buffers.find(|(index, _)| *index == out.index);
        let given = given.map(|(_, data)| data.bytes.len());
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

/// A buffer that is only to be shown: what the kernel leaves unwritten must be seen.
fn shown(out: &OutSpec) -> Result<Data> {
    Data::of(&BufferSpec {
        index: out.index,
        dtype: Some(out.dtype),
        len: Some(out.len),
        init: Init::Uninit,
    })
}

/// The buffers that pointers lead to.
fn reached(spec: &Spec) -> Vec<u32> {
    let parts = spec.bytes.iter().flat_map(|bytes| &bytes.parts);
    let mut indices: Vec<u32> = parts.filter_map(|(_, text)| pointer(text)).collect();
    indices.sort_unstable();
    indices.dedup();
    indices
}

/// The buffer that `@INDEX` leads to.
fn pointer(text: &str) -> Option<u32> {
    text.strip_prefix('@')?.parse().ok()
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
    let reached = reached(spec);
    for (index, threadgroup) in seen {
        if !threadgroup && reached.contains(&index) {
            continue;
        }
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
fn value(unit: &Unit, ty: &Type, spec: &BytesSpec) -> Result<Value> {
    let size = unit.layout(ty).map(|layout| layout.size);
    let (first, text) = &spec.parts[0];
    if pointer(text).is_none()
        && first.parse::<Dtype>().is_err()
        && let Some(found) = unit
            .structs
            .iter()
            .find(|s| *ty == Type::Struct(s.name.clone()))
    {
        return Ok(Value {
            bytes: fields(found, spec)?,
            pointers: Vec::new(),
        });
    }
    let Value {
        mut bytes,
        mut pointers,
    } = Value::default();
    let mut dtype = None;
    for (name, text) in &spec.parts {
        if let Some(buffer) = pointer(text) {
            let offset = bytes.len().next_multiple_of(POINTER);
            pointers.push(Pointer { offset, buffer });
            bytes.resize(offset + POINTER, 0);
            continue;
        }
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
    } else if !pointers.is_empty() {
        // A struct is a whole number of its largest members.
        bytes.resize(bytes.len().next_multiple_of(POINTER), 0);
    }
    Ok(Value { bytes, pointers })
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
