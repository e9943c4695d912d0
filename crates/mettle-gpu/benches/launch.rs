//! What launches, submissions, barriers and SIMD-group operations cost on the CPU device.
//!
//! `cargo bench -p mettle-gpu --bench launch [-- launches | decode | synchronisation]`. Each line is the best of many runs, so that other work on the machine shows little.

use std::path::Path;
use std::time::{Duration, Instant};

use mettle_gpu::{Buffer, ConstantSet, Device, Grid, Pass, Pipeline, Preference};
use mettle_msl::{Options, Target, Unit};

/// How long each line is measured.
const MEASURE: Duration = Duration::from_millis(300);

/// Prints the best time of a run in all and by item.
fn measure(name: &str, items: usize, mut run: impl FnMut()) {
    run();
    let begun = Instant::now();
    let mut best = Duration::MAX;
    let mut runs = 0;
    while begun.elapsed() < MEASURE || runs < 5 {
        let started = Instant::now();
        run();
        best = best.min(started.elapsed());
        runs += 1;
    }
    let item = best.as_nanos() as f64 / items as f64;
    println!(
        "{name:<58} {item:>10.1} ns each {:>10.1} us in all",
        best.as_nanos() as f64 / 1e3
    );
}

struct Bench {
    device: Device,
    unit: mettle_gpu::Library,
    a: Buffer<f32>,
    b: Buffer<f32>,
    out: Buffer<f32>,
}

impl Bench {
    fn new() -> Self {
        let device = Device::open(Preference::Cpu).expect("the CPU device opens");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/launch.metal");
        let unit = Unit::from_file(&path, &Options::default()).expect("the kernels read");
        let target = Target::host_cpu().expect("this CPU runs compiled kernels");
        let artefact = mettle_msl::compile(&unit, target, None, &[]).expect("the kernels compile");
        let artefacts = vec![(target.name().to_owned(), None, artefact.to_bytes())];
        Bench {
            unit: device.library_from("launch", artefacts),
            a: device.zeros(1 << 21).expect("memory"),
            b: device.zeros(1 << 21).expect("memory"),
            out: device.zeros(1 << 21).expect("memory"),
            device,
        }
    }

    fn pipeline(&self, kernel: &str) -> Pipeline {
        self.unit
            .pipeline(kernel, &ConstantSet::EMPTY)
            .expect("the kernel loads")
    }

    fn run(&self, record: impl FnOnce(&mut Pass)) {
        let mut pass = self.device.pass();
        record(&mut pass);
        pass.submit()
            .expect("it is submitted")
            .wait()
            .expect("it runs");
    }

    fn launches(&self) {
        let nothing = self.pipeline("nothing");
        let add = self.pipeline("add");
        let one = |pass: &mut Pass| {
            let grid = Grid::rows(1).threads(32);
            pass.dispatch_pipeline(&nothing, grid, |arguments| {
                arguments.write(0, "out", &self.out)
            })
            .expect("it is recorded");
        };
        measure("a pass of nothing", 1, || self.run(|_| ()));
        measure("a pass of one empty launch", 1, || self.run(one));
        measure("110 empty launches, each behind a barrier", 110, || {
            self.run(|pass| (0..110).for_each(|_| one(pass)));
        });
        let n = 1024;
        let record = |pass: &mut Pass| {
            for _ in 0..110 {
                pass.dispatch_pipeline(&add, Grid::elements(n).threads(256), |arguments| {
                    arguments.read(0, "a", &self.a);
                    arguments.read(1, "b", &self.b);
                    arguments.write(2, "out", &self.out);
                })
                .expect("it is recorded");
            }
        };
        measure("recording alone: 110 launches of 3 arguments", 110, || {
            record(&mut self.device.pass())
        });
        measure(
            "110 additions of 1024 floats, each behind a barrier",
            110,
            || self.run(record),
        );
        measure("a million threadgroups of one thread", 1 << 20, || {
            self.run(|pass| {
                let grid = Grid::groups(1 << 20).threads(1);
                pass.dispatch_pipeline(&nothing, grid, |arguments| {
                    arguments.write(0, "out", &self.out)
                })
                .expect("it is recorded");
            });
        });
    }

    /// Passes as decoding makes them: a norm, then a matrix-vector product, each needing the one before.
    fn decode(&self) {
        let (normalise, rows) = (self.pipeline("normalise"), self.pipeline("rows"));
        for (n, columns) in [(256usize, 256u32), (1024, 256), (1024, 1024)] {
            let name = format!("55 norms and products {n} x {columns} in turn");
            measure(&name, 110, || {
                let x = self.a.slice(0..columns as usize).expect("in range");
                let y = self.b.slice(0..columns as usize).expect("in range");
                let result = self.a.slice(0..n).expect("in range");
                self.run(|pass| {
                    for _ in 0..55 {
                        pass.dispatch_pipeline(
                            &normalise,
                            Grid::rows(1).threads(32),
                            |arguments| {
                                arguments.read(0, "x", &x);
                                arguments.write(1, "out", &y);
                                arguments.value(2, "n", &columns);
                            },
                        )
                        .expect("it is recorded");
                        pass.dispatch_pipeline(&rows, Grid::elements(n).threads(16), |arguments| {
                            arguments.read(0, "w", &self.out);
                            arguments.read(1, "x", &y);
                            arguments.write(2, "out", &result);
                            arguments.value(3, "columns", &columns);
                        })
                        .expect("it is recorded");
                    }
                });
            });
        }
    }

    fn synchronisation(&self) {
        let out: Buffer<u32> = self.out.cast().expect("same size");
        for (kernel, what, unit) in [
            ("sums", "simd_sum, by SIMD group", 32),
            ("barriers", "barrier, by thread", 1),
        ] {
            let pipeline = self.pipeline(kernel);
            for threads in [32, 256, 1024] {
                let groups = 16;
                let name = format!("{what}, threadgroups of {threads}");
                measure(&name, groups * threads / unit * 64, || {
                    self.run(|pass| {
                        let grid = Grid::rows(groups).threads(threads);
                        pass.dispatch_pipeline(&pipeline, grid, |arguments| {
                            arguments.write(0, "out", &out)
                        })
                        .expect("it is recorded");
                    });
                });
            }
        }
    }
}

fn main() {
    let bench = Bench::new();
    let only =
        std::env::args().find(|argument| !argument.starts_with('-') && !argument.contains('/'));
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    println!("{}", bench.device.name());
    if wanted("launches") {
        bench.launches();
    }
    if wanted("decode") {
        bench.decode();
    }
    if wanted("synchronisation") {
        bench.synchronisation();
    }
}
