//! Encoding of weights against ggml's encoders, and against the definitions of the formats.

use mettle_gpu::Format;
use mettle_kernels::Error;
use mettle_kernels::formats::{LARGEST, WEIGHTS, dequantize, quantize};
use proptest::prelude::*;
use safetensors::SafeTensors;

const FIXTURES: &[u8] = include_bytes!("fixtures/encode.safetensors");

fn encoded(format: Format, values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0xa5; values.len() / format.block_len() * format.block_bytes()];
    quantize(format, values, &mut bytes).unwrap();
    bytes
}

fn round_trip(format: Format, values: &[f32]) -> Vec<f32> {
    let mut decoded = vec![f32::NAN; values.len()];
    dequantize(format, &encoded(format, values), &mut decoded).unwrap();
    decoded
}

fn squared_error(format: Format, values: &[f32]) -> f64 {
    let decoded = round_trip(format, values);
    let pairs = values.iter().zip(decoded);
    pairs
        .map(|(&x, y)| (f64::from(x) - f64::from(y)).powi(2))
        .sum()
}

fn fixture_values(fixtures: &SafeTensors, set: &str) -> Vec<f32> {
    let tensor = fixtures.tensor(&format!("{set}.values")).unwrap();
    let values = tensor.data().chunks_exact(4);
    values
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

/// Where ggml searches no scales, the bytes are the same.
#[test]
fn encoders_without_a_search_give_the_bytes_of_ggml() {
    let fixtures = SafeTensors::deserialize(FIXTURES).unwrap();
    for set in ["gaussian", "shaped"] {
        let values = fixture_values(&fixtures, set);
        for format in [
            Format::Q4_0,
            Format::Q4_1,
            Format::Q5_0,
            Format::Q5_1,
            Format::Q8_0,
            Format::TQ2_0,
            Format::Q1_0,
        ] {
            let expected = fixtures.tensor(&format!("{set}.{format}.bytes")).unwrap();
            let found = encoded(format, &values);
            let differ = found.iter().zip(expected.data()).position(|(a, b)| a != b);
            assert_eq!(
                (found.len(), differ),
                (expected.data().len(), None),
                "{format} of {set}"
            );
        }
    }
}

/// At most 1.02 times ggml's squared error; KHQ4 holds what Q4_1 holds.
#[test]
fn errors_are_at_most_those_of_ggml() {
    let fixtures = SafeTensors::deserialize(FIXTURES).unwrap();
    for set in ["gaussian", "shaped"] {
        let values = fixture_values(&fixtures, set);
        for (format, theirs) in [
            (Format::Q4_0, "Q4_0"),
            (Format::Q4_1, "Q4_1"),
            (Format::Q5_0, "Q5_0"),
            (Format::Q5_1, "Q5_1"),
            (Format::Q8_0, "Q8_0"),
            (Format::Q2_K, "Q2_K"),
            (Format::Q3_K, "Q3_K"),
            (Format::Q4_K, "Q4_K"),
            (Format::Q5_K, "Q5_K"),
            (Format::Q6_K, "Q6_K"),
            (Format::IQ4_NL, "IQ4_NL"),
            (Format::IQ4_XS, "IQ4_XS"),
            (Format::TQ2_0, "TQ2_0"),
            (Format::Q1_0, "Q1_0"),
            (Format::TQ2_0_g128, "TQ2_0"),
            (Format::KHQ4, "Q4_1"),
        ] {
            let error = fixtures.tensor(&format!("{set}.{theirs}.error")).unwrap();
            let limit = f64::from_le_bytes(error.data().try_into().unwrap());
            let found = squared_error(format, &values);
            println!("{set} {format}: {:.4} of ggml's {theirs}", found / limit);
            assert!(
                found <= 1.02 * limit,
                "{set} {format}: {found} against {limit}"
            );
        }
    }
}

/// Q3 has no other encoder to hold it against: better than the codes that cover the range of each block evenly.
#[test]
fn q3_is_better_than_an_even_division() {
    let fixtures = SafeTensors::deserialize(FIXTURES).unwrap();
    for set in ["gaussian", "shaped"] {
        let values = fixture_values(&fixtures, set);
        let even: f64 = values
            .chunks_exact(32)
            .map(|block| {
                let low = block.iter().copied().fold(f32::INFINITY, f32::min);
                let high = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let step = (high - low) / 7.0;
                let error = |&x: &f32| f64::from(x - low - step * ((x - low) / step).round());
                block.iter().map(|x| error(x).powi(2)).sum::<f64>()
            })
            .sum();
        let found = squared_error(Format::Q3, &values);
        println!("{set} Q3: {:.4} of an even division", found / even);
        assert!(found <= 0.9 * even, "{set}: {found} against {even}");
    }
}

/// No scale is better for ternary codes than the one found, and what is ternary is met exactly.
#[test]
fn tq2_0_g128_finds_the_best_scale() {
    let fixtures = SafeTensors::deserialize(FIXTURES).unwrap();
    let values = &fixture_values(&fixtures, "shaped")[..128];
    let found = squared_error(Format::TQ2_0_g128, values);
    let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for k in 1..=1000 {
        let d = largest * k as f32 / 1000.0;
        let error = |&x: &f32| f64::from(x - d * (x / d).round().clamp(-1.0, 1.0)).powi(2);
        let error: f64 = values.iter().map(error).sum();
        // The scale found is rounded to a half.
        assert!(found <= error * 1.0001, "{d}: {error}, found {found}");
    }
    let ternary: Vec<f32> = (0..256).map(|i| [0.25, 0.0, -0.25][i % 3]).collect();
    for format in [Format::TQ2_0_g128, Format::TQ2_0] {
        assert_eq!(round_trip(format, &ternary), ternary, "{format}");
    }
    let signs: Vec<f32> = (0..128).map(|i| [0.25, -0.25][i % 3 / 2]).collect();
    assert_eq!(round_trip(Format::Q1_0, &signs), signs);
}

/// By hand: with values -16..16 the largest magnitude is 16 at -16, so a scale of 2 in Q4_0 (code 0 meets -16) and
/// half of it is the largest error; 15 clips to 2 * (15 - 8) = 14.
#[test]
fn blocks_computed_by_hand() {
    let ramp: Vec<f32> = (-16..16).map(|x| x as f32).collect();
    let block = encoded(Format::Q4_0, &ramp);
    assert_eq!(half::f16::from_le_bytes([block[0], block[1]]).to_f32(), 2.0);
    // Code of -16 is 0, of 0 is 8; of -15 it is floor(-7.5 + 8.5) = 1, of 1 it is floor(0.5 + 8.5) = 9.
    assert_eq!(block[2..4], [0x80, 0x91]);
    let decoded = round_trip(Format::Q4_0, &ramp);
    assert_eq!((decoded[0], decoded[16], decoded[31]), (-16.0, 0.0, 14.0));

    let mut spikes = [0.0; 32];
    (spikes[3], spikes[7]) = (127.0, -63.5);
    let block = encoded(Format::Q8_0, &spikes);
    assert_eq!(
        (block[2 + 3], block[2 + 7]),
        (127, -64i8 as u8),
        "halves round away from zero"
    );

    // 448 is the largest E4M3 float, so the scale is 1; 3 is 1.5 * 2^1: exponent 1 + 7, mantissa 4/8: 0x44.
    let mut floats = [0.0; 32];
    (floats[0], floats[1]) = (-448.0, 3.0);
    let block = encoded(Format::F8_E4M3, &floats);
    assert_eq!(block[..3], [0xfe, 0x44, 0]);
    assert_eq!(block[32..], [0x00, 0x3c]);
}

const BLOCKS: [Format; WEIGHTS.len() - 3] = {
    let mut formats = [Format::F32; WEIGHTS.len() - 3];
    let mut i = 0;
    while i < formats.len() {
        formats[i] = WEIGHTS[i + 3];
        i += 1;
    }
    formats
};

/// Half of the least scale, by which one may change that is stored as a half, times the largest level.
const LEAST: f32 = 127.0 / (1 << 25) as f32;

#[test]
fn zeros_stay_zeros() {
    for format in WEIGHTS {
        assert_eq!(round_trip(format, &[0.0; 256]), [0.0; 256], "{format}");
    }
}

#[test]
fn equal_values_stay_equal_and_near() {
    for format in BLOCKS {
        for x in [0.37f32, -0.37] {
            let decoded = round_trip(format, &[x; 256]);
            // A half, the steps of six-bit scales times a half, a scale of eight bits.
            for y in decoded {
                assert!((x - y).abs() <= 0.37 / 60.0, "{format}: {x} became {y}");
            }
        }
    }
}

/// Where scales would be smaller than halves can be, values become zero or what the format's minimum can express;
/// never do they become larger than a step of the least scale.
#[test]
fn tiny_values_stay_tiny() {
    let shape = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 50.0;
    for format in BLOCKS {
        for size in [1e-5f32, 1e-6, 1e-7, 1e-8, 1e-20, f32::MIN_POSITIVE, 1e-44] {
            let values: Vec<f32> = (0..256).map(|i| size * shape(i)).collect();
            for (x, y) in values.iter().zip(round_trip(format, &values)) {
                // Half of the least scale, times the largest code that it is rounded for.
                let least = 2f32.powi(-25) * 130.0;
                assert!(
                    (x - y).abs() <= size + least,
                    "{format}: {x:e} became {y:e}"
                );
            }
        }
    }
}

#[test]
fn values_that_formats_cannot_hold() {
    for format in BLOCKS {
        let len = format.block_len();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 65520.0, -1e30] {
            let mut values = vec![0.5; 2 * len];
            values[len + 3] = value;
            let mut bytes = vec![0; 2 * format.block_bytes()];
            match quantize(format, &values, &mut bytes) {
                Err(Error::Value {
                    index,
                    format: name,
                    ..
                }) => {
                    assert_eq!((index, name), (len + 3, format.name()));
                }
                other => panic!("{format}, {value}: {other:?}"),
            }
        }
        // The largest that is taken, at both ends.
        let mut values = vec![LARGEST; 256];
        values[1] = -LARGEST;
        values[2] = 1.0;
        let decoded = round_trip(format, &values);
        assert!(decoded.iter().all(|x| x.is_finite()), "{format}");
    }
    assert!(matches!(
        quantize(Format::I32, &[0.0], &mut [0; 4]),
        Err(Error::Format { .. })
    ));
    assert!(matches!(
        quantize(Format::Q8_0, &[0.0; 31], &mut [0; 34]),
        Err(Error::Length { .. })
    ));
}

