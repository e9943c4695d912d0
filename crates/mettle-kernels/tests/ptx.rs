//! NVIDIA's assembler takes the PTX of every kernel, and of the kernels that test the library, for GPUs from Ampere on. No GPU is needed.
//! With `--nocapture` the tests print registers and spills of each kernel.

use mettle_kernels::catalogue;
use mettle_msl::{Artefact, Options, PtxLevel, Target, Unit};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The GPUs that code is assembled for: A100, and H100 or H200, by what runs on later ones and by what is theirs alone.
const ARCHITECTURES: [&str; 3] = ["sm_80", "sm_90", "sm_90a"];

/// What ptxas says of a kernel.
#[derive(Clone, Copy, Default)]
struct Usage {
    registers: u32,
    stack: u32,
    spills: u32,
}

/// `METTLE_PTXAS`, what `tools/ptxas.sh` has installed, or `ptxas` of a CUDA toolkit. `None` where NVIDIA has none.
fn ptxas() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ptxas/bin/ptxas");
    let named = std::env::var_os("METTLE_PTXAS").map(PathBuf::from);
    for path in named.into_iter().chain([installed, "ptxas".into()]) {
        if Command::new(&path)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
        {
            return Some(path);
        }
    }
    if cfg!(not(target_os = "linux")) {
        println!("skipped: NVIDIA has no ptxas for this system");
        return None;
    }
    panic!(
        "ptxas is not installed: run tools/ptxas.sh (`make test` does), or point METTLE_PTXAS at the ptxas of a CUDA toolkit"
    );
}

/// An artefact's code as GPUs of an architecture get it: where they can, kernels begin before the launches before them are through.
fn as_loaded(architecture: &str, code: &[u8]) -> Vec<u8> {
    match architecture {
        "sm_80" => code.to_vec(),
        _ => {
            let parts = mettle_msl::ptx::parts(std::str::from_utf8(code).unwrap()).unwrap();
            parts
                .iter()
                .flat_map(|part| part.begin_ahead().into_bytes())
                .collect()
        }
    }
}

/// Assembles an artefact's code; what each kernel uses.
fn assemble(ptxas: &Path, architecture: &str, what: &str, code: &[u8]) -> BTreeMap<String, Usage> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unit.ptx");
    std::fs::write(&path, code).unwrap();
    let output = Command::new(ptxas)
        .args(["-v", "-arch", architecture, "-o"])
        .args([folder.path().join("unit.cubin"), path])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{what} does not assemble for {architecture}:\n{text}"
    );
    let mut kernels: BTreeMap<String, Usage> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(name) = line.split("Compiling entry function '").nth(1) {
            current = name
                .split('\'')
                .next()
                .unwrap_or("")
                .replace("mettle_kernel__", "");
        }
        // `Used 40 registers, ...`, `16 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads`
        let number_before = |unit: &str| -> Option<u32> {
            line.split(unit)
                .next()
                .filter(|before| before.len() < line.len())?
                .split_whitespace()
                .last()?
                .parse()
                .ok()
        };
        let usage = kernels.entry(current.clone()).or_default();
        usage.registers = number_before(" registers").unwrap_or(usage.registers);
        usage.stack = number_before(" bytes stack frame").unwrap_or(usage.stack);
        usage.spills = number_before(" bytes spill stores").unwrap_or(usage.spills);
    }
    kernels.remove("");
    kernels
}

fn report(what: &str, kernels: &BTreeMap<String, Usage>) {
    for (
        kernel,
        Usage {
            registers,
            stack,
            spills,
        },
    ) in kernels
    {
        println!(
            "{what:60} {kernel:24} {registers:4} registers {stack:5} bytes of stack {spills:5} bytes spilled"
        );
    }
}

#[test]
fn every_kernel_assembles() {
    let Some(ptxas) = ptxas() else { return };
    let artefacts: Vec<(String, Artefact)> = catalogue::units()
        .flat_map(|unit| unit.artefacts)
        .filter(|embedded| embedded.target.starts_with("ptx-"))
        .map(|embedded| {
            let artefact = Artefact::from_bytes(embedded.bytes).unwrap();
            (
                format!("{} {:?}", artefact.unit, artefact.constants),
                artefact,
            )
        })
        .collect();
    let kernels: usize = artefacts
        .iter()
        .map(|(_, artefact)| artefact.kernels.len())
        .sum();
    assert!(
        kernels >= catalogue::kernels().count(),
        "only {kernels} kernels are embedded as PTX"
    );
    // The older GPUs' machine code is made of every kernel once, with its constants open, not of each variant.
    let for_architecture = |architecture: &'static str| {
        let artefacts = artefacts.iter();
        let taken = artefacts.filter(move |(_, artefact)| match architecture {
            "sm_80" => artefact.target == "ptx-sm80" && artefact.constants.is_none(),
            "sm_90" => artefact.target == "ptx-sm80",
            _ => artefact.target == "ptx-sm90a",
        });
        taken.map(move |(what, artefact)| (architecture, what, artefact))
    };
    let mut jobs: Vec<_> = ARCHITECTURES
        .into_iter()
        .flat_map(for_architecture)
        .collect();
    // The longest first, so that none is left to one processor at the end.
    jobs.sort_by_key(|(_, _, artefact)| std::cmp::Reverse(artefact.code.len()));
    jobs.par_iter()
        .with_max_len(1)
        .for_each(|(architecture, what, artefact)| {
            let code = as_loaded(architecture, &artefact.code);
            let usage = assemble(&ptxas, architecture, what, &code);
            assert_eq!(
                usage.len(),
                artefact.kernels.len() + usize::from(usage.contains_key("mettle_derive_constants")),
                "{what}"
            );
            report(&format!("{architecture} {what}"), &usage);
        });
}

/// Whether an operation on tensors is refused for NVIDIA GPUs: operands in registers, and reductions.
fn is_refused(kernel: &str) -> bool {
    kernel.starts_with("fragments_") || kernel == "reduced"
}

/// The kernels that test SIMD-group operations, matrices, atomics, threadgroup memory and constants, compiled here for each level.
#[test]
fn the_library_assembles() {
    let Some(ptxas) = ptxas() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mettle-gpu/tests/device/metal");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.push(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../mettle-msl/tests/it/stdlib/math.metal"),
    );
    for path in files {
        let unit = Unit::from_file(&path, &Options::default()).unwrap();
        for (level, architecture) in [(PtxLevel::Sm80, "sm_80"), (PtxLevel::Sm90a, "sm_90a")] {
            let target = Target::Ptx(level);
            let names = unit.kernels.iter().map(|kernel| kernel.name.as_str());
            let (refused, taken): (Vec<&str>, Vec<&str>) = names.partition(|name| is_refused(name));
            for name in refused {
                let error = mettle_msl::compile(&unit, target, None, &[name]).unwrap_err();
                let error = error.to_string();
                assert!(error.contains("on NVIDIA GPUs"), "{name}: {error}");
            }
            let artefact = mettle_msl::compile(&unit, target, None, &taken)
                .unwrap_or_else(|error| panic!("{}: {error}", unit.name));
            let code = as_loaded(architecture, &artefact.code);
            let usage = assemble(&ptxas, architecture, &unit.name, &code);
            report(&format!("{architecture} {}", unit.name), &usage);
        }
    }
}
