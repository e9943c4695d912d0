//! The `mettle` command line.

fn main() {}
