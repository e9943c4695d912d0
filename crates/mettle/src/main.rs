//! The `mettle` command line: text from GGUF models, and the kernels that make it.

mod bundled;
mod commands;
mod terminal;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Metal compute kernels for language models, on any machine.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    /// Log more: -v for decisions, -vv for details. METTLE_LOG takes a filter such as `mettle_gpu=debug`.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate text from a GGUF model (the bundled one when none is given).
    Generate(commands::generate::Args),
    /// Make vectors of texts with an encoder, so that texts of similar meaning lie close together.
    Embed(commands::embed::Args),
    /// Measure a model on a text: bits a byte, lower is better.
    Score(commands::score::Args),
    /// Write a GGUF file with its weights in another format.
    Quantize(commands::quantize::Args),
    /// Run the cases of the kernels against their host references.
    Verify(commands::verify::Args),
    /// Measure kernels against what the device can do at most.
    Bench(Box<commands::bench::Args>),
    /// Show the devices and which would be chosen, the compilers, the embedded kernels and the cache, and try each device.
    Doctor(commands::doctor::Args),
    /// Show, fill or clear what is kept of compiled sources.
    Cache(commands::cache::Args),
    /// Check Metal sources: whether they compile, what is wrong with them, and what their kernels take.
    Check(commands::check::Args),
    /// Run a kernel of any Metal source on generated or given data.
    Exec(Box<commands::exec::Args>),
    /// List the catalogue of kernels.
    Kernels(commands::kernels::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    let result = match cli.command {
        Command::Generate(args) => commands::generate::run(args),
        Command::Embed(args) => commands::embed::run(args),
        Command::Score(args) => commands::score::run(args),
        Command::Quantize(args) => commands::quantize::run(args),
        Command::Verify(args) => commands::verify::run(args),
        Command::Bench(args) => commands::bench::run(*args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Cache(args) => commands::cache::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::Exec(args) => commands::exec::run(*args),
        Command::Kernels(args) => commands::kernels::run(args),
    };
    match result {
        Ok(code) => code,
        Err(error) if terminal::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Tells why the command failed: mistakes in a Metal source at their places, all else in a line.
fn report(error: &anyhow::Error) {
    let of_unit = error
        .downcast_ref::<mettle_msl::Error>()
        .map(mettle_msl::Error::diagnostics);
    let of_kernel = match error.downcast_ref::<mettle_gpu::Error>() {
        Some(mettle_gpu::Error::Compile { diagnostics, .. }) => Some(&diagnostics[..]),
        _ => None,
    };
    let diagnostics = of_unit.or(of_kernel).unwrap_or_default();
    match commands::diagnostics::draw(diagnostics, &std::io::stderr()) {
        Ok(drawn) if !drawn.is_empty() => eprint!("error: the source does not compile\n\n{drawn}"),
        _ => eprintln!("error: {error:#}"),
    }
}

fn start_log(verbose: u8) {
    let default = match verbose {
        // What kernels log is output, not a matter of ours.
        0 => "warn,mettle::kernel=info",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("METTLE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn options_do_not_clash() {
        super::Cli::command().debug_assert();
    }
}
