//! `tokenizer.json` with `tokenizer_config.json`.

use std::{collections::BTreeMap, fs, io as std_io, path::Path};

use serde::Deserialize;

use super::{Problem, bad, find_json, io};
use crate::{
    Result,
    gguf::{Array, Metadata, Value},
};

/// Kinds of tokens, by their numbers in `tokenizer.ggml.token_type`.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// Expressions that split a text into words, and GGUF's names for them.
const SPLITS: [(&str, &str); 2] = [
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "qwen2",
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "llama-bpe",
    ),
];

#[derive(Deserialize)]
struct Tokenizer {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<serde_json::Value>,
    pre_tokenizer: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: BTreeMap<String, u32>,
    #[serde(default)]
    merges: Vec<Merge>,
    /// Whether characters that have no token are spelled in those of bytes.
    #[serde(default)]
    byte_fallback: bool,
}

/// Both ways in which merges are written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Text(String),
    Pair(String, String),
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

#[derive(Default, Deserialize)]
struct Settings {
    bos_token: Option<Token>,
    eos_token: Option<Token>,
    #[serde(default)]
    add_bos_token: bool,
    chat_template: Option<serde_json::Value>,
}

/// Both ways in which a token is named.
#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Described { content: String },
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Token::Text(text) | Token::Described { content: text } => text,
        }
    }
}

/// Adds the tokenizer of a folder under GGUF's keys; nothing where there is none. The vocabulary gets `size` tokens: models have rows
/// for more than there are.
pub(super) fn add_to(metadata: &mut Metadata, folder: &Path, size: u32) -> Result<()> {
    let path = folder.join("tokenizer.json");
    let Some(tokenizer) = find_json::<Tokenizer>(&path)? else {
        return Ok(());
    };
    let refuse = |reason: String| bad(&path, Problem::Tokenizer(reason));
    if let Some(kind) = tokenizer
        .model
        .kind
        .as_deref()
        .filter(|&kind| kind != "BPE")
    {
        return Err(refuse(format!("a tokenizer of kind {kind}, wanted BPE")));
    }
    let kind = kind(&tokenizer).map_err(&refuse)?;

    let mut tokens: Vec<Option<(String, i32)>> = vec![None; size as usize];
    let added = tokenizer.added_tokens.iter().map(|token| {
        let kind = if token.special { CONTROL } else { USER_DEFINED };
        (&token.content, token.id, kind)
    });
    let plain = tokenizer.model.vocab.iter().map(|(text, &id)| {
        let byte = matches!(kind, Kind::Characters) && is_byte(text);
        (text, id, if byte { BYTE } else { NORMAL })
    });
    // What is added comes last: its kind counts where both have a token.
    for (text, id, kind) in plain.chain(added) {
        let Some(place) = tokens.get_mut(id as usize) else {
            return Err(refuse(format!(
                "token {text:?} has id {id}, but the model's vocabulary has {size}"
            )));
        };
        if let Some((other, _)) = place.as_ref().filter(|(other, _)| other != text) {
            return Err(refuse(format!(
                "tokens {other:?} and {text:?} both have id {id}"
            )));
        }
        *place = Some((text.clone(), kind));
    }
    let padded = |(id, token): (usize, Option<_>)| token.unwrap_or((format!("[PAD{id}]"), UNUSED));
    let (tokens, kinds): (Vec<String>, Vec<i32>) =
        tokens.into_iter().enumerate().map(padded).unzip();
    let merges = tokenizer.model.merges.into_iter().map(Merge::into_text);

    let settings_path = folder.join("tokenizer_config.json");
    let settings: Settings = find_json(&settings_path)?.unwrap_or_default();
    let mut set = |key: &str, value| metadata.set(format!("tokenizer.{key}"), value);
    let (model, pre) = match kind {
        Kind::Bytes(pre) => ("gpt2", pre),
        Kind::Characters => ("gemma4", "gemma4"),
    };
    set("ggml.model", Value::String(model.to_owned()));
    set("ggml.pre", Value::String(pre.to_owned()));
    set("ggml.merges", Value::Array(Array::String(merges.collect())));
    for (key, token) in [("bos", &settings.bos_token), ("eos", &settings.eos_token)] {
        let Some(text) = token.as_ref().map(Token::text) else {
            continue;
        };
        let Some(id) = tokens.iter().position(|token| token == text) else {
            let unknown = format!("{key}_token is {text:?}, which is not in the vocabulary");
            return Err(bad(&settings_path, Problem::Tokenizer(unknown)));
        };
        set(&format!("ggml.{key}_token_id"), Value::U32(id as u32));
    }
    if settings.add_bos_token || matches!(kind, Kind::Characters) {
        set("ggml.add_bos_token", Value::Bool(settings.add_bos_token));
    }
    set("ggml.tokens", Value::Array(Array::String(tokens)));
    set("ggml.token_type", Value::Array(Array::I32(kinds)));
    if let Some(template) = chat_template(folder, settings.chat_template.as_ref())? {
        set("chat_template", Value::String(template));
    }
    Ok(())
}

