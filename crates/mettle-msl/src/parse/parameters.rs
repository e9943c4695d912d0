//! The parameters of kernels: what the host binds, and what tells a thread where it is.

use super::Reader;
use super::names::Bindings;
use super::types::{Declared, Space};
use super::value;
use crate::reflect::{
    Access, AddressSpace, Argument, ArgumentKind, Builtin, BuiltinKind, Parameter, Scalar, Type,
};
use std::ops::Range;

/// Highest `n` of `[[buffer(n)]]` and `[[threadgroup(n)]]`.
const MAX_INDEX: u32 = 30;

impl Reader<'_> {
    /// Reads a parameter list, `range` being the tokens between its parentheses.
    pub(super) fn parameters(
        &mut self,
        range: Range<usize>,
        scope: usize,
        bindings: &Bindings,
    ) -> Parameters {
        let t = self.tokens;
        let mut parameters = Parameters::default();
        for part in t.split(range, ",") {
            if t.slice(part.clone()) != "void" {
                self.parameter(&mut parameters, part, scope, bindings);
            }
        }
        parameters.number_implicit();
        parameters
    }

    fn parameter(
        &mut self,
        parameters: &mut Parameters,
        range: Range<usize>,
        scope: usize,
        bindings: &Bindings,
    ) {
        let t = self.tokens;
        let declared = self.names.declared(range.clone(), scope, bindings);
        let at = declared.name.unwrap_or(range.start);
        let name = declared.name.map_or("", |n| t.str(n)).to_owned();
        let mut index = None;
        let mut condition = None;
        for part in declared
            .attributes
            .iter()
            .flat_map(|a| t.split(a.clone(), ","))
        {
            if let Some(kind) = BuiltinKind::from_msl(t.str(part.start)) {
                match builtin(&name, kind, &declared) {
                    Ok(builtin) => parameters.builtin(builtin),
                    Err(message) => self.error(at, message),
                }
                return;
            }
            match t.str(part.start) {
                "buffer" | "threadgroup" => {
                    let inner = part.start + 2..t.partner(part.start + 1);
                    let value = value::evaluate(&self.names, inner, scope, bindings);
                    match value
                        .and_then(|v| u32::try_from(v).ok())
                        .filter(|v| *v <= MAX_INDEX)
                    {
                        Some(value) => index = Some(value),
                        None => {
                            return self.error(
                                part.start,
                                format!("the index must be a constant from 0 to {MAX_INDEX}"),
                            );
                        }
                    }
                }
                // An optional argument: bound or not, the kernel asks its constant before it looks.
                "function_constant" => condition = Some(t.str(part.start + 2).to_owned()),
                "texture" | "sampler" => {
                    return self.error(
                        at,
                        format!("{name} is a texture or sampler; only buffers are supported"),
                    );
                }
                other => {
                    return self.error(
                        part.start,
                        format!("the attribute {other} is not supported on a kernel's parameter"),
                    );
                }
            }
        }
        match argument_kind(&name, &declared) {
            Ok(kind) => {
                let location = self.source.locate(t.start(at));
                let clash = index
                    .and_then(|i| parameters.clash(i, &kind))
                    .map(str::to_owned);
                if let Some(other) = clash {
                    self.error(at, format!("{name} has the same index as {other}"));
                }
                let docs = self.source.line_docs(t.end(range.end - 1));
                parameters.argument(
                    Argument {
                        name,
                        index: index.unwrap_or(0),
                        kind,
                        condition,
                        early: false,
                        location,
                        docs,
                    },
                    index.is_none(),
                );
            }
            Err(message) => self.error(at, message),
        }
    }
}

fn builtin(name: &str, kind: BuiltinKind, declared: &Declared) -> Result<Builtin, String> {
    let most = kind.dimensions();
    let (scalar, width) = match declared.value_type() {
        Some(Type::Scalar(scalar)) => (scalar, 1),
        Some(Type::Vector(scalar, width)) => (scalar, width),
        _ => {
            return Err(format!(
                "{name} must be of type uint or ushort, or a vector of them"
            ));
        }
    };
    if !matches!(scalar, Scalar::U32 | Scalar::U16) || width > most {
        let vectors = if most > 1 {
            ", or a vector of 2 or 3 of them"
        } else {
            ""
        };
        return Err(format!("{name} must be of type uint or ushort{vectors}"));
    }
    Ok(Builtin {
        name: name.to_owned(),
        kind,
        scalar,
        width,
    })
}

