//! Sources registered at run time.

use std::fs;
use std::time::{Duration, Instant};

use mettle_gpu::{
    Arguments, Binding, CacheFolder, CodeOrigin, ConstantSet, Device, DeviceOptions,
    EmbeddedArtefact, EmbeddedUnit, Error, Grid, Library, Preference, SourceOptions,
};

use crate::chain::device;
use crate::common::{artefact, cpu, launch, target};
use crate::{allocations, common};

fn kernel(value: &str) -> String {
    format!("kernel void put(device int* x [[buffer(0)]]) {{ x[0] = {value}; }}\n")
}

fn put(device: &Device, library: &Library, constants: &ConstantSet) -> i32 {
    let pipeline = library.pipeline("put", constants).unwrap();
    let x = device.zeros::<i32>(1).unwrap();
    launch(
        device,
        &pipeline,
        Grid::elements(1).threads(1),
        |arguments| {
            arguments.write(0, "x", &x);
        },
    )
    .unwrap();
    x.read().unwrap()[0]
}

#[test]
fn registering_again_drops_every_specialisation() {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = device(folder.path()) else {
        return;
    };
    let text = |value: &str| {
        let kernel = kernel(value);
        format!("constant int N [[function_constant(2)]];\n{kernel}")
    };
    let constants = |n: i32| ConstantSet::EMPTY.with(2, n);
    let options = SourceOptions::default();
    let library = device.register("mine", &text("N"), &options).unwrap();
    for n in [-1, 7] {
        assert!(!library.is_cached("put", &constants(n)));
        assert_eq!(put(&device, &library, &constants(n)), n);
        assert!(library.is_cached("put", &constants(n)));
    }
    let held = library.pipeline("put", &constants(7)).unwrap();
    assert_eq!(held.origin(), CodeOrigin::Compiled);
    let stats = device.pipeline_stats();
    assert_eq!((stats.sources, stats.pipelines, stats.compiled), (1, 2, 2));

    let newer = device.register("mine", &text("N * 10"), &options).unwrap();
    for library in [&library, &newer] {
        assert!(!library.is_cached("put", &constants(-1)));
    }
    assert_eq!(put(&device, &library, &constants(7)), 70);
    assert!(newer.is_cached("put", &constants(7)));
    assert_eq!(device.pipeline_stats().sources, 1);
    // What was handed out still works.
    assert_eq!(held.kernel(), "put");

    // The first text again: its code is known.
    let first = device.register("mine", &text("N"), &options).unwrap();
    let pipeline = first.pipeline("put", &constants(7)).unwrap();
    assert_eq!(pipeline.origin(), CodeOrigin::Cached);

    let broken = device.register("mine", "kernel void (", &options);
    assert!(matches!(broken, Err(Error::Compile { .. })), "{broken:?}");
    assert_eq!(put(&device, &library, &constants(3)), 3);
}

#[test]
fn a_kernel_that_does_not_compile_breaks_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = device(folder.path()) else {
        return;
    };
    let text = format!(
        "kernel void bad(device int* x [[buffer(0)]]) {{\n  x[0] = nowhere;\n}}\n{}",
        kernel("4")
    );
    let library = device
        .register("two", &text, &SourceOptions::default())
        .unwrap();
    let none = ConstantSet::EMPTY;
    for _ in 0..2 {
        assert_eq!(put(&device, &library, &none), 4);
        let error = library.pipeline("bad", &none).unwrap_err();
        let Error::Compile { diagnostics, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(diagnostics[0].location.line, 2);
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert!(!library.is_cached("bad", &none));
    }
    let stats = device.pipeline_stats();
    assert_eq!((stats.pipelines, stats.failed), (1, 1));
}

#[test]
fn many_threads_compile_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = device(folder.path()) else {
        return;
    };
    let library = device
        .register("once", &kernel("8"), &SourceOptions::default())
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| assert_eq!(put(&device, &library, &ConstantSet::EMPTY), 8));
        }
    });
    let stats = device.pipeline_stats();
    assert_eq!((stats.compiled, stats.pipelines), (1, 1));
}