impl Merge {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Pair(left, right) => format!("{left} {right}"),
        }
    }

    /// Whether it makes one token of a line break and something else.
    fn crosses_lines(&self) -> bool {
        let parts = match self {
            Self::Text(text) => text.split_once(' '),
            Self::Pair(left, right) => Some((left.as_str(), right.as_str())),
        };
        let breaks = |part: &str| part.contains('\n');
        parts.is_some_and(|(left, right)| breaks(left) != breaks(right))
    }
}

/// What is merged.
#[derive(Clone, Copy)]
enum Kind {
    /// Bytes of words, which are split as GGUF's name says.
    Bytes(&'static str),
    /// Characters of lines, as in Gemma's.
    Characters,
}

fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

fn kind(tokenizer: &Tokenizer) -> Result<Kind, String> {
    let splits = tokenizer.pre_tokenizer.as_ref();
    if !tokenizer.model.byte_fallback {
        return pre_tokenizer(splits).map(Kind::Bytes);
    }
    // Words that are split at spaces are whole texts, once these have become other characters.
    let spaces =
        serde_json::json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
    let at_spaces = splits.and_then(|splits| splits.pointer("/pattern/String"));
    if tokenizer.normalizer.as_ref() != Some(&spaces)
        || splits.is_some() && at_spaces.is_none_or(|at| at != " ")
    {
        return Err(
            "texts are normalised or split otherwise than by a character for spaces".to_owned(),
        );
    }
    if tokenizer.model.merges.iter().any(Merge::crosses_lines) {
        return Err("tokens begin in one line and end in another".to_owned());
    }
    Ok(Kind::Characters)
}

/// GGUF's name for how a text is split into words.
fn pre_tokenizer(described: Option<&serde_json::Value>) -> Result<&'static str, String> {
    let steps = match described.and_then(|value| value.get("pretokenizers")) {
        Some(serde_json::Value::Array(steps)) => steps.as_slice(),
        _ => described.map_or(&[][..], std::slice::from_ref),
    };
    for step in steps {
        if let Some(expression) = step.pointer("/pattern/Regex").and_then(|e| e.as_str()) {
            let known = SPLITS.iter().find(|(known, _)| *known == expression);
            return match known {
                Some((_, name)) => Ok(name),
                None => Err(format!("words are split by an unknown rule: {expression}")),
            };
        }
        if step.get("use_regex").and_then(|v| v.as_bool()) == Some(true) {
            return Ok("gpt-2");
        }
    }
    Err("the file does not say how words are split (`pre_tokenizer`)".to_owned())
}

/// The chat template: a file of its own, or part of the settings, where one of several is called "default".
fn chat_template(folder: &Path, setting: Option<&serde_json::Value>) -> Result<Option<String>> {
    let path = folder.join("chat_template.jinja");
    match fs::read_to_string(&path) {
        Ok(template) => return Ok(Some(template)),
        Err(error) if error.kind() == std_io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(&path)(error)),
    }
    let text = match setting {
        Some(serde_json::Value::Array(named)) => named
            .iter()
            .find(|entry| entry.get("name").is_some_and(|name| name == "default"))
            .and_then(|entry| entry.get("template")),
        other => other,
    };
    Ok(text.and_then(|text| text.as_str()).map(str::to_owned))
}