/// What a type is that kernels here cannot be given, and what to do instead.
fn unsupported(ty: &Type) -> Option<&'static str> {
    let Type::Other(text) = ty else { return None };
    let text = text
        .rsplit_once("metal::")
        .map_or(text.as_str(), |(_, name)| name);
    let is = |names: &[&str]| names.iter().any(|name| text.starts_with(name));
    Some(match () {
        () if is(&["texture", "depth", "sampler"]) => {
            "a texture or sampler; only buffers are supported"
        }
        () if is(&["visible_function_table", "intersection_function_table"]) => {
            "a table of functions; only buffers are supported"
        }
        () if text.contains("acceleration_structure") => {
            "a structure for ray tracing; only buffers are supported"
        }
        () if is(&["array"]) && text.contains('*') => {
            "an array of pointers; only buffers are supported, and structs of pointers inside of buffers"
        }
        () => return None,
    })
}

fn argument_kind(name: &str, declared: &Declared) -> Result<ArgumentKind, String> {
    if let Some(what) = declared.base.as_ref().and_then(unsupported) {
        return Err(format!("{name} is {what}"));
    }
    let indirect = declared.pointers + declared.references;
    let is_array = indirect == 0 && !declared.bounds.is_empty();
    if declared.odd || !(is_array || indirect == 1 && declared.bounds.is_empty()) {
        return Err(format!(
            "{name} is neither one pointer or reference to a buffer nor marked with a built-in attribute"
        ));
    }
    // `T x[2]` is `T* x`.
    let element = if is_array {
        declared.element_type()
    } else {
        declared.base.clone()
    };
    let element = element.ok_or_else(|| format!("the type of {name} is not understood"))?;
    match declared.space {
        Some(Space::Constant) if declared.references == 1 => {
            Ok(ArgumentKind::Value { ty: element })
        }
        Some(Space::Constant) => Ok(ArgumentKind::Buffer {
            element,
            access: Access::Read,
            space: AddressSpace::Constant,
        }),
        Some(Space::Device) => {
            let access = if declared.is_const {
                Access::Read
            } else {
                Access::ReadWrite
            };
            Ok(ArgumentKind::Buffer {
                element,
                access,
                space: AddressSpace::Device,
            })
        }
        Some(Space::Threadgroup) => Ok(ArgumentKind::ThreadgroupMemory { element }),
        Some(Space::Thread) | None => Err(format!(
            "{name} needs an address space: device, constant or threadgroup"
        )),
    }
}

/// The parameters of a kernel.
#[derive(Default)]
pub(super) struct Parameters {
    pub arguments: Vec<Argument>,
    pub builtins: Vec<Builtin>,
    /// What each parameter is, in the order written.
    pub order: Vec<Parameter>,
    /// Positions in `arguments` that have no index of their own.
    implicit: Vec<usize>,
}

impl Parameters {
    fn builtin(&mut self, builtin: Builtin) {
        self.order.push(Parameter::Builtin(self.builtins.len()));
        self.builtins.push(builtin);
    }

    fn argument(&mut self, argument: Argument, implicit: bool) {
        if implicit {
            self.implicit.push(self.arguments.len());
        }
        self.order.push(Parameter::Argument(self.arguments.len()));
        self.arguments.push(argument);
    }

    /// Name of the argument that has this index in the same table.
    fn clash(&self, index: u32, kind: &ArgumentKind) -> Option<&str> {
        let explicit = self
            .arguments
            .iter()
            .enumerate()
            .filter(|(i, _)| !self.implicit.contains(i));
        let mut same = explicit
            .filter(|(_, a)| a.index == index && is_threadgroup(&a.kind) == is_threadgroup(kind));
        same.next().map(|(_, a)| a.name.as_str())
    }

    /// Gives arguments without an index the lowest free one of their table, in order.
    fn number_implicit(&mut self) {
        for (done, &i) in self.implicit.iter().enumerate() {
            let pending = &self.implicit[done..];
            let table = is_threadgroup(&self.arguments[i].kind);
            let taken: Vec<u32> = self
                .arguments
                .iter()
                .enumerate()
                .filter(|(j, a)| !pending.contains(j) && is_threadgroup(&a.kind) == table)
                .map(|(_, a)| a.index)
                .collect();
            self.arguments[i].index = (0..).find(|n| !taken.contains(n)).unwrap_or(0);
        }
    }
}

fn is_threadgroup(kind: &ArgumentKind) -> bool {
    matches!(kind, ArgumentKind::ThreadgroupMemory { .. })
}
