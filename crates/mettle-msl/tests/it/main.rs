//! Tests through the public interface, with the real compiler.

mod cache;
mod diagnostics;
mod execute;
mod load;
mod reflect;
mod sources;
mod stdlib;

use mettle_msl::{Options, Target, Unit};

/// Options that find the headers beside the tests.
fn options() -> Options {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/metal/include");
    Options {
        include_dirs: vec![folder.into()],
        ..Options::default()
    }
}

/// Reads a source that is right.
fn unit(text: &str) -> Unit {
    match Unit::from_source("test.metal", text, &options()) {
        Ok(unit) => unit,
        Err(error) => panic!("{error}"),
    }
}

/// The target of this machine.
fn host() -> Target {
    Target::host_cpu().expect("the tests need an x86-64-v3 or aarch64 machine")
}
