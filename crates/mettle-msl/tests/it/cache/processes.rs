//! Processes and threads that make the same and different results at once.

use super::{child, key, of_child, said, target, unit, value};
use mettle_msl::{Cache, Origin};
use std::sync::Barrier;
use std::time::{Duration, Instant};

const THREADS: u32 = 32;
const KEYS: u32 = 6;

/// Not a test of its own: one of the processes of the next test.
#[test]
fn builder() {
    let Some(cache) = of_child() else { return };
    let units: Vec<_> = (0..KEYS).map(unit).collect();
    let start = Barrier::new(THREADS as usize);
    let origins: Vec<Vec<(u32, Origin, blake3::Hash)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (cache, units, start) = (&cache, &units, &start);
                scope.spawn(move || {
                    start.wait();
                    let ask = |i| {
                        let number = (thread + i) % KEYS;
                        let unit = &units[number as usize];
                        let (artefact, origin) = cache.compile(unit, target(), None, &[]).unwrap();
                        assert_eq!(artefact.unit, unit.name);
                        assert_eq!(artefact.kernels[0].name, unit.kernels[0].name);
                        (number, origin, blake3::hash(&artefact.to_bytes()))
                    };
                    (0..KEYS).map(ask).collect()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for number in 0..KEYS {
        let of_key: Vec<_> = origins
            .iter()
            .flatten()
            .filter(|(key, ..)| *key == number)
            .collect();
        let compiled = of_key
            .iter()
            .filter(|(_, origin, _)| *origin == Origin::Compiled);
        assert!(compiled.count() <= 1, "key {number} was compiled again");
        let (_, _, first) = of_key[0];
        assert!(of_key.iter().all(|(_, _, digest)| digest == first));
        println!("\nresult {number} {first}");
    }
}

#[test]
fn processes_and_threads_build_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..2)
        .map(|_| {
            child(&[], "cache::processes::builder", folder.path())
                .spawn()
                .unwrap()
        })
        .collect();
    let outputs: Vec<_> = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .collect();
    let cache = Cache::at(folder.path()).unwrap();
    assert_eq!(cache.stats().unwrap().entries, KEYS as usize);
    for number in 0..KEYS {
        let digests = outputs
            .iter()
            .map(|output| said(output, &format!("result {number}")));
        let (kept, origin) = cache.compile(&unit(number), target(), None, &[]).unwrap();
        assert_eq!(origin, Origin::Cached);
        let kept = blake3::hash(&kept.to_bytes()).to_string();
        assert!(
            { digests }.all(|digest| digest == kept),
            "results of key {number} differ"
        );
    }
}

/// Not a test of its own: one of the processes of the next test.
#[test]
fn user() {
    let Some(cache) = of_child() else { return };
    // So small that entries go while others read them.
    let cache = cache.with_capacity(2_000_000);
    let end = Instant::now() + Duration::from_millis(800);
    let found: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let cache = &cache;
                scope.spawn(move || {
                    let mut found = 0;
                    for i in (0..16).cycle().skip(thread as usize) {
                        if Instant::now() > end {
                            break;
                        }
                        if (i + thread) % 3 == 0 {
                            cache.put(&key(i), &value(i)).unwrap();
                        } else if let Some(bytes) = cache.get(&key(i)) {
                            assert_eq!(bytes, value(i));
                            found += 1;
                        }
                    }
                    found
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    println!("\nfound {found}");
}

#[test]
fn processes_and_threads_write_and_read_each_others_entries() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..2)
        .map(|_| {
            child(&[], "cache::processes::user", folder.path())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let found: u32 = said(&child.wait_with_output().unwrap(), "found")
            .parse()
            .unwrap();
        assert!(found > 0, "nobody found an entry");
    }
}