/// What a value may change by, in units of the block's largest magnitude.
///
/// Half a step where codes just cover the range; a whole one where the far end is clipped by one code (Q4_0, Q5_0), up to
/// one and a half where a search may clip. With a minimum the range is up to twice the largest magnitude. Of two
/// bits, ternary codes and signs a step is everything.
fn share(format: Format) -> f32 {
    match format {
        Format::Q8_0 => 0.5 / 127.0,
        Format::Q4_0 => 1.0 / 8.0,
        Format::Q5_0 => 1.0 / 16.0,
        Format::Q4_1 => 1.0 / 15.0,
        Format::Q5_1 => 1.0 / 31.0,
        Format::Q3_K => 1.5 / 4.0,
        Format::Q4_K | Format::KHQ4 => 3.0 / 15.0,
        Format::Q5_K => 3.0 / 31.0,
        Format::Q6_K => 1.5 / 32.0,
        Format::Q3 => 3.0 / 7.0,
        // The widest gap is from -127 to -104.
        Format::IQ4_NL | Format::IQ4_XS => 23.0 / 127.0,
        Format::F8_E4M3 => 1.0 / 16.0,
        Format::F8_E5M2 => 1.0 / 8.0,
        _ => 1.0,
    }
}

/// Values of a block whose parts differ in size by up to a thousand times, with an outlier.
fn uneven() -> impl Strategy<Value = Vec<f32>> {
    let part = (prop::collection::vec(-1.0f32..1.0, 32), -3.0f32..0.0)
        .prop_map(|(values, size)| values.into_iter().map(move |x| x * 10f32.powf(size)));
    (prop::collection::vec(part, 8), 0usize..256, -4.0f32..4.0).prop_map(|(parts, at, outlier)| {
        let mut values: Vec<f32> = parts.into_iter().flatten().collect();
        values[at] = outlier;
        values
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decoded_values_are_within_a_step(values in prop_oneof![
        prop::collection::vec(-100.0f32..100.0, 256),
        prop::collection::vec(10.0f32..11.0, 256),
        uneven(),
    ]) {
        for format in BLOCKS {
            let decoded = round_trip(format, &values);
            let len = format.block_len();
            for (values, decoded) in values.chunks(len).zip(decoded.chunks(len)) {
                let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                // With the rounding of a scale to a half, which is coarse for those of tiny values.
                let limit = largest * (share(format) + 1.0 / 1024.0) + LEAST;
                for (x, y) in values.iter().zip(decoded) {
                    prop_assert!((x - y).abs() <= limit, "{}: {} became {}, limit {}", format, x, y, limit);
                }
            }
        }
    }

    /// Floats keep a relative precision down to their subnormals, whose step is that of the block's scale.
    #[test]
    fn floats_are_within_half_a_step(values in uneven()) {
        for (format, relative, subnormal, largest_float) in [
            (Format::F8_E4M3, 1.0 / 16.0, 2f32.powi(-9), 448.0),
            (Format::F8_E5M2, 1.0 / 8.0, 2f32.powi(-16), 57344.0),
        ] {
            let decoded = round_trip(format, &values);
            for (values, decoded) in values.chunks(32).zip(decoded.chunks(32)) {
                let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                // The scale is at most a half's step above this.
                let d = largest / largest_float * 1.001 + 2f32.powi(-24);
                for (x, y) in values.iter().zip(decoded) {
                    let limit = (relative * x.abs()).max(0.5 * subnormal * d) * 1.0001;
                    prop_assert!((x - y).abs() <= limit, "{}: {} became {}", format, x, y);
                }
            }
        }
    }

    #[test]
    fn plain_formats_round_to_nearest(value in any::<f32>().prop_filter("a number", |x| !x.is_nan())) {
        prop_assert_eq!(round_trip(Format::F32, &[value])[0].to_bits(), value.to_bits());
        prop_assert_eq!(round_trip(Format::F16, &[value])[0], half::f16::from_f32(value).to_f32());
        prop_assert_eq!(round_trip(Format::BF16, &[value])[0], half::bf16::from_f32(value).to_f32());
    }
}
