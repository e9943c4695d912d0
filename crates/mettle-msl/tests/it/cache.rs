//! The cache under processes that die.

use mettle_msl::Cache;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// Names the folder to the child process.
const FOLDER: &str = "METTLE_TEST_CACHE";
const KEYS: u32 = 16;
const KILLS: u32 = 200;

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

/// Not a test of its own: what the child of the next test does until it is killed.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let cache = Cache::at(Path::new(&folder)).unwrap();
    loop {
        for i in 0..KEYS {
            cache.put(&key(i), &value(i)).unwrap();
        }
    }
}

#[test]
fn killed_writers_leave_no_wrong_entry() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let mut state = seed;
    let mut found = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cache::writer"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        std::thread::sleep(Duration::from_micros(3000 + (state >> 33) % 12_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let i = (state >> 40) as u32 % KEYS;
        if let Some(bytes) = cache.get(&key(i)) {
            assert_eq!(bytes, value(i), "seed {seed}");
            found += 1;
        }
    }
    assert!(found > 0, "no child lived long enough to write anything");
    for i in 0..KEYS {
        cache.put(&key(i), &value(i)).unwrap();
        assert_eq!(cache.get(&key(i)), Some(value(i)));
    }
}
