//! The compiler's messages name the user's file, line and column.

use crate::{host, options};
use mettle_msl::{Diagnostic, Error, Severity, Unit, compile};
use std::fs;
use std::path::Path;

/// Compiles a text in which `@` marks where the first error must be found; the mark itself is taken out. Returns the messages.
fn check(text: &str) -> Vec<Diagnostic> {
    let at = text.find('@').expect("the text has a mark");
    let before = &text[..at];
    let line = before.matches('\n').count() as u32 + 1;
    let column = (at - before.rfind('\n').map_or(0, |n| n + 1)) as u32 + 1;
    let diagnostics = fail(&text.replacen('@', "", 1));
    let first = &diagnostics[0];
    assert_eq!(first.severity, Severity::Error);
    assert_eq!(
        (first.location.line, first.location.column),
        (line, column),
        "{text}\n{first}"
    );
    assert_eq!(first.location.file, Path::new("bad.metal"));
    diagnostics
}

fn fail(text: &str) -> Vec<Diagnostic> {
    let result = Unit::from_source("bad.metal", text, &options())
        .and_then(|unit| compile(&unit, host(), None, &[]));
    match result {
        Err(Error::Compile { diagnostics }) => diagnostics,
        Err(other) => panic!("expected messages about {text}, got {other}"),
        Ok(_) => panic!("expected messages about {text}"),
    }
}

#[test]
fn in_a_body_after_everything_that_is_rewritten() {
    let diagnostics = check(
        "#include <metal_stdlib>
using namespace metal;
constant bool FLAG [[function_constant(0)]];  // a constant
/* a comment */ [[kernel]] void f(device float *  x [[ buffer(0) ]], constant float& y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    threadgroup float a[4]; /* here */   a[0] = 1.0h + float(FLAG);  x[i] = @undeclared + a[0];
}",
    );
    assert_eq!(
        diagnostics[0].message,
        "use of undeclared identifier 'undeclared'"
    );
    assert!(
        diagnostics[0]
            .source_line
            .starts_with("    threadgroup float a[4]; /* here */")
    );
}

#[test]
fn in_a_macro() {
    check(
        "#define ADD(a, b) ((a) + (b))\n#define ONE 1\nkernel void f(device int* x) { x[0] = ONE + ADD(x[1], @missing); }",
    );
    check(
        "#define BAD(a) ((a) + missing)\nkernel void f(device int* x) {\n  x[0] =  1 + @BAD(x[1]);\n}",
    );
    check(
        "#define BAD(a, \\\n b) ((a) + missing)\nkernel void f(device int* x) {\n  x[0] =  1 + @BAD(x[1],\n 2) + 3;\n}",
    );
    check(
        "#define KERNEL(name) kernel void name(device int* x) { x[0] = missing; }\n   @KERNEL(f)\n",
    );
}

#[test]
fn behind_a_macro_on_the_same_line() {
    check(
        "#define ADD(a, b) ((a) + (b))\nkernel void f(device int* x) { x[0] = ADD(x[1], ADD(1, 2)) + @missing; }",
    );
}

#[test]
fn in_an_included_file() {
    let folder = tempfile::tempdir().unwrap();
    let (header, main) = (
        folder.path().join("broken.h"),
        folder.path().join("main.metal"),
    );
    fs::write(
        &header,
        "// A comment.\ninline int broken(device int* x) {\n    return  x->y;\n}\n",
    )
    .unwrap();
    fs::write(
        &main,
        "#include \"broken.h\"\nkernel void f(device int* x) { x[0] = broken(x); }\n",
    )
    .unwrap();
    let unit = Unit::from_file(&main, &options()).unwrap();
    let error = compile(&unit, host(), None, &[]).unwrap_err();
    let first = &error.diagnostics()[0];
    assert_eq!(first.location.file, header);
    assert_eq!((first.location.line, first.location.column), (3, 14));
    assert_eq!(first.source_line, "    return  x->y;");
}

#[test]
fn in_a_template_with_a_note_where_it_is_used() {
    let diagnostics = check(
        "template <typename T> T get(T x) { return x@.value; }\nkernel void f(device int* x) { x[0] = get(x[0]); }",
    );
    let note = diagnostics
        .iter()
        .find(|d| d.severity == Severity::Note)
        .unwrap();
    assert_eq!((note.location.line, note.location.column), (2, 39));
}

#[test]
fn in_our_headers_is_moved_to_the_use() {
    let text = "#include <metal_stdlib>\nusing namespace metal;\nkernel void f(device float* x) {\n    vec<float*, 2> v; x[0] = 1;\n}";
    let diagnostics = fail(text);
    assert_eq!(
        diagnostics[0].location.file,
        Path::new("bad.metal"),
        "{}",
        diagnostics[0]
    );
    assert_eq!(diagnostics[0].location.line, 4, "{}", diagnostics[0]);
}

#[test]
fn in_an_instantiation_that_does_not_fit() {
    let text = "template <typename T> kernel void f(device T* x) { x[0] = T(1).y; }\n  template [[host_name(\"g\")]] kernel void f<int>(device int*);";
    let diagnostics = fail(text);
    assert_eq!(
        (diagnostics[0].location.line, diagnostics[0].location.column),
        (1, 63)
    );
    assert!(
        diagnostics
            .iter()
            .any(|d| d.location.line == 2 && d.location.column == 3),
        "a note at the instantiation"
    );
}

#[test]
fn in_a_constant_computed_from_others() {
    check(
        "constant int A [[function_constant(0)]];\nconstant int B = A + @missing;\nkernel void f(device int* x) { x[0] = B; }",
    );
}

#[test]
fn about_functions_that_differ_in_address_spaces_only() {
    let text = "int get(device int* x) { return *x; }\n  int get(threadgroup int* x) { return *x + 1; }\nkernel void f(device int* x) { x[0] = get(x); }";
    let diagnostics = fail(text);
    assert_eq!(
        (diagnostics[0].location.line, diagnostics[0].location.column),
        (2, 7)
    );
    assert_eq!(
        (diagnostics[1].location.line, diagnostics[1].severity),
        (1, Severity::Note)
    );
}

#[test]
fn struct_layouts_are_asserted() {
    // Reflection does not know that an over-aligned type is meant; the compiled unit notices.
    let text = "typedef float wide __attribute__((aligned(16)));\nstruct S { float a; wide b; };\nkernel void f(device S* x) { x[0].a = 1; }";
    let diagnostics = fail(text);
    assert_eq!(diagnostics[0].location.line, 2);
    assert!(
        diagnostics[0]
            .message
            .contains("the layout of S is not the reflected one"),
        "{}",
        diagnostics[0]
    );
}
