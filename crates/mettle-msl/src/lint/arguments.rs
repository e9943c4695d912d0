//! What the host can bind to a kernel (5.2).

use super::Findings;
use super::code::Code;
use crate::parse::item::{Item, ItemKind};
use crate::reflect::{ArgumentKind, Type};
use std::ops::Range;

/// Highest index of a buffer or of threadgroup memory (Metal Feature Set Tables: 31 entries).
const MAX_INDEX: u32 = 30;

pub(super) fn check(code: &Code<'_>, findings: &mut Findings) {
    for kernel in &code.unit.kernels {
        for argument in &kernel.arguments {
            if argument.index > MAX_INDEX {
                findings.error(
                    kernel.offset,
                    "too-many-buffers",
                    format!(
                        "the argument {} of the kernel {} has index {}, but there are 31 entries (5.2.1); put pointers into an argument buffer",
                        argument.name, kernel.name, argument.index
                    ),
                );
            }
            if let ArgumentKind::Buffer { element: ty, .. } | ArgumentKind::Value { ty } =
                &argument.kind
                && let Type::Struct(name) | Type::Other(name) = ty
            {
                pointers_of(code, name, &kernel.name, findings);
            }
        }
    }
    for function in code.functions().filter(|f| f.is_kernel) {
        for parameter in code.parameters(&function) {
            place(code, parameter, findings);
        }
    }
}

/// `[[buffer(n)]]` is for device and constant memory, `[[threadgroup(n)]]` for threadgroup memory.
fn place(code: &Code<'_>, parameter: Range<usize>, findings: &mut Findings) {
    let t = code.t;
    let mut attribute = None;
    let mut space = None;
    let mut i = parameter.start;
    while i < parameter.end {
        if t.is_attribute(i) {
            let inner = t.split(i + 2..t.partner(i + 1), ",");
            let found = inner
                .iter()
                .find(|a| matches!(t.str(a.start), "buffer" | "threadgroup"));
            attribute = attribute.or(found.map(|a| a.start));
        } else if matches!(t.str(i), "device" | "constant" | "threadgroup") {
            space = space.or(Some(t.str(i)));
        }
        i = t.skip(i);
    }
    let (Some(attribute), Some(space)) = (attribute, space) else {
        return;
    };
    let wants = t.str(attribute);
    if (wants == "threadgroup") != (space == "threadgroup") {
        findings.error(
            code.at(attribute),
            "attribute-space",
            format!("the attribute {wants} does not fit an argument in {space} memory (5.2.1)"),
        );
    }
}

/// Members of a bound struct may point to device and constant memory only.
fn pointers_of(code: &Code<'_>, name: &str, kernel: &str, findings: &mut Findings) {
    let t = code.t;
    let plain = name.rsplit("::").next().unwrap_or(name);
    let named = |item: &&Item| match item.kind {
        ItemKind::Struct { name, alias, .. } => {
            name.is_some_and(|n| t.is(n, plain)) || alias.is_some_and(|a| t.is(a, plain))
        }
        _ => false,
    };
    let Some(item) = code.items.list.iter().find(named) else {
        return;
    };
    let ItemKind::Struct { body, .. } = item.kind else {
        return;
    };
    let members = code.items.list.iter().filter(|i| {
        i.kind == ItemKind::Variable && i.tokens.start > body && i.tokens.start < t.partner(body)
    });
    for member in members {
        let mut words = member.head..member.tokens.end;
        let indirect = member.tokens.clone().any(|i| matches!(t.str(i), "*" | "&"));
        let found = words.find(|i| matches!(t.str(*i), "thread" | "threadgroup"));
        if let Some(found) = found.filter(|_| indirect) {
            findings.error(
                code.at(found),
                "argument-buffer-pointer",
                format!(
                    "{plain} is bound to the kernel {kernel}, so its members point to device or constant memory only (2.13)"
                ),
            );
        }
    }
}
