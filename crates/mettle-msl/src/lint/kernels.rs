//! What kernels and functions may look like (1.5.1, 1.5.4, 5.1).

use super::Findings;
use super::code::{Code, Function};
use crate::token::TokenKind;

/// Threads that the largest threadgroup of any GPU has (Metal Feature Set Tables).
const MAX_THREADS: u64 = 1024;

pub(super) fn check(code: &Code<'_>, findings: &mut Findings) {
    let t = code.t;
    for function in code.functions() {
        if function.is_kernel {
            kernel(code, &function, findings);
        }
        if t.is(function.name, "main") && !function.is_member {
            findings.error(
                code.at(function.name),
                "main",
                "a function cannot be called main (1.5.4)",
            );
        }
        let last = code.parameters(&function).pop();
        if let Some(last) = last
            && t.is(last.start, "...")
            && last.len() == 1
            && function.body.is_some()
        {
            findings.error(
                code.at(last.start),
                "variadic",
                "a function cannot take a variable number of arguments; use a parameter pack",
            );
        }
    }
    for (_, body) in code.bodies() {
        for i in body {
            calls_kernel(code, i, findings);
        }
    }
    for i in 0..t.len() {
        if t.is(i, "max_total_threads_per_threadgroup")
            && t.is(i + 1, "(")
            && t.kind(i + 2) == Some(TokenKind::Number)
            && t.is(i + 3, ")")
        {
            let threads: Option<u64> = t.str(i + 2).trim_end_matches(['u', 'U']).parse().ok();
            if threads.is_some_and(|n| n == 0 || n > MAX_THREADS) {
                findings.error(
                    code.at(i + 2),
                    "threads-per-threadgroup",
                    format!("a threadgroup has from 1 to {MAX_THREADS} threads (5.1.3)"),
                );
            }
        }
    }
}

fn kernel(code: &Code<'_>, kernel: &Function<'_>, findings: &mut Findings) {
    let t = code.t;
    let name = t.str(kernel.name);
    if kernel.is_member {
        findings.error(
            code.at(kernel.name),
            "kernel-member",
            format!("the kernel {name} cannot be a member of a struct (5.1.3)"),
        );
    }
    let mut before = kernel.name;
    // `name<T>` of a specialisation.
    while before > kernel.item.head && !t.is_word(before) {
        before -= 1;
    }
    let returns = (kernel.item.head..before).any(|i| t.is(i, "void") && !t.is(i + 1, "*"));
    if !returns {
        findings.error(
            code.at(before),
            "kernel-return",
            format!("the kernel {name} must return void (5.1.3)"),
        );
    }
}

/// A kernel's name at token `i` of a body, called.
fn calls_kernel(code: &Code<'_>, i: usize, findings: &mut Findings) {
    let t = code.t;
    if !t.is_word(i)
        || matches!(t.str(i - 1), "." | "->" | "::")
        || !code.kernels.contains(&t.str(i))
    {
        return;
    }
    let open = if t.is(i + 1, "<") {
        t.angle(i + 1, t.len()).map_or(i + 1, |close| close + 1)
    } else {
        i + 1
    };
    // `T name(...)` declares something of the same name.
    let declares = t.is_word(i - 1) && !matches!(t.str(i - 1), "return" | "else" | "do");
    if t.is(open, "(") && !declares {
        findings.error(
            code.at(i),
            "kernel-call",
            format!(
                "the kernel {} cannot be called (5.1); move what both need into a function",
                t.str(i)
            ),
        );
    }
}
