//! Kernels and their arguments, for people and for tools.

use std::io::{self, Write};

use mettle_msl::{Access, AddressSpace, Argument, ArgumentKind, Kernel, Unit};
use serde::Serialize;

/// A kernel.
#[derive(Serialize)]
pub struct KernelRow<'a> {
    name: &'a str,
    line: u32,
    arguments: Vec<ArgumentRow<'a>>,
    builtins: Vec<BuiltinRow<'a>>,
}

#[derive(Serialize)]
struct ArgumentRow<'a> {
    /// `buffer`, `value` or `threadgroup`.
    kind: &'static str,
    index: u32,
    name: &'a str,
    /// As MSL declares it.
    declaration: String,
    /// `read` or `read-write`; for buffers.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'static str>,
    /// The function constant that decides whether it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'a str>,
    /// Bytes of an element or of the value, where the layout is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

#[derive(Serialize)]
struct BuiltinRow<'a> {
    name: &'a str,
    attribute: &'static str,
    #[serde(rename = "type")]
    ty: String,
}

/// A function constant.
#[derive(Serialize)]
pub struct ConstantRow<'a> {
    name: &'a str,
    index: u32,
    #[serde(rename = "type")]
    ty: &'static str,
}

/// The kernels of a unit.
pub fn kernels(unit: &Unit) -> Vec<KernelRow<'_>> {
    unit.kernels.iter().map(|k| kernel(unit, k)).collect()
}

/// The function constants of a unit.
pub fn constants(unit: &Unit) -> Vec<ConstantRow<'_>> {
    let row = |c: &'_ mettle_msl::FunctionConstant| (c.index, c.scalar.msl_name());
    unit.constants
        .iter()
        .map(|constant| {
            let (index, ty) = row(constant);
            ConstantRow {
                name: &constant.name,
                index,
                ty,
            }
        })
        .collect()
}

fn kernel<'a>(unit: &Unit, kernel: &'a Kernel) -> KernelRow<'a> {
    KernelRow {
        name: &kernel.name,
        line: kernel.location.line,
        arguments: kernel.arguments.iter().map(|a| argument(unit, a)).collect(),
        builtins: kernel
            .builtins
            .iter()
            .map(|builtin| BuiltinRow {
                name: &builtin.name,
                attribute: builtin.kind.msl_name(),
                ty: match builtin.width {
                    1 => builtin.scalar.msl_name().to_owned(),
                    width => format!("{}{width}", builtin.scalar.msl_name()),
                },
            })
            .collect(),
    }
}

fn argument<'a>(unit: &Unit, argument: &'a Argument) -> ArgumentRow<'a> {
    let (kind, access, ty) = match &argument.kind {
        ArgumentKind::Buffer {
            element, access, ..
        } => {
            let access = match access {
                Access::Read => "read",
                Access::ReadWrite => "read-write",
            };
            ("buffer", Some(access), element)
        }
        ArgumentKind::Value { ty } => ("value", None, ty),
        ArgumentKind::ThreadgroupMemory { element } => ("threadgroup", None, element),
    };
    ArgumentRow {
        kind,
        index: argument.index,
        name: &argument.name,
        declaration: declaration(argument),
        access,
        condition: argument.condition.as_deref(),
        size: unit.layout(ty).map(|layout| layout.size),
    }
}

/// An argument as MSL declares it: `device const float* x`.
pub fn declaration(argument: &Argument) -> String {
    let name = &argument.name;
    match &argument.kind {
        ArgumentKind::Buffer {
            element,
            access,
            space,
        } => {
            let space = match (space, access) {
                (AddressSpace::Constant, _) => "constant",
                (AddressSpace::Device, Access::Read) => "device const",
                (AddressSpace::Device, Access::ReadWrite) => "device",
            };
            format!("{space} {element}* {name}")
        }
        ArgumentKind::Value { ty } => format!("constant {ty}& {name}"),
        ArgumentKind::ThreadgroupMemory { element } => format!("threadgroup {element}* {name}"),
    }
}

/// Where an argument is bound: `buffer(0)`.
pub fn place(argument: &Argument) -> String {
    let space = match argument.kind {
        ArgumentKind::ThreadgroupMemory { .. } => "threadgroup",
        _ => "buffer",
    };
    format!("{space}({})", argument.index)
}

/// Writes the kernels of a unit with their arguments and the unit's function constants.
pub fn print(unit: &Unit, out: &mut impl Write) -> io::Result<()> {
    for kernel in &unit.kernels {
        writeln!(out, "{}  ({})", kernel.name, kernel.location)?;
        for argument in &kernel.arguments {
            let size = match &argument.kind {
                ArgumentKind::Buffer { element: ty, .. }
                | ArgumentKind::Value { ty }
                | ArgumentKind::ThreadgroupMemory { element: ty } => unit.layout(ty),
            };
            let size = size.map_or(String::new(), |layout| format!("  {} B", layout.size));
            let condition = argument.condition.as_ref();
            let condition = condition.map_or(String::new(), |name| format!("  if {name}"));
            let (place, declaration) = (place(argument), declaration(argument));
            writeln!(out, "  {place:<15} {declaration}{size}{condition}")?;
        }
        let builtins: Vec<&str> = kernel.builtins.iter().map(|b| b.kind.msl_name()).collect();
        if !builtins.is_empty() {
            writeln!(out, "  {:<15} {}", "threads", builtins.join(", "))?;
        }
    }
    for constant in &unit.constants {
        writeln!(
            out,
            "function constant {} {} {}",
            constant.index,
            constant.scalar.msl_name(),
            constant.name
        )?;
    }
    Ok(())
}
