//! Running the binary.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The command with these arguments, without input.
pub fn mettle(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mettle"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(args: &[&str]) -> Output {
    mettle(args).output().expect("the binary runs")
}

/// The JSON document that a successful run printed.
pub fn json(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON document on standard output")
}

/// Exit code 1, nothing on standard output, an `error:` that holds all of `words`.
pub fn assert_refused(args: &[&str], words: &[&str]) {
    let output = run(args);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {message}");
    assert!(output.stdout.is_empty(), "{args:?} printed a result");
    assert!(
        message.contains("error: ") && !message.contains("panicked"),
        "{args:?}: {message}"
    );
    for word in words {
        assert!(
            message.contains(word),
            "{args:?}: no '{word}' in: {message}"
        );
    }
}
