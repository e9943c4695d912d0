//! Argument buffers: structs of pointers to buffers that the launch names as reached.

use bytemuck::{Pod, Zeroable};
use mettle_gpu::{Buffer, Device, DeviceOptions, Error, Fault, Grid, LaunchError, Preference};

use crate::common::{cpu, device, launch, pipeline};

const N: usize = 100;

/// As the struct of the same name in `argument_buffers.metal`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    x: u64,
    y: u64,
    shift: u32,
    padding: u32,
}

impl Arguments {
    fn new(x: &Buffer<f32>, y: &Buffer<f32>, shift: u32) -> Self {
        Arguments {
            x: x.device_address().unwrap(),
            y: y.device_address().unwrap(),
            shift,
            padding: 0,
        }
    }
}

/// The device of the tests and, if that is the CPU, one that guards its memory.
fn devices() -> Vec<Device> {
    let mut devices = vec![device()];
    devices.extend(guarded());
    devices
}

fn guarded() -> Option<Device> {
    cpu()?;
    let options = DeviceOptions {
        guard: true,
        ..DeviceOptions::default()
    };
    Some(Device::open_with(Preference::Cpu, &options).unwrap())
}

fn values(from: u32) -> Vec<f32> {
    (from..from + N as u32).map(|v| v as f32).collect()
}

fn grid() -> Grid {
    Grid::elements(N).threads(32)
}

#[test]
fn kernels_follow_pointers() {
    for device in devices() {
        let x = device.upload(&values(0)).unwrap();
        let y = device.zeros::<f32>(N + 10).unwrap();
        let part = y.slice(10..N + 10).unwrap();
        let arguments = Arguments::new(&x, &part, 0);
        launch(
            &device,
            &pipeline(&device, "argument_buffers", "increment"),
            grid(),
            |bound| {
                bound.value(0, "arguments", &arguments);
                bound.reach(7, &x, false);
                bound.reach(8, &part, true);
            },
        )
        .unwrap();
        assert_eq!(y.slice(0..10).unwrap().read().unwrap(), [0.0; 10]);
        assert_eq!(part.read().unwrap(), values(1));

        let inputs = [0, 1000, 5].map(|from| device.upload(&values(from)).unwrap());
        let all = inputs.each_ref().map(|x| Arguments::new(x, &part, 0));
        let all = device.upload(&all).unwrap();
        launch(
            &device,
            &pipeline(&device, "argument_buffers", "sum_all"),
            grid(),
            |bound| {
                bound.read(0, "all", &all);
                bound.value(1, "count", &3u32);
                bound.reach(8, &part, true);
                for (k, x) in inputs.iter().enumerate() {
                    bound.reach(9 + k as u32, x, false);
                }
            },
        )
        .unwrap();
        let sums: Vec<f32> = (0..N).map(|i| (3 * i + 1005) as f32).collect();
        assert_eq!(part.read().unwrap(), sums);
    }
}

#[test]
fn launches_wait_for_what_they_reach() {
    for device in devices() {
        let pipeline = pipeline(&device, "argument_buffers", "increment");
        let buffers = [0, 1, 2, 3].map(|_| device.zeros::<f32>(N).unwrap());
        let mut pass = device.pass();
        for pair in buffers.windows(2) {
            let (x, y) = (&pair[0], &pair[1]);
            let arguments = Arguments::new(x, y, 0);
            pass.dispatch_pipeline(&pipeline, grid(), |bound| {
                bound.value(0, "arguments", &arguments);
                bound.reach(7, x, false);
                bound.reach(8, y, true);
            })
            .unwrap();
        }
        assert_eq!(pass.barriers(), 2);
        pass.submit().unwrap().wait().unwrap();
        assert_eq!(buffers[3].read().unwrap(), [3.0; N]);
    }
}

#[test]
fn faults_name_what_is_reached() {
    let Some(device) = guarded() else { return };
    let pipeline = pipeline(&device, "argument_buffers", "increment");
    let x = device.upload(&values(0)).unwrap();
    let y = device.zeros::<f32>(N).unwrap();
    let run = |arguments: Arguments, written: bool| {
        launch(&device, &pipeline, grid(), |bound| {
            bound.value(0, "arguments", &arguments);
            bound.reach(7, &x, false);
            bound.reach(8, &y, written);
        })
        .unwrap_err()
    };
    let error = run(Arguments::new(&x, &y, 1), true);
    let Error::Fault { fault, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        matches!(**fault, Fault::OutOfBounds { offset: 400, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("[[buffer(8)]]"), "{error}");
    y.read().unwrap_err();

    let y = device.zeros::<f32>(N).unwrap();
    let error = launch(&device, &pipeline, grid(), |bound| {
        bound.value(0, "arguments", &Arguments::new(&x, &y, 0));
        bound.reach(7, &x, false);
        bound.reach(8, &y, false);
    })
    .unwrap_err();
    let Error::Fault { fault, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**fault, Fault::ConstantWritten { .. }), "{error}");
}

#[test]
fn reached_buffers_are_checked_like_arguments() {
    let (device, other) = (device(), device());
    let pipeline = pipeline(&device, "argument_buffers", "increment");
    let x = device.zeros::<f32>(N).unwrap();
    let foreign = other.zeros::<f32>(N).unwrap();
    let arguments = Arguments::new(&x, &x, 0);
    let refusal = |index: u32, second: &Buffer<f32>| {
        let error = launch(&device, &pipeline, grid(), |bound| {
            bound.value(0, "arguments", &arguments);
            bound.reach(7, &x, true);
            bound.reach(index, second, false);
        })
        .unwrap_err();
        let Error::Launch { cause, .. } = error else {
            panic!("{error}");
        };
        cause
    };
    assert!(matches!(
        refusal(8, &foreign),
        LaunchError::ForeignBuffer { .. }
    ));
    assert!(matches!(refusal(8, &x), LaunchError::Aliased { .. }));
    assert!(matches!(refusal(0, &x), LaunchError::BoundTwice { .. }));
}
