//! Words of C++ that Metal does not have (1.5.4, 2.1).

use super::Findings;
use super::code::Code;
use crate::parse::space;

pub(super) fn check(code: &Code<'_>, findings: &mut Findings) {
    let t = code.t;
    for i in 0..t.len() {
        if !t.is_word(i) || space::is_member(t, i) {
            continue;
        }
        if let Some((rule, message)) = refused(code, i) {
            findings.error(code.at(i), rule, message);
        }
    }
    for (_, body) in code.bodies() {
        for i in body {
            if !t.is_word(i) || space::is_member(t, i) {
                continue;
            }
            match t.str(i) {
                "asm" | "__asm" | "__asm__" if code.starts_statement(i) => {
                    findings.error(code.at(i), "asm", "Metal has no inline assembly")
                }
                "noexcept" if t.is(i + 1, "(") && !matches!(t.str(i - 1), ")" | "const" | ">") => {
                    findings.error(
                        code.at(i),
                        "noexcept",
                        "the operator noexcept is not supported (1.5.4)",
                    );
                }
                _ => {}
            }
        }
    }
}

/// The rule against the word at `i`, and what to say about it.
fn refused(code: &Code<'_>, i: usize) -> Option<(&'static str, &'static str)> {
    let t = code.t;
    Some(match t.str(i) {
        "double" => ("double", "Metal has no double (2.1); use float"),
        "long" if t.is(i + 1, "double") => ("double", "Metal has no long double (2.1); use float"),
        "long" if t.is(i + 1, "long") => (
            "long-long",
            "Metal has no long long (2.1); long has 64 bits",
        ),
        "goto" => ("goto", "goto is not supported (1.5.4)"),
        "try" | "throw" => ("exception", "exceptions are not supported (1.5.4)"),
        "new" => (
            "dynamic-memory",
            "new is not supported (1.5.4): kernels cannot allocate memory",
        ),
        // `= delete` declares.
        "delete" if !t.is(i.wrapping_sub(1), "=") => (
            "dynamic-memory",
            "delete is not supported (1.5.4): kernels cannot allocate memory",
        ),
        "virtual" => ("virtual", "virtual functions are not supported (1.5.4)"),
        "dynamic_cast" => ("rtti", "dynamic_cast is not supported (1.5.4)"),
        "typeid" => ("rtti", "typeid is not supported (1.5.4)"),
        "register" => (
            "storage-class",
            "the storage class register is not supported (1.5.4)",
        ),
        "thread_local" => (
            "storage-class",
            "the storage class thread_local is not supported (1.5.4); variables of a function are the thread's own",
        ),
        _ => return None,
    })
}
