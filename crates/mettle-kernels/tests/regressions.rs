//! Mistakes that older systems made, each with inputs so small that the right result can be written down.

use mettle_gpu::{Device, Pass, Preference, Tensor};
use mettle_kernels::Result;
use mettle_kernels::ops::{self, Attention, NormWeight, Pairing, Rope, RopeConfig, Routing};

#[path = "regressions/linear_attention.rs"]
mod linear_attention;

fn device() -> Device {
    Device::open(Preference::Cpu).unwrap()
}

fn run(device: &Device, record: impl FnOnce(&mut Pass) -> Result<()>) {
    let mut pass = device.pass();
    record(&mut pass).unwrap();
    pass.submit().unwrap().wait().unwrap();
}

/// What tokens at `positions` get where all products of queries and keys are zero and the value of key j is `values[j]`.
fn attended(
    positions: &[i32],
    values: &[f32],
    window: Option<u32>,
    softcap: Option<f32>,
) -> Vec<f32> {
    const SIZE: usize = 64;
    let d = device();
    let (tokens, capacity) = (positions.len(), values.len());
    let of = |values: &[f32]| {
        let values: Vec<f32> = values.iter().flat_map(|&value| [value; SIZE]).collect();
        Tensor::from_slice(&d, &values, [values.len() / SIZE, 1, SIZE]).unwrap()
    };
    let (q, k, v) = (of(&vec![0.0; tokens]), of(&vec![1.0; capacity]), of(values));
    let places = Tensor::from_slice(&d, positions, [tokens]).unwrap();
    let mut out = Tensor::zeros::<f32>(&d, [tokens, 1, SIZE]).unwrap();
    let options = Attention {
        scale: 1.0,
        window,
        softcap,
        sinks: None,
    };
    run(&d, |pass| {
        ops::attention(pass, &q, &k, &v, &places, &options, &mut out)
    });
    let out = out.to_vec::<f32>().unwrap();
    out.chunks_exact(SIZE)
        .map(|head| {
            assert!(
                head.iter().all(|x| x.to_bits() == head[0].to_bits()),
                "{head:?}"
            );
            head[0]
        })
        .collect()
}

/// Not W + 1 keys: at a position p these are p - W + 1 to p, of which the mean value is p - (W - 1) / 2 if value j is j.
#[test]
fn a_window_of_w_is_w_keys_with_the_current_one() {
    let values: Vec<f32> = (0..100).map(|j| j as f32).collect();
    let positions = [0, 1, 2, 3, 31, 32, 33, 64, 99];
    for window in [1u32, 2, 3, 4, 17, 32, 33] {
        let means = attended(&positions, &values, Some(window), None);
        for (&p, mean) in positions.iter().zip(means) {
            let keys = (p as u32 + 1).min(window);
            let expected = p as f32 - (keys - 1) as f32 / 2.0;
            assert!(
                (mean - expected).abs() < 1e-4,
                "window {window} at {p}: {mean}, not {expected}"
            );
        }
    }
}

/// The same over a ring that is just large enough, which tokens come to a few at a time, also before and behind what it has rows for: no key is
/// overwritten before the last that sees it has seen it, and none is seen in the place of another.
#[test]
fn a_ring_shows_a_window_whatever_it_has_overwritten() {
    const SIZE: usize = 64;
    const TOKENS: i32 = 100;
    let d = device();
    for (window, chunk) in [(1, 1), (1, 5), (2, 3), (5, 1), (5, 4), (17, 16), (32, 7)] {
        let rows = ops::ring_rows(window, chunk);
        let ring = |x: f32| Tensor::from_slice(&d, &vec![x; rows * SIZE], [rows, 1, SIZE]).unwrap();
        let (mut ring_k, mut ring_v) = (ring(f32::NAN), ring(f32::NAN));
        let options = Attention {
            scale: 1.0,
            window: Some(window as u32),
            softcap: None,
            sinks: None,
        };
        let positions: Vec<i32> = (0..TOKENS).collect();
        for positions in positions.chunks(chunk) {
            let tokens = positions.len();
            let of = |value: fn(i32) -> f32| {
                let values: Vec<f32> = positions.iter().flat_map(|&p| [value(p); SIZE]).collect();
                Tensor::from_slice(&d, &values, [tokens, 1, SIZE]).unwrap()
            };
            let (q, k, v) = (of(|_| 0.0), of(|_| 1.0), of(|p| p as f32));
            let at = Tensor::from_slice(&d, positions, [tokens]).unwrap();
            let mut out = of(|_| 0.0);
            run(&d, |pass| {
                let shown = window as u32;
                ops::kv_append_ring(pass, &k, &v, &mut ring_k, &mut ring_v, &at, shown)?;
                ops::attention_ring(pass, &q, &ring_k, &ring_v, &at, &options, &mut out)
            });
            let means = out.to_vec::<f32>().unwrap();
            for (&p, mean) in positions.iter().zip(means.chunks_exact(SIZE)) {
                let keys = (p + 1).min(window as i32);
                let expected = p as f32 - (keys - 1) as f32 / 2.0;
                assert!(
                    mean.iter().all(|mean| (mean - expected).abs() < 1e-4),
                    "window {window} in chunks of {chunk} at {p}: {}, not {expected}",
                    mean[0]
                );
            }
        }
    }
}

/// Keys that a query does not see have no weight. Were scores capped after these keys have got minus infinity, they would have the
/// score -cap, which is almost that of the others here.
#[test]
fn a_softcap_comes_before_the_mask() {
    // Behind the position, and before the window.
    let mut values = vec![1e6f32; 100];
    values[30..=40].fill(3.0);
    let seen = attended(&[40], &values, Some(11), Some(1e-3));
    assert!((seen[0] - 3.0).abs() < 1e-5, "{seen:?}");
    values[..30].fill(3.0);
    let seen = attended(&[40], &values, None, Some(1e-3));
    assert!((seen[0] - 3.0).abs() < 1e-5, "{seen:?}");
}

