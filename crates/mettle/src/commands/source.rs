//! How `.metal` sources are read, as options of the commands that read them.

use std::path::PathBuf;
use std::time::Duration;

use mettle_msl::Options;

/// How a source is preprocessed and compiled.
#[derive(clap::Args)]
pub struct SourceArgs {
    /// Look for `#include` in this folder too.
    #[arg(short = 'I', value_name = "DIR")]
    include: Vec<PathBuf>,
    /// Define a macro, as 1 when no value is given.
    #[arg(short = 'D', value_name = "NAME[=VALUE]", value_parser = define)]
    define: Vec<(String, String)>,
    /// Give up on a file when one run of the compiler takes longer than this.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    compile_limit: Duration,
}

impl SourceArgs {
    /// The same for the library.
    pub fn options(&self) -> Options {
        Options {
            include_dirs: self.include.clone(),
            defines: self.define.clone(),
            timeout: self.compile_limit,
        }
    }
}

/// `NAME` or `NAME=VALUE`.
fn define(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "1"));
    // A function-like macro has its parameters before the `=`.
    let head = name.split('(').next().unwrap_or(name);
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if head.is_empty() || !head.chars().all(word) || head.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(format!("{name:?} is not the name of a macro"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// A positive number of seconds.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse::<f64>()
        .map_err(|_| format!("{text:?} is not a number of seconds"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it must be more than zero".to_owned()),
    }
}
