//! Kernels that access what is not theirs: a typed fault names the kernel, the argument and the place, and the device goes on.

use std::num::NonZeroUsize;

use mettle_gpu::{
    AccessKind, ArgumentSpace, Arguments, ConstantSet, Device, DeviceOptions, Error, Fault, Grid,
    Preference,
};
use mettle_msl::Instrumentation;

use crate::common::{ORDERS, instrumented, launch, pipeline};

/// Devices with guarded memory, with one worker and with several.
fn guarded() -> [Device; 2] {
    [1, 4].map(|workers| open(true, workers))
}

fn open(guard: bool, workers: usize) -> Device {
    let options = DeviceOptions {
        guard,
        workers: NonZeroUsize::new(workers),
        ..DeviceOptions::default()
    };
    Device::open_with(Preference::Cpu, &options).unwrap()
}

/// Threads of the launches below, in threadgroups of 32.
const THREADS: usize = 256;

fn grid() -> Grid {
    Grid::elements(THREADS).threads(32)
}

/// The fault of a launch, which must name the kernel.
fn fault(device: &Device, kernel: &str, bind: impl FnOnce(&mut Arguments<'_>)) -> Fault {
    let error = launch(device, &pipeline(device, "guard", kernel), grid(), bind).unwrap_err();
    let text = error.to_string();
    println!("{text}");
    let Error::Fault {
        kernel: named,
        fault,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(named, kernel);
    assert!(
        text.contains(kernel) && text.contains(&fault.to_string()),
        "{text}"
    );
    *fault
}

/// The device runs sound kernels as if nothing had happened.
fn goes_on(device: &Device) {
    let values: Vec<u32> = (0..10_000).collect();
    let input = device.upload(&values).unwrap();
    for kernel in ["sound", "sound_together"] {
        let out = device.zeros::<u32>(values.len()).unwrap();
        let grid = Grid::elements(values.len()).threads(64);
        launch(
            device,
            &pipeline(device, "guard", kernel),
            grid,
            |arguments| {
                arguments.read(0, "in", &input);
                arguments.write(1, "out", &out);
            },
        )
        .unwrap();
        let expected: Vec<u32> = values.iter().map(|value| value + 1).collect();
        assert_eq!(out.read().unwrap(), expected);
    }
}

/// Argument, index, access, offset and length of an access outside of a buffer.
#[track_caller]
fn out_of_bounds(fault: &Fault) -> (&str, ArgumentSpace, u32, AccessKind, i64, u64) {
    let Fault::OutOfBounds {
        argument,
        access,
        offset,
        length,
        ..
    } = fault
    else {
        panic!("{fault}");
    };
    (
        &argument.name,
        argument.space,
        argument.index,
        *access,
        *offset,
        *length,
    )
}

#[track_caller]
fn thread(fault: &Fault) -> Option<[u32; 3]> {
    match fault {
        Fault::OutOfBounds { origin, .. }
        | Fault::ConstantWritten { origin, .. }
        | Fault::Access { origin, .. }
        | Fault::StackOverflow { origin }
        | Fault::Division { origin } => origin.thread,
        _ => panic!("{fault}"),
    }
}

#[test]
fn reads_and_writes_outside_of_buffers() {
    let bytes = THREADS as u64 * 4;
    for device in guarded() {
        for order in ORDERS {
            device.set_order_seed(order).unwrap();
            let input = device.zeros::<u32>(THREADS).unwrap();
            // Just behind, just before the page, and as far as 32 bits lead.
            for at in [
                256i64,
                300,
                -1024,
                1 << 20,
                u32::MAX.into(),
                i32::MIN.into(),
            ] {
                for (kernel, known) in [("reads", None), ("reads_together", Some([40, 0, 0]))] {
                    let out = device.zeros::<u32>(THREADS).unwrap();
                    let fault = fault(&device, kernel, |arguments| {
                        arguments.read(0, "in", &input);
                        arguments.write(1, "out", &out);
                        arguments.value(2, "at", &at);
                    });
                    let expected = (
                        "in",
                        ArgumentSpace::Buffer,
                        0,
                        AccessKind::Read,
                        at * 4,
                        bytes,
                    );
                    assert_eq!(out_of_bounds(&fault), expected, "{fault}");
                    assert_eq!(thread(&fault), known);
                    assert!(out.read().is_err());
                }
                for (kernel, known) in [("writes", None), ("writes_together", Some([40, 0, 0]))] {
                    let out = device.zeros::<u32>(THREADS).unwrap();
                    let fault = fault(&device, kernel, |arguments| {
                        arguments.write(0, "out", &out);
                        arguments.value(1, "at", &at);
                    });
                    let expected = (
                        "out",
                        ArgumentSpace::Buffer,
                        0,
                        AccessKind::Write,
                        at * 4,
                        bytes,
                    );
                    assert_eq!(out_of_bounds(&fault), expected, "{fault}");
                    assert_eq!(thread(&fault), known);
                }
            }
            goes_on(&device);
        }
    }
}

/// Sizes that are no multiple of 16 leave room before the guard: what is written there is found afterwards.
#[test]
fn writes_beside_a_buffer_are_found_afterwards() {
    for device in guarded() {
        for (kernel, at) in [
            ("writes", 257i64),
            ("writes", -1),
            ("writes_together", 259),
            ("writes_together", -3),
        ] {
            let out = device.zeros::<u32>(THREADS + 1).unwrap();
            let fault = fault(&device, kernel, |arguments| {
                arguments.write(0, "out", &out);
                arguments.value(1, "at", &at);
            });
            let expected = (
                "out",
                ArgumentSpace::Buffer,
                0,
                AccessKind::Write,
                at * 4,
                257 * 4,
            );
            assert_eq!(out_of_bounds(&fault), expected, "{fault}");
            goes_on(&device);
        }
    }
}

#[test]
fn constant_memory_is_not_written() {
    for device in guarded() {
        let input = device.zeros::<u32>(THREADS).unwrap();
        let out = device.zeros::<u32>(THREADS).unwrap();
        let fault = fault(&device, "writes_constant", |arguments| {
            arguments.read(0, "in", &input);
            arguments.write(1, "out", &out);
        });
        assert!(
            matches!(&fault, Fault::ConstantWritten { argument, length: 1024, .. } if argument.name == "in"),
            "{fault}"
        );
        assert_eq!(input.read().unwrap(), [0; THREADS]);
        // It can be written again by who may.
        input.clone().write(&[1; THREADS]).unwrap();
        goes_on(&device);
    }
}

#[test]
fn values_have_bounds() {
    for device in guarded() {
        let run = |at: u32| {
            let out = device.zeros::<u32>(THREADS).unwrap();
            let kernel = pipeline(&device, "guard", "reads_values");
            let result = launch(&device, &kernel, grid(), |arguments| {
                arguments.value_at(0, bytemuck::cast_slice(&[10u32, 11, 12, 13]));
                arguments.buffer_at(1, &out);
                arguments.value_at(2, &at.to_le_bytes());
            });
            result.map(|()| out.read().unwrap()[7])
        };
        assert_eq!(run(3).unwrap(), 13);
        let error = run(4).unwrap_err();
        let Error::Fault { fault, .. } = &error else {
            panic!("{error}");
        };
        let expected = ("sizes", ArgumentSpace::Buffer, 0, AccessKind::Read, 16, 16);
        assert_eq!(out_of_bounds(fault), expected);
        let out = device.zeros::<u32>(THREADS).unwrap();
        let written = self::fault(&device, "writes_values", |arguments| {
            arguments.value_at(0, &[0; 8]);
            arguments.buffer_at(1, &out);
        });
        assert!(
            matches!(&written, Fault::ConstantWritten { argument, offset: 4, .. } if argument.name == "values"),
            "{written}"
        );
        goes_on(&device);
    }
}

#[test]
fn threadgroup_memory_has_bounds() {
    for device in guarded() {
        for order in ORDERS {
            device.set_order_seed(order).unwrap();
            let kernel = pipeline(&device, "guard", "threadgroup_memory");
            let run = |at: i32, bytes: usize| {
                let out = device.zeros::<u32>(THREADS).unwrap();
                launch(&device, &kernel, grid(), |arguments| {
                    arguments.write(0, "out", &out);
                    arguments.value(1, "at", &at);
                    arguments.threadgroup_memory(0, "first", bytes);
                    arguments.threadgroup_memory(1, "notes", bytes);
                })
            };
            run(8, 128).unwrap();
            run(8, 4096).unwrap();
            for (at, bytes) in [
                (32, 128),
                (1024, 4096),
                (-8192, 128),
                (-20_000, 16384),
                (70_000, 128),
            ] {
                let error = run(at, bytes).unwrap_err();
                let Error::Fault { fault, .. } = &error else {
                    panic!("{error}");
                };
                let expected = (
                    "notes",
                    ArgumentSpace::Threadgroup,
                    1,
                    AccessKind::Write,
                    i64::from(at) * 4,
                    bytes as u64,
                );
                assert_eq!(out_of_bounds(fault), expected, "{error}");
                assert_eq!(thread(fault), Some([40, 0, 0]));
            }
            // Beside it, where there is memory.
            let error = run(-1, 128).unwrap_err();
            let Error::Fault { fault, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(out_of_bounds(fault).4, -4, "{error}");
            run(8, 128).unwrap();
            goes_on(&device);
        }
    }
}

/// Also without guards.
#[test]
fn faults_are_caught_always() {
    for device in [open(false, 1), open(false, 4), open(true, 4)] {
        for order in ORDERS {
            device.set_order_seed(order).unwrap();
            let input = device.zeros::<u32>(THREADS).unwrap();
            let out = device.zeros::<u32>(THREADS).unwrap();
            for (address, known) in [(16u64, true), (0xdead_0000, true), (1 << 62, false)] {
                let mut addresses = vec![out_address(&device); THREADS];
                addresses[40] = address;
                let addresses = device.upload(&addresses).unwrap();
                let out = device.zeros::<u32>(THREADS).unwrap();
                let fault = fault(&device, "invalid_pointer", |arguments| {
                    arguments.read(0, "addresses", &addresses);
                    arguments.write(1, "out", &out);
                });
                let Fault::Access {
                    address: at,
                    near: None,
                    ..
                } = &fault
                else {
                    panic!("{fault}");
                };
                assert_eq!(*at, known.then_some(address), "{fault}");
            }
            let fault = fault(&device, "divides", |arguments| {
                arguments.read(0, "in", &input.cast::<i32>().unwrap());
                arguments.write(1, "out", &out.cast::<i32>().unwrap());
            });
            assert!(matches!(fault, Fault::Division { .. }), "{fault}");
            goes_on(&device);
        }
    }
}

/// An address that can be read.
fn out_address(_: &Device) -> u64 {
    static READABLE: u32 = 5;
    (&raw const READABLE).addr() as u64
}

#[test]
fn stacks_end() {
    for device in [open(false, 1), open(false, 4), open(true, 2)] {
        for order in ORDERS {
            device.set_order_seed(order).unwrap();
            for kernel in [
                "recurses",
                "recurses_together",
                "large_variable",
                "recurses_through_hooks",
                "recurses_and_logs",
            ] {
                let out = device.zeros::<u32>(THREADS).unwrap();
                let fault = fault(&device, kernel, |arguments| arguments.write(0, "out", &out));
                assert!(matches!(fault, Fault::StackOverflow { .. }), "{fault}");
                assert_eq!(thread(&fault).is_some(), kernel != "recurses", "{fault}");
            }
            goes_on(&device);
        }
    }
}

/// Faults on several threads of the host at once, each of its own device.
#[test]
fn devices_do_not_disturb_each_other() {
    std::thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                let device = open(worker % 2 == 0, 2);
                for _ in 0..50 {
                    let out = device.zeros::<u32>(THREADS).unwrap();
                    let fault = fault(&device, "writes", |arguments| {
                        arguments.write(0, "out", &out);
                        arguments.value(1, "at", &(1i64 << 33));
                    });
                    assert!(
                        matches!(fault, Fault::OutOfBounds { .. } | Fault::Access { .. }),
                        "{fault}"
                    );
                    goes_on(&device);
                }
            });
        }
    });
}

