//! Mixtures of experts: the whole layer by each of its ways against a reference, and what its ops refuse.

use mettle_gpu::{Device, Format, Pass, Preference, Shape, Tensor};
use mettle_kernels::cases::Rng;
use mettle_kernels::ops::{
    self, Activation, Combine, ExpertGroups, ExpertRounds, ExpertScales, ExpertSlot, Fusion, Moe,
    MoeLayer, MoeScratch, MoeShape, Norm, Routing, SharedExpert, SortedExperts,
};
use mettle_kernels::{Error, Result};

const SHAPE: MoeShape = MoeShape {
    experts: 5,
    slots: 2,
    width: 48,
    of_expert: 33,
    of_shared: 20,
};
const EPS: f32 = 1e-6;

fn device() -> Device {
    Device::open(Preference::Cpu).unwrap()
}

fn f32s(device: &Device, shape: impl Into<Shape>) -> Tensor {
    Tensor::zeros::<f32>(device, shape).unwrap()
}

fn u32s(device: &Device, shape: impl Into<Shape>) -> Tensor {
    Tensor::zeros::<u32>(device, shape).unwrap()
}

/// The weights of a layer.
struct Layer {
    norm: Vec<f32>,
    router: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    down: Vec<f32>,
    /// Of the expert that all tokens have.
    shared: Shared,
}

struct Shared {
    router: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    down: Vec<f32>,
}

impl Layer {
    fn random(rng: &mut Rng) -> Layer {
        let MoeShape {
            experts,
            width,
            of_expert,
            of_shared,
            ..
        } = SHAPE;
        let mut draw = |n| rng.normal(n);
        Layer {
            norm: draw(width),
            router: draw(experts * width),
            gate: draw(experts * width * of_expert),
            up: draw(experts * width * of_expert),
            down: draw(experts * width * of_expert),
            shared: Shared {
                router: draw(width),
                gate: draw(width * of_shared),
                up: draw(width * of_shared),
                down: draw(width * of_shared),
            },
        }
    }

    /// What the layer makes of a token's row, in f64, with the shared expert, gated or not, or without.
    fn token(&self, x: &[f32], shared: Option<SharedExpert<'_>>) -> Vec<f64> {
        let MoeShape {
            slots,
            width,
            of_expert,
            ..
        } = SHAPE;
        let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        let scale = 1.0 / (squares / width as f64 + f64::from(EPS)).sqrt();
        let weighted = x.iter().zip(&self.norm);
        let normed: Vec<f64> = weighted
            .map(|(&x, &w)| f64::from(x) * scale * f64::from(w))
            .collect();
        let product = |w: &[f32], x: &[f64]| -> Vec<f64> {
            let row = |row: &[f32]| row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum();
            w.chunks_exact(x.len()).map(row).collect()
        };
        let logits = product(&self.router, &normed);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let chosen = &order[..slots];
        let total: f64 = chosen.iter().map(|&e| logits[e].exp()).sum();
        let mut out: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let mut add = |weight: f64, [gate, up, down]: [&[f32]; 3]| {
            let (gate, up) = (product(gate, &normed), product(up, &normed));
            let gated = gate
                .iter()
                .zip(&up)
                .map(|(g, u)| g / (1.0 + (-g).exp()) * u);
            let made = product(down, &gated.collect::<Vec<f64>>());
            for (out, made) in out.iter_mut().zip(made) {
                *out += weight * made;
            }
        };
        for &expert in chosen {
            let range = expert * width * of_expert..(expert + 1) * width * of_expert;
            let weights = [&self.gate, &self.up, &self.down].map(|w| &w[range.clone()]);
            add(logits[expert].exp() / total, weights);
        }
        if let Some(expert) = shared {
            let Shared {
                router,
                gate,
                up,
                down,
            } = &self.shared;
            let weight = match expert.router {
                Some(_) => 1.0 / (1.0 + (-product(router, &normed)[0]).exp()),
                None => 1.0,
            };
            add(weight, [gate, up, down]);
        }
        out
    }
}

