//! The command line as a person or a script meets it: what it prints, where, and with which exit code.

mod common;
#[path = "cli/kernels.rs"]
mod kernels;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{assert_refused, json, mettle, run};
use serde_json::Value;

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets")
        .join(name)
}

#[test]
fn generates_from_the_bundled_model() {
    let report = json(&run(&[
        "generate",
        "--json",
        "--greedy",
        "--max-tokens",
        "24",
        "--prompt",
        "In the beginning God created",
    ]));
    assert_eq!(report["ids"].as_array().unwrap().len(), 24);
    assert!(
        report["text"].as_str().unwrap().starts_with(" the heaven"),
        "{report}"
    );
    assert!(report["prompt_ids"].as_array().unwrap().len() > 3);
    assert!(report["device"].as_str().unwrap().contains("cpu"));
    for rate in [
        "prompt_tokens_per_second",
        "decode_tokens_per_second",
        "time_to_first_token_seconds",
    ] {
        assert!(report[rate].as_f64().unwrap() > 0.0, "{report}");
    }
}

#[test]
fn fusions_can_be_switched_off() {
    let generate = |max_tokens, options: &[&str]| {
        let prompt = ["--greedy", "--prompt", "In the beginning"];
        let fixed = ["generate", "--json", "--max-tokens", max_tokens];
        json(&run(&[&fixed[..], &prompt, options].concat()))
    };
    let (fused, separate) = (generate("8", &[]), generate("8", &["--no-fusion"]));
    assert_eq!(fused["ids"], separate["ids"]);
    for count in ["count", "barriers"] {
        let count = |report: &Value| report["decode_launches"][count].as_u64().unwrap();
        assert!(count(&fused) < count(&separate), "{fused} {separate}");
    }
    let single = generate("1", &[]);
    assert!(single["decode_launches"].is_null(), "{single}");
}

#[test]
fn the_cache_has_the_type_that_is_asked_for() {
    let generate = |options: &[&str]| {
        let prompt = ["--greedy", "--prompt", "In the beginning God created"];
        let fixed = ["generate", "--max-tokens", "8"];
        run(&[&fixed[..], &prompt, options].concat())
    };
    let memory = |kind: &str| {
        let report = json(&generate(&["--json", "--kv-type", kind]));
        assert_eq!(report["memory"]["kv_type"], kind);
        (
            report["memory"]["kv_cache"].as_u64().unwrap(),
            report["ids"].clone(),
        )
    };
    let (half, usual) = memory("f16");
    let (quantised, ids) = memory("q8_0");
    assert_eq!((quantised * 32, &ids), (half * 17, &usual));
    // The bundled model has heads of 64.
    let (turned, _) = memory("tq4");
    assert_eq!(turned * 128, half * (4 + 32));
    let told = String::from_utf8(generate(&["--kv-type", "q4_0"]).stderr).unwrap();
    assert!(
        told.contains("KV cache (q4_0, ") && told.contains("less than f16)"),
        "{told}"
    );
    // A context of 256, of which layers with windows of 8 keep 7 + 128 tokens.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mettle-models/tests/fixtures");
    let model = fixtures.join("gemma2-f32.gguf").display().to_string();
    let windowed = json(&generate(&["--json", "--model", &model]));
    let saved = windowed["memory"]["windows_save"].as_u64().unwrap();
    let taken = windowed["memory"]["kv_cache"].as_u64().unwrap();
    assert!(saved > 0 && saved < taken, "{saved} of {taken}");
    let told = String::from_utf8(generate(&["--model", &model]).stderr).unwrap();
    assert!(told.contains("KV cache (windows save "), "{told}");
    assert_refused(
        &["generate", "--kv-type", "q9"],
        &["q9", "f32, f16, bf16, q8_0, tq8"],
    );
}

/// A prompt in small chunks is read as it is in large ones, with less memory.
#[test]
fn prompts_are_read_by_as_many_tokens_as_are_asked_for() {
    let generate = |chunk: &str| {
        let prompt = "In the beginning God created the heaven and the earth.";
        let fixed = ["generate", "--json", "--greedy", "--max-tokens", "8"];
        let report = json(&run(
            &[&fixed[..], &["--prompt", prompt, "--chunk", chunk]].concat()
        ));
        let scratch = report["memory"]["scratch"].as_u64().unwrap();
        (report["ids"].clone(), scratch)
    };
    let (few, many) = (generate("3"), generate("64"));
    assert_eq!(few.0, many.0);
    assert!(few.1 < many.1, "{} and {} bytes", few.1, many.1);
}

