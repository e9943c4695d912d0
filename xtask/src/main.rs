//! Code generation and checks that are not tests.

fn main() {}
