//! What differs between a person watching and a pipe: progress, and a reader that goes away.

use std::io::{ErrorKind, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar over `length` steps on standard error; hidden where nobody watches.
pub fn progress(length: u64, what: &str) -> ProgressBar {
    bar(length, what, "{msg} {bar:30} {pos}/{len} {eta}")
}

/// As [`progress`], over bytes.
pub fn progress_of_bytes(length: u64, what: &str) -> ProgressBar {
    let template = "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}";
    bar(length, what, template)
}

fn bar(length: u64, what: &str, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Whether the reader of our output closed it (`mettle generate | head`), which is no failure.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
    })
}

/// `bytes` as a person reads it: `7.1 MB`.
pub fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}
