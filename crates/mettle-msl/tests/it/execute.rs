//! Compiled kernels run and compute what they should.

use crate::load::{Grid, Loaded};
use crate::{host, unit};
use mettle_msl::{ConstantValue, CpuLevel, Error, Options, Target, Unit, compile, fingerprint};
use std::ffi::c_void;
use std::time::Duration;

fn pointer<T>(slice: &mut [T]) -> *mut c_void {
    slice.as_mut_ptr().cast()
}

#[test]
fn a_group_covers_its_threads_and_edges() {
    let unit = unit(
        "#include <metal_stdlib>\nusing namespace metal;
        kernel void f(device uint* out [[buffer(0)]], uint3 p [[thread_position_in_grid]], uint3 grid [[threads_per_grid]],
            ushort2 in_group [[thread_position_in_threadgroup]], uint index [[thread_index_in_threadgroup]],
            uint2 size [[threads_per_threadgroup]], uint2 dispatched [[dispatch_threads_per_threadgroup]], uint g [[threadgroup_position_in_grid]]) {
            uint at = (p.z * grid.y + p.y) * grid.x + p.x;
            bool right = in_group.x == p.x % 4 && in_group.y == p.y % 3 && index < size.x * size.y * 2 && g == p.x / 4 && dispatched.y == 3;
            out[at] += right ? at + size.x * 1000 : 7;
        }",
    );
    let loaded = Loaded::new(compile(&unit, host(), None, &[]).unwrap());
    let mut out = vec![0u32; 6 * 5 * 2];
    loaded.run(
        "f",
        &Grid {
            threads: [6, 5, 2],
            group: [4, 3, 2],
        },
        &[pointer(&mut out)],
    );
    for (i, value) in out.iter().enumerate() {
        let width = if i % 6 < 4 { 4 } else { 2 };
        assert_eq!(*value, i as u32 + width * 1000, "element {i}");
    }
}

const CONSTANTS: &str = "#include <metal_stdlib>\nusing namespace metal;
    constant bool FLAG [[function_constant(0)]];
    constant int SHIFT [[function_constant(2)]];
    constant float FACTOR [[function_constant(5)]];
    namespace tuned { constant int STEP = is_function_constant_defined(SHIFT) ? SHIFT * 2 : -1; }
    constant int NEXT = tuned::STEP + 1;
    kernel void f(device float* out [[buffer(0)]], constant int& n [[buffer(1)]], uint i [[thread_position_in_grid]]) {
        out[i] = FLAG ? float(n) * FACTOR + NEXT : float(n) + NEXT;
        if (FLAG && is_function_constant_defined(FACTOR)) { out[i] += 100; }
        if (!FLAG) { out[i] = simd_sum(out[i]); }
    }";

fn run_constants(loaded: &Loaded) -> f32 {
    let (mut out, mut n) = ([0f32], [3i32]);
    loaded.run(
        "f",
        &Grid {
            threads: [1; 3],
            group: [1; 3],
        },
        &[pointer(&mut out), pointer(&mut n)],
    );
    out[0]
}

#[test]
fn generic_constants_are_set_at_load() {
    let unit = unit(CONSTANTS);
    let artefact = compile(&unit, host(), None, &[]).unwrap();
    assert!(artefact.kernels[0].synchronises);
    assert_eq!(artefact.constants, None);
    let loaded = Loaded::new(artefact);
    assert!(loaded.exports("mettle_thread__f") && !loaded.exports("mettle_group__f"));
    assert!(loaded.set(2, 5i32));
    assert_eq!(run_constants(&loaded), 3.0 + 11.0);
    assert!(loaded.set(0, true));
    assert!(loaded.set(5, 0.5f32));
    assert_eq!(run_constants(&loaded), 1.5 + 11.0 + 100.0);
    assert!(!loaded.set(1, 0u32));
}

#[test]
fn baked_constants_rule_synchronisation_out() {
    let unit = unit(CONSTANTS);
    let constants = [(2, ConstantValue::Int(-4)), (0, ConstantValue::Bool(true))];
    let artefact = compile(&unit, host(), Some(&constants), &[]).unwrap();
    assert!(!artefact.kernels[0].synchronises);
    assert_eq!(artefact.constants, Some(vec![(0, 1), (2, 0xffff_fffc)]));
    let loaded = Loaded::new(artefact);
    assert!(!loaded.exports("mettle_thread__f") && !loaded.exports("mettle_constants"));
    assert_eq!(run_constants(&loaded), -7.0, "FACTOR is not defined and 0");
}

