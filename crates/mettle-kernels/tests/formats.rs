//! Number formats against fixtures from the `gguf` package, and against their own definitions.

use mettle_gpu::Format;
use mettle_kernels::Error;
use mettle_kernels::formats::{dequantize, quantize};
use proptest::prelude::*;
use safetensors::SafeTensors;

const DECODED: &[Format] = &[
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q2_K,
    Format::Q3_K,
    Format::Q4_K,
    Format::Q5_K,
    Format::Q6_K,
];

#[test]
fn decoding_is_bit_equal_to_gguf() {
    let file = include_bytes!("fixtures/dequant.safetensors");
    let fixtures = SafeTensors::deserialize(file).unwrap();
    for &format in DECODED.iter().filter(|&&format| format != Format::F32) {
        let name = format.name();
        let bytes = fixtures.tensor(&format!("{name}.bytes")).unwrap();
        let expected: Vec<u32> = fixtures
            .tensor(&format!("{name}.values"))
            .unwrap()
            .data()
            .chunks_exact(4)
            .map(|value| u32::from_le_bytes(value.try_into().unwrap()))
            .collect();
        let mut values = vec![0.0; expected.len()];
        dequantize(format, bytes.data(), &mut values).unwrap();
        for (i, (value, expected)) in values.iter().zip(expected).enumerate() {
            assert_eq!(value.to_bits(), expected, "{name}, value {i}: {value}");
        }
    }
}

#[test]
fn lengths_that_are_not_whole_blocks_are_refused() {
    for &format in DECODED {
        let (len, bytes) = (format.block_len(), format.block_bytes());
        for (values, given) in [
            (len, bytes + 1),
            (len, bytes - 1),
            (2 * len, bytes),
            (len + 1, bytes),
            (0, bytes),
        ] {
            let error = dequantize(format, &vec![0; given], &mut vec![0.0; values]).unwrap_err();
            let expected = Error::Length {
                format: format.name(),
                block_len: len,
                block_bytes: bytes,
                values,
                bytes: given,
            };
            assert_eq!(error.to_string(), expected.to_string());
        }
        dequantize(format, &[], &mut []).unwrap();
    }
    assert!(matches!(
        dequantize(Format::I32, &[0; 4], &mut [0.0]),
        Err(Error::Format { .. })
    ));
    assert!(matches!(
        quantize(Format::Q6_K, &[0.0; 256], &mut [0; 210]),
        Err(Error::Format { .. })
    ));
    assert!(matches!(
        quantize(Format::Q8_0, &[0.0; 31], &mut [0; 34]),
        Err(Error::Length { .. })
    ));
}

fn round_trip(format: Format, values: &[f32]) -> Vec<f32> {
    let mut bytes = vec![0; values.len() / format.block_len() * format.block_bytes()];
    quantize(format, values, &mut bytes).unwrap();
    let mut decoded = vec![0.0; values.len()];
    dequantize(format, &bytes, &mut decoded).unwrap();
    decoded
}

/// By hand: with values -16..16 the largest magnitude is 16 at -16, so a scale of 2 in Q4_0 (code 0 meets -16) and
/// half of it is the largest error; 15 clips to 2 * (15 - 8) = 14.
#[test]
fn blocks_computed_by_hand() {
    let ramp: Vec<f32> = (-16..16).map(|x| x as f32).collect();
    let mut block = [0; 18];
    quantize(Format::Q4_0, &ramp, &mut block).unwrap();
    assert_eq!(half::f16::from_le_bytes([block[0], block[1]]).to_f32(), 2.0);
    // Code of -16 is 0, of 0 is 8; of -15 it is floor(-7.5 + 8.5) = 1, of 1 it is floor(0.5 + 8.5) = 9.
    assert_eq!(block[2..4], [0x80, 0x91]);
    let decoded = round_trip(Format::Q4_0, &ramp);
    assert_eq!((decoded[0], decoded[16], decoded[31]), (-16.0, 0.0, 14.0));

    let mut spikes = [0.0; 32];
    (spikes[3], spikes[7]) = (127.0, -63.5);
    let mut block = [0; 34];
    quantize(Format::Q8_0, &spikes, &mut block).unwrap();
    assert_eq!(
        (block[2 + 3], block[2 + 7]),
        (127, -64i8 as u8),
        "halves round away from zero"
    );

    assert_eq!(round_trip(Format::Q4_0, &[0.0; 32]), [0.0; 32]);
    assert_eq!(round_trip(Format::Q8_0, &[0.0; 32]), [0.0; 32]);
}

proptest! {
    #[test]
    fn decoded_values_are_within_a_step(values in prop::collection::vec(-100.0f32..100.0, 32)) {
        let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        // Half a step, the clipped positive end of Q4_0 (a whole step), and the rounding of the scale to f16.
        for (format, step) in [(Format::Q8_0, largest / 127.0), (Format::Q4_0, largest / 8.0)] {
            let share = if format == Format::Q8_0 { 0.5 } else { 1.0 };
            for (value, decoded) in values.iter().zip(round_trip(format, &values)) {
                prop_assert!((value - decoded).abs() <= share * step + largest / 1024.0, "{format}: {value} became {decoded}");
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
