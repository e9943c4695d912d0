//! Devices, libraries and pipelines.

use crate::{devices, library, open};
use mettle_gpu::{ConstantSet, Device, DeviceKind, DeviceOptions, Error, Grid, Preference};
use mettle_msl::{Unit, metal};
use std::time::Duration;

#[test]
fn a_device_is_picked() {
    let device = open("metal");
    assert_eq!(device.kind(), DeviceKind::Metal);
    assert_eq!(device.name(), "Stand-in GPU");
    assert_eq!(device.targets(), ["metal-library", "metal-source"]);
    assert_eq!(open("metal:low-power").name(), "Stand-in discrete GPU");
    assert_eq!(open("metal:DISCRETE").name(), "Stand-in discrete GPU");
    let none: Preference = "metal:M9".parse().unwrap();
    let error = Device::open(none).unwrap_err();
    let Error::NoDevice { reasons } = &error else {
        panic!("{error}");
    };
    assert!(reasons.contains("M9") && reasons.contains("Stand-in discrete GPU"));
    assert!("metal:".parse::<Preference>().is_err());
}

#[test]
fn what_metal_lacks_is_refused() {
    let metal = || Preference::Metal(Default::default());
    let guarded = DeviceOptions {
        guard: true,
        ..DeviceOptions::default()
    };
    let limited = DeviceOptions {
        budget: Some(Duration::from_secs(1)),
        ..DeviceOptions::default()
    };
    for options in [guarded, limited] {
        let error = Device::open_with(metal(), &options).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
    let device = open("metal");
    device.set_order_seed(None).unwrap();
    assert!(device.set_order_seed(Some(1)).is_err());
}

const CONSTANTS: &str = "
constant bool BOOL [[function_constant(0)]];
constant char CHAR [[function_constant(1)]];
constant uchar UCHAR [[function_constant(2)]];
constant short SHORT [[function_constant(3)]];
constant ushort USHORT [[function_constant(4)]];
constant int INT [[function_constant(5)]];
constant uint UINT [[function_constant(6)]];
constant float FLOAT [[function_constant(7)]];
constant half HALF [[function_constant(8)]];
constant bfloat BFLOAT [[function_constant(9)]];
constant long LONG [[function_constant(10)]];
constant ulong ULONG [[function_constant(11)]];
kernel void all(device float* out [[buffer(0)]]) {
    out[0] = BOOL; out[1] = CHAR; out[2] = UCHAR; out[3] = SHORT; out[4] = USHORT;
    out[5] = INT; out[6] = UINT; out[7] = FLOAT; out[8] = HALF;
    out[9] = BFLOAT; out[10] = LONG / 1000; out[11] = ULONG >> 32;
}";

#[test]
fn constants_of_every_type_arrive() {
    let constants = ConstantSet::EMPTY
        .with(0, true)
        .with(1, -2i8)
        .with(2, 200u8)
        .with(3, -300i16)
        .with(4, 60000u16)
        .with(5, -70000i32)
        .with(6, 80000u32)
        .with(7, 0.5f32)
        .with(8, half::f16::from_f32(-1.5))
        .with(9, half::bf16::from_f32(2.5))
        .with(10, -9_000_000_000i64)
        .with(11, 0xf00_0000_0000u64);
    for device in devices() {
        let library = library(&device, CONSTANTS);
        let pipeline = library.pipeline("all", &constants).unwrap();
        let out = device.zeros::<f32>(12).unwrap();
        let mut pass = device.pass();
        pass.dispatch_pipeline(&pipeline, Grid::elements(1).threads(1), |arguments| {
            arguments.write(0, "out", &out);
        })
        .unwrap();
        pass.submit().unwrap().wait().unwrap();
        let expected = [
            1.0,
            -2.0,
            200.0,
            -300.0,
            60_000.0,
            -70_000.0,
            80_000.0,
            0.5,
            -1.5,
            2.5,
            -9_000_000.0,
            3840.0,
        ];
        assert_eq!(out.read().unwrap(), expected);
        let unknown = constants.with(30, 1u32);
        let error = library.pipeline("all", &unknown).unwrap_err();
        assert!(
            matches!(error, Error::Constant { index: 30, .. }),
            "{error}"
        );
    }
}

const FAST: &str = "
kernel void fast(device int* out [[buffer(0)]]) {
#ifdef __FAST_MATH__
    out[0] = 1;
#else
    out[0] = 2;
#endif
}";

/// What the kernel writes.
fn run_fast(device: &Device, library: &mettle_gpu::Library) -> i32 {
    let pipeline = library.pipeline("fast", &ConstantSet::EMPTY).unwrap();
    let out = device.zeros::<i32>(1).unwrap();
    let mut pass = device.pass();
    pass.dispatch_pipeline(&pipeline, Grid::elements(1).threads(1), |arguments| {
        arguments.write(0, "out", &out);
    })
    .unwrap();
    pass.submit().unwrap().wait().unwrap();
    out.read().unwrap()[0]
}

#[test]
fn fast_math_is_for_source_that_asks_for_it() {
    let fast = DeviceOptions {
        fast_math: true,
        ..DeviceOptions::default()
    };
    let metal = || Preference::Metal(Default::default());
    for (options, expected) in [(DeviceOptions::default(), 2), (fast.clone(), 1)] {
        let device = Device::open_with(metal(), &options).unwrap();
        assert_eq!(run_fast(&device, &library(&device, FAST)), expected);
    }
    let device = Device::open_with(metal(), &fast).unwrap();
    assert_eq!(device.targets(), ["metal-source"]);
    let error = Device::open_with(Preference::Cpu, &fast).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn metallibs_go_before_source() {
    let unit = mettle_msl::Unit::from_source("k", FAST, &Default::default()).unwrap();
    let of = |target: &str, code: String| {
        let mut artefact = mettle_msl::metal::source_artefact(&unit, code);
        artefact.target = target.to_owned();
        (target.to_owned(), None, artefact.to_bytes())
    };
    // What the stand-in takes for a metallib.
    let metallib = format!("MTLB{}", FAST.replace("out[0] = 2", "out[0] = 3"));
    let device = open("metal");
    let library = device.library_from(
        "k",
        vec![
            of("metal-source", FAST.to_owned()),
            of("metal-library", metallib),
        ],
    );
    assert_eq!(run_fast(&device, &library), 3);
    let broken = device.library_from("k", vec![of("metal-library", "MTLB\u{1}".to_owned())]);
    let error = broken.pipeline("fast", &ConstantSet::EMPTY).unwrap_err();
    assert!(matches!(error, Error::Artefact { .. }), "{error}");
}

#[test]
fn what_does_not_compile_says_why() {
    let device = open("metal");
    let good = "kernel void k(device int* x [[buffer(0)]]) { x[0] = 1; }";
    let unit = mettle_msl::Unit::from_source("k", good, &Default::default()).unwrap();
    let broken = mettle_msl::metal::source_artefact(&unit, good.replace("x[0]", "y[0]"));
    let library = device.library_from(
        "k",
        vec![("metal-source".to_owned(), None, broken.to_bytes())],
    );
    let error = library.pipeline("k", &ConstantSet::EMPTY).unwrap_err();
    assert!(error.to_string().contains('y'), "{error}");
}

const MIXED: &str = "
#include <metal_stdlib>
using namespace metal;
constant int BY [[function_constant(0)]];
inline int refused(int a) { return no_such_function(a); }
template <typename T> kernel void add(device T* x [[buffer(0)]]) { x[0] += BY; }
#define ADD(name, type) template [[host_name(\"add_\" #name)]] kernel void add<type>(device type*);
ADD(int, int)
ADD(uint, uint)
kernel void twice(device int* x [[buffer(0)]]) { x[0] *= 2; }
kernel void broken(device int* x [[buffer(0)]]) { x[0] = refused(x[0]); }
";

#[test]
fn a_kernel_that_is_refused_breaks_itself_alone() {
    let constants = ConstantSet::EMPTY.with(0, 5);
    for device in devices() {
        let registered = device
            .register("mixed", MIXED, &Default::default())
            .unwrap();
        // As a program carries it: kernels are told apart without a preprocessor.
        let unit = Unit::from_source("mixed", MIXED, &Default::default()).unwrap();
        let source = metal::source_artefact(&unit, MIXED.to_owned());
        let expanded = metal::expand(&source).unwrap();
        let carried =
            [source, expanded].map(|artefact| (artefact.target.clone(), None, artefact.to_bytes()));
        let carried = device.library_from("mixed", carried.into());
        let before = device.pipeline_stats();
        for library in [registered, carried] {
            let x = device.upload(&[3i32]).unwrap();
            let mut pass = device.pass();
            for kernel in ["add_int", "twice", "add_uint"] {
                let pipeline = library.pipeline(kernel, &constants).unwrap();
                pass.dispatch_pipeline(&pipeline, Grid::elements(1).threads(1), |arguments| {
                    arguments.write(0, "x", &x);
                })
                .unwrap();
            }
            pass.submit().unwrap().wait().unwrap();
            assert_eq!(x.read().unwrap(), [21]);
            for _ in 0..2 {
                let error = library.pipeline("broken", &constants).unwrap_err();
                let text = error.to_string();
                assert!(text.contains("no_such_function"), "{text}");
                assert!(text.contains("mixed.metal:5"), "{text}");
            }
            let error = library.pipeline("none", &constants).unwrap_err();
            assert!(matches!(error, Error::UnknownKernel { .. }), "{error}");
        }
        let after = device.pipeline_stats();
        assert_eq!(after.fallbacks - before.fallbacks, 6);
        assert_eq!(after.failed - before.failed, 4);
    }
}
