//! NVIDIA GPUs. Where there is none, or no driver, these tests say so and count as passed; all the others run on a GPU with
//! `METTLE_TEST_DEVICE=cuda`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use mettle_gpu::{ConstantSet, Device, DeviceKind, DeviceOptions, Error, Fault, Grid, Preference};
use mettle_msl::{ConstantValue, Instrumentation, PtxLevel, Target};

use crate::common::{compile_for, launch, prebuilt, preference};

/// Set in the process of its own that a test runs another one in.
const INSIDE: &str = "METTLE_TEST_INSIDE";

const PTX: Target = Target::Ptx(PtxLevel::Sm80);

/// The first GPU, or the reason why there is none, printed. A run that is to be on a GPU must have one.
fn gpu() -> Option<Device> {
    match Device::open(Preference::Cuda(0)) {
        Ok(device) => Some(device),
        Err(Error::NoDevice { reasons }) if preference() == Preference::Cpu => {
            println!("skipped: {reasons}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn pipeline(device: &Device, kernel: &str) -> mettle_gpu::Pipeline {
    let code = compile_for("cuda", PTX, None, Instrumentation::None);
    let library = device.library_from("cuda", vec![(PTX.name().to_owned(), None, code)]);
    library
        .pipeline(kernel, &ConstantSet::EMPTY)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Fills the folder of prebuilt artefacts, so that the tests run on a machine without clang.
#[test]
fn artefacts_for_another_machine() {
    if prebuilt().is_none() {
        println!("skipped: METTLE_TEST_ARTEFACTS names no folder");
        return;
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/device/metal");
    let Ok(sources) = std::fs::read_dir(sources) else {
        println!("skipped: the sources are not here");
        return;
    };
    for source in sources {
        let path = source.unwrap().path();
        let file = path.file_stem().unwrap().to_str().unwrap();
        // Not all operations on tensors, and nothing of what only the CPU device finds, are for GPUs.
        if !matches!(file, "tensor_ops" | "guard" | "budget") {
            compile_for(file, PTX, None, Instrumentation::None);
        }
    }
    let constants = [
        (0, ConstantValue::Bool(true)),
        (1, ConstantValue::Int(-7)),
        (2, ConstantValue::Float(1.5)),
        (7, ConstantValue::Ushort(3)),
    ];
    compile_for("constants", PTX, Some(&constants), Instrumentation::None);
}

#[test]
fn a_machine_without_a_gpu_says_why_and_goes_on() {
    match Device::open(Preference::Cuda(0)) {
        Ok(device) => {
            assert_eq!(device.kind(), DeviceKind::Cuda);
            let Err(error) = Device::open(Preference::Cuda(1000)) else {
                panic!("there are no thousand GPUs")
            };
            assert!(
                error
                    .to_string()
                    .contains("there is no GPU 1000; the driver sees"),
                "{error}"
            );
        }
        Err(Error::NoDevice { reasons }) => {
            assert!(reasons.starts_with("cuda:0: "), "{reasons}");
            assert_eq!(
                Device::open(Preference::Auto).unwrap().kind(),
                DeviceKind::Cpu
            );
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn names_of_devices() {
    assert_eq!("cuda".parse(), Ok(Preference::Cuda(0)));
    assert_eq!("cuda:3".parse(), Ok(Preference::Cuda(3)));
    for name in ["cuda:", "cuda:x", "cuda:-1", "cuda3"] {
        assert!(
            matches!(name.parse::<Preference>(), Err(Error::UnknownDevice { .. })),
            "{name}"
        );
    }
}

/// A threadgroup of any size runs, whatever the kernel would like to have of registers.
#[test]
fn kernels_with_many_registers_run_in_large_groups() {
    let Some(device) = gpu() else { return };
    let kernel = pipeline(&device, "many_registers");
    let input: Vec<f32> = (0..1024).map(|i| (i % 17) as f32).collect();
    let input = device.upload(&input).unwrap();
    let mut results = Vec::new();
    for threads in [32, 1024] {
        let out = device.zeros::<f32>(4096).unwrap();
        launch(
            &device,
            &kernel,
            Grid::elements(4096).threads(threads),
            |arguments| {
                arguments.read(0, "in", &input);
                arguments.write(1, "out", &out);
            },
        )
        .unwrap();
        results.push(out.read().unwrap());
    }
    assert!(results[0].iter().all(|x| *x > 0.0));
    assert_eq!(results[0], results[1]);
}

#[test]
fn edge_groups_have_exactly_their_threads() {
    let Some(device) = gpu() else { return };
    let kernel = pipeline(&device, "group_sizes");
    for (threads, group) in [
        ([70, 5], [32, 4]),
        ([1000, 1], [256, 1]),
        ([33, 33], [8, 8]),
        ([7, 3], [16, 16]),
    ] {
        let groups: [usize; 2] =
            std::array::from_fn(|i: usize| usize::div_ceil(threads[i], group[i]));
        let out = device
            .upload(&vec![u32::MAX; groups[0] * groups[1]])
            .unwrap();
        launch(
            &device,
            &kernel,
            Grid::threads_total(threads).threads(group),
            |arguments| {
                arguments.write(0, "out", &out);
                arguments.threadgroup_memory(0, "partial", 32 * 4);
            },
        )
        .unwrap();
        let expected: Vec<u32> = (0..groups[0] * groups[1])
            .map(|n| {
                let place = [n % groups[0], n / groups[0]];
                let size = |i: usize| group[i].min(threads[i] - place[i] * group[i]);
                (size(0) * size(1)) as u32
            })
            .collect();
        assert_eq!(out.read().unwrap(), expected, "{threads:?} {group:?}");
    }
}

#[test]
fn collectives_run_over_the_active_lanes() {
    let Some(device) = gpu() else { return };
    let kernel = pipeline(&device, "divergent");
    let out = device.upload(&[u32::MAX; 96]).unwrap();
    launch(
        &device,
        &kernel,
        Grid::elements(32).threads(32),
        |arguments| arguments.write(0, "out", &out),
    )
    .unwrap();
    let expected = (0..32u32)
        // In round i the lanes from i on are still there.
        .map(|lane| (0..=lane).map(|i| 32 - i).sum())
        .chain((0..32).map(|lane| {
            if lane % 3 == 0 {
                (0..32).filter(|l| l % 3 == 0).sum()
            } else {
                1031
            }
        }))
        .chain([32; 32]);
    assert_eq!(out.read().unwrap(), expected.collect::<Vec<u32>>());
}

#[test]
fn memory_that_is_not_there_is_said() {
    let Some(device) = gpu() else { return };
    let memory = device.memory();
    assert!(memory.available > 0 && memory.available <= memory.total);
    let bytes = memory.total as usize + (1 << 30);
    match device.buffer::<u8>(bytes) {
        Err(Error::OutOfMemory {
            needed,
            available,
            device: name,
        }) => {
            assert!(needed >= bytes as u64 && available <= memory.total && name == device.name());
        }
        other => panic!("{other:?}"),
    }
}

/// Copies of any size arrive whole, those that go through pinned memory in parts too.
#[test]
fn large_copies_arrive() {
    let Some(device) = gpu() else { return };
    for bytes in [1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 50_000_003] {
        let data: Vec<u8> = (0..bytes).map(|i: usize| (i ^ i >> 9) as u8).collect();
        let mut buffer = device.zeros::<u8>(bytes + 5).unwrap();
        buffer.slice(3..bytes + 3).unwrap().write(&data).unwrap();
        let read = buffer.read().unwrap();
        assert_eq!(read[..3], [0; 3]);
        assert!(read[3..bytes + 3] == data[..], "{bytes} bytes");
        assert_eq!(read[bytes + 3..], [0; 2]);
        buffer.fill_bytes(7).unwrap();
    }
}

#[test]
fn launches_are_timed() {
    let Some(device) = gpu() else { return };
    let kernel = pipeline(&device, "divergent");
    let out = device.zeros::<u32>(96).unwrap();
    let mut pass = device.pass();
    pass.profile(true);
    for _ in 0..3 {
        pass.dispatch_pipeline(&kernel, Grid::elements(32).threads(32), |arguments| {
            arguments.write(0, "out", &out)
        })
        .unwrap();
    }
    let profile = pass.submit().unwrap().wait_profile().unwrap();
    let (name, time) = profile.kernels().next().unwrap();
    assert_eq!((name, time.calls), ("divergent", 3));
    assert!((1..1_000_000_000).contains(&time.nanoseconds), "{time:?}");
    let whole = profile.gpu_time().unwrap().elapsed().as_nanos() as u64;
    assert!(
        whole.abs_diff(time.nanoseconds) < 3000,
        "{whole} ns, {time:?}"
    );
}

/// The launches of such passes are kept as a graph, whose parameters and sizes change from step to step.
#[test]
fn steps_with_the_same_launches() {
    let Some(device) = gpu() else { return };
    let kernel = pipeline(&device, "scale_and_count");
    let mut expected = [vec![1u32; 1024], vec![2; 1024], vec![3; 1024]];
    let buffers: Vec<_> = expected
        .iter()
        .map(|values| device.upload(values).unwrap())
        .collect();
    // Sizes with and without a smaller threadgroup at the edge, so two shapes take turns.
    for (step, len) in [1000, 999, 1024, 777, 512, 600, 1000, 256, 1023, 1024]
        .into_iter()
        .enumerate()
    {
        let mut pass = device.pass();
        // The second does not wait for the first, the third waits for both.
        for (launch, (from, to)) in [(0, 1), (0, 2), (1, 0), (2, 1), (0, 2), (2, 0)]
            .into_iter()
            .enumerate()
        {
            let factor = (step * 7 + launch) as u32;
            pass.dispatch_pipeline(&kernel, Grid::elements(len).threads(256), |arguments| {
                arguments.read(0, "from", &buffers[from]);
                arguments.write(1, "to", &buffers[to]);
                arguments.value(2, "factor", &factor);
            })
            .unwrap();
            let source = expected[from].clone();
            for (i, (to, from)) in expected[to].iter_mut().zip(source).enumerate().take(len) {
                *to = from.wrapping_mul(factor).wrapping_add(i as u32);
            }
        }
        let started = Instant::now();
        let profile = pass.submit().unwrap().wait_profile().unwrap();
        // By then both have become graphs.
        if step > 3 {
            let ran = profile.gpu_time().unwrap().elapsed();
            assert!(!ran.is_zero() && ran <= started.elapsed(), "{ran:?}");
        }
        for (buffer, expected) in buffers.iter().zip(&expected) {
            assert!(buffer.read().unwrap() == *expected, "step {step}");
        }
    }
}

/// An access far outside of every buffer ends the device, so it happens in a process of its own.
#[test]
fn a_fault_names_its_kernel() {
    if std::env::var_os(INSIDE).is_none() {
        if gpu().is_none() {
            return;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cuda::a_fault_names_its_kernel", "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    let options = DeviceOptions {
        guard: true,
        ..DeviceOptions::default()
    };
    let device = Device::open_with(Preference::Cuda(0), &options).unwrap();
    let (good, bad) = (
        pipeline(&device, "divergent"),
        pipeline(&device, "store_at"),
    );
    let out = device.zeros::<u32>(96).unwrap();
    let mut pass = device.pass();
    pass.dispatch_pipeline(&good, Grid::elements(32).threads(32), |arguments| {
        arguments.write(0, "out", &out)
    })
    .unwrap();
    pass.dispatch_pipeline(&bad, Grid::elements(1).threads(1), |arguments| {
        arguments.write(0, "out", &out);
        arguments.value(1, "place", &(1u64 << 44));
    })
    .unwrap();
    pass.dispatch_pipeline(&good, Grid::elements(32).threads(32), |arguments| {
        arguments.write(0, "out", &out)
    })
    .unwrap();
    let error = pass.submit().unwrap().wait().unwrap_err();
    println!("{error}");
    let Error::Fault { kernel, fault, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(kernel, "store_at");
    assert!(
        matches!(&**fault, Fault::Driver { reason } if reason.contains("CUDA_ERROR_ILLEGAL_ADDRESS")),
        "{error}"
    );
    // Nothing is lost: whatever comes next says that the device is gone.
    assert!(device.upload(&[1u32]).is_err());
    assert_eq!(out.read().unwrap_err(), error);
}
