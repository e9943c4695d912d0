//! Model folders as `transformers` and MLX write them.
//!
//! `tools/fixtures/README.md` says how the fixtures were made.

use std::fs;
use std::path::{Path, PathBuf};

use mettle_gpu::{Device, Preference};
use mettle_models::{
    Checkpoint, Config, KvFormat, LoadOptions, Model, RopeScaling, Tokenizer,
    chat::{ChatOptions, ChatTemplate, Message},
};
use safetensors::SafeTensors;

use crate::support::{fixture, nmse, values_of};

const DENSE: &str = "qwen3-folder-bf16";
const FOUR_BITS: &str = "qwen3-mlx-4bit";
const THREE_BITS: &str = "qwen3-mlx-3bit";
const EXPERTS: &str = "qwen3moe-mlx-4bit";
const GEMMA2: &str = "gemma2-folder-bf16";
const GEMMA3: &str = "gemma3-folder-f16";
const PHI3: &str = "phi3-folder-bf16";
/// One of each other family; of the mixture of experts with a tensor for each matrix.
const OTHERS: [&str; 6] = [
    "llama-mlx-4bit",
    "qwen2-folder-f16",
    "qwen3moe-folder-bf16",
    GEMMA2,
    GEMMA3,
    PHI3,
];

/// The logits of a folder, and those of `transformers` with the values that it decodes to.
fn check_logits(name: &str) {
    let bytes = fs::read(fixture(&format!("{name}.safetensors"))).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: &str| expected.tensor(name).unwrap().data().to_vec();
    let (tokens, expected): (Vec<u32>, Vec<f32>) =
        (values_of(&tensor("tokens")), values_of(&tensor("logits")));

    let device = Device::open(Preference::Cpu).unwrap();
    let checkpoint = Checkpoint::open(fixture(name)).unwrap();
    let options = LoadOptions {
        kv_format: KvFormat::F32,
        ..LoadOptions::default()
    };
    let model = Model::load(&device, &checkpoint, &options).unwrap();
    let mut logits = Vec::new();
    let mut session = model.session().unwrap();
    session
        .forward_each(&tokens, |_, row| logits.extend_from_slice(row))
        .unwrap();
    let error = nmse(&logits, &expected);
    println!("{name}: NMSE {error:.2e}");
    assert!(error < 1e-8, "{name}: {error:e}");
}

#[test]
fn a_folder_of_two_files_gives_the_logits_of_transformers() {
    check_logits(DENSE);
}

#[test]
fn quantised_folders_give_the_logits_of_what_they_decode_to() {
    check_logits(FOUR_BITS);
    check_logits(THREE_BITS);
    check_logits(EXPERTS);
}

#[test]
fn folders_of_all_families_give_the_logits_of_transformers() {
    OTHERS.into_iter().for_each(check_logits);
}

#[test]
fn texts_have_the_ids_of_the_folders_tokenizer() {
    for name in [DENSE, FOUR_BITS, THREE_BITS, EXPERTS]
        .into_iter()
        .chain(OTHERS)
    {
        let checkpoint = Checkpoint::open(fixture(name)).unwrap();
        let tokenizer = Tokenizer::from_gguf(checkpoint.metadata()).unwrap();
        let text = fs::read_to_string(fixture(&format!("{name}.json"))).unwrap();
        let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() > 50);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(
                tokenizer.encode_with_control(text, false).unwrap(),
                ids,
                "{text:?}"
            );
        }
        assert_eq!(
            tokenizer.token(tokenizer.eos().unwrap()).unwrap(),
            "<|im_end|>"
        );
        assert_eq!(tokenizer.len(), 320);
        let template = ChatTemplate::from_gguf(checkpoint.metadata(), &tokenizer).unwrap();
        let rendered = template.render(&[Message::new("user", "x")], ChatOptions::default());
        assert_eq!(rendered.unwrap(), "user: x<|im_end|>\n");
    }
}

/// A copy of a folder, which lives as long as the first of the pair.
fn copy(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::create_dir(&path).unwrap();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
    }
    (folder, path)
}

/// Changes a JSON file.
fn edit(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
}

/// What is said of a folder that was damaged, from the folder's name on.
fn refused(name: &str, damage: impl FnOnce(&Path)) -> String {
    let (_folder, path) = copy(name);
    damage(&path);
    let open = || -> mettle_models::Result<()> {
        let checkpoint = Checkpoint::open(&path)?;
        let device = Device::open(Preference::Cpu).unwrap();
        Model::load(&device, &checkpoint, &LoadOptions::default()).map(drop)
    };
    let message = open()
        .expect_err("the folder should be refused")
        .to_string();
    let parent = format!("{}/", path.parent().unwrap().display());
    message.replace(&parent, "")
}

