//! Tokenizers against the answers of other implementations, and metadata that make no tokenizer.

use mettle_models::{
    Error, Tokenizer,
    gguf::{File, Header},
};
use proptest::prelude::*;

use crate::support::{Builder, byte_letters, fixture, small_llama};

fn from_fixture(name: &str) -> Tokenizer {
    let file = File::open(fixture(&format!("{name}.gguf"))).unwrap();
    Tokenizer::from_gguf(file.metadata()).unwrap()
}

const FIXTURES: [&str; 5] = [
    "tokenizer-gemma4",
    "tokenizer-qwen2",
    "tokenizer-llama-bpe",
    "tokenizer-spm",
    "tokenizer-spm-no-prefix",
];

/// Word pieces do not say all of a text again.
const WORD_PIECES: [&str; 2] = ["tokenizer-bert", "tokenizer-bert-cased"];

/// Texts with the ids that llama.cpp or BERT's own tokenizer gives; `tools/fixtures/README.md` says what each field is.
#[test]
fn fixtures() {
    for name in FIXTURES.into_iter().chain(WORD_PIECES) {
        let tokenizer = from_fixture(name);
        let text = std::fs::read_to_string(fixture(&format!("{name}.json"))).unwrap();
        let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() > 50, "{name}: {} cases", cases.len());
        for case in cases {
            let field = |name: &str| case[name].as_str().unwrap();
            let ids = |name: &str| -> Vec<u32> {
                let ids = case[name].as_array().unwrap();
                ids.iter().map(|id| id.as_u64().unwrap() as u32).collect()
            };
            let text = field("text");
            assert_eq!(
                tokenizer.encode(text, false).unwrap(),
                ids("ids"),
                "{name}: {text:?}"
            );
            assert_eq!(
                tokenizer.encode_with_control(text, true).unwrap(),
                ids("ids_special"),
                "{name} with control tokens: {text:?}"
            );
            assert_eq!(
                tokenizer.decode(&ids("ids")).unwrap(),
                field("decoded"),
                "{name}: {text:?}"
            );
            let mut stream = tokenizer.stream_after_prompt();
            let pieces = ids("ids_special")
                .iter()
                .map(|&id| stream.push(id).unwrap())
                .collect::<String>();
            assert_eq!(
                pieces + &stream.finish(),
                field("decoded_plain"),
                "{name}: {text:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_text_returns(text in "([ \t\n]{0,3}|[a-zA-Z0-9.,']{0,6}|\\PC){0,16}") {
        // What the user-defined token hides is not to be looked for here.
        prop_assume!(!text.contains("<think>"));
        for name in FIXTURES {
            let tokenizer = from_fixture(name);
            let ids = tokenizer.encode(&text, true).unwrap();
            prop_assert_eq!(&tokenizer.decode(&ids).unwrap(), &text, "{}", name);
        }
    }
}

#[test]
fn characters_over_several_tokens_come_whole() {
    for name in FIXTURES {
        let tokenizer = from_fixture(name);
        let text = "naïve 🦀🦀 語 end";
        let mut stream = tokenizer.stream();
        let mut pieces = Vec::new();
        for id in tokenizer.encode(text, false).unwrap() {
            pieces.push(stream.push(id).unwrap());
        }
        assert_eq!(stream.finish(), "");
        assert!(
            pieces.iter().all(|p| !p.contains('\u{fffd}')),
            "{name}: {pieces:?}"
        );
        assert!(
            pieces.iter().any(String::is_empty),
            "{name}: no character was split: {pieces:?}"
        );
        assert_eq!(pieces.concat(), text);
    }
}

#[test]
fn bytes_that_are_no_text() {
    let tokenizer =
        Tokenizer::from_gguf(&Header::parse(&small_llama().build()).unwrap().metadata).unwrap();
    // Ids below 256 are bytes.
    assert_eq!(
        tokenizer
            .decode(&[b'a'.into(), 0xff, b'b'.into(), 0xf0])
            .unwrap(),
        "a\u{fffd}b\u{fffd}"
    );
}

#[test]
fn ids_out_of_range() {
    for name in FIXTURES {
        let tokenizer = from_fixture(name);
        let beyond = tokenizer.len() as u32;
        for id in [beyond, u32::MAX] {
            let error = tokenizer.decode(&[id]).unwrap_err();
            assert!(matches!(error, Error::TokenId { id: found, .. } if found == id));
            assert!(
                error
                    .to_string()
                    .contains(&format!("token id {id} is out of range"))
            );
        }
    }
}

#[test]
fn roles() {
    let tokenizer = from_fixture("tokenizer-spm");
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert!(tokenizer.adds_bos() && tokenizer.is_end(2) && !tokenizer.is_end(1));
    let bpe = from_fixture("tokenizer-qwen2");
    assert!(!bpe.adds_bos());
    let im_end = bpe.id("<|im_end|>").unwrap();
    assert!(bpe.is_end(im_end));
    assert_eq!(bpe.ends(), [im_end]);
    // A template that has written BOS itself does not get a second one.
    let llama = from_fixture("tokenizer-llama-bpe");
    let bos = llama.bos().unwrap();
    assert_eq!(llama.encode_chat("x").unwrap()[0], bos);
    let written = llama.token(bos).unwrap().to_owned() + "x";
    assert_eq!(
        llama.encode_chat(&written).unwrap(),
        llama.encode_chat("x").unwrap()
    );
}

#[test]
fn control_tokens_in_plain_text_are_text() {
    let tokenizer =
        Tokenizer::from_gguf(&Header::parse(&small_llama().build()).unwrap().metadata).unwrap();
    let text = "a<|end|>b<|user|>c";
    assert_eq!(
        tokenizer.encode_with_control(text, false).unwrap(),
        [97, 259, 98, 260, 99]
    );
    let plain = tokenizer.encode(text, false).unwrap();
    // The user-defined token is always recognised, the control token never.
    assert!(!plain.contains(&259) && plain.contains(&260));
    assert_eq!(tokenizer.decode(&plain).unwrap(), text);
    assert_eq!(tokenizer.decode(&[97, 259, 98]).unwrap(), "ab");
}

fn refused(change: impl FnOnce(&mut Builder), wanted: &str) {
    let mut builder = small_llama();
    change(&mut builder);
    let header = Header::parse(&builder.build()).unwrap();
    let message = Tokenizer::from_gguf(&header.metadata)
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
}

#[test]
fn metadata_that_make_no_tokenizer() {
    refused(
        |b| b.remove("tokenizer.ggml.model"),
        "metadata key `tokenizer.ggml.model` is missing",
    );
    refused(
        |b| b.set("tokenizer.ggml.model", "wordpiece"),
        "model `wordpiece` is not supported; supported are bert, gemma4, gpt2, llama",
    );
    refused(
        |b| b.set("tokenizer.ggml.pre", "falcon"),
        "pre-tokenizer `falcon` is not supported; supported are default, gpt-2, llama-bpe, llama-v3, llama3, qwen2",
    );
    refused(
        |b| b.remove("tokenizer.ggml.merges"),
        "`tokenizer.ggml.merges` is missing, wanted an array of strings",
    );
    refused(
        |b| b.set("tokenizer.ggml.tokens", 5u32),
        "`tokenizer.ggml.tokens` is u32 5, wanted an array of strings",
    );
    refused(
        |b| b.set("tokenizer.ggml.tokens", Vec::<String>::new()),
        "a vocabulary of 0 tokens",
    );
    refused(
        |b| b.set("tokenizer.ggml.token_type", vec![1i32; 7]),
        "`tokenizer.ggml.token_type` has 7 entries for 261 tokens",
    );
    refused(
        |b| b.set("tokenizer.ggml.merges", vec!["ab".to_owned()]),
        "entry 0 of `tokenizer.ggml.merges` is \"ab\"",
    );
    refused(
        |b| b.set("tokenizer.ggml.eos_token_id", 261u32),
        "`tokenizer.ggml.eos_token_id` is 261: the vocabulary has 261 tokens",
    );
    refused(
        |b| b.set("tokenizer.ggml.add_bos_token", true),
        "`tokenizer.ggml.add_bos_token` is set, but there is no such token",
    );
    refused(
        |b| {
            let mut tokens = byte_letters();
            tokens.push("a".to_owned());
            b.set("tokenizer.ggml.tokens", tokens);
            b.remove("tokenizer.ggml.token_type");
            b.remove("tokenizer.ggml.eos_token_id");
        },
        "tokens 97 and 256 are both \"a\"",
    );
    refused(
        |b| b.set("tokenizer.ggml.model", "llama"),
        "`tokenizer.ggml.scores` is missing, wanted an array",
    );
}

#[test]
fn word_pieces_need_a_token_for_unknown_words() {
    refused(
        |b| b.set("tokenizer.ggml.model", "bert"),
        "the vocabulary has no token for unknown words",
    );
}

#[test]
fn a_byte_without_a_token() {
    let mut builder = small_llama();
    let tokens: Vec<String> = byte_letters().into_iter().filter(|t| t != "z").collect();
    builder.set("tokenizer.ggml.tokens", tokens);
    builder.remove("tokenizer.ggml.token_type");
    builder.remove("tokenizer.ggml.eos_token_id");
    let tokenizer =
        Tokenizer::from_gguf(&Header::parse(&builder.build()).unwrap().metadata).unwrap();
    assert!(tokenizer.encode("abc", false).is_ok());
    let message = tokenizer.encode("abz", false).unwrap_err().to_string();
    assert_eq!(
        message,
        "tokenizer: the vocabulary has no token for byte 0x7A"
    );
}

/// Merges that name unknown tokens can never apply; the file is usable all the same.
#[test]
fn merges_beyond_the_vocabulary_are_skipped() {
    let mut builder = small_llama();
    let merges = ["Ġ t", "tok1 tok2", "h e"].map(str::to_owned).to_vec();
    builder.set("tokenizer.ggml.merges", merges);
    let tokenizer =
        Tokenizer::from_gguf(&Header::parse(&builder.build()).unwrap().metadata).unwrap();
    assert_eq!(tokenizer.encode(" the", false).unwrap(), [256, 258]);
}
