//! The cache under other processes, processes that die, and disks that fail.

mod damage;
#[cfg(unix)]
mod disks;
mod kills;
mod processes;

use mettle_msl::{Cache, Options, Target, Unit};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Names the folder to a child process; absent in the parent.
const FOLDER: &str = "METTLE_TEST_CACHE";

/// The cache that a child process is to use; `None` in the parent.
fn of_child() -> Option<Cache> {
    let folder = std::env::var_os(FOLDER)?;
    Some(Cache::at(Path::new(&folder)).unwrap())
}

/// This program, to run one of its tests on a folder: `wrapper` is what is put in front of it.
fn child(wrapper: &[&str], test: &str, folder: &Path) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a child printed after `name `, if its test passed.
fn said(output: &Output, name: &str) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The harness writes the test's name on the same line.
    let found = text.lines().find_map(|line| line.split_once(name));
    let (_, rest) = found.unwrap_or_else(|| panic!("no {name:?} in {text}"));
    rest.trim().to_owned()
}

/// One of several units of little text.
fn unit(number: u32) -> Unit {
    let text =
        format!("kernel void f{number}(device int* x [[buffer(0)]]) {{ x[0] = {number}; }}\n");
    Unit::from_source(&format!("u{number}"), &text, &Options::default()).unwrap()
}

fn target() -> Target {
    Target::host_cpu().expect("this CPU runs compiled kernels")
}

fn key(i: u32) -> blake3::Hash {
    blake3::hash(&i.to_le_bytes())
}

/// What belongs under a key: enough that writing takes a while, and different for each.
fn value(i: u32) -> Vec<u8> {
    let seed = key(i);
    seed.as_bytes()
        .iter()
        .copied()
        .cycle()
        .take(300_000 + i as usize)
        .collect()
}

/// Numbers without a pattern.
struct Random(u64);

impl Random {
    /// Seeded by the clock; the seed is printed.
    fn new() -> Self {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let seed = now.as_nanos() as u64;
        println!("seed {seed}");
        Random(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}