/// One token, few and so many that they are sorted, with fusions and without, with an expert that all have and without.
#[test]
fn every_way_through_a_layer() {
    let d = device();
    let mut rng = Rng::new(5);
    let layer = Layer::random(&mut rng);
    let MoeShape {
        experts,
        width,
        of_expert,
        of_shared,
        ..
    } = SHAPE;
    let tensor = |values: &[f32], shape: Shape| Tensor::from_slice(&d, values, shape).unwrap();
    let norm = tensor(&layer.norm, [width].into());
    let router = tensor(&layer.router, [experts, width].into());
    let [gate, up] =
        [&layer.gate, &layer.up].map(|w| tensor(w, [experts, of_expert, width].into()));
    let down = tensor(&layer.down, [experts, width, of_expert].into());
    let shared = &layer.shared;
    let shared_router = tensor(&shared.router, [1, width].into());
    let [shared_gate, shared_up] =
        [&shared.gate, &shared.up].map(|w| tensor(w, [of_shared, width].into()));
    let shared_down = tensor(&shared.down, [width, of_shared].into());
    let shared = SharedExpert {
        router: Some(&shared_router),
        gate: &shared_gate,
        up: &shared_up,
        down: &shared_down,
    };
    let ungated = SharedExpert {
        router: None,
        ..shared
    };
    let most = 70;
    let scratch = MoeScratch::new(&d, SHAPE, most).unwrap();
    for tokens in [1, 3, 9, 10, most] {
        let x = rng.activations(tokens * width);
        for (fusion, shared) in [
            (Fusion::On, None),
            (Fusion::On, Some(shared)),
            (Fusion::Off, Some(shared)),
            (Fusion::On, Some(ungated)),
            (Fusion::Off, Some(ungated)),
        ] {
            let expected: Vec<f64> = x
                .chunks_exact(width)
                .flat_map(|x| layer.token(x, shared))
                .collect();
            let mut stream = tensor(&x, [tokens, width].into());
            let (mut normed, mut projected) =
                (f32s(&d, [tokens, width]), f32s(&d, [tokens, width]));
            let mut pass = d.pass();
            let moe = Moe {
                router: &router,
                router_norm: None,
                routing: Routing::default(),
                activation: Activation::Silu,
                gate: &gate,
                up: &up,
                down: &down,
                shared,
            };
            let norm = Norm {
                weight: &norm,
                eps: EPS,
            };
            let rows = [&mut normed, &mut projected];
            ops::norm_moe_add(&mut pass, fusion, norm, moe, &scratch, rows, &mut stream).unwrap();
            pass.submit().unwrap().wait().unwrap();
            let found = stream.to_vec::<f32>().unwrap();
            let pairs = || found.iter().zip(&expected);
            let errors: f64 = pairs().map(|(&f, e)| (f64::from(f) - e).powi(2)).sum();
            let squares: f64 = expected.iter().map(|e| e * e).sum();
            let error = errors / squares;
            assert!(error < 1e-11, "{tokens} tokens, {fusion:?}: {error:e}");

            // The same bits in rounds.
            let [gate, up, down] = [&gate, &up, &down].map(|w| moved(&d, w));
            let layer = MoeLayer {
                fusion,
                norm,
                moe: Moe {
                    gate: &gate,
                    up: &up,
                    down: &down,
                    ..moe
                },
                scratch: &scratch,
            };
            let mut stream = tensor(&x, [tokens, width].into());
            in_rounds(&d, layer, &mut stream).unwrap();
            assert_eq!(stream.to_vec::<f32>().unwrap(), found, "{tokens} tokens");
        }
    }
}

/// The matrices of experts in other places: that of expert e in slot e + 2, or at the beginning.
fn moved(d: &Device, matrices: &Tensor) -> Tensor {
    let mut values = matrices.to_vec::<f32>().unwrap();
    values.rotate_right(2 * matrices.len() / SHAPE.experts);
    Tensor::from_slice(d, &values, *matrices.shape()).unwrap()
}

