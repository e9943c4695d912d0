//! Where variables may live (4, 5.3, 5.8).

use super::Findings;
use super::code::{Code, Function};
use crate::parse::item::{Item, ItemKind};
use crate::parse::space;
use std::ops::Range;

pub(super) fn check(code: &Code<'_>, findings: &mut Findings) {
    for (item, is_member) in code.items() {
        if item.kind == ItemKind::Variable {
            program_scope(code, item, is_member, findings);
        }
    }
    for (function, body) in code.bodies() {
        for i in body.clone() {
            if !code.t.is_word(i) || space::is_member(code.t, i) {
                continue;
            }
            match code.t.str(i) {
                "threadgroup" => threadgroup(code, &function, i, &body, findings),
                "static" => static_local(code, i, &body, findings),
                _ => {}
            }
        }
    }
}

/// Words at the start of a declaration that declares no variable.
const NO_VARIABLE: [&str; 12] = [
    "static_assert",
    "using",
    "friend",
    "template",
    "typedef",
    "namespace",
    "enum",
    "public",
    "private",
    "protected",
    "union",
    "asm",
];

/// A variable outside functions, or a member of a struct.
fn program_scope(code: &Code<'_>, item: &Item, is_member: bool, findings: &mut Findings) {
    let t = code.t;
    if NO_VARIABLE.contains(&t.str(item.head)) {
        return;
    }
    let end = item.tokens.end.saturating_sub(1);
    let mut words = Vec::new();
    let mut attributes: Vec<Range<usize>> = Vec::new();
    let mut initialiser = None;
    let mut i = item.head;
    while i < end {
        if t.is_attribute(i) {
            attributes.push(i + 2..t.partner(i + 1));
        } else if t.is(i, "alignas") || t.is(i, "__attribute__") {
            i += 1;
        } else if matches!(t.str(i), "=" | "{") {
            initialiser = Some(i);
            break;
        } else if t.is(i, "(") {
            // A function, or a macro of which nothing is known.
            return;
        } else if t.is(i, "<") {
            i = t.angle(i, end).unwrap_or(i);
        } else if t.is_word(i) {
            words.push(i);
        }
        i = t.skip(i);
    }
    let has = |word: &str| words.iter().any(|w| t.is(*w, word));
    let Some(&name) = words.last().filter(|_| words.len() >= 2) else {
        return;
    };
    let attribute = |name: &str| {
        attributes
            .iter()
            .flat_map(|a| t.split(a.clone(), ","))
            .find(|a| t.is(a.start, name))
    };
    if let Some(attribute) = attribute("function_constant").filter(|_| !is_member) {
        if !has("constant") {
            findings.error(
                code.at(attribute.start),
                "function-constant",
                format!(
                    "{} must be in the constant address space to be a function constant (5.8.1)",
                    t.str(name)
                ),
            );
        }
        if let Some(initialiser) = initialiser {
            findings.error(
                code.at(initialiser),
                "function-constant",
                format!("the function constant {} cannot have an initialiser: the pipeline gives its value (5.8.1)", t.str(name)),
            );
        }
        return;
    }
    // What is bound rather than stored: built-ins, buffers, samplers.
    let bound = !attributes.is_empty() || has("sampler");
    // `struct S;`
    let declares = matches!(t.str(item.head), "struct" | "class") && words.len() == 2;
    if has("constant") || bound || declares || is_member && !has("static") {
        return;
    }
    let what = if is_member {
        "a static member"
    } else {
        "a variable outside functions"
    };
    findings.error(
        code.at(name),
        "program-scope-variable",
        format!("{what} must be in the constant address space (4.2): write constant in front of the type of {}", t.str(name)),
    );
}

/// `threadgroup T x;` at token `i` of a body.
fn threadgroup(
    code: &Code<'_>,
    function: &Function<'_>,
    i: usize,
    body: &Range<usize>,
    findings: &mut Findings,
) {
    let t = code.t;
    let end = code.statement_end(i, body.end);
    let brace = (i..end).find(|j| t.is(*j, "{"));
    let plain = |end| !(i..end).any(|j| matches!(t.str(j), "*" | "&" | "(" | ")"));
    let starts = code.starts_statement(i) || t.is(i - 1, "static");
    let declares = space::storage(t, i).is_some() || starts && brace.is_some_and(plain);
    if !declares {
        return;
    }
    if !function.is_kernel {
        findings.error(
            code.at(i),
            "threadgroup-variable",
            format!(
                "threadgroup memory is declared in kernels only, not in {} (4.4); pass a pointer to it",
                t.str(function.name)
            ),
        );
    }
    let initialiser = (i..end).find(|j| t.is(*j, "=") || t.is(*j, "{"));
    if let Some(initialiser) = initialiser {
        findings.error(
            code.at(initialiser),
            "threadgroup-initializer",
            "a variable in threadgroup memory cannot have an initialiser (4.4): let the threads write it, then call threadgroup_barrier",
        );
    }
}

/// `static` at token `i` of a body.
fn static_local(code: &Code<'_>, i: usize, body: &Range<usize>, findings: &mut Findings) {
    let t = code.t;
    let mut constant = t.is(i.wrapping_sub(1), "constant");
    let mut j = i + 1;
    while j < body.end {
        match t.str(j) {
            // A function of a local struct.
            "(" => return,
            ";" | "=" | "{" => break,
            "threadgroup" => return,
            "constant" => constant = true,
            "<" => j = t.angle(j, body.end).unwrap_or(j),
            _ => {}
        }
        j = t.skip(j);
    }
    if !constant {
        findings.error(
            code.at(i),
            "static-local",
            "a variable of a function cannot be static (5.3)",
        );
    }
}