#[test]
fn the_same_seed_draws_the_same_text() {
    let draw = |seed: &str| {
        let report = json(&run(&[
            "generate",
            "--json",
            "--seed",
            seed,
            "--max-tokens",
            "16",
            "--prompt",
            "And the king said",
        ]));
        report["ids"].clone()
    };
    assert_eq!(draw("3"), draw("3"));
    assert_ne!(draw("3"), draw("4"));
}

#[test]
fn streams_the_prompt_and_its_continuation() {
    let output = run(&[
        "generate",
        "--greedy",
        "--max-tokens",
        "8",
        "--prompt",
        "And God said",
    ]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("And God said") && text.len() > "And God said\n".len(),
        "{text:?}"
    );
}

#[test]
fn reads_the_prompt_from_a_pipe() {
    let mut child = mettle(&["generate", "--json", "--greedy", "--max-tokens", "4"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"And God said")
        .unwrap();
    let report = json(&child.wait_with_output().unwrap());
    assert_eq!(report["prompt"], "And God said");
}

#[test]
fn the_twin_in_q4_0_generates_too() {
    let model = asset("mettle-kjv-q4_0.gguf");
    let model = model.to_str().unwrap();
    let report = json(&run(&[
        "generate",
        "--json",
        "--greedy",
        "--max-tokens",
        "8",
        "--model",
        model,
        "--prompt",
        "And God said",
    ]));
    assert_eq!(report["ids"].as_array().unwrap().len(), 8);
}

/// Experts that stay in the file are counted, for people and for programs, and change no token.
#[test]
fn experts_stay_in_their_file() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mettle-models/tests/fixtures");
    let model = fixtures.join("qwen3moe-f32.gguf").display().to_string();
    let generate = |more: &[&str]| {
        let args = ["generate", "--greedy", "--max-tokens", "6", "--prompt", "x"];
        run(&[&args[..], &["--model", &model], more].concat())
    };
    let resident = json(&generate(&["--json"]));
    let cached = json(&generate(&["--json", "--expert-cache", "120K"]));
    assert_eq!(cached["ids"], resident["ids"]);
    assert!(resident["expert_cache"].is_null() && resident["memory"]["expert_cache"].is_null());
    let experts = &cached["expert_cache"];
    let number = |name: &str| experts[name].as_f64().unwrap();
    assert_eq!(
        number("bytes_read"),
        number("misses") * 3.0 * 64.0 * 32.0 * 4.0
    );
    let all = number("hits") + number("misses");
    assert!(number("misses") > 0.0 && number("hit_rate") == number("hits") / all);
    assert!(number("read_seconds") > 0.0 && number("stall_seconds") >= 0.0);
    assert!(cached["memory"]["expert_cache"].as_u64().unwrap() <= 120_000);

    let output = generate(&["--expert-cache", "1M"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("of them a cache of experts"), "{told}");
    assert!(
        told.contains("% of ") && told.contains(" read in "),
        "{told}"
    );

    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "And God said").unwrap();
    let score = |more: &[&str]| {
        let args = ["score", "--json", "--model", &model, text.to_str().unwrap()];
        json(&run(&[&args[..], more].concat()))
    };
    let (resident, cached) = (score(&[]), score(&["--expert-cache", "120K"]));
    assert_eq!(cached["bits_per_byte"], resident["bits_per_byte"]);
    assert!(resident["expert_cache"].is_null());
    assert!(cached["expert_cache"]["misses"].as_u64().unwrap() > 0);
}