/// A layer whose experts are in the slots of [`moved`], two experts in the first round and the others in the second.
fn in_rounds(d: &Device, layer: MoeLayer<'_>, stream: &mut Tensor) -> Result<()> {
    let (tokens, width) = (stream.rows(), stream.columns());
    let (mut normed, mut projected) = (f32s(d, [tokens, width]), f32s(d, [tokens, width]));
    let mut pass = d.pass();
    ops::norm_moe_route(&mut pass, layer, &mut normed, stream)?;
    pass.submit()?.wait()?;
    let chosen = layer.scratch.chosen(tokens)?;
    let slots = [3, 0, 4, 1, 2].map(|expert| ExpertSlot {
        expert,
        slot: (expert + 2) % 5,
    });
    let rounds = [&slots[..2], &slots[2..]];
    let rounds = ExpertRounds::new(d, layer.scratch.shape(), &chosen, &rounds)?;
    let mut pass = d.pass();
    ops::norm_moe_shared(&mut pass, layer, &normed, stream)?;
    for round in 0..2 {
        ops::norm_moe_round(&mut pass, layer, &rounds, round, &normed, stream)?;
    }
    ops::moe_rounds_add(&mut pass, layer, &rounds, &mut projected, stream)?;
    Ok(pass.submit()?.wait()?)
}

#[test]
fn rounds_without_an_expert() {
    let d = device();
    let of_round = [ExpertSlot { expert: 1, slot: 0 }];
    for (chosen, argument) in [([1, 4], "rounds"), ([1, 5], "chosen")] {
        refused("norm_moe_round", argument, |_| {
            ExpertRounds::new(&d, SHAPE, &chosen, &[&of_round]).map(drop)
        });
    }
}

/// Records with `op`, expects a refusal of `argument` by the op `name`, and that nothing was recorded.
#[track_caller]
fn refused(name: &str, argument: &str, op: impl FnOnce(&mut Pass) -> Result<()>) {
    let mut pass = device().pass();
    let error = op(&mut pass).expect_err("must be refused");
    assert!(pass.is_empty(), "{error}: something was launched");
    match &error {
        Error::Argument {
            op,
            argument: which,
            ..
        } => assert_eq!((*op, *which), (name, argument), "{error}"),
        Error::Unsupported { op, .. } => assert_eq!((*op, ""), (name, argument), "{error}"),
        other => panic!("{other}"),
    }
}

#[test]
fn routing() {
    let d = device();
    let logits = f32s(&d, [3, 12]);
    let route = |argument, logits: &Tensor, routing, slots: usize, tokens: usize| {
        refused("moe_route", argument, |p| {
            let (mut ids, mut weights) = (u32s(&d, [tokens, slots]), f32s(&d, [3, 2]));
            ops::moe_route(p, logits, routing, &mut ids, &mut weights)
        });
    };
    let plain = Routing::default();
    route("ids", &logits, plain, 13, 3);
    route("ids", &logits, plain, 2, 4);
    route("weights", &logits, plain, 3, 3);
    route("logits", &u32s(&d, [3, 12]), plain, 2, 3);
    route("ids", &f32s(&d, [3, 0]), plain, 2, 3);
    let bias = f32s(&d, [11]);
    let biased = Routing {
        bias: Some(&bias),
        ..plain
    };
    route("bias", &logits, biased, 2, 3);
    let scaled = Routing {
        scale: f32::NAN,
        ..plain
    };
    route("scale", &logits, scaled, 2, 3);
    let scaled = Routing {
        expert_scales: Some(ExpertScales::Last(&bias)),
        ..plain
    };
    route("expert_scales", &logits, scaled, 2, 3);
    for (count, kept, best) in [(5, 1, 1), (0, 1, 1), (4, 5, 1), (4, 0, 1), (4, 2, 3)] {
        let groups = Some(ExpertGroups { count, kept, best });
        route("groups", &logits, Routing { groups, ..plain }, 2, 3);
    }
    let groups = Some(ExpertGroups {
        count: 4,
        kept: 1,
        best: 1,
    });
    // Three experts to choose from.
    route("ids", &logits, Routing { groups, ..plain }, 4, 3);
}

