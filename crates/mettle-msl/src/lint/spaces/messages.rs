//! What the compiler says about address spaces, in the words of MSL.

use super::THREADGROUP_MEMORY;
use crate::diagnostic::{self, CompilerMessage, Severity};
use crate::lint::Findings;
use crate::source::edit::Edited;

/// Address spaces of OpenCL and what they stand for.
const SPACES: [(&str, &str); 7] = [
    ("__global_device", "device"),
    ("__global_host", "constant"),
    ("__global", "constant"),
    ("__constant", "constant"),
    ("__local", "threadgroup"),
    ("__private", "thread"),
    ("__generic", ""),
];

/// Adds what standard error tells about address spaces.
pub(super) fn read(edited: &Edited, stderr: &str, findings: &mut Findings) {
    let messages: Vec<_> = diagnostic::parse(stderr).collect();
    let mut i = 0;
    while i < messages.len() {
        let notes = messages[i + 1..]
            .iter()
            .take_while(|m| m.severity == Severity::Note)
            .count();
        let (message, notes) = (&messages[i], &messages[i + 1..=i + notes]);
        i += 1 + notes.len();
        // What is wrong inside the library is the library's: a wrong call of it is said where the call is.
        if message.severity != Severity::Error || message.file != "<stdin>" {
            continue;
        }
        if let Some((rule, text)) = judge(message, notes) {
            let offset = edited
                .map
                .origin(edited.offset(message.line, message.column));
            findings.error(offset, rule, text);
        }
    }
}

/// The rule that a message is about, and what to say.
fn judge(
    message: &CompilerMessage<'_>,
    notes: &[CompilerMessage<'_>],
) -> Option<(&'static str, String)> {
    let text = message.message;
    if text.contains(THREADGROUP_MEMORY) {
        let instance = notes.iter().find_map(|n| {
            let rest = n.message.strip_prefix("in instantiation of ")?;
            Some(format!(" in {}", in_msl(quoted(rest).next()?)))
        });
        return Some((
            "threadgroup-memory",
            format!(
                "the threadgroup memory declared up to here takes more than 32768 bytes{} (Metal Feature Set Tables)",
                instance.unwrap_or_default()
            ),
        ));
    }
    // With one of these reasons it is a variable's value that is missing, in whatever dialect.
    let unknown = |n: &CompilerMessage<'_>| {
        [
            "read of non-const variable",
            "initializer of",
            "function parameter",
        ]
        .iter()
        .any(|reason| n.message.starts_with(reason))
    };
    if text.starts_with("array size is not a constant") && notes.iter().any(unknown) {
        return Some((
            "array-size",
            "the size of an array must be known when the source is compiled; variables and function constants are not".into(),
        ));
    }
    if text.starts_with("automatic variable qualified with")
        || text.starts_with("parameter may not be qualified with an address space")
    {
        return Some(("address-space", format!("{} (4)", in_msl(text))));
    }
    // Only `strict.h` deletes functions that C++ accepts.
    if text.starts_with("call to deleted function") {
        return Some((
            "address-space",
            format!(
                "{} takes no pointer to thread memory, only to device or threadgroup memory (4.3)",
                quoted(text).next().unwrap_or("the function")
            ),
        ));
    }
    // A call or a conversion that fits nothing: the notes say why.
    if text.starts_with("no matching") || text.starts_with("no viable") {
        let reason = notes.iter().find(|n| mentions_mismatch(n.message))?;
        return Some((
            "address-space",
            format!("{}: {} (4)", in_msl(text), self::reason(reason.message)),
        ));
    }
    mentions_mismatch(text).then(|| ("address-space", format!("{} (4)", in_msl(text))))
}

/// Why a candidate does not fit.
fn reason(note: &str) -> String {
    let plain = ["not viable: ", "ignored: "]
        .iter()
        .find_map(|mark| Some(note.split_once(mark)?.1))
        .unwrap_or(note);
    let words = || {
        let rest = plain
            .strip_prefix("cannot bind reference in address space '")
            .or_else(|| plain.strip_prefix("cannot pass pointer to address space '"))?;
        let (from, rest) = rest.split_once('\'')?;
        let (_, rest) = rest.split_once('\'')?;
        let (to, rest) = rest.split_once('\'')?;
        let argument = rest.strip_prefix(" in ")?;
        Some(format!(
            "the {argument} is in {} memory, the parameter leads to {} memory",
            in_msl(from),
            in_msl(to)
        ))
    };
    words().unwrap_or_else(|| in_msl(plain))
}

