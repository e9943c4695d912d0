//! Mistakes that older systems made, each with inputs so small that the right result can be written down.

use mettle_gpu::{Device, Pass, Preference, Tensor};
use mettle_kernels::Result;
use mettle_kernels::ops::{self, Attention, Pairing, Rope, RopeConfig};

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
