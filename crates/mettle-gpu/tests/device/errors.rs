//! Every mistake in a launch is a typed error that names the kernel and the argument, and leaves the pass as it was.

use mettle_gpu::{ConstantSet, Error, Grid, LaunchError, Pass, Pipeline};

use crate::common::{artefact, device, library, pipeline, target};

/// Records a launch that must be refused; returns why.
fn refuse(
    pass: &mut Pass,
    pipeline: &Pipeline,
    grid: Grid,
    bind: impl FnOnce(&mut mettle_gpu::Arguments<'_>),
) -> LaunchError {
    let before = pass.len();
    let error = pass.dispatch_pipeline(pipeline, grid, bind).unwrap_err();
    assert_eq!(pass.len(), before);
    let text = error.to_string();
    let Error::Launch { kernel, cause } = error else {
        panic!("{error}");
    };
    assert_eq!(kernel, pipeline.kernel());
    assert!(
        text.contains(pipeline.kernel()) && text.contains(&cause.to_string()),
        "{text}"
    );
    cause
}

#[test]
fn arguments() {
    let device = device();
    let add = pipeline(&device, "elementwise", "add");
    let affine = pipeline(&device, "elementwise", "affine");
    let reverse = pipeline(&device, "threadgroups", "reverse");
    let x = device.zeros::<f32>(8).unwrap();
    let y = device.zeros::<f32>(8).unwrap();
    let mut pass = device.pass();
    let grid = Grid::elements(8).threads(8);

    let cause = refuse(&mut pass, &add, grid, |arguments| {
        arguments.read(0, "a", &x);
        arguments.write(2, "out", &y);
    });
    assert_eq!(
        cause,
        LaunchError::MissingArgument {
            argument: "b".to_owned(),
            index: 1
        }
    );
    let cause = refuse(&mut pass, &reverse, grid, |arguments| {
        arguments.read(0, "in", &x);
        arguments.write(1, "out", &y);
        arguments.threadgroup_memory(0, "forward", 32);
    });
    assert_eq!(
        cause,
        LaunchError::MissingArgument {
            argument: "marks".to_owned(),
            index: 1
        }
    );
    for index in [3, 31, 32, u32::MAX] {
        let cause = refuse(&mut pass, &add, grid, |arguments| {
            arguments.read(index, "extra", &x)
        });
        assert_eq!(
            cause,
            LaunchError::UnknownArgument {
                argument: "extra".to_owned(),
                index,
                known: "a [[buffer(0)]], b [[buffer(1)]], out [[buffer(2)]]".to_owned(),
            }
        );
    }
    let cause = refuse(&mut pass, &add, grid, |arguments| {
        arguments.read(0, "a", &x);
        arguments.read(0, "again", &x);
    });
    assert_eq!(
        cause,
        LaunchError::BoundTwice {
            argument: "again".to_owned(),
            index: 0
        }
    );
    let cause = refuse(&mut pass, &add, grid, |arguments| {
        arguments.read(2, "out", &x)
    });
    assert!(
        matches!(
            cause,
            LaunchError::ArgumentKind { ref argument, .. } if argument == "out"
        ),
        "{cause}"
    );
    let cause = refuse(&mut pass, &add, grid, |arguments| {
        arguments.value(0, "a", &1.0f32)
    });
    assert!(
        matches!(cause, LaunchError::ArgumentKind { ref argument, .. } if argument == "a"),
        "{cause}"
    );
    let cause = refuse(&mut pass, &affine, grid, |arguments| {
        arguments.write(0, "x", &x);
        arguments.value(1, "params", &1.0f32);
    });
    assert_eq!(
        cause,
        LaunchError::ValueSize {
            argument: "params".to_owned(),
            expected: 8,
            actual: 4
        }
    );
    assert!(pass.is_empty());
    pass.submit().unwrap().wait().unwrap();
}

/// A kernel known only at run time: arguments are bound by index, and what is wrong is said with the names of the source.
#[test]
fn arguments_by_index() {
    let device = device();
    let affine = pipeline(&device, "elementwise", "affine");
    let reverse = pipeline(&device, "threadgroups", "reverse");
    let declared: Vec<_> = reverse
        .arguments()
        .iter()
        .map(|argument| (argument.name.as_str(), argument.index, argument.kind))
        .collect();
    use mettle_gpu::ArtefactArgumentKind as Kind;
    assert_eq!(
        declared,
        [
            ("in", 0, Kind::Buffer { writable: false }),
            ("out", 1, Kind::Buffer { writable: true }),
            ("forward", 0, Kind::ThreadgroupMemory),
            ("marks", 1, Kind::ThreadgroupMemory),
        ]
    );
    let grid = Grid::elements(8).threads(8);
    let input: Vec<u32> = (0..8).collect();
    let out = device.zeros::<u32>(8).unwrap();
    // Bytes for memory that is only read.
    crate::common::launch(&device, &reverse, grid, |arguments| {
        arguments.value_at(0, bytemuck::cast_slice(&input));
        arguments.buffer_at(1, &out);
        arguments.threadgroup_memory_at(0, 32);
        arguments.threadgroup_memory_at(1, 8);
    })
    .unwrap();
    assert_eq!(out.read().unwrap(), [7, 6, 5, 4, 3, 2, 1, 0]);
    // A buffer for a value.
    let x = device.upload(&[1.0f32; 8]).unwrap();
    let params = device.upload(&[2.0f32, 3.0]).unwrap();
    crate::common::launch(&device, &affine, grid, |arguments| {
        arguments.buffer_at(0, &x);
        arguments.buffer_at(1, &params);
    })
    .unwrap();
    assert_eq!(x.read().unwrap(), [5.0; 8]);

    let mut pass = device.pass();
    let missing = refuse(&mut pass, &affine, grid, |arguments| {
        arguments.buffer_at(0, &x);
    });
    assert_eq!(
        missing.to_string(),
        "argument params (index 1) is not bound"
    );
    let extra = refuse(&mut pass, &affine, grid, |arguments| {
        arguments.buffer_at(7, &x)
    });
    assert_eq!(
        extra.to_string(),
        "argument buffer(7) (index 7) does not exist in the kernel, which has x [[buffer(0)]], params [[buffer(1)]]"
    );
    let extra = refuse(&mut pass, &affine, grid, |arguments| {
        arguments.threadgroup_memory_at(0, 16)
    });
    assert!(
        matches!(&extra, LaunchError::UnknownArgument { argument, .. } if argument == "threadgroup(0)"),
        "{extra}"
    );
    let bytes_for_written = refuse(&mut pass, &affine, grid, |arguments| {
        arguments.value_at(0, &[0; 32])
    });
    assert!(
        matches!(&bytes_for_written, LaunchError::ArgumentKind { argument, .. } if argument == "x"),
        "{bytes_for_written}"
    );
    let short = refuse(&mut pass, &affine, grid, |arguments| {
        arguments.buffer_at(1, &params.slice(0..1).unwrap())
    });
    assert_eq!(
        short,
        LaunchError::ValueSize {
            argument: "params".to_owned(),
            expected: 8,
            actual: 4
        }
    );
}

#[test]
fn memory() {
    let device = device();
    let add = pipeline(&device, "elementwise", "add");
    let vectors = pipeline(&device, "elementwise", "add_vectors");
    let x = device.zeros::<f32>(64).unwrap();
    let mut pass = device.pass();
    let grid = Grid::elements(8).threads(8);

    // Half of the output is half of an input; and a buffer both read and written.
    let cause = refuse(&mut pass, &add, grid, |arguments| {
        arguments.read(0, "a", &x.slice(0..8).unwrap());
        arguments.read(1, "b", &x.slice(8..16).unwrap());
        arguments.write(2, "out", &x.slice(12..20).unwrap());
    });
    assert_eq!(
        cause,
        LaunchError::Aliased {
            written: "out".to_owned(),
            other: "b".to_owned()
        }
    );
    // Neighbours do not overlap, and reading twice is fine.
    pass.dispatch_pipeline(&add, grid, |arguments| {
        arguments.read(0, "a", &x.slice(0..8).unwrap());
        arguments.read(1, "b", &x.slice(0..8).unwrap());
        arguments.write(2, "out", &x.slice(8..16).unwrap());
    })
    .unwrap();

    // A kernel over float4 needs 16 bytes, whatever type the host binds.
    let cause = refuse(&mut pass, &vectors, grid, |arguments| {
        arguments.read(0, "a", &x.slice(1..33).unwrap());
        arguments.write(1, "out", &x.slice(36..64).unwrap());
    });
    assert_eq!(
        cause,
        LaunchError::Misaligned {
            argument: "a".to_owned(),
            actual: 4,
            needed: 16
        }
    );

    let other = crate::common::device();
    let foreign = other.zeros::<f32>(8).unwrap();
    let cause = refuse(&mut pass, &add, grid, |arguments| {
        arguments.read(0, "a", &foreign)
    });
    assert_eq!(
        cause,
        LaunchError::ForeignBuffer {
            argument: "a".to_owned()
        }
    );
    let foreign_pipeline = pipeline(&other, "elementwise", "add");
    let error = pass
        .dispatch_pipeline(&foreign_pipeline, grid, |_| ())
        .unwrap_err();
    assert!(matches!(error, Error::ForeignBuffer { .. }), "{error}");
    assert_eq!(pass.len(), 1);
}

#[test]
fn grids_and_threadgroup_memory() {
    let device = device();
    let add = pipeline(&device, "elementwise", "add");
    let reverse = pipeline(&device, "threadgroups", "reverse");
    let too_much = pipeline(&device, "threadgroups", "too_much");
    let x = device.zeros::<f32>(64).unwrap();
    let out = device.zeros::<f32>(64).unwrap();
    let mut pass = device.pass();
    let bind = |arguments: &mut mettle_gpu::Arguments<'_>| {
        arguments.read(0, "a", &x);
        arguments.read(1, "b", &x);
        arguments.write(2, "out", &out);
    };
    let cause = refuse(&mut pass, &add, Grid::elements(0).threads(32), bind);
    assert!(matches!(cause, LaunchError::EmptyGrid { .. }), "{cause}");
    let cause = refuse(&mut pass, &add, Grid::rows(4).threads(1025), bind);
    assert_eq!(
        cause,
        LaunchError::ThreadgroupTooLarge {
            threads: 1025,
            limit: 1024
        }
    );
    let increment = pipeline(&device, "elementwise", "increment");
    let cause = refuse(
        &mut pass,
        &increment,
        Grid::rows(1).threads(65),
        |arguments| {
            arguments.write(0, "x", &x);
        },
    );
    assert_eq!(
        cause,
        LaunchError::ThreadgroupTooLarge {
            threads: 65,
            limit: 64
        }
    );
    let cause = refuse(&mut pass, &add, Grid::elements(1 << 33).threads(32), bind);
    assert!(matches!(cause, LaunchError::GridTooLarge { .. }), "{cause}");
    for bytes in [32768, usize::MAX] {
        let cause = refuse(&mut pass, &reverse, Grid::rows(1).threads(8), |arguments| {
            arguments.read(0, "in", &x);
            arguments.write(1, "out", &out);
            arguments.threadgroup_memory(0, "forward", bytes);
            arguments.threadgroup_memory(1, "marks", 1);
        });
        assert!(
            matches!(
                cause,
                LaunchError::ThreadgroupMemoryTooLarge { limit: 32768, .. }
            ),
            "{cause}"
        );
    }
    let cause = refuse(
        &mut pass,
        &too_much,
        Grid::rows(1).threads(8),
        |arguments| {
            arguments.write(0, "out", &out);
        },
    );
    assert!(
        matches!(
            cause,
            LaunchError::ThreadgroupMemoryTooLarge {
                static_bytes: 40000,
                dynamic_bytes: 0,
                ..
            }
        ),
        "{cause}"
    );
}

