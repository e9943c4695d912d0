//! Function constants: set when a generic artefact is loaded, or compiled in.

use mettle_gpu::{ConstantSet, Device, Error, Grid, Library};
use mettle_msl::ConstantValue;

use crate::common::{artefact, compile, device, launch, library, target};

fn run(
    device: &Device,
    library: &Library,
    kernel: &str,
    constants: &ConstantSet,
    input: &[f32],
) -> Vec<f32> {
    let pipeline = library.pipeline(kernel, constants).unwrap();
    let x = device.upload(input).unwrap();
    let out = device.zeros::<f32>(input.len()).unwrap();
    launch(
        device,
        &pipeline,
        Grid::elements(input.len()).threads(32),
        |arguments| {
            arguments.read(0, "in", &x);
            arguments.write(1, "out", &out);
        },
    )
    .unwrap();
    out.read().unwrap()
}

fn set(negate: bool, shift: i32, scale: f32, step: u16) -> ConstantSet {
    ConstantSet::EMPTY
        .with(0, negate)
        .with(1, shift)
        .with(2, scale)
        .with(7, step)
}

#[test]
fn copies_of_generic_code_do_not_share_constants() {
    let device = device();
    let library = library(&device, "constants");
    let input = [1.0, 2.0, 3.0];
    let sets = [
        set(false, 0, 1.0, 0),
        set(true, -3, 0.5, 65535),
        set(false, i32::MAX, 0.0, 9),
    ];
    for _ in 0..2 {
        for (negate, shift, scale, step, constants) in [
            (false, 0i32, 1.0f32, 0u16, &sets[0]),
            (true, -3, 0.5, 65535, &sets[1]),
            (false, i32::MAX, 0.0, 9, &sets[2]),
        ] {
            let expected: Vec<f32> = input
                .iter()
                .map(|x| (x + shift as f32) * scale + f32::from(step))
                .map(|y| if negate { -y } else { y })
                .collect();
            assert_eq!(
                run(&device, &library, "mapped", constants, &input),
                expected
            );
        }
    }
    let stats = device.pipeline_stats();
    assert_eq!(
        (
            stats.generic_libraries,
            stats.specialised_libraries,
            stats.pipelines
        ),
        (3, 0, 3)
    );
}

/// The artefact compiled with exactly the constants is taken, and computes the same as the generic one.
#[test]
fn compiled_in_equals_set_at_load() {
    let device = device();
    let constants = [
        (0, ConstantValue::Bool(true)),
        (1, ConstantValue::Int(-7)),
        (2, ConstantValue::Float(1.5)),
        (7, ConstantValue::Ushort(3)),
    ];
    let target = target().name().to_owned();
    let exact = set(true, -7, 1.5, 3);
    let both = device.library_from(
        "constants",
        vec![
            (target.clone(), None, artefact("constants")),
            (target, Some(exact), compile("constants", Some(&constants))),
        ],
    );
    let input: Vec<f32> = (0..96).map(|i| i as f32 * 0.25).collect();
    let generic = library(&device, "constants");
    for kernel in ["mapped", "row_sum"] {
        assert_eq!(
            run(&device, &both, kernel, &exact, &input),
            run(&device, &generic, kernel, &exact, &input),
            "{kernel}"
        );
    }
    let stats = device.pipeline_stats();
    assert_eq!(
        (stats.specialised_libraries, stats.generic_libraries),
        (1, 1)
    );
    // Whether a kernel synchronises depends on the constants compiled in.
    assert!(!both.pipeline("row_sum", &exact).unwrap().synchronises());
    let other = set(false, 0, 1.0, 0);
    assert!(both.pipeline("row_sum", &other).unwrap().synchronises());
    let sums = run(&device, &both, "row_sum", &other, &input);
    assert_eq!(sums[40], input[32..64].iter().sum::<f32>());
}

#[test]
fn undeclared_constants_are_refused() {
    let device = device();
    let library = library(&device, "constants");
    let error = library
        .pipeline("mapped", &ConstantSet::EMPTY.with(3, 1u32))
        .unwrap_err();
    assert!(
        matches!(&error, Error::Constant { kernel, index: 3, .. } if kernel == "mapped"),
        "{error}"
    );
    let mut many = ConstantSet::EMPTY;
    for index in 0..20 {
        many = many.with(index, index);
    }
    assert!(matches!(
        library.pipeline("mapped", &many),
        Err(Error::Constant { .. })
    ));
}