#[test]
fn threadgroup_variables_are_counted() {
    let unit = unit(
        "#include <metal_stdlib>\nusing namespace metal;
        static float last(threadgroup float4* x, uint i) {
            threadgroup uchar extra[3];
            extra[i % 3] = uchar(i + 1);
            threadgroup_barrier(mem_flags::mem_threadgroup);
            return x[i].w + float(extra[i % 3]);
        }
        kernel void f(device float* out [[buffer(0)]], threadgroup float* dynamic [[threadgroup(1)]], uint i [[thread_position_in_threadgroup]]) {
            threadgroup float4 shared[8];
            dynamic[i] = 4;
            shared[i] = 2;
            out[i] = last(shared, i) + dynamic[i];
        }
        kernel void g(device float* out [[buffer(0)]]) { out[0] = 2; }",
    );
    let artefact = compile(&unit, host(), None, &[]).unwrap();
    assert_eq!(artefact.kernels[0].static_threadgroup_memory, 8 * 16 + 16);
    assert_eq!(artefact.kernels[1].static_threadgroup_memory, 0);
    let loaded = Loaded::new(artefact);
    let mut out = [0f32];
    loaded.run(
        "f",
        &Grid {
            threads: [1; 3],
            group: [1; 3],
        },
        &[pointer(&mut out)],
    );
    assert_eq!(out, [7.0]);
}