#[test]
fn artefacts() {
    let device = device();
    let target = target().name().to_owned();
    let error = library(&device, "elementwise")
        .pipeline("substract", &ConstantSet::EMPTY)
        .unwrap_err();
    assert!(
        matches!(&error, Error::UnknownKernel { kernel, known, .. } if kernel == "substract" && known.contains("affine")),
        "{error}"
    );

    let good = artefact("elementwise");
    for at in [0, 9, 40, 60, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        let error = device
            .library_from("elementwise", vec![(target.clone(), None, bad)])
            .pipeline("add", &ConstantSet::EMPTY)
            .unwrap_err();
        assert!(
            matches!(error, Error::Artefact { .. }),
            "byte {at}: {error}"
        );
    }
    for len in [0, 7, 41, good.len() - 1] {
        let error = device
            .library_from(
                "elementwise",
                vec![(target.clone(), None, good[..len].to_vec())],
            )
            .pipeline("add", &ConstantSet::EMPTY)
            .unwrap_err();
        assert!(
            matches!(error, Error::Artefact { .. }),
            "{len} bytes: {error}"
        );
    }

    // Listed for this CPU, made for another; and for no CPU of ours.
    let mut other = mettle_msl::Artefact::from_bytes(&good).unwrap();
    other.target = "cpu-z80".to_owned();
    let error = device
        .library_from("elementwise", vec![(target, None, other.to_bytes())])
        .pipeline("add", &ConstantSet::EMPTY)
        .unwrap_err();
    assert!(error.to_string().contains("cpu-z80"), "{error}");
    let error = device
        .library_from(
            "elementwise",
            vec![("cpu-z80".to_owned(), None, other.to_bytes())],
        )
        .pipeline("add", &ConstantSet::EMPTY)
        .unwrap_err();
    assert!(
        matches!(&error, Error::NoArtefact { present, .. } if present.starts_with("cpu-z80")),
        "{error}"
    );

    // A sound artefact whose code the loader refuses.
    let mut broken = mettle_msl::Artefact::from_bytes(&good).unwrap();
    broken.code.truncate(100);
    let bytes = broken.to_bytes();
    let error = device
        .library_from("elementwise", vec![(broken.target, None, bytes)])
        .pipeline("add", &ConstantSet::EMPTY)
        .unwrap_err();
    assert!(matches!(error, Error::Artefact { .. }), "{error}");
}

#[test]
fn devices() {
    use mettle_gpu::Preference;
    assert_eq!("cpu".parse::<Preference>().unwrap(), Preference::Cpu);
    assert_eq!("auto".parse::<Preference>().unwrap(), Preference::Auto);
    let error = "tpu".parse::<Preference>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown device \"tpu\"; this build has: auto, cpu, cuda, cuda:1 (and so on), metal, metal:low-power, metal:NAME"
    );
    let device = mettle_gpu::Device::open(Preference::Auto).unwrap();
    assert_eq!(device.kind(), mettle_gpu::DeviceKind::Cpu);
    assert!(!device.name().is_empty());
    assert!(device.targets().contains(&target().name()));
}
