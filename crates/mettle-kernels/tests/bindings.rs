//! A launch with swapped, missing or mistyped arguments does not compile.
//!
//! Where a newer compiler words its errors otherwise: `TRYBUILD=overwrite cargo test -p mettle-kernels --test bindings`.

#[test]
fn wrong_arguments_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/bindings/*.rs");
}
