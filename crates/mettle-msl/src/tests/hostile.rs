//! Whatever is written, reading it ends with a result and not with a panic.

use super::unit;
use crate::reflect::ConstantValue;
use crate::rewrite::{Request, rewrite};
use proptest::prelude::*;

/// A source with every construct the parser looks for.
const SEED: &str = include_str!("../../tests/it/metal/kernels.metal");

/// Pieces that are more likely to upset the parser than random characters.
const PIECES: [&str; 49] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "[[",
    "]]",
    "<",
    ">",
    ";",
    ",",
    "::",
    "=",
    "*",
    "&",
    ":",
    "?",
    "-",
    "!",
    "~",
    "sizeof",
    "template",
    "struct",
    "enum",
    "typedef",
    "using",
    "namespace",
    "operator",
    "kernel",
    "constant",
    "threadgroup",
    "device",
    "[[buffer(",
    "[[function_constant(0)]]",
    "[[host_name(\"x\")]]",
    "is_function_constant_defined",
    "alignas",
    "\"",
    "'",
    "/*",
    "//",
    "\n#pragma mettle variant(",
    "\n#pragma unroll (X(",
    "operator+=",
    ".x +=",
    "= default;",
    "template [[host_name(\"y\")]] kernel void f(",
    "99999999999999999999",
];

/// Reads, and rewrites what could be read.
fn read(text: &str) {
    let Ok(unit) = unit(text) else { return };
    let kernels: Vec<_> = unit.kernels.iter().collect();
    for constants in [None, Some(&[(0, ConstantValue::Bool(true))][..])] {
        if let Ok(edited) = rewrite(
            &unit,
            &Request {
                target: crate::Target::ALL[0],
                constants,
                kernels: &kernels,
            },
        ) {
            for offset in (0..=edited.text.len()).step_by(97) {
                unit.source.locate(edited.map.origin(offset));
            }
            edited.lines(&unit);
        }
    }
    // Refused or not: it must come to an end.
    let _ = crate::lint::without_compiler(&unit);
    for laid in &unit.structs {
        assert!(laid.align.is_power_of_two() && laid.size.is_multiple_of(laid.align));
    }
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => "\\PC{0,3}",
        1 => any::<i64>().prop_map(|n| n.to_string()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The seed with a few tokens replaced, dropped or doubled.
    #[test]
    fn mutated_tokens(edits in prop::collection::vec((any::<prop::sample::Index>(), piece(), 0..4u8), 1..8)) {
        let mut words: Vec<String> = crate::lex::tokens(SEED).into_iter().map(|t| SEED[t.span].to_owned()).collect();
        for (at, piece, how) in edits {
            let i = at.index(words.len());
            match how {
                0 => words[i] = piece,
                1 => { words.remove(i); }
                2 => words.insert(i, piece),
                _ => { let other = words[i / 2].clone(); words.insert(i, other); }
            }
        }
        // Directives need lines of their own.
        read(&words.join(" ").replace('#', "\n#"));
    }

    #[test]
    fn cut_and_scrambled_text(start in any::<prop::sample::Index>(), end in any::<prop::sample::Index>(), tail in prop::collection::vec(piece(), 0..40)) {
        let (a, b) = (start.index(SEED.len()), end.index(SEED.len()));
        read(&format!("{}{}", SEED.get(a.min(b)..a.max(b)).unwrap_or(""), tail.join(" ")));
    }

    #[test]
    fn only_pieces(pieces in prop::collection::vec(piece(), 0..120)) {
        read(&pieces.concat());
    }
}

#[test]
fn depth_and_length() {
    for text in [
        "(".repeat(100_000),
        "-".repeat(100_000),
        format!("constant int x = {}1;", "- ".repeat(100_000)),
        format!("constant int x = {}1{};", "(".repeat(250), ")".repeat(250)),
        format!("constant int x = {};", "1 ? ".repeat(50_000)),
        format!("{}int x;{}", "namespace a {".repeat(250), "}".repeat(250)),
        format!("struct S {{ {} x; }};", "vec<".repeat(10_000)),
        format!(
            "kernel void f(device {}int{}* x) {{}}",
            "array<".repeat(1000),
            ", 2>".repeat(1000)
        ),
        format!(
            "typedef int T0; {}",
            (0..2000)
                .map(|i| format!("typedef array<T{i}, 2> T{};", i + 1))
                .collect::<String>()
        ),
        format!("struct S {{ int x{}; }};", "[2]".repeat(10_000)),
        format!(
            "enum E {{ A = 9223372036854775807 * 2, B, {} }};",
            "C, ".repeat(1000)
        ),
        "template <".repeat(5000),
        "struct S :".to_owned(),
        "struct S { enum E : };".to_owned(),
        "/* unterminated".to_owned(),
        "\"unterminated\n'x".to_owned(),
    ] {
        read(&text);
    }
}
