//! Reads just enough of a PTX module's text to describe its kernels.

use crate::abi;
use crate::artefact::ArtefactKernel;
use std::collections::{HashMap, HashSet};

/// Beginnings of instructions by which threads wait for each other or exchange values.
const SYNCHRONISING: [&str; 9] = [
    "bar.",
    "barrier.",
    "shfl.",
    "vote.",
    "match.",
    "redux.",
    "activemask",
    "ldmatrix.",
    "mma.",
];

/// Beginnings of the lines that functions begin with.
const FUNCTIONS: [&str; 4] = [
    ".visible .entry ",
    ".func ",
    ".visible .func ",
    ".weak .func ",
];

/// A module as text, taken apart into functions and the variables of shared memory.
pub(super) struct Module<'a> {
    /// Text of each function and entry by name.
    functions: HashMap<&'a str, &'a str>,
    /// Bytes of the shared variables outside of functions, by name.
    shared: HashMap<&'a str, usize>,
}

impl<'a> Module<'a> {
    pub fn new(text: &'a str) -> Self {
        let mut functions = HashMap::new();
        let mut shared = HashMap::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let line = rest.split_inclusive('\n').next().unwrap_or(rest);
            at += line.len();
            if let Some((name, bytes)) = shared_variable(line) {
                shared.insert(name, bytes);
            }
            let is_function = FUNCTIONS.iter().any(|head| line.starts_with(head));
            let Some(name) = function_name(line).filter(|_| is_function) else {
                continue;
            };
            // A function ends with the first `}` that begins a line, a mere declaration with its `;`.
            let body = rest.find("\n{").filter(|body| !rest[..*body].contains(';'));
            if let Some(end) = body.and_then(|body| Some(body + rest[body..].find("\n}")?)) {
                functions.insert(name, &rest[..end]);
                at += end - line.len();
            }
        }
        Self { functions, shared }
    }

    /// What the module tells of a kernel; its arguments and its largest threadgroup are left out.
    pub fn kernel(&self, name: &str) -> ArtefactKernel {
        let mut seen = HashSet::new();
        let entry = abi::ptx_entry(name);
        let mut pending = vec![entry.as_str()];
        let mut synchronises = false;
        let mut variables = HashMap::new();
        while let Some(function) = pending.pop() {
            let Some((name, text)) = self.functions.get_key_value(function) else {
                continue;
            };
            if !seen.insert(*name) {
                continue;
            }
            for line in text.lines() {
                let line = line.trim_start();
                synchronises |= SYNCHRONISING.iter().any(|start| line.starts_with(start));
                variables.extend(shared_variable(line));
            }
            for word in words(text) {
                variables.extend(self.shared.get_key_value(word).map(|(n, b)| (*n, *b)));
                if self.functions.contains_key(word) {
                    pending.push(word);
                }
            }
        }
        ArtefactKernel {
            name: name.to_owned(),
            synchronises,
            static_threadgroup_memory: variables
                .values()
                .map(|b: &usize| b.next_multiple_of(16))
                .sum(),
            max_threads: None,
            arguments: Vec::new(),
        }
    }
}

/// The identifiers of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'))
        .filter(|word| !word.is_empty())
}

/// The name in `.visible .entry name(` or `.func (.param .b32 result) name(`.
fn function_name(line: &str) -> Option<&str> {
    let head = line.trim_end().trim_end_matches(['(', ')', ';']);
    words(head).last()
}

/// Name and bytes of `.shared .align 4 .b8 name[64];` or `.shared .align 4 .u32 name;`.
fn shared_variable(line: &str) -> Option<(&str, usize)> {
    let line = line.trim_start();
    let mut parts = line.trim_end().trim_end_matches(';').split_whitespace();
    let mut is_shared = false;
    let mut element = 0;
    let mut name = "";
    while let Some(part) = parts.next() {
        match part {
            ".shared" => is_shared = true,
            ".extern" => return None,
            ".align" => drop(parts.next()),
            _ => match part.strip_prefix(['.']).and_then(|ty| ty.get(1..)) {
                Some(bits) => element = bits.parse::<usize>().map_or(1, |bits| bits / 8),
                None => {
                    name = part;
                    break;
                }
            },
        }
    }
    if !is_shared || name.is_empty() {
        return None;
    }
    let (name, count) = match name.split_once('[') {
        Some((name, count)) => (name, count.trim_end_matches(']').parse().ok()?),
        None => (name, 1),
    };
    Some((name, element * count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = ".version 7.0\n.extern .shared .align 16 .b8 dynamic[];\n.shared .align 4 .b8 tile[100];\n.shared .align 4 .u32 flag;\n\
        .func (.param .b32 r) helper(\n\t.param .b32 p\n)\n{\n\tbar.sync \t0;\n\tst.shared.u32 [flag], %r1;\n}\n\
        .visible .entry mettle_kernel__a$20b(\n\t.param .u64 p\n)\n{\n\tmov.u32 %r1, tile;\n\tret;\n}\n\
        .visible .entry mettle_kernel__c(\n)\n{\n\t// demoted variable\n\t.shared .align 8 .b8 own[24];\n\tcall.uni (r), helper, (p);\n}\n";

    #[test]
    fn kernels_are_described() {
        let module = Module::new(TEXT);
        let kernel = module.kernel("a b");
        assert!(!kernel.synchronises);
        assert_eq!(kernel.static_threadgroup_memory, 112);
        let kernel = module.kernel("c");
        assert!(kernel.synchronises);
        assert_eq!(kernel.static_threadgroup_memory, 32 + 16);
    }
}
