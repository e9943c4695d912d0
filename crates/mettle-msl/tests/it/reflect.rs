//! What reflection says about sources written for the purpose.

use crate::options;
use mettle_msl::{Error, Unit};
use std::fmt::Write;
use std::path::Path;

/// Everything public about a unit, one thing a line.
fn describe(unit: &Unit) -> String {
    let mut text = String::new();
    for constant in &unit.constants {
        let _ = writeln!(text, "constant {constant:?}");
    }
    for variant in &unit.variants {
        let line = variant.location.line;
        let _ = writeln!(
            text,
            "variant line {line} {} {:?}",
            variant.kernel_pattern, variant.constants
        );
    }
    for laid in &unit.structs {
        let file = laid.location.file.file_name().unwrap().to_string_lossy();
        let at = format!("{file}:{}", laid.location.line);
        let _ = writeln!(
            text,
            "struct {} {} bytes, align {}, {at} {:?}",
            laid.name, laid.size, laid.align, laid.docs
        );
        for field in &laid.fields {
            let _ = writeln!(
                text,
                "    {:3} {}: {} {:?}",
                field.offset, field.name, field.ty, field.docs
            );
        }
    }
    for kernel in &unit.kernels {
        let at = format!("{}:{}", kernel.location.line, kernel.location.column);
        let _ = writeln!(
            text,
            "kernel {} = {} {at} {:?}",
            kernel.name, kernel.function, kernel.docs
        );
        for argument in &kernel.arguments {
            let at = format!("{}:{}", argument.location.line, argument.location.column);
            let _ = writeln!(
                text,
                "    {} {} {:?} {at} {:?}",
                argument.index, argument.name, argument.kind, argument.docs
            );
        }
        for builtin in &kernel.builtins {
            let _ = writeln!(text, "    {builtin:?}");
        }
    }
    text
}

#[test]
fn a_source_with_one_of_everything() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/metal/kernels.metal");
    let unit = Unit::from_file(&path, &options()).unwrap();
    assert_eq!(unit.name, "kernels");
    let described = describe(&unit);
    insta::assert_snapshot!(described);
    let files: Vec<_> = unit
        .dependencies()
        .iter()
        .map(|d| d.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, ["kernels.metal", "shared.h"]);
}

#[test]
fn the_largest_threadgroup() {
    let source = "
template <int N> [[kernel, max_total_threads_per_threadgroup(N * 32)]] void t(device int* x) { x[0] = N; }
template [[host_name(\"t4\")]] kernel void t<4>(device int*);
[[max_total_threads_per_threadgroup(64)]] kernel void f(device int* x) { x[0] = 1; }
kernel void g(device int* x) { x[0] = 1; }";
    let unit = Unit::from_source("a", source, &options()).unwrap();
    let limits: Vec<_> = unit
        .kernels
        .iter()
        .map(|kernel| (&*kernel.name, kernel.max_threads))
        .collect();
    assert_eq!(limits, [("t4", Some(128)), ("f", Some(64)), ("g", None)]);
}

#[test]
fn the_digest_is_of_the_text() {
    let of = |text: &str| Unit::from_source("a", text, &options()).unwrap().digest();
    let text = "kernel void f(device int* x [[buffer(0)]]) { x[0] = 1; }";
    assert_eq!(of(text), of(&format!("{text} // remark")));
    assert_ne!(of(text), of(&text.replace('1', "2")));
}

/// Position and message of each error of a source.
fn errors(text: &str) -> Vec<String> {
    match Unit::from_source("bad.metal", text, &options()) {
        Err(Error::Compile { diagnostics }) => diagnostics
            .iter()
            .map(|d| format!("{}:{} {}", d.location.line, d.location.column, d.message))
            .collect(),
        other => panic!("expected messages, got {other:?}"),
    }
}

#[test]
fn what_is_not_understood_is_said() {
    let sources = [
        "kernel void f(device int* x [[buffer(31)]]) {}",
        "kernel void f(device int* x [[buffer(N)]]) {}",
        "kernel void f(device int* x [[buffer(1)]], constant int& y [[buffer(1)]]) {}",
        "kernel void f(device int* x, uint i) {}",
        "kernel void f(int* x) {}",
        "kernel void f(device int** x) {}",
        "kernel void f(device int* x [[color(0)]]) {}",
        "kernel void f(float i [[thread_position_in_grid]]) {}",
        "kernel void f(uint2 i [[thread_index_in_simdgroup]]) {}",
        "kernel void f(texture2d<float> t [[texture(0)]]) {}",
        "kernel void f() {}\n  kernel void f(device int* x) {}",
        "template [[host_name(\"x\")]] kernel void f<int>(device int*);",
        "template <typename T> kernel void f(device int* x) {}\ntemplate kernel void f(device int*);",
        "constant int A [[function_constant(0)]];\nconstant int B [[function_constant(0)]];",
        "constant int A [[function_constant(-1)]];",
        "constant float2 A [[function_constant(1)]];",
        "#pragma mettle variants(a)",
        "#pragma mettle variant(a, N = 1)",
        "constant uchar N [[function_constant(1)]];\n#pragma mettle variant(a, N = 256)",
        "kernel void a(device float* out) {}\n#pragma mettle early(a, out)",
        "kernel void a(device const float* x) {}\n#pragma mettle early(b*, x)",
        "#pragma mettle early a",
        "void f() {\n  if (x { }\n}",
        "#include \"missing.h\"",
        "#error out of order",
    ];
    let said: Vec<String> = sources
        .iter()
        .map(|s| format!("{s}\n=> {}", errors(s).join("\n=> ")))
        .collect();
    let said = said.join("\n\n");
    insta::assert_snapshot!(said);
}

#[test]
fn a_file_that_cannot_be_read() {
    let error = Unit::from_file(Path::new("/nonexistent/x.metal"), &options()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert_eq!(error.to_string(), "cannot read /nonexistent/x.metal");
}
