//! A launch with swapped, missing or mistyped arguments does not compile.

#[test]
fn wrong_arguments_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/bindings/*.rs");
}