/// `transformers` takes the factor as the whole correction of the temperature, and GGUF as what is multiplied with `1 + 0.1 ln 4`.
#[test]
fn an_attention_factor_is_the_whole_correction() {
    let (_folder, path) = copy(DENSE);
    edit(&path.join("config.json"), |config| {
        config["rope_parameters"] = serde_json::json!({
            "rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 64,
            "attention_factor": 2.0 * 1.138_629_4,
        });
    });
    let checkpoint = Checkpoint::open(&path).unwrap();
    let config = Config::from_metadata(checkpoint.metadata()).unwrap();
    let RopeScaling::Yarn {
        factor,
        original_context,
        attention_factor,
        ..
    } = config.rope_scaling
    else {
        panic!("{:?}", config.rope_scaling);
    };
    assert_eq!((factor, original_context), (4.0, 64));
    assert!((attention_factor - 2.0).abs() < 1e-6, "{attention_factor}");
}

#[test]
fn damaged_folders_are_refused_with_the_file_to_blame() {
    let of = |name: &str, change: fn(&mut serde_json::Value)| {
        refused(name, |path| edit(&path.join("config.json"), change))
    };
    let config = |change: fn(&mut serde_json::Value)| of(FOUR_BITS, change);
    let messages = [
        refused(DENSE, |path| {
            fs::remove_file(path.join("config.json")).unwrap()
        }),
        refused(DENSE, |path| {
            fs::remove_file(path.join("model-00002-of-00002.safetensors")).unwrap();
        }),
        refused(DENSE, |path| {
            let file = path.join("model-00002-of-00002.safetensors");
            let bytes = fs::read(&file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 1]).unwrap();
        }),
        refused(DENSE, |path| {
            edit(&path.join("model.safetensors.index.json"), |index| {
                index["weight_map"]["lm_head.weight"] = "../lm_head.safetensors".into();
            });
        }),
        refused(DENSE, |path| {
            fs::remove_file(path.join("model.safetensors.index.json")).unwrap();
        }),
        refused(DENSE, |path| {
            fs::write(path.join("config.json"), "{").unwrap()
        }),
        refused(DENSE, |path| {
            edit(&path.join("tokenizer.json"), |tokenizer| {
                tokenizer["model"]["type"] = "Unigram".into();
            });
        }),
        refused(DENSE, |path| {
            edit(&path.join("tokenizer.json"), |tokenizer| {
                tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = ".".into();
            });
        }),
        refused(DENSE, |path| {
            edit(&path.join("tokenizer_config.json"), |settings| {
                settings["eos_token"] = "<|nothing|>".into();
            });
        }),
        config(|config| config["model_type"] = "mamba".into()),
        refused(EXPERTS, |path| {
            edit(&path.join("config.json"), |config| {
                config["norm_topk_prob"] = false.into();
            });
        }),
        refused(EXPERTS, |path| {
            edit(&path.join("config.json"), |config| {
                config["mlp_only_layers"] = serde_json::json!([0]);
            });
        }),
        config(|config| config["hidden_size"] = 192.into()),
        config(|config| config["quantization"]["bits"] = 8.into()),
        config(|config| config["quantization"]["group_size"] = 48.into()),
        config(|config| config["quantization"]["mode"] = "mxfp4".into()),
        config(|config| config["quantization"] = serde_json::Value::Null),
        config(|config| config["vocab_size"] = 300.into()),
        config(|config| {
            config["use_sliding_window"] = true.into();
            config["sliding_window"] = 8.into();
            config["layer_types"] = serde_json::json!(["full_attention", "sliding_attention"]);
        }),
        config(|config| config["hidden_act"] = "gelu".into()),
        of(GEMMA2, |config| config["query_pre_attn_scalar"] = 24.into()),
        of(GEMMA2, |config| {
            config["final_logit_softcapping"] = serde_json::Value::Null
        }),
        of(GEMMA3, |config| {
            config["attn_logit_softcapping"] = 50.0.into()
        }),
        of(GEMMA3, |config| {
            config["use_bidirectional_attention"] = true.into()
        }),
        of(GEMMA3, |config| {
            config["rope_parameters"]["sliding_attention"]["rope_type"] = "linear".into()
        }),
        of(GEMMA3, |config| {
            config["layer_types"] = serde_json::json!(["full_attention", "chunked_attention"])
        }),
        of(PHI3, |config| {
            config["rope_parameters"]["rope_type"] = "dynamic".into()
        }),
        of("qwen3moe-folder-bf16", |config| {
            config["num_local_experts"] = 4.into()
        }),
        refused(GEMMA2, |path| {
            edit(&path.join("tokenizer.json"), |tokenizer| {
                tokenizer["normalizer"]["content"] = "_".into();
            });
        }),
        refused(GEMMA2, |path| {
            edit(&path.join("tokenizer.json"), |tokenizer| {
                let merges = tokenizer["model"]["merges"].as_array_mut().unwrap();
                merges.push(serde_json::json!(["\n", "a"]));
            });
        }),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}
