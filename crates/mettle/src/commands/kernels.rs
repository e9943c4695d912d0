//! `mettle kernels`: the catalogue.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use mettle_kernels::cases::matches;
use mettle_kernels::catalogue::{self, Access, Kernel, SeedName};
use serde::Serialize;

/// Options of `mettle kernels`.
#[derive(clap::Args)]
pub struct Args {
    /// Only kernels whose name matches this glob, such as `mul_mv_*`.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    kernel: String,
    /// Instead, the kernels of the older systems that the catalogue is the union of, and which one takes the place of each.
    #[arg(long)]
    seed_names: bool,
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
}

/// The devices that this build runs every kernel on.
const DEVICES: [&str; 1] = ["cpu"];

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    family: &'a str,
    file: &'a str,
    dtypes: &'a [&'a str],
    constants: &'a [&'a str],
    devices: &'a [&'a str],
    arguments: Vec<ArgumentRow<'a>>,
}

#[derive(Serialize)]
struct ArgumentRow<'a> {
    index: u32,
    name: &'a str,
    declaration: &'a str,
    access: &'a str,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    if args.seed_names {
        return list_seed_names(&args);
    }
    let found: Vec<&Kernel> = catalogue::kernels()
        .filter(|kernel| matches(&args.kernel, kernel.name))
        .collect();
    anyhow::ensure!(
        !found.is_empty(),
        "no kernel's name matches '{}'; `mettle kernels` lists them all",
        args.kernel
    );
    let mut out = std::io::stdout().lock();
    if args.json {
        let rows: Vec<Row> = found.iter().map(|kernel| row(kernel)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        writeln!(out, "{}\n{} kernels", table(&found), found.len())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A kernel of an older system, as JSON.
#[derive(Serialize)]
struct SeedRow {
    system: &'static str,
    name: &'static str,
    kernel: &'static str,
    constants: BTreeMap<&'static str, &'static str>,
    cases: &'static str,
}

fn list_seed_names(args: &Args) -> Result<ExitCode> {
    let found: Vec<SeedName> = catalogue::seed_names()
        .filter(|seed| matches(&args.kernel, seed.kernel))
        .collect();
    anyhow::ensure!(
        !found.is_empty(),
        "no kernel whose name matches '{}' takes the place of one of an older system",
        args.kernel
    );
    let mut out = std::io::stdout().lock();
    if args.json {
        let rows: Vec<SeedRow> = found.into_iter().map(seed_row).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["system", "name", "kernel", "constants", "cases"]);
    for seed in &found {
        let constants: Vec<String> = seed
            .constants
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let constants = constants.join(", ");
        table.add_row([seed.system, seed.name, seed.kernel, &constants, seed.cases]);
    }
    writeln!(out, "{table}\n{} names", found.len())?;
    Ok(ExitCode::SUCCESS)
}

fn seed_row(seed: SeedName) -> SeedRow {
    SeedRow {
        system: seed.system,
        name: seed.name,
        kernel: seed.kernel,
        constants: seed.constants.into_iter().collect(),
        cases: seed.cases,
    }
}

fn row(kernel: &'static Kernel) -> Row<'static> {
    Row {
        name: kernel.name,
        family: kernel.family,
        file: kernel.file,
        dtypes: kernel.dtypes,
        constants: kernel.constants,
        devices: &DEVICES,
        arguments: kernel
            .arguments
            .iter()
            .map(|argument| ArgumentRow {
                index: argument.index,
                name: argument.name,
                declaration: argument.declaration,
                access: access(argument.access),
            })
            .collect(),
    }
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::ReadWrite => "read-write",
        Access::Value => "value",
        Access::ThreadgroupMemory => "threadgroup memory",
    }
}

fn table(kernels: &[&Kernel]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["kernel", "file", "arguments", "dtypes", "devices"]);
    for kernel in kernels {
        let arguments: Vec<&str> = kernel
            .arguments
            .iter()
            .map(|argument| argument.declaration)
            .collect();
        table.add_row([
            kernel.name.to_owned(),
            kernel.file.to_owned(),
            arguments.join(", "),
            kernel.dtypes.join(" "),
            DEVICES.join(" "),
        ]);
    }
    table
}