/// Whether a message is about two different address spaces.
fn mentions_mismatch(text: &str) -> bool {
    // Values are copied from one address space to another; pointers and references do not change theirs.
    let place = text.contains("address space") || text.contains("object parameter");
    let leads = |ty: &&str| place || ty.contains(['*', '&', '[']);
    let types: Vec<Vec<&str>> = quoted(text).filter(leads).map(spaces).collect();
    let different = |a: &[&str], b: &[&str]| {
        // Pointers to more levels than the other, or types without any, say nothing.
        !a.is_empty() && !b.is_empty() && a.iter().zip(b).any(|(a, b)| differ(a, b))
    };
    types
        .iter()
        .enumerate()
        .any(|(i, a)| types[i + 1..].iter().any(|b| different(a, b)))
}

/// Whether two of OpenCL's address spaces stand for different ones of MSL. The generic one fits every other.
fn differ(a: &str, b: &str) -> bool {
    let name = |space: &str| {
        SPACES
            .iter()
            .find(|(s, _)| *s == space)
            .map_or("", |(_, m)| *m)
    };
    let (a, b) = (name(a), name(b));
    a != b && !a.is_empty() && !b.is_empty()
}

/// The texts in quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('\'').skip(1).step_by(2)
}

/// The address spaces that a type names, without that of a pointer variable itself (`float *__private`).
fn spaces(ty: &str) -> Vec<&str> {
    let ty = match ty.trim_end().strip_suffix("__private") {
        Some(rest) if rest.trim_end().ends_with(['*', '&']) => rest,
        _ => ty,
    };
    ty.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| SPACES.iter().any(|(s, _)| s == word))
        .collect()
}

/// A message with the names of MSL.
fn in_msl(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        result.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        let known = SPACES.iter().find(|(s, _)| *s == word).map(|(_, m)| *m);
        match known {
            Some("") => rest = rest.trim_start(),
            // The pointer variable's own place.
            Some("thread") if result.ends_with('*') => {}
            Some(name) => result.push_str(name),
            None if word == "_Float16" => result.push_str("half"),
            None => result.push_str(word.strip_prefix("mettle_name_").unwrap_or(word)),
        }
    }
    result.push_str(rest);
    // `(lambda at <stdin>:6:16)`
    while let Some(start) = result.find("(lambda at ") {
        let Some(length) = result[start..].find(')') else {
            break;
        };
        result.replace_range(start..=start + length, "lambda");
    }
    result.replace("const constant ", "constant ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_msl() {
        assert_eq!(
            in_msl("assigning '__local float *' to 'const __global_host _Float16 *__private'"),
            "assigning 'threadgroup float *' to 'constant half *'"
        );
        assert_eq!(
            in_msl("of type '__private (lambda at <stdin>:6:16)'"),
            "of type 'thread lambda'"
        );
        assert_eq!(in_msl("'__generic S' mettle_name_local"), "'S' local");
    }

    #[test]
    fn only_different_spaces_count() {
        assert!(mentions_mismatch(
            "assigning '__local float *' to '__global_device float *__private'"
        ));
        // A constant outside functions and an argument in constant memory.
        assert!(!mentions_mismatch(
            "passing 'const __global float *' to 'const __global_host float *'"
        ));
        assert!(!mentions_mismatch(
            "no known conversion from '__global_device half4' to '__private float'"
        ));
        assert!(!mentions_mismatch(
            "assigning '__generic float *' to '__local float *'"
        ));
    }

    #[test]
    fn reasons_name_the_argument() {
        let note = "candidate function [with T = float] not viable: cannot bind reference in address space '__global_device' to object in address space '__private' in 2nd argument";
        assert_eq!(
            reason(note),
            "the 2nd argument is in device memory, the parameter leads to thread memory"
        );
    }
}
