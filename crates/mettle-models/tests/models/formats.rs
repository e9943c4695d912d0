//! Models with weights in every format that GGUF files hold, OxiBonsai's among them, against the same values in f32.

use mettle_gpu::{Device, Format, Preference};
use mettle_kernels::formats;
use mettle_models::{Checkpoint, KvFormat, LoadOptions, Model};

use crate::support::{Builder, decoded, fixture, nmse, temporary, values_of};

/// The formats of blocks, with their type ids in GGUF files. What stands behind id 42 is told by its size.
const FORMATS: [(u32, Format); 17] = [
    (2, Format::Q4_0),
    (3, Format::Q4_1),
    (6, Format::Q5_0),
    (7, Format::Q5_1),
    (8, Format::Q8_0),
    (10, Format::Q2_K),
    (11, Format::Q3_K),
    (12, Format::Q4_K),
    (13, Format::Q5_K),
    (14, Format::Q6_K),
    (20, Format::IQ4_NL),
    (23, Format::IQ4_XS),
    (35, Format::TQ2_0),
    (41, Format::Q1_0),
    (42, Format::TQ2_0_g128),
    (43, Format::F8_E4M3),
    (44, Format::F8_E5M2),
];

/// The logits of each token of a short text.
fn logits(device: &Device, builder: &Builder) -> Vec<f32> {
    let (_folder, path) = temporary("m.gguf", &builder.build());
    let options = LoadOptions {
        kv_format: KvFormat::F32,
        ..LoadOptions::default()
    };
    let checkpoint = Checkpoint::open(path).unwrap();
    let model = Model::load(device, &checkpoint, &options).unwrap();
    let mut logits = Vec::new();
    let mut session = model.session().unwrap();
    session
        .forward_each(&[3, 100, 7, 61, 61, 200, 13], |_, row| {
            logits.extend_from_slice(row);
        })
        .unwrap();
    // And one token at a time, by the kernels for that.
    logits.extend(session.forward(&[42]).unwrap().to_vec::<f32>().unwrap());
    logits
}

#[test]
fn every_format_gives_the_logits_of_what_it_decodes_to() {
    let device = Device::open(Preference::Cpu).unwrap();
    let dense = decoded(&fixture("qwen3-tied-k.gguf"));
    for (type_id, format) in FORMATS {
        let (mut encoded, mut reference) = (dense.clone(), dense.clone());
        for (encoded, reference) in encoded.tensors.iter_mut().zip(&mut reference.tensors) {
            if encoded.shape.len() < 2 {
                continue;
            }
            let mut values: Vec<f32> = values_of(&encoded.data);
            let blocks = values.len() / format.block_len();
            encoded.data = vec![0; blocks * format.block_bytes()];
            encoded.type_id = type_id;
            formats::quantize(format, &values, &mut encoded.data).unwrap();
            formats::dequantize(format, &encoded.data, &mut values).unwrap();
            reference.data = bytemuck::cast_slice(&values).to_vec();
        }
        if format == Format::TQ2_0_g128 {
            // What tells it from other formats of this type id and size.
            encoded.set("general.quantization_version", "TQ2_0_G128");
        }
        let error = nmse(&logits(&device, &encoded), &logits(&device, &reference));
        println!("{format}: NMSE {error:.2e}");
        assert!(error <= 1e-8, "{format}: {error:e}");
    }
}
