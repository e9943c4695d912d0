//! A cache in one process: damage, age, and what is made once.

use super::*;

#[test]
fn damaged_entries_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    let key = blake3::hash(b"key");
    assert_eq!(cache.get(&key), None);
    cache.put(&key, b"value").unwrap();
    assert_eq!(cache.get(&key).as_deref(), Some(&b"value"[..]));
    assert_eq!(cache.clear().unwrap().entries, 1);
    assert_eq!(cache.stats().unwrap().bytes, 0);
    cache.put(&key, b"value").unwrap();
    cache.discard(&key);
    assert_eq!(cache.get(&key), None);
    cache.put(&key, b"value").unwrap();
    let path = cache.path(&key).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&whole[..whole.len() - 1], &whole[..3], &flipped, b""] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(cache.get(&key), None, "{} bytes", damaged.len());
        assert!(!path.exists());
    }
}

#[test]
fn an_entry_of_another_key_is_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    let (one, other) = (blake3::hash(b"1"), blake3::hash(b"2"));
    cache.put(&one, b"value").unwrap();
    fs::copy(cache.path(&one).unwrap(), cache.path(&other).unwrap()).unwrap();
    assert_eq!(cache.get(&other), None);
    assert!(cache.get(&one).is_some());
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let roomy = Cache::at(folder.path()).unwrap();
    let cache = roomy.clone().with_capacity(3 * (100 + DIGEST as u64));
    let keys: Vec<_> = (0..5u8).map(|i| blake3::hash(&[i])).collect();
    let day = Duration::from_secs(86400);
    for (i, key) in keys.iter().enumerate() {
        roomy.put(key, &[0; 100]).unwrap();
        // Entry 4 is from the future, as after a clock was set back.
        let time = SystemTime::now() - 10 * day + day * if i == 4 { 20 } else { i as u32 };
        touch(&cache.path(key).unwrap(), time).unwrap();
    }
    assert!(cache.get(&keys[0]).is_some(), "which also marks it as used");
    let partial = folder.path().join("partial-x");
    fs::write(&partial, b"half").unwrap();
    cache.trim().unwrap();
    let left: Vec<bool> = keys
        .iter()
        .map(|key| cache.path(key).unwrap().exists())
        .collect();
    assert_eq!(left, [true, false, false, true, true]);
    assert!(partial.exists(), "somebody may be writing it");
    let old = SystemTime::now() - day;
    touch(&partial, old).unwrap();
    cache.trim().unwrap();
    assert!(!partial.exists());
}

#[test]
fn threads_share_one_run_of_the_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    let text = "kernel void f(device int* x [[buffer(0)]]) { x[0] = 1; }";
    let unit = Unit::from_source("u", text, &crate::Options::default()).unwrap();
    let target = Target::host_cpu().unwrap();
    let compiled = std::thread::scope(|scope| {
        let ask = || cache.compile(&unit, target, None, &[]).unwrap().1;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        let origins = threads.into_iter().map(|thread| thread.join().unwrap());
        origins.filter(|origin| *origin == Origin::Compiled).count()
    });
    assert_eq!(compiled, 1);
}

#[test]
fn a_unit_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    let text = "kernel void f(device int* x [[buffer(0)]]) { x[0] = 1; }";
    let unit = Unit::from_source("u", text, &crate::Options::default()).unwrap();
    let target = Target::host_cpu().unwrap();
    let (first, origin) = cache.compile(&unit, target, None, &[]).unwrap();
    assert_eq!(origin, Origin::Compiled);
    let (second, origin) = cache.compile(&unit, target, None, &[]).unwrap();
    assert_eq!(origin, Origin::Cached);
    assert_eq!(first.to_bytes(), second.to_bytes());
    let (_, origin) = cache.compile(&unit, target, Some(&[]), &[]).unwrap();
    assert_eq!(origin, Origin::Compiled);
}

#[test]
fn the_size_is_kept_to_while_writing() {
    let folder = tempfile::tempdir().unwrap();
    let size = 100 + DIGEST as u64;
    let cache = Cache::at(folder.path()).unwrap().with_capacity(8 * size);
    for i in 0..100u8 {
        let key = blake3::hash(&[i]);
        cache.put(&key, &[i; 100]).unwrap();
        assert!(cache.get(&key).is_some(), "entry {i} is the newest");
        assert!(cache.stats().unwrap().bytes <= 8 * size);
    }
    assert_eq!(cache.stats().unwrap().entries, 8);
    let large = blake3::hash(b"large");
    cache.put(&large, &[0; 2000]).unwrap();
    assert_eq!(cache.get(&large), None);
    assert_eq!(cache.stats().unwrap().entries, 8);
}

/// Entries from before the clock was set back must not push out all that is used from then on.
#[test]
fn a_clock_that_goes_backwards_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let size = 100 + DIGEST as u64;
    let cache = Cache::at(folder.path()).unwrap().with_capacity(4 * size);
    let key = |i: u8| blake3::hash(&[i]);
    let year = Duration::from_secs(365 * 86400);
    for i in 0..4 {
        cache.put(&key(i), &[i; 100]).unwrap();
        touch(&cache.path(&key(i)).unwrap(), SystemTime::now() + year).unwrap();
    }
    for i in 4..12 {
        cache.put(&key(i), &[i; 100]).unwrap();
        assert_eq!(cache.get(&key(i)).as_deref(), Some(&[i; 100][..]));
    }
    let left: Vec<u8> = (0..12).filter(|i| cache.get(&key(*i)).is_some()).collect();
    assert_eq!(left, [8, 9, 10, 11]);
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap().with_capacity(0);
    let notes = folder.path().join("notes.txt");
    fs::write(&notes, b"mine").unwrap();
    let inner = folder.path().join(blake3::hash(b"x").to_hex().as_str());
    fs::create_dir(&inner).unwrap();
    assert_eq!(cache.get(&blake3::hash(b"x")), None);
    assert_eq!(cache.clear().unwrap().entries, 0);
    cache.trim().unwrap();
    assert!(notes.exists() && inner.exists());
}

#[test]
fn what_a_process_has_made_it_does_not_make_again() {
    let text = "kernel void g(device int* x [[buffer(0)]]) { x[0] = 2; }";
    let unit = Unit::from_source("u", text, &crate::Options::default()).unwrap();
    let target = Target::host_cpu().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let on_disk = Cache::at(&folder.path().join("cache")).unwrap();
    for cache in [Cache::in_memory(), on_disk] {
        let (first, origin) = cache.compile(&unit, target, None, &[]).unwrap();
        assert_eq!(origin, Origin::Compiled);
        if let Some(folder) = &cache.folder {
            // As if another process had cleared it, or the disk had been full.
            fs::remove_dir_all(folder).unwrap();
        }
        let (second, origin) = cache.compile(&unit, target, None, &[]).unwrap();
        assert_eq!((origin, &second), (Origin::Cached, &first));
    }
}