#[test]
fn only_the_kernels_asked_for_are_compiled() {
    let unit = unit(
        "template <typename T> kernel void f(device T* x [[buffer(0)]]) { x[0] += 1; }
        template [[host_name(\"f_int\")]] kernel void f<int>(device int*);
        template [[host_name(\"f_float\")]] kernel void f<float>(device float*);
        template [[host_name(\"f_wrong\")]] kernel void f<void*>(device void**);",
    );
    let loaded = Loaded::new(compile(&unit, host(), None, &["f_float"]).unwrap());
    assert!(!loaded.exports("mettle_group__f_int"));
    let mut x = [0.5f32];
    loaded.run(
        "f_float",
        &Grid {
            threads: [1; 3],
            group: [1; 3],
        },
        &[pointer(&mut x)],
    );
    assert_eq!(x, [1.5]);
    let error = compile(&unit, host(), None, &["f_half"]).unwrap_err();
    assert!(
        matches!(&error, Error::UnknownKernel { available, .. } if available.len() == 3),
        "{error}"
    );
}

#[test]
fn host_names_need_not_be_identifiers() {
    let unit = unit(
        "namespace a { namespace b {
        struct Two { int x; };
        template <typename T> kernel void f(device T* x [[buffer(0)]]) { x[0].x += 1; }
        template [[host_name(\"add one<Two>\")]] kernel void f<Two>(device Two*);
        }}
        template kernel void a::b::f<a::b::Two>(device a::b::Two*);",
    );
    assert_eq!(unit.kernels[0].function, "a::b::f<Two>");
    let loaded = Loaded::new(compile(&unit, host(), None, &[]).unwrap());
    let mut x = [1i32];
    loaded.run(
        "add one<Two>",
        &Grid {
            threads: [1; 3],
            group: [1; 3],
        },
        &[pointer(&mut x)],
    );
    loaded.run(
        "a::b::f<a::b::Two>",
        &Grid {
            threads: [1; 3],
            group: [1; 3],
        },
        &[pointer(&mut x)],
    );
    assert_eq!(x, [3]);
}

#[test]
fn large_copies_need_no_library() {
    let unit = unit(
        "struct Big { float x[4000]; };
        kernel void f(device Big* to [[buffer(0)]], device const Big* from [[buffer(1)]], constant uint& n [[buffer(2)]]) {
            Big copy = *from;
            for (uint i = 0; i < n; i++) { copy.x[i] = 0; }
            *to = copy;
        }",
    );
    let loaded = Loaded::new(compile(&unit, host(), None, &[]).unwrap());
    let (mut to, mut from, mut n) = (vec![1f32; 4000], vec![2f32; 4000], [100u32]);
    loaded.run(
        "f",
        &Grid {
            threads: [1; 3],
            group: [1; 3],
        },
        &[pointer(&mut to), pointer(&mut from), pointer(&mut n)],
    );
    assert!(
        to.iter()
            .enumerate()
            .all(|(i, x)| *x == if i < 100 { 0.0 } else { 2.0 })
    );
}

#[test]
fn constants_must_fit() {
    let unit = unit(CONSTANTS);
    let error = compile(&unit, host(), Some(&[(3, ConstantValue::Int(1))]), &[]).unwrap_err();
    assert!(
        matches!(error, Error::UnknownConstant { index: 3, .. }),
        "{error}"
    );
    let error = compile(&unit, host(), Some(&[(2, ConstantValue::Uint(1))]), &[]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::ConstantType {
                expected: "int",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_compiler_past_its_time_is_stopped() {
    // Every instantiation makes two more.
    let text = "template <int N, int M> struct S { static constexpr int value = S<N - 1, 2 * M>::value + S<N - 1, 2 * M + 1>::value; };
        template <int M> struct S<0, M> { static constexpr int value = M; };
        kernel void f(device int* x [[buffer(0)]]) { x[0] = S<24, 0>::value; }";
    let options = Options {
        timeout: Duration::from_millis(1500),
        ..Options::default()
    };
    let unit = match Unit::from_source("slow.metal", text, &options) {
        // The machine was too busy even for the preprocessor.
        Err(Error::Timeout { .. }) => return,
        unit => unit.unwrap(),
    };
    let error = compile(&unit, host(), None, &[]).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
fn fingerprints_tell_requests_apart() {
    let unit = unit(CONSTANTS);
    let target = Target::Cpu(CpuLevel::X86_64V3);
    let of = |target, constants: Option<&[(u32, ConstantValue)]>| {
        fingerprint(&unit, target, constants, &[]).unwrap()
    };
    let generic = of(target, None);
    assert_eq!(generic, of(target, None));
    assert_ne!(generic, of(target, Some(&[])));
    assert_ne!(generic, of(Target::Cpu(CpuLevel::X86_64V4Vnni), None));
    let (a, b) = ((0, ConstantValue::Bool(true)), (2, ConstantValue::Int(1)));
    assert_eq!(of(target, Some(&[a, b])), of(target, Some(&[b, a])));
}

#[test]
fn every_target_compiles() {
    let unit = unit(CONSTANTS);
    for target in Target::ALL {
        let artefact = compile(&unit, target, None, &[]).unwrap();
        assert_eq!(artefact.target, target.name());
        let head = match target {
            Target::Ptx(_) => "//\n// Generated by LLVM NVPTX",
            _ => "\x7fELF",
        };
        assert!(artefact.code.starts_with(head.as_bytes()), "{target}");
    }
}

#[test]
fn kernels_may_be_called_like_functions_of_the_library() {
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void log(device float* x [[buffer(0)]]) { x[0] = 1; }\n\
        template <class T> kernel void exp(device T* x [[buffer(0)]]) { x[0] = 1; }\n\
        template [[host_name(\"exp_float\")]] kernel void exp<float>(device float*);\n\
        template [[host_name(\"exp_half\")]] kernel void exp<half>(device half*);\n";
    let artefact = compile(&unit(text), host(), None, &[]).unwrap();
    assert_eq!(artefact.kernels.len(), 3);
}

/// On every level that this processor runs, not only on the best.
#[test]
fn products_of_bytes_add_up_on_every_level() {
    let unit = unit(
        "#include <metal_stdlib>\nusing namespace metal;
        kernel void f(device int* out [[buffer(0)]], device const uint* a [[buffer(1)]], device const uint* b [[buffer(2)]]) {
            mettle::sixteen_words x, y;
            mettle::sixteen_ints sums;
            for (uint i = 0; i < 16; i++) { x[i] = a[i]; y[i] = b[i]; sums[i] = out[i]; }
            sums = mettle::add_products_of_each(x, y, sums);
            for (uint i = 0; i < 16; i++) { out[i] = sums[i]; }
        }",
    );
    let mut levels = vec![host()];
    if cfg!(target_arch = "x86_64") {
        levels.push(Target::Cpu(CpuLevel::X86_64V3));
    }
    for level in levels {
        let loaded = Loaded::new(compile(&unit, level, None, &[]).unwrap());
        // Bytes of weights are below 128, those of digits all that there are.
        let mut a: Vec<u8> = (0..64u8).map(|i| i.wrapping_mul(37) % 128).collect();
        let mut b: Vec<i8> = (0..64u8).map(|i| i.wrapping_mul(89) as i8).collect();
        (a[5], b[5], a[6], b[6]) = (127, -128, 127, -128);
        let mut sums: Vec<i32> = (0..16).map(|i| 1000 * i).collect();
        let expected: Vec<i32> = (0..16)
            .map(|i| {
                let product = |j: usize| i32::from(a[j]) * i32::from(b[j]);
                sums[i] + (4 * i..4 * i + 4).map(product).sum::<i32>()
            })
            .collect();
        let grid = Grid {
            threads: [1; 3],
            group: [1; 3],
        };
        let buffers = [pointer(&mut sums), pointer(&mut a), pointer(&mut b)];
        loaded.run("f", &grid, &buffers);
        assert_eq!(sums, expected, "{level}");
    }
}
