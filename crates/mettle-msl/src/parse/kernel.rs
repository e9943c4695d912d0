//! Kernels: their definitions, explicit instantiations of kernel templates, and what their parameters are bound to.

use super::Reader;
use super::item::{Item, ItemKind};
use super::names::{Binding, Bindings};
use super::types::{Declared, Space};
use super::value;
use crate::reflect::{
    Access, AddressSpace, Argument, ArgumentKind, Builtin, BuiltinKind, Kernel, Parameter, Scalar,
    Type,
};
use crate::token::{TokenKind, Tokens};
use std::collections::HashMap;
use std::ops::Range;

/// Highest `n` of `[[buffer(n)]]` and `[[threadgroup(n)]]`.
const MAX_INDEX: u32 = 30;

/// What stands in the head of a function or instantiation.
struct Head {
    is_kernel: bool,
    host_name: Option<String>,
}

impl Reader<'_> {
    /// All kernels in the order of the text: plain functions where they are defined, templates where they are instantiated.
    pub(super) fn kernels(&mut self) -> Vec<Kernel> {
        let items = self.items;
        let mut templates: HashMap<String, &Item> = HashMap::new();
        let mut kernels = Vec::new();
        for item in &items.list {
            match item.kind {
                ItemKind::Function {
                    name,
                    parameters,
                    body: Some(_),
                } => {
                    let head = self.head(item.head..parameters);
                    if !head.is_kernel {
                        continue;
                    }
                    let function = self.names.qualify(item.scope, self.tokens.str(name));
                    // `template <>` is a specialisation: the instantiation decides.
                    if item.templates.iter().any(|t| !t.is_empty()) {
                        templates.entry(function).or_insert(item);
                    } else if item.templates.is_empty() {
                        let host = head
                            .host_name
                            .unwrap_or_else(|| self.tokens.str(name).to_owned());
                        kernels.extend(self.kernel(item, item, host, function, &Bindings::new()));
                    }
                }
                ItemKind::Instantiation => kernels.extend(self.instantiation(item, &templates)),
                _ => {}
            }
        }
        kernels
    }

    fn head(&self, range: Range<usize>) -> Head {
        let t = self.tokens;
        let mut head = Head {
            is_kernel: false,
            host_name: None,
        };
        let mut i = range.start;
        while i < range.end {
            if t.is_attribute(i) {
                for part in t.split(i + 2..t.partner(i + 1), ",") {
                    match t.str(part.start) {
                        "kernel" => head.is_kernel = true,
                        "host_name" => head.host_name = Some(strings(t, part)),
                        _ => {}
                    }
                }
            } else if t.is(i, "kernel") {
                head.is_kernel = true;
            }
            i = t.skip(i);
        }
        head
    }

    /// `template [[host_name("x")]] [[kernel]] void f<float, 4>(...);`, or with `decltype(f<float, 4>)` or a typedef in the place of the type.
    fn instantiation(&mut self, item: &Item, templates: &HashMap<String, &Item>) -> Option<Kernel> {
        let t = self.tokens;
        let head = self.head(item.tokens.clone());
        // The entity is the last name in front of the parameter list or the end.
        let mut entity: Option<(Range<usize>, Option<Range<usize>>)> = None;
        let mut i = item.head + 1;
        while i < item.tokens.end {
            if t.is_attribute(i) {
                i = t.skip(i);
            } else if t.is(i, "decltype") {
                i = t.skip(i + 1);
            } else if t.is(i, "(") {
                break;
            } else if t.is_word(i) && !t.is(i, "kernel") {
                let start = i;
                while t.is(i + 1, "::") && t.is_word(i + 2) {
                    i += 2;
                }
                let close = t
                    .is(i + 1, "<")
                    .then(|| t.angle(i + 1, item.tokens.end))
                    .flatten();
                entity = Some((start..i + 1, close.map(|c| i + 2..c)));
                i = close.unwrap_or(i) + 1;
            } else {
                i += 1;
            }
        }
        let (name, arguments) = entity?;
        let path = self.names.path(name.clone());
        let mut scope = Some(item.scope);
        let template = loop {
            let s = scope?;
            if let Some(found) = templates.get(&self.names.qualify(s, &path)) {
                break *found;
            }
            scope = self.items.scopes[s].parent;
            if scope.is_none() && (head.is_kernel || head.host_name.is_some()) {
                self.error(
                    name.start,
                    format!("no kernel template {path} is defined above"),
                );
            }
        };
        let Some(arguments) = arguments else {
            self.error(
                name.start,
                format!("the template arguments of {path} are missing"),
            );
            return None;
        };
        let function = format!("{path}<{}>", t.slice(arguments.clone()));
        let bindings = self.bind(item, template, &arguments);
        let host = head.host_name.unwrap_or_else(|| function.clone());
        self.kernel(template, item, host, function, &bindings)
    }

    /// What the template's parameters stand for; missing arguments take their defaults.
    fn bind(&self, item: &Item, template: &Item, arguments: &Range<usize>) -> Bindings {
        let t = self.tokens;
        let mut bindings = Bindings::new();
        let Some(list) = template.templates.last() else {
            return bindings;
        };
        let arguments = t.split(arguments.clone(), ",");
        for (i, parameter) in t.split(list.clone(), ",").into_iter().enumerate() {
            let equals = parameter.clone().find(|j| t.is(*j, "="));
            let name = equals.unwrap_or(parameter.end).saturating_sub(1);
            let is_type = matches!(t.str(parameter.start), "typename" | "class");
            let (range, scope, outer) = match (arguments.get(i), equals) {
                (Some(argument), _) => (argument.clone(), item.scope, &Bindings::new()),
                (None, Some(equals)) => (equals + 1..parameter.end, template.scope, &bindings),
                (None, None) => continue,
            };
            let text = || Binding::Text(t.slice(range.clone()).to_owned());
            let binding = if is_type {
                self.names
                    .type_of(range.clone(), scope, outer)
                    .map_or_else(text, Binding::Type)
            } else {
                value::evaluate(&self.names, range.clone(), scope, outer)
                    .map_or_else(text, Binding::Value)
            };
            bindings.insert(t.str(name).to_owned(), binding);
        }
        bindings
    }

    /// Reads the parameters of `definition`; `place` is where the kernel is written (its instantiation, for a template).
    fn kernel(
        &mut self,
        definition: &Item,
        place: &Item,
        name: String,
        function: String,
        bindings: &Bindings,
    ) -> Option<Kernel> {
        let t = self.tokens;
        let ItemKind::Function {
            parameters: open, ..
        } = definition.kind
        else {
            return None;
        };
        let location = self.source.locate(t.start(place.tokens.start));
        let mut docs = self.source.docs(&location);
        if docs.is_empty() {
            docs = self
                .source
                .docs(&self.source.locate(t.start(definition.tokens.start)));
        }
        let mut reader = Parameters {
            arguments: Vec::new(),
            builtins: Vec::new(),
            parameters: Vec::new(),
            implicit: Vec::new(),
        };
        for range in t.split(open + 1..t.partner(open), ",") {
            if t.slice(range.clone()) != "void" {
                self.parameter(&mut reader, range, definition.scope, bindings);
            }
        }
        reader.number_implicit();
        Some(Kernel {
            name,
            function,
            arguments: reader.arguments,
            builtins: reader.builtins,
            location,
            docs,
            parameters: reader.parameters,
            offset: t.start(place.tokens.start),
        })
    }

    fn parameter(
        &mut self,
        reader: &mut Parameters,
        range: Range<usize>,
        scope: usize,
        bindings: &Bindings,
    ) {
        let t = self.tokens;
        let declared = self.names.declared(range.clone(), scope, bindings);
        let at = declared.name.unwrap_or(range.start);
        let name = declared.name.map_or("", |n| t.str(n)).to_owned();
        let mut index = None;
        for part in declared
            .attributes
            .iter()
            .flat_map(|a| t.split(a.clone(), ","))
        {
            if let Some(kind) = BuiltinKind::from_msl(t.str(part.start)) {
                match builtin(&name, kind, &declared) {
                    Ok(builtin) => reader.builtin(builtin),
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
                "function_constant" => {}
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
        match argument_kind(&name, declared) {
            Ok(kind) => {
                let location = self.source.locate(t.start(at));
                let clash = index
                    .and_then(|i| reader.clash(i, &kind))
                    .map(str::to_owned);
                if let Some(other) = clash {
                    self.error(at, format!("{name} has the same index as {other}"));
                }
                let docs = self.source.line_docs(t.end(range.end - 1));
                reader.argument(
                    Argument {
                        name,
                        index: index.unwrap_or(0),
                        kind,
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

fn argument_kind(name: &str, declared: Declared) -> Result<ArgumentKind, String> {
    let indirect = declared.pointers + declared.references;
    if indirect != 1 || declared.odd || !declared.bounds.is_empty() {
        return Err(format!(
            "{name} is neither a pointer or reference to a buffer nor marked with a built-in attribute"
        ));
    }
    let element = declared
        .base
        .ok_or_else(|| format!("the type of {name} is not understood"))?;
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

/// The parameters read so far.
struct Parameters {
    arguments: Vec<Argument>,
    builtins: Vec<Builtin>,
    parameters: Vec<Parameter>,
    /// Positions in `arguments` that have no index of their own.
    implicit: Vec<usize>,
}

impl Parameters {
    fn builtin(&mut self, builtin: Builtin) {
        self.parameters
            .push(Parameter::Builtin(self.builtins.len()));
        self.builtins.push(builtin);
    }

    fn argument(&mut self, argument: Argument, implicit: bool) {
        if implicit {
            self.implicit.push(self.arguments.len());
        }
        self.parameters
            .push(Parameter::Argument(self.arguments.len()));
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

/// The adjacent string literals in `range` as one string.
fn strings(tokens: &Tokens<'_>, range: Range<usize>) -> String {
    range
        .filter(|i| tokens.kind(*i) == Some(TokenKind::Text))
        .map(|i| tokens.str(i).trim_matches('"'))
        .collect()
}
