//! Pipelines of a second start, against the stand-in.

use crate::metal::mock::SYSTEM;
use crate::{
    CacheFolder, ConstantSet, Device, DeviceOptions, Grid, PipelineStats, Preference, SourceOptions,
};
use mettle_msl::{Cache, Unit, metal};
use std::path::{Path, PathBuf};

const TEXT: &str = "
constant int BY [[function_constant(0)]];
kernel void plus(device int* x [[buffer(0)]]) { x[0] += BY; }
kernel void minus(device int* x [[buffer(0)]]) { x[0] -= BY; }
";

/// A start of a program: `plus` by 3 and 4 and `minus` by 3 on a device whose cache is in a folder. Returns how many pipelines' machine code was kept.
fn start(preference: &str, folder: &Path) -> u64 {
    let stats = start_with(preference, CacheFolder::At(folder.to_owned()));
    stats.archived
}

fn start_with(preference: &str, cache: CacheFolder) -> PipelineStats {
    let preference: Preference = preference.parse().unwrap();
    let options = DeviceOptions {
        cache,
        ..DeviceOptions::default()
    };
    let device = Device::open_with(preference, &options).unwrap();
    let unit = Unit::from_source("archived", TEXT, &SourceOptions::default()).unwrap();
    let source = metal::source_artefact(&unit, TEXT.to_owned());
    let artefact = (metal::SOURCE.to_owned(), None, source.to_bytes());
    let library = device.library_from("archived", vec![artefact]);
    let x = device.upload(&[10i32]).unwrap();
    let mut pass = device.pass();
    for (kernel, by) in [("plus", 3), ("plus", 4), ("minus", 3)] {
        let constants = ConstantSet::EMPTY.with(0, by);
        let pipeline = library.pipeline(kernel, &constants).unwrap();
        pass.dispatch_pipeline(&pipeline, Grid::elements(1).threads(1), |arguments| {
            arguments.write(0, "x", &x);
        })
        .unwrap();
    }
    pass.submit().unwrap().wait().unwrap();
    assert_eq!(x.read().unwrap(), [14]);
    let stats = device.pipeline_stats();
    assert_eq!(stats.pipelines, 3);
    stats
}

/// The entries of a cache.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn a_second_start_finds_what_the_first_kept() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start("metal", folder.path()), 0);
    assert_eq!(entries(folder.path()).len(), 3);
    assert_eq!(start("metal", folder.path()), 3);
    assert_eq!(entries(folder.path()).len(), 3);
}

#[test]
fn other_gpus_and_systems_keep_their_own() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start("metal", folder.path()), 0);
    assert_eq!(start("metal:low-power", folder.path()), 0);
    SYSTEM.set("Version 0.1 (Build 0A2)");
    assert_eq!(start("metal", folder.path()), 0);
    assert_eq!(entries(folder.path()).len(), 9);
    for preference in ["metal", "metal:low-power", "metal"] {
        let again = start(preference, folder.path());
        assert_eq!(again, if preference == "metal" { 3 } else { 0 });
    }
}

#[test]
fn damaged_archives_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    start("metal", folder.path());
    let [cut, flipped, empty] = &entries(folder.path())[..] else {
        panic!("{:?}", entries(folder.path()));
    };
    let whole = std::fs::read(cut).unwrap();
    std::fs::write(cut, &whole[..whole.len() - 1]).unwrap();
    let mut bytes = std::fs::read(flipped).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(flipped, bytes).unwrap();
    std::fs::write(empty, "").unwrap();
    assert_eq!(start("metal", folder.path()), 0);
    assert_eq!(start("metal", folder.path()), 3);
}

/// What the cache gives back as it was kept, and Metal does not take: of a later format, for another GPU, without the pipeline.
#[test]
fn archives_that_metal_refuses_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    start("metal", folder.path());
    start("metal:low-power", other.path());
    let cache = Cache::at(folder.path()).unwrap();
    let key = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        blake3::Hash::from_hex(name).unwrap()
    };
    let keys: Vec<blake3::Hash> = entries(folder.path()).iter().map(|p| key(p)).collect();
    let foreign = Cache::at(other.path()).unwrap();
    let foreign = foreign.get(&key(&entries(other.path())[0])).unwrap();
    let of_another = cache.get(&keys[0]).unwrap();
    cache.put(&keys[0], &foreign).unwrap();
    cache.put(&keys[1], b"a later format").unwrap();
    cache.put(&keys[2], &of_another).unwrap();
    assert_eq!(start("metal", folder.path()), 0);
    assert_eq!(start("metal", folder.path()), 3);
}

/// As every entry of the cache, they go when there is too much.
#[test]
fn archives_go_with_what_was_not_used_for_longest() {
    let folder = tempfile::tempdir().unwrap();
    start("metal", folder.path());
    let cache = Cache::at(folder.path()).unwrap();
    let size = std::fs::metadata(&entries(folder.path())[0]).unwrap().len();
    cache.with_capacity(2 * size + size / 2).trim().unwrap();
    assert_eq!(entries(folder.path()).len(), 2);
    assert_eq!(start("metal", folder.path()), 2);
    assert_eq!(start("metal", folder.path()), 3);
}

#[test]
fn a_cache_that_cannot_be_written_does_not_matter() {
    // On Linux nobody can make a file there.
    for _ in 0..2 {
        assert_eq!(start("metal", Path::new("/proc")), 0);
    }
    let stats = start_with("metal", CacheFolder::None);
    assert_eq!((stats.archived, stats.failed), (0, 0));
}
