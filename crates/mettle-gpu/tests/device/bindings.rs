//! Bindings over embedded units, as generated code has them.

use std::sync::LazyLock;

use mettle_gpu::{
    Arguments, Binding, Buffer, ConstantSet, EmbeddedArtefact, EmbeddedUnit, Error, Grid,
    LaunchError,
};

use crate::common::{artefact, device, target};

static UNIT: LazyLock<&EmbeddedUnit> = LazyLock::new(|| {
    let artefact = EmbeddedArtefact {
        target: target().name(),
        constants: None,
        bytes: artefact("elementwise").leak(),
    };
    Box::leak(Box::new(EmbeddedUnit {
        name: "elementwise",
        artefacts: Vec::leak(vec![artefact]),
        variants: &[],
    }))
});

struct Add<'a> {
    a: &'a Buffer<f32>,
    b: &'a Buffer<f32>,
    out: &'a mut Buffer<f32>,
}

impl Binding for Add<'_> {
    fn kernel(&self) -> &'static str {
        "add"
    }

    fn unit() -> &'static EmbeddedUnit {
        *UNIT
    }

    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }

    fn bind(&self, arguments: &mut Arguments<'_>) {
        arguments.read(0, "a", self.a);
        arguments.read(1, "b", self.b);
        arguments.write(2, "out", self.out);
    }
}

#[test]
fn a_binding_is_dispatched() {
    let device = device();
    let a = device.upload(&[1.0f32, 2.0, 3.0]).unwrap();
    let b = device.upload(&[10.0f32, 20.0, 30.0]).unwrap();
    let mut out = device.zeros(3).unwrap();
    let mut pass = device.pass();
    for _ in 0..3 {
        let binding = Add {
            a: &a,
            b: &b,
            out: &mut out,
        };
        pass.dispatch(binding, Grid::elements(3).threads(32))
            .unwrap();
    }
    pass.submit().unwrap().wait().unwrap();
    assert_eq!(out.read().unwrap(), [11.0, 22.0, 33.0]);
    assert_eq!(device.pipeline_stats().pipelines, 1);
    assert_eq!(device.pipeline_stats().generic_libraries, 1);
}

#[test]
fn in_place_is_aliasing() {
    let device = device();
    let a = device.zeros(3).unwrap();
    let binding = Add {
        a: &a,
        b: &a,
        out: &mut a.clone(),
    };
    let error = device
        .pass()
        .dispatch(binding, Grid::elements(3).threads(3))
        .unwrap_err();
    let expected = Error::Launch {
        kernel: "add".to_owned(),
        cause: LaunchError::Aliased {
            written: "out".to_owned(),
            other: "a".to_owned(),
        },
    };
    assert_eq!(error, expected);
}

/// Several threads that ask for one pipeline at once load it once.
#[test]
fn a_pipeline_is_made_once() {
    let device = device();
    let barrier = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let a = device.zeros(100).unwrap();
                let mut out = device.zeros(100).unwrap();
                barrier.wait();
                let mut pass = device.pass();
                let binding = Add {
                    a: &a,
                    b: &a,
                    out: &mut out,
                };
                pass.dispatch(binding, Grid::elements(100).threads(32))
                    .unwrap();
                pass.submit().unwrap().wait().unwrap();
            });
        }
    });
    assert_eq!(device.pipeline_stats().pipelines, 1);
}
