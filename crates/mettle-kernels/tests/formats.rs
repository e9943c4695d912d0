//! Decoding of weights against fixtures from the `gguf` package, and against the definitions of the formats.

use mettle_gpu::Format;
use mettle_kernels::Error;
use mettle_kernels::formats::{WEIGHTS, dequantize};
use safetensors::SafeTensors;

/// Formats that no other implementation at hand decodes: their vectors are derived by hand, below.
const NO_FIXTURE: [Format; 6] = [
    Format::F32,
    Format::TQ2_0_g128,
    Format::F8_E4M3,
    Format::F8_E5M2,
    Format::KHQ4,
    Format::Q3,
];

#[test]
fn decoding_is_bit_equal_to_gguf() {
    let file = include_bytes!("fixtures/dequant.safetensors");
    let fixtures = SafeTensors::deserialize(file).unwrap();
    for format in WEIGHTS
        .into_iter()
        .filter(|format| !NO_FIXTURE.contains(format))
    {
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
    for format in WEIGHTS {
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
}

fn decoded(format: Format, block: &[u8]) -> Vec<f32> {
    let mut values = vec![f32::NAN; format.block_len()];
    dequantize(format, block, &mut values).unwrap();
    values
}

/// A half of 1.5: sign 0, exponent 15 (bias 15), mantissa 0b10_0000_0000, so 0x3e00; and -0.5: 0xb800.
const HALF_1_5: [u8; 2] = [0x00, 0x3e];
const HALF_MINUS_0_5: [u8; 2] = [0x00, 0xb8];

/// Codes lie in the bytes lowest bits first: 0b11_10_01_00 is 0, 1, 2, 3, or -d, 0, d, 0. The scale comes last.
#[test]
fn tq2_0_g128_by_hand() {
    let mut block = [0b11_10_01_00; 34];
    block[1] = 0b00_10_10_01;
    block[32..].copy_from_slice(&HALF_1_5);
    let values = decoded(Format::TQ2_0_g128, &block);
    assert_eq!(values[..8], [-1.5, 0.0, 1.5, 0.0, 0.0, 1.5, 1.5, -1.5]);
    assert_eq!(values[124..], [-1.5, 0.0, 1.5, 0.0]);
    // A negative scale swaps the signs and leaves zeros positive.
    block[32..].copy_from_slice(&HALF_MINUS_0_5);
    let bits: Vec<u32> = decoded(Format::TQ2_0_g128, &block)[..4]
        .iter()
        .map(|x| x.to_bits())
        .collect();
    assert_eq!(bits, [0.5f32, 0.0, -0.5, 0.0].map(f32::to_bits));
}

/// E4M3: 0x38 is exponent 7 - 7, mantissa 0: 1. 0xc4 is -, exponent 8 - 7, mantissa 4/8: -3. 0x01 is 2^-6 / 8.
/// 0x7e is exponent 15 - 7, mantissa 6/8: 448. E5M2: 0x3c is exponent 15 - 15: 1. 0xc2 is -, exponent 16 - 15, mantissa
/// 2/4: -3. 0x01 is 2^-14 / 4. 0x7b is exponent 30 - 15, mantissa 3/4: 57344.
#[test]
fn fp8_by_hand() {
    for (format, codes, values) in [
        (
            Format::F8_E4M3,
            [0x38, 0xc4, 0x01, 0x7e],
            [1.5, -4.5, 1.5 / 512.0, 672.0],
        ),
        (
            Format::F8_E5M2,
            [0x3c, 0xc2, 0x01, 0x7b],
            [1.5, -4.5, 1.5 / 65536.0, 86016.0],
        ),
    ] {
        let mut block = [0; 34];
        block[..4].copy_from_slice(&codes);
        block[31] = codes[0];
        block[32..].copy_from_slice(&HALF_1_5);
        let found = decoded(format, &block);
        assert_eq!(found[..4], values, "{format}");
        assert_eq!((found[4], found[31]), (0.0, 1.5), "{format}");
        // What is not a number stays so; E4M3 has no infinities.
        (block[0], block[1]) = (0x7f, 0x7c);
        let found = decoded(format, &block);
        assert!(found[0].is_nan(), "{format}");
        let expected = match format {
            Format::F8_E4M3 => 1.5 * 384.0, // exponent 15 - 7, mantissa 4/8
            _ => f32::INFINITY,
        };
        assert_eq!(found[1], expected, "{format}");
    }
}

/// Scale 1.5, bias -0.5: code q is 1.5 q - 0.5. Pairs are sequential: 0x21 is 1 then 2.
#[test]
fn khq4_by_hand() {
    let mut block = [0x21; 20];
    block[..2].copy_from_slice(&HALF_1_5);
    block[2..4].copy_from_slice(&HALF_MINUS_0_5);
    (block[5], block[19]) = (0xf0, 0x73);
    let values = decoded(Format::KHQ4, &block);
    assert_eq!(values[..4], [1.0, 2.5, -0.5, 22.0]);
    assert_eq!(values[30..], [4.0, 10.0]);
}

/// Scale 1.5, bias -0.5. Low bits 0b11_10_01_00 are 0, 1, 2, 3; with the high bits of 0b0101_1010 (lowest first 0, 1, 0,
/// 1, 1, 0, 1, 0) the codes of the first eight values are 0, 5, 2, 7, 4, 1, 6, 3.
#[test]
fn q3_by_hand() {
    let mut block = [0b11_10_01_00; 16];
    block[..2].copy_from_slice(&HALF_1_5);
    block[2..4].copy_from_slice(&HALF_MINUS_0_5);
    block[12..].copy_from_slice(&[0b0101_1010, 0, 0xff, 0x80]);
    let values = decoded(Format::Q3, &block);
    let value = |code: u8| 1.5 * f32::from(code) - 0.5;
    assert_eq!(values[..8], [0, 5, 2, 7, 4, 1, 6, 3].map(value));
    assert_eq!(values[8..16], [0, 1, 2, 3, 0, 1, 2, 3].map(value));
    assert_eq!(values[16..24], [4, 5, 6, 7, 4, 5, 6, 7].map(value));
    assert_eq!(values[24..], [0, 1, 2, 3, 0, 1, 2, 7].map(value));
}
