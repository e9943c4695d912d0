//! Layout, conversions and operators of the types: the kernels of `types.metal` check themselves.

use super::{Buffer, load, run, source};

#[test]
fn every_check_in_the_kernels_holds() {
    let text = std::fs::read_to_string(source("types.metal")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let kernels: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("TEST(")?.split(')').next())
        .filter(|name| *name != "name")
        .collect();
    assert!(kernels.len() > 10);

    let loaded = load("types.metal", &[]);
    let numbers: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let numbers = Buffer::new(&numbers);
    let mut failed = Vec::new();
    for kernel in kernels {
        let mut failures = Buffer::filled(0u32, 64);
        run(&loaded, kernel, 1, &[failures.write(), numbers.read()]);
        let count = failures[0] as usize;
        for &line in &failures[1..][..count.min(63)] {
            failed.push(format!("line {line}: {}", lines[line as usize - 1].trim()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
