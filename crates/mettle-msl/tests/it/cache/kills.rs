//! Writers that are killed.

use super::{Random, child, key, of_child, value};
use mettle_msl::Cache;
use std::process::Stdio;
use std::time::Duration;

const KEYS: u32 = 16;
const KILLS: u32 = 200;

/// Not a test of its own: what the child of the next test does until it is killed.
#[test]
fn writer() {
    let Some(cache) = of_child() else { return };
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
    let mut random = Random::new();
    let mut found = 0;
    for _ in 0..KILLS {
        let mut child = child(&[], "cache::kills::writer", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(3000 + random.below(12_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let i = random.below(u64::from(KEYS)) as u32;
        if let Some(bytes) = cache.get(&key(i)) {
            assert_eq!(bytes, value(i));
            found += 1;
        }
    }
    assert!(found > 0, "no child lived long enough to write anything");
    for i in 0..KEYS {
        cache.put(&key(i), &value(i)).unwrap();
        assert_eq!(cache.get(&key(i)), Some(value(i)));
    }
}
