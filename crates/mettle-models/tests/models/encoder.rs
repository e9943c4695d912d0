//! Embeddings of small random encoders against `transformers`, which computed them in f64 from the same (decoded) weights, and what
//! encoders refuse.

use mettle_gpu::{Device, Preference};
use mettle_models::{
    Checkpoint, Encoder, Error, Fusion, LoadOptions, Model, Pooling, Tokenizer, normalize,
};
use safetensors::SafeTensors;

use crate::support::{Builder, decoded, fixture, nmse, temporary, values_of};

fn load(path: &std::path::Path) -> mettle_models::Result<Encoder> {
    let device = Device::open(Preference::Cpu).unwrap();
    Encoder::load(&device, &Checkpoint::open(path)?, Fusion::On)
}

/// Texts, and what the model makes of their tokens.
fn expected(name: &str) -> (Vec<Vec<u32>>, Vec<Vec<f32>>) {
    let bytes = std::fs::read(fixture(&format!("{name}.safetensors"))).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: String| expected.tensor(&name).unwrap().data().to_vec();
    (0..3)
        .map(|i| {
            let tokens = values_of(&tensor(format!("tokens.{i}")));
            (tokens, values_of(&tensor(format!("states.{i}"))))
        })
        .unzip()
}

#[test]
fn transformers_agrees_on_embeddings() {
    let fixtures = [
        ("bert-f32", Pooling::Mean, 1e-9),
        ("bert-cased-q8_0", Pooling::Cls, 1e-9),
    ];
    for (name, pooling, allowed) in fixtures {
        let encoder = load(&fixture(&format!("{name}.gguf"))).unwrap();
        assert_eq!(encoder.config().pooling, pooling);
        let (texts, states) = expected(name);
        // Together, and each on its own: texts do not see each other.
        let together = encoder.embed(&texts, Pooling::None).unwrap();
        for ((text, states), together) in texts.iter().zip(&states).zip(&together) {
            let text = std::slice::from_ref(text);
            let alone = encoder.embed(text, Pooling::None).unwrap().concat();
            let errors = [nmse(together, states), nmse(&alone, states)];
            println!("{name}: NMSE {:.2e}, alone {:.2e}", errors[0], errors[1]);
            assert!(errors.iter().all(|&error| error <= allowed), "{name}");
        }
        let width = encoder.config().hidden;
        for ((text, states), i) in texts.iter().zip(&states).zip(0..) {
            let rows = states.chunks(width);
            let mean: Vec<f32> = (0..width)
                .map(|column| rows.clone().map(|row| row[column]).sum::<f32>() / text.len() as f32)
                .collect();
            for (pooling, wanted) in [(Pooling::Mean, &mean[..]), (Pooling::Cls, &states[..width])]
            {
                let found = &encoder.embed(&texts, pooling).unwrap()[i];
                assert!(nmse(found, wanted) <= allowed, "{name}: {pooling:?}");
            }
        }
    }
}

/// More tokens than a pass takes, so that texts are dealt out to several.
#[test]
fn many_texts_are_embedded_as_each_on_its_own() {
    let encoder = load(&fixture("bert-f32.gguf")).unwrap();
    let (texts, _) = expected("bert-f32");
    let many: Vec<Vec<u32>> = texts.iter().cycle().take(150).cloned().collect();
    assert!(many.iter().map(Vec::len).sum::<usize>() > 2048);
    let few = encoder.embed(&texts, Pooling::Cls).unwrap();
    let found = encoder.embed(&many, Pooling::Cls).unwrap();
    for (found, wanted) in found.iter().zip(few.iter().cycle()) {
        assert!(nmse(found, wanted) <= 1e-12);
    }
}

#[test]
fn vectors_are_scaled_to_a_length_of_one() {
    let encoder = load(&fixture("bert-f32.gguf")).unwrap();
    let file = Checkpoint::open(fixture("bert-f32.gguf")).unwrap();
    let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
    let ids = tokenizer.encode("the evening", true).unwrap();
    let (cls, sep) = (tokenizer.id("[CLS]"), tokenizer.id("[SEP]"));
    assert_eq!((ids.first().copied(), ids.last().copied()), (cls, sep));
    let mut vectors = encoder.embed(&[ids], Pooling::None).unwrap().concat();
    normalize(&mut vectors, encoder.config().hidden);
    for vector in vectors.chunks(encoder.config().hidden) {
        let length: f32 = vector.iter().map(|v| v * v).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
}

#[test]
fn texts_that_cannot_be_embedded() {
    let encoder = load(&fixture("bert-f32.gguf")).unwrap();
    let refused = |text: Vec<u32>| encoder.embed(&[vec![2, 3], text], Pooling::Mean);
    let empty = refused(vec![]).unwrap_err().to_string();
    assert_eq!(empty, "there are no tokens to make an embedding of");
    let long = refused(vec![5; 49]).unwrap_err();
    assert!(matches!(
        long,
        Error::ContextExceeded {
            tokens: 49,
            context: 48,
            ..
        }
    ));
    let id = encoder.config().vocabulary as u32;
    let unknown = refused(vec![id]).unwrap_err();
    assert!(matches!(unknown, Error::TokenId { id: found, .. } if found == id));
    assert!(encoder.embed(&[], Pooling::Mean).unwrap().is_empty());
}

#[test]
fn files_that_are_no_encoders() {
    let refused = |change: &dyn Fn(&mut Builder), wanted: &str| {
        let mut builder = decoded(&fixture("bert-f32.gguf"));
        change(&mut builder);
        let (_folder, path) = temporary("bert.gguf", &builder.build());
        let message = load(&path).err().unwrap().to_string();
        assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
    };
    refused(
        &|b| b.set("general.architecture", "llama"),
        "architecture `llama` is not supported; supported are bert",
    );
    refused(
        &|b| b.set("bert.attention.causal", true),
        "causal attention in an encoder",
    );
    refused(&|b| b.set("bert.pooling_type", 4u32), "pooling of type 4");
    refused(
        &|b| b.set("bert.attention.head_count", 7u32),
        "an embedding of 48 does not divide into that many heads",
    );
    refused(
        &|b| b.tensors.retain(|t| t.name != "blk.1.ffn_up.bias"),
        "tensor `blk.1.ffn_up.bias` of shape [96] is missing",
    );
    refused(
        &|b| *b = b.clone().tensor_f32("cls.bias", &[48], &[0.0; 48]),
        "tensor `cls.bias` is not part of architecture `bert`",
    );
    refused(
        &|b| b.remove("tokenizer.ggml.token_type_count"),
        "`token_types.weight` has shape [2, 48], the metadata imply [0, 48]",
    );

    let device = Device::open(Preference::Cpu).unwrap();
    let file = Checkpoint::open(fixture("bert-f32.gguf")).unwrap();
    let message = Model::load(&device, &file, &LoadOptions::default())
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        message,
        "models of architecture `bert` make embeddings and no text"
    );
}
