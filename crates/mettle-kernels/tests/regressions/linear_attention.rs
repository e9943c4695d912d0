//! Linear attention.

use super::{device, run};
use mettle_gpu::Tensor;
use mettle_kernels::cases::Rng;
use mettle_kernels::ops::{self, DecayWeights, DeltaTokens, HeadMap};

/// Large arguments of softplus are their own value; their exponential would be infinite.
#[test]
fn softplus_does_not_overflow() {
    let d = device();
    let x = [-1e30, -200.0, -90.0, 0.0, 88.0, 89.0, 90.0, 200.0, 1e30];
    let heads = x.len();
    let of = |values: &[f32]| Tensor::from_slice(&d, values, [1, heads]).unwrap();
    let (a, zeros, rate) = (of(&x), of(&vec![0.0; heads]), of(&vec![-1.0; heads]));
    let weights = DecayWeights {
        bias: &zeros,
        rate: &rate,
    };
    let (mut decay, mut beta) = (of(&vec![0.0; heads]), of(&vec![0.0; heads]));
    run(&d, |pass| {
        ops::decay_beta(pass, &a, &a, weights, &mut decay, &mut beta)
    });
    let decay = decay.to_vec::<f32>().unwrap();
    for (&x, decay) in x.iter().zip(decay) {
        let expected = f64::from(x).max(0.0) + (-f64::from(x).abs()).exp().ln_1p();
        let error = (f64::from(-decay) - expected).abs();
        assert!(error <= 1e-6 * expected + 1e-37, "{x}: {decay}");
    }
    let beta = beta.to_vec::<f32>().unwrap();
    assert_eq!((beta[0], beta[heads - 1]), (0.0, 1.0));
}

/// Four value heads share two key heads. Nothing is written (beta is zero), so what is read of the state, which is all ones, is its decay, by
/// either map and by either way: steps for one token, chunks for five.
#[test]
fn decay_is_that_of_the_value_head() {
    let d = device();
    let decays = [0.5f32, 0.25, 0.125, 0.0625];
    for heads in [HeadMap::Block, HeadMap::Tiled] {
        for tokens in [1, 5] {
            let ones = |columns: usize| {
                Tensor::from_slice(&d, &vec![1f32; tokens * columns], [tokens, columns]).unwrap()
            };
            let logarithms = decays.map(f32::ln).repeat(tokens);
            let inputs = DeltaTokens {
                query: &ones(2),
                key: &ones(2),
                value: &ones(4),
                log_decay: &Tensor::from_slice(&d, &logarithms, [tokens, 4]).unwrap(),
                beta: &Tensor::zeros::<f32>(&d, [tokens, 4]).unwrap(),
                heads,
                eps: 0.0,
            };
            let mut state = Tensor::from_slice(&d, &[1f32; 4], [4, 1, 1]).unwrap();
            let mut out = ones(4);
            run(&d, |pass| {
                ops::gated_delta_net(pass, inputs, &mut state, &mut out)
            });
            for (i, read) in out.to_vec::<f32>().unwrap().into_iter().enumerate() {
                let expected = decays[i % 4].powi(i as i32 / 4 + 1);
                assert!((read / expected - 1.0).abs() < 1e-6, "{heads:?}: {read}");
            }
        }
    }
}

/// A text as a whole, which goes in chunks, and token by token.
#[test]
fn steps_and_chunks_agree() {
    let d = device();
    let (tokens, key_heads, value_heads, size) = (50, 2, 4, 64);
    let mut rng = Rng::new(3);
    let mut random = |columns: usize| {
        Tensor::from_slice(&d, &rng.normal(tokens * columns), [tokens, columns]).unwrap()
    };
    let (query, key) = (random(key_heads * size), random(key_heads * size));
    let value = random(value_heads * size);
    let gates: Vec<f32> = rng.normal(tokens * value_heads);
    let of_gates = |f: fn(f32) -> f32| {
        let values: Vec<f32> = gates.iter().map(|&x| f(x)).collect();
        Tensor::from_slice(&d, &values, [tokens, value_heads]).unwrap()
    };
    let (log_decay, beta) = (
        of_gates(|x| -0.1 * x.abs()),
        of_gates(|x| 1.0 / (1.0 + x.exp())),
    );
    let read = |chunk: usize| {
        let mut state = Tensor::zeros::<f32>(&d, [value_heads, size, size]).unwrap();
        let mut all = Vec::new();
        for first in (0..tokens).step_by(chunk) {
            let rows = |x: &Tensor| x.rows_range(first..(first + chunk).min(tokens)).unwrap();
            let inputs = DeltaTokens {
                query: &rows(&query),
                key: &rows(&key),
                value: &rows(&value),
                log_decay: &rows(&log_decay),
                beta: &rows(&beta),
                heads: HeadMap::Tiled,
                eps: 1e-6,
            };
            let shape = [inputs.query.rows(), value_heads * size];
            let mut out = Tensor::zeros::<f32>(&d, shape).unwrap();
            run(&d, |pass| {
                ops::gated_delta_net(pass, inputs, &mut state, &mut out)
            });
            all.extend(out.to_vec::<f32>().unwrap());
        }
        all.extend(state.to_vec::<f32>().unwrap());
        all
    };
    let steps = read(1);
    let largest = steps.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for chunk in [3, 16, 17, 50] {
        for (a, b) in steps.iter().zip(read(chunk)) {
            assert!(
                (a - b).abs() <= 1e-5 * largest,
                "chunks of {chunk}: {a}, {b}"
            );
        }
    }
}
