//! Sources of odd shape: read and checked, or refused with a message at a place.

use mettle_msl::{
    ArgumentKind, CheckOptions, Diagnostic, Error, Options, Scalar, Type, Unit, check,
};
use std::fs;
use std::time::{Duration, Instant};

/// Reads a source that is right, and has the compiler look at it.
fn right(text: &str) -> Unit {
    let unit = crate::unit(text);
    let diagnostics = check(&unit, &CheckOptions::default()).unwrap();
    assert_eq!(diagnostics, [], "{text}");
    unit
}

/// Reads a source that is refused; the first message.
fn refused(result: Result<Unit, Error>) -> Diagnostic {
    match result {
        Err(Error::Compile { diagnostics }) => diagnostics[0].clone(),
        Err(other) => panic!("expected messages, got {other}"),
        Ok(unit) => panic!("{} was read", unit.name),
    }
}

fn element(unit: &Unit, kernel: &str) -> Type {
    match &unit.kernel(kernel).unwrap().arguments[0].kind {
        ArgumentKind::Buffer { element, .. } => element.clone(),
        other => panic!("{other:?} is no buffer"),
    }
}

#[test]
fn template_arguments_are_deduced() {
    let unit = right(
        "template <typename T, int N = 3> kernel void f(device T* x, constant uint& n) { x[n] += N; }
template [[host_name(\"a\")]] kernel void f(device int*, constant uint&);
template <int N, typename T> kernel void h(device T* x [[buffer(0)]]) { x[0] = N; }
template [[host_name(\"b\")]] kernel void h<4>(device half* x [[buffer(0)]]);",
    );
    assert_eq!(element(&unit, "a"), Type::Scalar(Scalar::I32));
    assert_eq!(element(&unit, "b"), Type::Scalar(Scalar::F16));
    assert_eq!(unit.kernel("b").unwrap().function, "h<4, half>");
    let text = "template <typename T> kernel void f(device int* x) { x[0] = sizeof(T); }\n\
        template [[host_name(\"a\")]] kernel void f(device int*);";
    let message = refused(Unit::from_source("u", text, &Options::default()));
    assert_eq!(message.message, "the template argument T of f is missing");
    assert_eq!((message.location.line, message.location.column), (2, 41));
}

#[test]
fn kernels_in_namespaces_and_structs_of_pointers() {
    let unit = right(
        "#include <metal_stdlib>
using namespace metal;
namespace a { namespace b {
constant int K [[function_constant(0)]];
constant int L = is_function_constant_defined(K) ? K : 3;
constant bool MORE = L > 2;
kernel void f(device int* x [[buffer(0), function_constant(MORE)]], device int* y [[buffer(1)]]) { y[0] = MORE ? x[0] : L; }
template <typename T> kernel void g(device T* x) { x[0] = 2; }
template [[host_name(\"g\")]] kernel void g<float>(device float*);
} }
struct Arguments { device float* a [[id(0)]]; constant int* b [[id(1)]]; float c [[id(2)]]; array<device half*, 2> d [[id(3)]]; };
kernel void h(constant Arguments& all [[buffer(0)]], uint i [[thread_position_in_grid]]) { all.a[i] = all.b[i] * all.c + all.d[1][i]; }
kernel void k(constant const float table[4] [[buffer(0)]], device float* y [[buffer(1)]]) { y[0] = table[1]; }",
    );
    let f = unit.kernel("f").unwrap();
    assert_eq!(f.function, "a::b::f");
    assert_eq!(f.arguments[0].condition.as_deref(), Some("MORE"));
    assert_eq!(f.arguments[1].condition, None);
}

#[test]
fn arguments_that_are_read_early() {
    let unit = right(
        "kernel void add_a(device const float* w, device const float* x, device float* y) { y[0] = w[0] + x[0]; }
kernel void sub_b(device const float* w, device float* y) { y[0] -= w[0]; }
#pragma mettle early(add_*, w)",
    );
    let early = |kernel: &str| -> Vec<bool> {
        let arguments = &unit.kernel(kernel).unwrap().arguments;
        arguments.iter().map(|argument| argument.early).collect()
    };
    assert_eq!(early("add_a"), [true, false, false]);
    assert_eq!(early("sub_b"), [false, false]);
}

#[test]
fn what_kernels_cannot_be_given_is_said() {
    for (parameter, what) in [
        (
            "texture2d<float, access::read> t [[texture(0)]]",
            "texture or sampler",
        ),
        ("metal::texture2d<half> t", "texture or sampler"),
        ("sampler t [[sampler(0)]]", "texture or sampler"),
        (
            "visible_function_table<float(float)> t [[buffer(1)]]",
            "table of functions",
        ),
        (
            "array<device float*, 3> t [[buffer(1)]]",
            "array of pointers",
        ),
        (
            "raytracing::instance_acceleration_structure t [[buffer(1)]]",
            "ray tracing",
        ),
    ] {
        let text = format!("kernel void f({parameter}, device float* x [[buffer(0)]]) {{ }}");
        let message = refused(Unit::from_source("u", &text, &Options::default()));
        assert!(
            message.message.starts_with("t is ") && message.message.contains(what),
            "{message}"
        );
        let column = message.location.column as usize;
        assert_eq!(&text[column - 1..column], "t", "{message}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Unit::from_file(&path, &Options::default())
    };
    let message = refused(read(
        "a.metal",
        b"kernel void f(device int* x) {\n  // caf\xe9\n}",
    ));
    assert_eq!((message.location.line, message.location.column), (2, 9));
    assert!(message.message.contains("0xe9"), "{message}");
    fs::write(folder.path().join("b.h"), "#include \"c.metal\"\n").unwrap();
    let message = refused(read("c.metal", b"#include \"b.h\"\n"));
    assert!(message.message.contains("nested too deeply"), "{message}");
    let message = refused(read("d.metal", b"\n#include \"nothing.h\"\n"));
    assert_eq!((message.location.line, message.location.column), (2, 10));
    let message = refused(read("e.metal", b"kernel void f() {\n  int x[2;\n}"));
    assert_eq!(message.message, "this bracket is never closed");
    let error =
        Unit::from_file(&folder.path().join("none.metal"), &Options::default()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    for nothing in ["", "\n\n", "int f(int x) { return x; }"] {
        assert_eq!(read("f.metal", nothing.as_bytes()).unwrap().kernels, []);
    }
}

#[test]
fn ten_megabytes() {
    let mut declarations = String::new();
    let mut i = 0;
    while declarations.len() < 10_000_000 {
        declarations.push_str(&format!(
            "constant int value_{i} = {i}; // one of many\nint function_{i}(device float* y) {{ return value_{i} * int(y[0]); }}\n"
        ));
        i += 1;
    }
    let line = format!(
        "constant int x[] = {{{}}};\nkernel void f(device int* y) {{}}",
        "1,".repeat(5_000_000)
    );
    for (text, kernels) in [(declarations, 0), (line, 1)] {
        let start = Instant::now();
        let unit = crate::unit(&text);
        assert_eq!(unit.kernels.len(), kernels);
        // It takes seconds; what must not happen is time that grows with the square of the size.
        assert!(
            start.elapsed() < Duration::from_secs(100),
            "{:?}",
            start.elapsed()
        );
    }
}
