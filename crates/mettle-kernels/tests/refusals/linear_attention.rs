//! Linear attention: the convolution in front, what gates the state, and the state itself.

use super::{device, f32s, i32s, refused};
use mettle_kernels::ops::{self, DecayWeights, DeltaTokens, HeadMap};

#[test]
fn ssm_conv() {
    let d = device();
    let (x, weight) = (f32s(&d, [5, 6]), f32s(&d, [6, 4]));
    let (mut state, mut out) = (f32s(&d, [3, 6]), f32s(&d, [5, 6]));
    refused("ssm_conv", "weight", |p| {
        ops::ssm_conv(p, &x, &f32s(&d, [6, 3]), &mut state, &mut out)
    });
    refused("ssm_conv", "state", |p| {
        ops::ssm_conv(p, &x, &weight, &mut f32s(&d, [4, 6]), &mut out)
    });
    for mut other in [f32s(&d, [4, 6]), i32s(&d, 30)] {
        refused("ssm_conv", "out", |p| {
            ops::ssm_conv(p, &x, &weight, &mut state, &mut other)
        });
    }
    let ids = i32s(&d, 6).reshape([1, 6]).unwrap();
    refused("ssm_conv", "", |p| {
        ops::ssm_conv(p, &ids, &weight, &mut state, &mut f32s(&d, [1, 6]))
    });
}

#[test]
fn decay_beta() {
    let d = device();
    let (a, b, heads) = (f32s(&d, [2, 3]), f32s(&d, [2, 3]), f32s(&d, [3]));
    let (mut decay, mut beta) = (f32s(&d, [2, 3]), f32s(&d, [2, 3]));
    let weights = DecayWeights {
        bias: &heads,
        rate: &heads,
    };
    refused("decay_beta", "b", |p| {
        ops::decay_beta(p, &a, &f32s(&d, [3, 3]), weights, &mut decay, &mut beta)
    });
    let long = f32s(&d, [4]);
    for (argument, bias, rate) in [("bias", &long, &heads), ("rate", &heads, &long)] {
        let weights = DecayWeights { bias, rate };
        refused("decay_beta", argument, |p| {
            ops::decay_beta(p, &a, &b, weights, &mut decay, &mut beta)
        });
    }
    refused("decay_beta", "beta", |p| {
        ops::decay_beta(p, &a, &b, weights, &mut decay, &mut f32s(&d, [2, 2]))
    });
}

#[test]
fn gated_delta_net() {
    let d = device();
    let (query, key) = (f32s(&d, [5, 16]), f32s(&d, [5, 16]));
    let (value, gates) = (f32s(&d, [5, 12]), f32s(&d, [5, 4]));
    let good = DeltaTokens {
        query: &query,
        key: &key,
        value: &value,
        log_decay: &gates,
        beta: &gates,
        heads: HeadMap::Tiled,
        eps: 1e-6,
    };
    let short = f32s(&d, [5, 8]);
    let wrong = [
        (
            "key",
            DeltaTokens {
                key: &short,
                ..good
            },
        ),
        (
            "value",
            DeltaTokens {
                value: &short,
                ..good
            },
        ),
        (
            "log_decay",
            DeltaTokens {
                log_decay: &short,
                ..good
            },
        ),
        (
            "beta",
            DeltaTokens {
                beta: &short,
                ..good
            },
        ),
        (
            "eps",
            DeltaTokens {
                eps: f32::NAN,
                ..good
            },
        ),
    ];
    for (argument, tokens) in wrong {
        refused("gated_delta_net", argument, |p| {
            let mut state = f32s(&d, [4, 3, 8]);
            ops::gated_delta_net(p, tokens, &mut state, &mut f32s(&d, [5, 12]))
        });
    }
    for (argument, state, out) in [
        ("query", [4, 3, 5], [5, 12]),
        ("state", [3, 4, 8], [5, 12]),
        ("out", [4, 3, 8], [4, 12]),
    ] {
        refused("gated_delta_net", argument, |p| {
            ops::gated_delta_net(p, good, &mut f32s(&d, state), &mut f32s(&d, out))
        });
    }
    refused("gated_delta_net", "state", |p| {
        ops::gated_delta_net(p, good, &mut f32s(&d, [4, 24]), &mut f32s(&d, [5, 12]))
    });
}
