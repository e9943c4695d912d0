//! Entries that are not what they should be, with real artefacts.

use super::{Random, target, unit};
use mettle_msl::{Cache, Origin};
use std::fs;
use std::path::{Path, PathBuf};

fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).unwrap();
    found.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn damaged_artefacts_are_never_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    let (good, other) = (unit(0), unit(1));
    let (artefact, _) = cache.compile(&good, target(), None, &[]).unwrap();
    let [entry] = &entries(folder.path())[..] else {
        panic!("one entry");
    };
    cache.compile(&other, target(), None, &[]).unwrap();
    let foreign = entries(folder.path())
        .into_iter()
        .find(|path| path != entry)
        .unwrap();
    let whole = fs::read(entry).unwrap();
    let foreign = fs::read(foreign).unwrap();

    let mut random = Random::new();
    let mut damaged = vec![Vec::new(), foreign, b"not a cache entry".to_vec()];
    for _ in 0..100 {
        let at = random.below(whole.len() as u64) as usize;
        damaged.push(whole[..at].to_vec());
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << random.below(8);
        damaged.push(flipped);
        let mut longer = whole.clone();
        longer.extend_from_slice(&whole[..at]);
        longer.push(0);
        damaged.push(longer);
    }
    // The key, as the file's name has it.
    let name = entry.file_name().unwrap().to_str().unwrap();
    let key = blake3::Hash::from_hex(name).unwrap();
    for bytes in damaged {
        fs::write(entry, &bytes).unwrap();
        assert_eq!(cache.get(&key), None, "{} bytes", bytes.len());
        assert!(!entry.exists());
        let (again, _) = cache.compile(&good, target(), None, &[]).unwrap();
        assert_eq!(again, artefact);
    }
    fs::write(entry, &whole).unwrap();
    let (again, origin) = cache.compile(&good, target(), None, &[]).unwrap();
    assert_eq!((again, origin), (artefact, Origin::Cached));
}