#[test]
fn products() {
    let d = device();
    let (w, x, ids) = (f32s(&d, [3, 5, 8]), f32s(&d, [2, 8]), u32s(&d, [4]));
    let mut out = f32s(&d, [4, 5]);
    refused("mul_mat", "w", |p| {
        ops::mul_mat_id(p, &f32s(&d, [15, 8]), &x, &ids, &mut out)
    });
    refused("mul_mat", "x", |p| {
        ops::mul_mat_id(p, &w, &f32s(&d, [3, 8]), &ids, &mut out)
    });
    refused("mul_mat", "x", |p| {
        ops::mul_mat_id(p, &w, &f32s(&d, [2, 7]), &ids, &mut out)
    });
    refused("mul_mat", "ids", |p| {
        ops::mul_mat_id(p, &w, &x, &f32s(&d, [4]), &mut out)
    });
    refused("mul_mat", "out", |p| {
        ops::mul_mat_id(p, &w, &x, &ids, &mut f32s(&d, [4, 6]))
    });
    let step = ops::rows_of_piece(&d);
    let sorted = SortedExperts::new(&d, [4, 1], 3, step).unwrap();
    let rows = sorted.tokens().len();
    let (x, mut out) = (f32s(&d, [rows, 8]), f32s(&d, [rows, 5]));
    refused("mul_mat_sorted", "x", |p| {
        ops::mul_mat_sorted(p, &w, &f32s(&d, [4, 8]), &sorted, &mut out)
    });
    refused("mul_mat_sorted", "out", |p| {
        ops::mul_mat_sorted(p, &w, &x, &sorted, &mut f32s(&d, [rows, 4]))
    });
    let other = SortedExperts::new(&d, [4, 1], 3, step + 1).unwrap();
    refused("mul_mat_sorted", "sorted", |p| {
        ops::mul_mat_sorted(p, &w, &x, &other, &mut out)
    });
}

#[test]
fn sorting_and_combining() {
    let d = device();
    let mut sorted = SortedExperts::new(&d, [4, 2], 3, 8).unwrap();
    for shape in [[0, 2], [4, 0]] {
        assert!(SortedExperts::new(&d, shape, 3, 8).is_err());
    }
    refused("moe_sort", "ids", |p| {
        ops::moe_sort(p, &f32s(&d, [4, 2]), 3, &mut sorted)
    });
    refused("moe_sort", "sorted", |p| {
        ops::moe_sort(p, &u32s(&d, [3, 2]), 3, &mut sorted)
    });
    refused("moe_sort", "sorted", |p| {
        ops::moe_sort(p, &u32s(&d, [4, 2]), 9, &mut sorted)
    });
    refused("moe_sort", "experts", |p| {
        ops::moe_sort(p, &u32s(&d, [4, 2]), 0, &mut sorted)
    });

    let (y, weights) = (f32s(&d, [8, 5]), f32s(&d, [4, 2]));
    let (gate, plain) = (f32s(&d, [3]), Combine::default());
    let combine = |argument, y: &Tensor, combine, rows: usize| {
        refused("moe_combine", argument, |p| {
            ops::moe_combine(p, y, &weights, combine, &mut f32s(&d, [rows, 5]))
        });
    };
    combine("y", &f32s(&d, [7, 5]), plain, 4);
    combine("weights", &y, plain, 3);
    combine("", &u32s(&d, [8, 5]), plain, 4);
    combine(
        "out",
        &Tensor::empty_as(&d, Format::F16, [8, 5]).unwrap(),
        plain,
        4,
    );
    let gated = Combine {
        shared_gate: Some(&gate),
        ..plain
    };
    combine("shared_gate", &y, gated, 4);
    let shared = f32s(&d, [4, 5]);
    let gated = Combine {
        shared: Some(&shared),
        ..gated
    };
    combine("shared_gate", &y, gated, 4);
    let few = f32s(&d, [3, 5]);
    let shared = Some(&few);
    combine("shared", &y, Combine { shared, ..plain }, 4);
    let norm = |eps| Combine {
        norm: Some(Norm { weight: &gate, eps }),
        ..plain
    };
    combine("norm", &y, norm(EPS), 4);
    let weight = f32s(&d, [5]);
    let normed = Combine {
        shared_norm: Some(Norm {
            weight: &weight,
            eps: EPS,
        }),
        ..plain
    };
    combine("shared_norm", &y, normed, 4);
    let shared = f32s(&d, [4, 5]);
    let normed = Combine {
        shared: Some(&shared),
        shared_gate: Some(&gate),
        ..normed
    };
    combine("shared_norm", &y, normed, 4);
    let sorted = Some(&sorted);
    combine("y", &y, Combine { sorted, ..plain }, 4);
}