/// Code compiled with lines says where it was; code compiled with everything says also which thread it was.
#[test]
fn instrumented_code_says_where() {
    let text = include_str!("metal/guard.metal");
    let line = |marker: &str| {
        let found = text.lines().position(|line| line.contains(marker)).unwrap();
        found as u32 + 1
    };
    let device = open(true, 2);
    for full in [false, true] {
        let instrumentation = if full {
            Instrumentation::Full
        } else {
            Instrumentation::Lines
        };
        let library = instrumented(&device, "guard", instrumentation);
        let run = |kernel: &str, bind: &dyn Fn(&mut Arguments<'_>)| {
            let pipeline = library.pipeline(kernel, &ConstantSet::EMPTY).unwrap();
            let mut faults = Vec::new();
            for order in ORDERS {
                device.set_order_seed(order).unwrap();
                let error = launch(&device, &pipeline, grid(), bind).unwrap_err();
                println!("{error}");
                let Error::Fault { fault, .. } = error else {
                    panic!("{error}");
                };
                faults.push(*fault);
            }
            faults
        };
        let origin = |fault: &Fault| match fault {
            Fault::OutOfBounds { origin, .. }
            | Fault::Division { origin }
            | Fault::ArrayIndex { origin } => {
                let site = origin.site.as_ref().unwrap();
                assert_eq!(site.file(), "guard.metal");
                (origin.thread, site.line())
            }
            _ => panic!("{fault}"),
        };
        let input = device.zeros::<u32>(THREADS).unwrap();
        for (kernel, marker) in [
            ("reads", "out[i] = in[i == 40 ? at : long(i)];"),
            (
                "reads_together",
                "out[i] = in[i == 40 ? at : long(i)] + sum;",
            ),
        ] {
            let out = || device.zeros::<u32>(THREADS).unwrap();
            let faults = run(kernel, &|arguments| {
                arguments.read(0, "in", &input);
                arguments.write(1, "out", &out());
                arguments.value(2, "at", &(1i64 << 20));
            });
            for fault in faults {
                assert!(matches!(fault, Fault::OutOfBounds { .. }), "{fault}");
                let thread = (full || kernel == "reads_together").then_some([40, 0, 0]);
                assert_eq!(origin(&fault), (thread, line(marker)), "{fault}");
            }
        }
        let mut divisors = [1i32; THREADS];
        divisors[77] = 0;
        let divisors = device.upload(&divisors).unwrap();
        let faults = run("divides", &|arguments| {
            arguments.read(0, "in", &divisors);
            arguments.write(1, "out", &device.zeros::<i32>(THREADS).unwrap());
        });
        for fault in faults {
            assert!(matches!(fault, Fault::Division { .. }), "{fault}");
            let thread = full.then_some([77, 0, 0]);
            assert_eq!(origin(&fault), (thread, line("1000 / in[i]")), "{fault}");
        }
        if !full {
            continue;
        }
        for (at, thread, marker) in [
            ([16u32, 0], 40, "shared[i == 40"),
            ([0, 8], 50, "own[i == 50"),
            ([u32::MAX, 0], 40, "shared[i == 40"),
        ] {
            let at = device.upload(&at).unwrap();
            let faults = run("fixed_arrays", &|arguments| {
                arguments.read(0, "at", &at);
                arguments.write(1, "out", &device.zeros::<u32>(THREADS).unwrap());
            });
            for fault in faults {
                assert!(matches!(fault, Fault::ArrayIndex { .. }), "{fault}");
                assert_eq!(origin(&fault), (Some([thread, 0, 0]), line(marker)));
            }
        }
        goes_on(&device);
    }
}
