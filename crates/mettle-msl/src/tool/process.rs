//! Runs a program under a time limit.

use crate::error::{Error, Result};
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` with `input` on its standard input and waits for its end, at most `limit`; then it is killed.
/// `tool` and `unit` name it in errors.
pub(crate) fn run(
    mut command: Command,
    input: &str,
    limit: Duration,
    tool: &'static str,
    unit: &str,
) -> Result<Output> {
    let failed = |source| Error::Io {
        action: format!("run {tool} on unit {unit}"),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Each stream has its own thread: a program may block on any of them.
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // A program that fails early closes its input; its exit status says so.
                let _ = stdin.write_all(input.as_bytes());
            }
        });
        let stdout = scope.spawn(move || read(stdout));
        let stderr = scope.spawn(move || read(stderr));
        let start = Instant::now();
        let mut pause = Duration::from_micros(500);
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            if start.elapsed() >= limit {
                // Failing to kill means that it has just ended.
                let _ = child.kill();
                child.wait().map_err(failed)?;
                return Err(Error::Timeout {
                    tool,
                    unit: unit.to_owned(),
                    limit,
                });
            }
            thread::sleep(pause.min(limit.saturating_sub(start.elapsed())));
            pause = (pause * 2).min(Duration::from_millis(10));
        };
        let collect =
            |reader: thread::ScopedJoinHandle<'_, String>| reader.join().unwrap_or_default();
        Ok(Output {
            status,
            stdout: collect(stdout),
            stderr: collect(stderr),
        })
    })
}

fn read(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What came before a read error is still the best account of what happened.
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_past_its_limit_is_stopped() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let start = Instant::now();
        let error = run(command, "", Duration::from_millis(50), "sleep", "u").unwrap_err();
        assert!(
            matches!(error, Error::Timeout { tool: "sleep", .. }),
            "{error}"
        );
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn streams_are_passed_through() {
        let output = run(
            Command::new("cat"),
            "text",
            Duration::from_secs(10),
            "cat",
            "u",
        )
        .unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, "text");
    }
}