#[test]
fn a_changed_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = device(&folder.path().join("cache")) else {
        return;
    };
    let (path, header) = (folder.path().join("file.metal"), folder.path().join("n.h"));
    fs::write(&header, "#define N 1\n").unwrap();
    fs::write(&path, format!("#include \"n.h\"\n{}", kernel("N"))).unwrap();
    let library = device
        .register_file(&path, &SourceOptions::default())
        .unwrap();
    let none = ConstantSet::EMPTY;
    assert_eq!(put(&device, &library, &none), 1);
    assert_eq!(device.reload(), []);

    fs::write(&header, "#define N 222\n").unwrap();
    let [reloaded] = &device.reload()[..] else {
        panic!("the header has changed");
    };
    assert_eq!((reloaded.unit.as_str(), &reloaded.error), ("file", &None));
    assert_eq!(put(&device, &library, &none), 222);

    fs::write(&path, "kernel void oops(").unwrap();
    let [reloaded] = &device.reload()[..] else {
        panic!("the file has changed");
    };
    assert!(matches!(reloaded.error, Some(Error::Compile { .. })));
    assert_eq!(put(&device, &library, &none), 222);
    assert_eq!(device.reload(), [], "it is told once");

    fs::write(&path, kernel("33333")).unwrap();
    assert_eq!(device.reload().len(), 1);
    assert_eq!(put(&device, &library, &none), 33333);
}

/// A binding over an embedded unit that a file takes the place of.
struct Put<'a>(&'a mettle_gpu::Buffer<f32>);

impl Binding for Put<'_> {
    fn kernel(&self) -> &'static str {
        "add"
    }

    fn unit() -> &'static EmbeddedUnit {
        static UNIT: std::sync::LazyLock<EmbeddedUnit> = std::sync::LazyLock::new(|| {
            let code = EmbeddedArtefact {
                target: target().name(),
                constants: None,
                bytes: artefact("elementwise").leak(),
            };
            EmbeddedUnit {
                name: "elementwise",
                artefacts: vec![code].leak(),
                variants: &[],
            }
        });
        &UNIT
    }

    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }

    fn bind(&self, arguments: &mut Arguments<'_>) {
        arguments.write(2, "out", self.0);
    }
}

#[test]
fn files_take_the_place_of_embedded_units_while_one_works_on_them() {
    if cpu().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = |value: i32| {
        format!(
            "#include <value.h>\n\
             kernel void add(device float* out [[buffer(2)]]) {{ out[0] = VALUE + {value}; }}\n"
        )
    };
    fs::create_dir(folder.path().join("include")).unwrap();
    fs::write(folder.path().join("include/value.h"), "#define VALUE 100\n").unwrap();
    let path = folder.path().join("elementwise.metal");
    fs::write(&path, text(1)).unwrap();
    let options = DeviceOptions {
        cache: CacheFolder::None,
        sources: Some(folder.path().to_owned()),
        hot_reload: true,
        ..DeviceOptions::default()
    };
    let device = Device::open_with(Preference::Cpu, &options).unwrap();
    let out = device.zeros::<f32>(1).unwrap();
    let launch = || {
        let mut pass = device.pass();
        pass.dispatch(Put(&out), Grid::elements(1).threads(1))
            .unwrap();
        pass.submit().unwrap().wait().unwrap();
        out.read().unwrap()[0]
    };
    assert_eq!(launch(), 101.0);
    assert!(device.is_cached::<Put<'_>>("add", &ConstantSet::EMPTY));
    fs::write(&path, text(23)).unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while launch() != 123.0 {
        assert!(Instant::now() < patience, "the change is not seen");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Without a file what is embedded serves.
    let options = DeviceOptions {
        sources: Some(folder.path().join("nothing")),
        ..options
    };
    let device = Device::open_with(Preference::Cpu, &options).unwrap();
    let pipeline = device
        .pipeline::<Put<'_>>("add", &ConstantSet::EMPTY)
        .unwrap();
    assert_eq!(pipeline.origin(), CodeOrigin::Embedded);
}

#[test]
fn looking_a_pipeline_up_allocates_nothing() {
    let device = common::device();
    let set = ConstantSet::EMPTY;
    let library = device.library(Put::unit());
    let typed = || device.pipeline::<Put<'_>>("add", &set).unwrap();
    let named = || library.pipeline("add", &set).unwrap();
    let cached = || device.is_cached::<Put<'_>>("add", &set) && library.is_cached("add", &set);
    let look_up = || {
        drop((typed(), named()));
        assert!(cached());
    };
    look_up();
    let before = allocations();
    for _ in 0..100 {
        look_up();
    }
    assert_eq!(allocations() - before, 0);
}
