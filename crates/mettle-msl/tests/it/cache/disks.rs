//! Disks that are full or read-only, and systems without a home.

use super::{child, key, of_child, said, target, unit, value};
use mettle_msl::{Cache, Origin};
use std::path::Path;
use std::process::{Command, Stdio};

/// Not a test of its own: asks for results where they cannot be kept.
#[test]
fn on_a_bad_disk() {
    let Some(cache) = of_child() else { return };
    assert!(cache.put(&key(0), &value(0)).is_err());
    println!("\nwritable {}", cache.check_writable().is_ok());
    assert_eq!(cache.get(&key(0)), None);
    let known = unit(0);
    let (_, origin) = cache.compile(&known, target(), None, &[]).unwrap();
    println!("\nknown {origin:?}");
    let new = unit(1);
    for expected in [Origin::Compiled, Origin::Cached, Origin::Cached] {
        let (artefact, origin) = cache.compile(&new, target(), None, &[]).unwrap();
        assert_eq!(artefact.kernels[0].name, "f1");
        assert_eq!(origin, expected, "it is not compiled twice in a process");
    }
    println!("\nleft {}", cache.stats().unwrap().entries);
}

/// Runs `on_a_bad_disk` behind a shell script that spoils the folder `$1` first; the folder holds the result of `unit(0)`.
fn spoiled(wrapper: &[&str], script: &str) -> [String; 3] {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    cache.compile(&unit(0), target(), None, &[]).unwrap();
    let script = format!("{script}\nshift; exec \"$@\"");
    let path = folder.path().to_str().unwrap();
    let mut command = wrapper.to_vec();
    command.extend(["sh", "-c", &script, "sh", path]);
    let output = child(&command, "cache::disks::on_a_bad_disk", folder.path())
        .output()
        .unwrap();
    ["known", "left", "writable"].map(|name| said(&output, name))
}

/// A mount of one's own, for the program behind it; `None`, with the reason, where the system does not give it.
fn mounts() -> Option<Vec<&'static str>> {
    for wrapper in [
        &["unshare", "--mount"][..],
        &["unshare", "--user", "--map-root-user", "--mount"],
    ] {
        let tried = Command::new(wrapper[0])
            .args(&wrapper[1..])
            .args(["sh", "-c", "mount -t tmpfs -o size=64k none /mnt"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if tried.is_ok_and(|status| status.success()) {
            return Some(wrapper.to_vec());
        }
    }
    println!("skipped: this system lets no test mount a disk of its own");
    None
}

#[test]
fn a_full_disk_costs_the_cache_only() {
    let Some(wrapper) = mounts() else { return };
    // The entry that is there is copied over; then not a byte is left.
    let script = "set -e; keep=$(mktemp -d); cp \"$1\"/* $keep
        mount -t tmpfs -o size=64k none \"$1\"; cp $keep/* \"$1\"; rm -r $keep
        dd if=/dev/zero of=\"$1\"/filler bs=4k 2>/dev/null || true";
    let found = spoiled(&wrapper, script);
    assert_eq!(found, ["Cached", "1", "false"]);
}

#[test]
fn a_read_only_disk_is_read() {
    let Some(wrapper) = mounts() else { return };
    let script = "set -e; mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"";
    let found = spoiled(&wrapper, script);
    assert_eq!(found, ["Cached", "1", "false"]);
}

/// Where files may not grow, as with a quota: a write ends in the middle.
#[test]
fn a_write_that_ends_in_the_middle_leaves_nothing() {
    // The headers that the compiler reads are kept in the user's folder, so only the entries are too large.
    let found = spoiled(&[], "trap '' XFSZ; ulimit -f 64");
    // Small files can be written.
    assert_eq!(found, ["Cached", "2", "true"]);
}

/// Not a test of its own: there is no home.
#[test]
fn homeless() {
    if std::env::var_os(super::FOLDER).is_none() {
        return;
    }
    assert!(Cache::of_user().is_none());
    let cache = Cache::in_memory();
    for expected in [Origin::Compiled, Origin::Cached] {
        let (_, origin) = cache.compile(&unit(0), target(), None, &[]).unwrap();
        assert_eq!(origin, expected);
    }
    assert_eq!(cache.stats().unwrap().folder, None);
    println!("\nhome none");
}

#[test]
fn without_a_home_results_stay_in_memory() {
    // A home that is not there and cannot be made counts as none.
    for home in [None, Some("/proc/nobody")] {
        let mut command = child(&[], "cache::disks::homeless", Path::new("unused"));
        for name in ["HOME", "XDG_CACHE_HOME", "METTLE_CACHE"] {
            command.env_remove(name);
        }
        if let Some(home) = home {
            command.env("HOME", home);
        }
        assert_eq!(said(&command.output().unwrap(), "home"), "none");
    }
}