/// The halves are those of the rotated part: of heads of 8 of which 4 are rotated, element 0 turns with 2, not with 4.
#[test]
fn a_partial_rotation_splits_the_rotated_part() {
    let d = device();
    let x: Vec<f32> = (1..=8).map(|x| x as f32).collect();
    let mut heads = Tensor::from_slice(&d, &x, [1, 1, 8]).unwrap();
    let position = Tensor::from_slice(&d, &[3], [1]).unwrap();
    // Frequencies 1 and 1/4.
    let rope = Rope::new(&d, &RopeConfig::new(Pairing::HalfSplit, 4, 16.0)).unwrap();
    run(&d, |pass| ops::rope(pass, &mut heads, &position, &rope));
    let (s, c) = 3f32.sin_cos();
    let (slow_s, slow_c) = 0.75f32.sin_cos();
    let expected = [
        c - 3.0 * s,
        2.0 * slow_c - 4.0 * slow_s,
        s + 3.0 * c,
        2.0 * slow_s + 4.0 * slow_c,
        5.0,
        6.0,
        7.0,
        8.0,
    ];
    for (found, expected) in heads.to_vec::<f32>().unwrap().into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
    }
}

/// Trees of halves lose the values that are left over: the best of any number of experts are found, wherever they are.
#[test]
fn top_k_of_experts_that_are_no_power_of_two() {
    let d = device();
    for experts in [3, 5, 6, 7, 40, 60, 100, 384, 513, 1000] {
        for best in [0, experts / 2, experts - 1] {
            let mut scores: Vec<f32> = (0..experts).map(|i| -(i as f32)).collect();
            scores[best] = 1.0;
            let x = Tensor::from_slice(&d, &scores, [1, experts]).unwrap();
            let mut values = Tensor::zeros::<f32>(&d, [1, 3]).unwrap();
            let mut ids = Tensor::zeros::<u32>(&d, [1, 3]).unwrap();
            run(&d, |pass| ops::top_k(pass, &x, &mut values, &mut ids));
            let others = (0..experts as u32).filter(|&i| i as usize != best);
            let expected: Vec<u32> = [best as u32].into_iter().chain(others.take(2)).collect();
            assert_eq!(ids.to_vec::<u32>().unwrap(), expected, "{experts} experts");
            let of_ids: Vec<f32> = expected.iter().map(|&i| scores[i as usize]).collect();
            assert_eq!(values.to_vec::<f32>().unwrap(), of_ids);
        }
    }
}

/// The same where experts are chosen for their weights.
#[test]
fn routing_to_experts_that_are_no_power_of_two() {
    let d = device();
    for experts in [3, 5, 60, 96, 100, 160, 384, 513] {
        for best in [0, experts / 2, experts - 1] {
            let mut logits: Vec<f32> = (0..experts).map(|i| -0.001 * i as f32).collect();
            logits[best] = 1.0;
            let x = Tensor::from_slice(&d, &logits, [1, experts]).unwrap();
            let mut ids = Tensor::zeros::<u32>(&d, [1, 3]).unwrap();
            let mut weights = Tensor::zeros::<f32>(&d, [1, 3]).unwrap();
            run(&d, |pass| {
                ops::moe_route(pass, &x, Routing::default(), &mut ids, &mut weights)
            });
            let others = (0..experts as u32).filter(|&i| i as usize != best);
            let expected: Vec<u32> = [best as u32].into_iter().chain(others.take(2)).collect();
            assert_eq!(ids.to_vec::<u32>().unwrap(), expected, "{experts} experts");
            let weights = weights.to_vec::<f32>().unwrap();
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert!((weights[0] / weights[1] - 1f32.exp()).abs() < 0.01);
        }
    }
}

/// A row is as long as it is: no memory of a fixed size holds it. All values are equal, so norms of them are one, or zero.
#[test]
fn rows_of_norms_may_be_longer_than_4096() {
    let d = device();
    for columns in [4096, 4097, 50_001] {
        let x = Tensor::from_slice(&d, &vec![3.0f32; columns], [1, columns]).unwrap();
        let mut out = Tensor::zeros::<f32>(&d, [1, columns]).unwrap();
        run(&d, |pass| {
            ops::rms_norm(pass, &x, NormWeight::None, 0.0, &mut out)
        });
        let normed = out.to_vec::<f32>().unwrap();
        assert!(normed.iter().all(|x| (x - 1.0).abs() < 1e-5));
        run(&d, |pass| {
            ops::layer_norm(pass, &x, None, None, 1e-5, &mut out)
        });
        assert!(out.to_vec::<f32>().unwrap().iter().all(|&x| x == 0.0));
    }
}

/// Rows that begin at any value, behind the beginning of their memory.
#[test]
fn rows_need_not_begin_at_sixteen_bytes() {
    let d = device();
    let x: Vec<f32> = (0..9 * 37).map(|i| i as f32).collect();
    let whole = Tensor::from_slice(&d, &x, [9, 37]).unwrap();
    for first in 0..5 {
        let band = whole
            .rows_range(1..9)
            .unwrap()
            .columns_range(first..first + 33);
        let (band, mut out) = (band.unwrap(), Tensor::zeros::<f32>(&d, [8, 33]).unwrap());
        run(&d, |pass| ops::copy(pass, &band, &mut out));
        let expected: Vec<f32> = (0..8 * 33)
            .map(|i| x[(i / 33 + 1) * 37 + first + i % 33])
            .collect();
        assert_eq!(out.to_vec::<f32>().unwrap(), expected);
    }
}
