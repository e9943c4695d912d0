//! Kernels: their definitions, and explicit instantiations of kernel templates.

use super::Reader;
use super::item::{Item, ItemKind};
use super::names::{Binding, Bindings};
use super::space;
use super::value;
use crate::reflect::Kernel;
use crate::token::{TokenKind, Tokens};
use std::collections::HashMap;
use std::ops::Range;

/// What stands in the head of a function or instantiation.
struct Head {
    is_kernel: bool,
    host_name: Option<String>,
    /// Of `[[max_total_threads_per_threadgroup(...)]]`, which may name template parameters.
    max_threads: Option<Range<usize>>,
}

/// How a kernel is called.
struct Named {
    /// What the host asks for.
    host: Option<String>,
    /// Tokens of the name in the definition or instantiation.
    path: Range<usize>,
    /// The template arguments, as written and as C++ takes them.
    arguments: Option<(String, String)>,
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
                    // `template <>` is a specialisation: the instantiation decides.
                    if item.templates.iter().any(|t| !t.is_empty()) {
                        let function = self.names.qualify(item.scope, self.tokens.str(name));
                        templates.entry(function).or_insert(item);
                    } else if item.templates.is_empty() {
                        let named = Named {
                            host: head.host_name,
                            path: name..name + 1,
                            arguments: None,
                        };
                        kernels.extend(self.kernel(item, item, named, &Bindings::new()));
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
            max_threads: None,
        };
        let mut i = range.start;
        while i < range.end {
            if t.is_attribute(i) {
                for part in t.split(i + 2..t.partner(i + 1), ",") {
                    match t.str(part.start) {
                        "kernel" => head.is_kernel = true,
                        "host_name" => head.host_name = Some(strings(t, part)),
                        "max_total_threads_per_threadgroup" if t.is(part.start + 1, "(") => {
                            head.max_threads = Some(part.start + 2..t.partner(part.start + 1));
                        }
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
        let head = self.head(item.tokens.clone());
        let (path, arguments) = self.instantiated(item)?;
        let name = self.names.path(path.clone());
        let Some(template) = self.template(&name, item.scope, templates) else {
            if head.is_kernel || head.host_name.is_some() {
                self.error(
                    path.start,
                    format!("no kernel template {name} is defined above"),
                );
            }
            return None;
        };
        let t = self.tokens;
        let given = arguments.map_or_else(Vec::new, |list| t.split(list, ","));
        let arguments = match self.deduce(item, template, given) {
            Ok(arguments) => arguments,
            Err(parameter) => {
                self.error(
                    path.start,
                    format!("the template argument {parameter} of {name} is missing"),
                );
                return None;
            }
        };
        let bindings = self.bind(item, template, &arguments);
        let joined = |argument: &dyn Fn(&Range<usize>) -> String| {
            arguments
                .iter()
                .map(argument)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let erased = |range: &Range<usize>| {
            let words = range.clone().map(|i| space::erased_word(t, i));
            words
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let arguments = (
            joined(&|range| t.slice(range.clone()).to_owned()),
            joined(&erased),
        );
        self.kernel(
            template,
            item,
            Named {
                host: head.host_name,
                path,
                arguments: Some(arguments),
            },
            &bindings,
        )
    }

    /// Adds the template arguments that an instantiation leaves to its parameters: `template kernel void f(device int*);`.
    ///
    /// A parameter of type `T`, or a pointer, reference or array of it, tells what T is. On error: the name of one that nothing tells.
    fn deduce(
        &self,
        item: &Item,
        template: &Item,
        mut arguments: Vec<Range<usize>>,
    ) -> Result<Vec<Range<usize>>, String> {
        let t = self.tokens;
        let Some(list) = template.templates.last() else {
            return Ok(arguments);
        };
        let specifiers = |open: usize, scope: usize| -> Vec<Range<usize>> {
            let parts = t.split(open + 1..t.partner(open), ",").into_iter();
            parts
                .map(|part| self.names.declared(part, scope, &Bindings::new()).specifier)
                .collect()
        };
        let parameters = t.split(list.clone(), ",");
        for parameter in parameters.into_iter().skip(arguments.len()) {
            // A default, or as many as wanted.
            if parameter.clone().any(|i| t.is(i, "=") || t.is(i, "...")) {
                break;
            }
            let name = t.str(parameter.end - 1);
            let told = || {
                let ItemKind::Function {
                    parameters: open, ..
                } = template.kind
                else {
                    return None;
                };
                let called = (item.head..item.tokens.end)
                    .rev()
                    .find(|i| t.is(*i, "(") && t.is(t.skip(*i), ";"))?;
                let of_template = specifiers(open, template.scope);
                let place = of_template
                    .iter()
                    .position(|s| s.len() == 1 && t.is(s.start, name))?;
                specifiers(called, item.scope)
                    .get(place)
                    .filter(|s| !s.is_empty())
                    .cloned()
            };
            arguments.push(told().ok_or_else(|| name.to_owned())?);
        }
        Ok(arguments)
    }

    /// What an explicit instantiation names: the last name in front of its parameter list or end, and its template arguments.
    fn instantiated(&self, item: &Item) -> Option<(Range<usize>, Option<Range<usize>>)> {
        let t = self.tokens;
        let mut last = None;
        let mut i = item.head + 1;
        while i < item.tokens.end && !t.is(i, "(") {
            if t.is_attribute(i) {
                i = t.skip(i);
            } else if t.is(i, "decltype") {
                i = t.skip(i + 1);
            } else if t.is_word(i) && !t.is(i, "kernel") {
                let start = i;
                while t.is(i + 1, "::") && t.is_word(i + 2) {
                    i += 2;
                }
                let close = t
                    .is(i + 1, "<")
                    .then(|| t.angle(i + 1, item.tokens.end))
                    .flatten();
                last = Some((start..i + 1, close.map(|c| i + 2..c)));
                i = close.unwrap_or(i) + 1;
            } else {
                i += 1;
            }
        }
        last
    }

    /// The kernel template that `name` means in `scope`.
    fn template<'t>(
        &self,
        name: &str,
        scope: usize,
        templates: &HashMap<String, &'t Item>,
    ) -> Option<&'t Item> {
        let mut scope = Some(scope);
        while let Some(s) = scope {
            if let Some(found) = templates.get(&self.names.qualify(s, name)) {
                return Some(found);
            }
            scope = self.items.scopes[s].parent;
        }
        None
    }

    /// What the template's parameters stand for; missing arguments take their defaults.
    fn bind(&self, item: &Item, template: &Item, arguments: &[Range<usize>]) -> Bindings {
        let t = self.tokens;
        let mut bindings = Bindings::new();
        let Some(list) = template.templates.last() else {
            return bindings;
        };
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

    /// Reads the parameters of `definition`; `place` is where the kernel is written: its instantiation, for a template.
    fn kernel(
        &mut self,
        definition: &Item,
        place: &Item,
        named: Named,
        bindings: &Bindings,
    ) -> Option<Kernel> {
        let t = self.tokens;
        let ItemKind::Function {
            parameters: open, ..
        } = definition.kind
        else {
            return None;
        };
        let parameters = self.parameters(open + 1..t.partner(open), definition.scope, bindings);
        let limit = self.head(definition.head..open).max_threads;
        let max_threads = limit
            .and_then(|limit| value::evaluate(&self.names, limit, definition.scope, bindings))
            .and_then(|limit| u32::try_from(limit).ok());
        let location = self.source.locate(t.start(place.tokens.start));
        let mut docs = self.source.docs(&location);
        if docs.is_empty() {
            docs = self
                .source
                .docs(&self.source.locate(t.start(definition.tokens.start)));
        }
        let mut call = self.names.path(named.path);
        let mut display = call.clone();
        if let Some((written, erased)) = named.arguments {
            display = format!("{call}<{written}>");
            call = format!("{call}<{erased}>");
        }
        Some(Kernel {
            name: named.host.unwrap_or_else(|| display.clone()),
            function: self.names.qualify(place.scope, &display),
            arguments: parameters.arguments,
            builtins: parameters.builtins,
            max_threads,
            location,
            docs,
            parameters: parameters.order,
            namespace: self.items.scopes[place.scope].name.clone(),
            call,
            offset: t.start(place.tokens.start),
        })
    }
}

/// The adjacent string literals in `range` as one string.
fn strings(tokens: &Tokens<'_>, range: Range<usize>) -> String {
    range
        .filter(|i| tokens.kind(*i) == Some(TokenKind::Text))
        .map(|i| tokens.str(i).trim_matches('"'))
        .collect()
}