/// Whoever presses Ctrl-C gets the text so far, a line end, and exit code 0.
#[cfg(unix)]
#[test]
fn ctrl_c_stops_cleanly() {
    let mut child = mettle(&[
        "generate",
        "--ignore-eos",
        "--max-tokens",
        "100000",
        "--context",
        "50000",
        "--prompt",
        "And God said",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = Vec::new();
    out.read_until(b'd', &mut first).unwrap();
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(rest.last(), Some(&b'\n'));
}

/// An encoder among the fixtures of the models.
fn encoder() -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mettle-models/tests/fixtures");
    fixtures.join("bert-f32.gguf").display().to_string()
}

#[test]
fn embeds_texts_and_lines() {
    let model = encoder();
    let options = ["embed", "--model", &model, "--normalize"];
    let report = json(&run(&[
        &options[..],
        &["--json", "the evening", "a village"],
    ]
    .concat()));
    assert_eq!(report["pooling"], "mean");
    let embeddings = report["embeddings"].as_array().unwrap();
    assert_eq!(embeddings.len(), 2);
    assert_eq!(embeddings[1]["text"], "a village");
    let vector = embeddings[1]["vectors"][0].as_array().unwrap();
    assert_eq!(vector.len(), 48);
    let length: f64 = vector.iter().map(|v| v.as_f64().unwrap().powi(2)).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");

    let mut child = mettle(&options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"the evening\na village\n").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let first: f64 = lines[1].split(' ').next().unwrap().parse().unwrap();
    assert!((first - vector[0].as_f64().unwrap()).abs() < 1e-6);

    let tokens = run(&[
        "embed",
        "--model",
        &model,
        "--pooling",
        "none",
        "the evening",
    ]);
    let ids = embeddings[0]["ids"].as_array().unwrap().len();
    assert_eq!(
        String::from_utf8(tokens.stdout).unwrap().lines().count(),
        ids
    );
}

#[test]
fn scores_a_text_as_the_training_script_does() {
    // The first 16 KB keep the test short; `tools/train/README.md` has the figure of the whole file.
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(asset("held-out.txt")).unwrap();
    let part = folder.path().join("part.txt");
    std::fs::write(&part, &text[..text.floor_char_boundary(16_000)]).unwrap();
    let report = json(&run(&["score", "--json", part.to_str().unwrap()]));
    let bits = report["bits_per_byte"].as_f64().unwrap();
    assert!((0.9..1.2).contains(&bits), "{report}");
}

#[test]
fn refuses_bad_input_with_a_reason() {
    let encoder = encoder();
    assert_refused(&["embed", "--model", &encoder], &["there are no texts"]);
    assert_refused(
        &["embed", "--model", &encoder, "a", &"the ".repeat(60)],
        &["text 2 has", "the model takes at most 48"],
    );
    assert_refused(
        &["generate", "--model", &encoder, "--prompt", "a"],
        &["`bert` make embeddings and no text"],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let model = std::fs::read(asset("mettle-kjv-q8_0.gguf")).unwrap();
    let text = file("not.gguf", b"this is no model at all");
    let short = file("short.gguf", &model[..100_000]);
    assert_refused(
        &["generate", "--prompt", "x", "--model", &text],
        &["not.gguf", "GGUF"],
    );
    assert_refused(
        &["generate", "--prompt", "x", "--model", &short],
        &["short.gguf"],
    );
    assert_refused(
        &["generate", "--prompt", "x", "--model", "no/such/file.gguf"],
        &["no/such/file.gguf"],
    );
    assert_refused(
        &[
            "generate",
            "--prompt",
            "x",
            "--lora",
            "no/such/adapter.gguf:0.5",
        ],
        &["no/such/adapter.gguf"],
    );
    assert_refused(
        &["generate", "--prompt", "x", "--device", "abacus"],
        &["abacus", "cpu"],
    );
    assert_refused(
        &["generate", "--prompt", "x", "--temperature=-1"],
        &["--temperature"],
    );
    assert_refused(
        &["generate", "--prompt", "x", "--top-p", "1.5"],
        &["--top-p"],
    );
    assert_refused(
        &[
            "generate",
            "--prompt",
            "one two three four",
            "--context",
            "3",
        ],
        &["context", "3"],
    );
    assert_refused(
        &["generate", "--prompt", "x", "--context", "2000000000"],
        &["KV cache", "available"],
    );
    assert_refused(&["generate", "--chat", "--prompt", "x"], &["chat template"]);
    assert_refused(&["verify", "--kernel", "no_such_*"], &["no_such_*"]);
    assert_refused(&["kernels", "--kernel", "no_such_*"], &["no_such_*"]);
    assert_refused(&["score", "no/such/text"], &["no/such/text"]);
}
