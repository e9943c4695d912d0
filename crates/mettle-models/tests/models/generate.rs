//! Generation: options, ends, limits, and prompts that cannot be read.

use std::sync::atomic::{AtomicBool, Ordering};

use mettle_gpu::{Device, Preference};
use mettle_kernels::ops;
use mettle_models::chat::{ChatOptions, ChatTemplate, Message};
use mettle_models::{
    Checkpoint, Error, Finish, GenerateOptions, Generation, LoadOptions, Model, Sampling, Session,
    Tokenizer, generate,
};

use crate::support::{fixture, temporary, tiny_model};

struct Tiny {
    model: Model,
    tokenizer: Tokenizer,
}

impl Tiny {
    fn new(context: usize) -> Self {
        let (_folder, path) = temporary("tiny.gguf", &tiny_model().build());
        let file = Checkpoint::open(&path).unwrap();
        let options = LoadOptions {
            context: Some(context),
            chunk: Some(8),
            ..LoadOptions::default()
        };
        let device = Device::open(Preference::Cpu).unwrap();
        Self {
            model: Model::load(&device, &file, &options).unwrap(),
            tokenizer: Tokenizer::from_gguf(file.metadata()).unwrap(),
        }
    }

    fn generate(
        &self,
        prompt: &[u32],
        options: &GenerateOptions,
    ) -> mettle_models::Result<Generation> {
        let mut session = self.model.session().unwrap();
        let mut told = (Vec::new(), String::new());
        let out = generate(
            &mut session,
            &self.tokenizer,
            prompt,
            options,
            &false.into(),
            |token| {
                told.0.push(token.id);
                told.1.push_str(token.text);
            },
        )?;
        assert_eq!(told.1, out.text);
        // A character that never ended is told with the last token once more.
        assert!(told.0.starts_with(&out.ids) && told.0.len() <= out.ids.len() + 1);
        Ok(out)
    }
}

fn greedy(max_tokens: usize) -> GenerateOptions {
    GenerateOptions {
        max_tokens,
        sampling: Sampling::Greedy,
        ignore_end: true,
    }
}

fn random(seed: u64) -> GenerateOptions {
    let sampling = ops::Sampling {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed,
    };
    GenerateOptions {
        sampling: Sampling::Random(sampling),
        ..greedy(24)
    }
}

const PROMPT: [u32; 11] = [5, 260, 7, 99, 100, 1, 2, 3, 250, 0, 17];

fn best(session: &mut Session, ids: &[u32]) -> u32 {
    let logits = session.forward(ids).unwrap().to_vec::<f32>().unwrap();
    (0..logits.len())
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .unwrap() as u32
}

#[test]
fn greedy_takes_the_best_token_of_each_pass() {
    let tiny = Tiny::new(64);
    let out = tiny.generate(&PROMPT, &greedy(12)).unwrap();
    let mut session = tiny.model.session().unwrap();
    let mut expected = vec![best(&mut session, &PROMPT)];
    while expected.len() < 12 {
        let last = expected[expected.len() - 1];
        expected.push(best(&mut session, &[last]));
    }
    assert_eq!(
        (out.ids.as_slice(), out.finish),
        (expected.as_slice(), Finish::MaxTokens)
    );
    assert_eq!((out.stats.prompt_tokens, out.stats.decode_tokens), (11, 11));
    assert!(out.stats.prompt_rate() > 0.0 && out.stats.decode_rate() > 0.0);
}

#[test]
fn a_seed_decides_the_text() {
    let tiny = Tiny::new(64);
    let texts: Vec<_> = [1, 2, 3]
        .map(|seed| tiny.generate(&PROMPT, &random(seed)).unwrap().ids)
        .into();
    assert_eq!(tiny.generate(&PROMPT, &random(1)).unwrap().ids, texts[0]);
    assert!(texts[0] != texts[1] && texts[1] != texts[2]);
}

#[test]
fn ends() {
    let tiny = Tiny::new(64);
    let free = tiny.generate(&PROMPT, &random(1)).unwrap();
    assert_eq!(free.finish, Finish::MaxTokens);
    assert_eq!(tiny.generate(&PROMPT, &greedy(0)).unwrap().ids, [0u32; 0]);

    // The context has room for the prompt and three tokens; a fourth is known but cannot be read.
    let short = Tiny::new(PROMPT.len() + 3);
    let out = short.generate(&PROMPT, &greedy(100)).unwrap();
    assert_eq!((out.ids.len(), out.finish), (4, Finish::Context));

    // A text that ends: some seed draws the end token soon enough.
    let end = 259;
    let ended = (0..200).find_map(|seed| {
        let mut options = random(seed);
        let free = tiny.generate(&PROMPT, &options).unwrap();
        let at = free.ids.iter().position(|&id| id == end)?;
        options.ignore_end = false;
        Some((at, free.ids, tiny.generate(&PROMPT, &options).unwrap()))
    });
    let (at, free, ended) = ended.expect("a seed that draws the end token");
    assert_eq!(
        (ended.ids.as_slice(), ended.finish),
        (&free[..at], Finish::End)
    );
}

/// Through the chat template of the file, by every architecture that has a fixture with one.
#[test]
fn chats_with_the_template_of_the_file() {
    let device = Device::open(Preference::Cpu).unwrap();
    for name in [
        "qwen2-gqa2-f32",
        "qwen2-tied-q8_0",
        "qwen3moe-f32",
        "qwen3moe-mixed",
        "gemma2-f32",
        "gemma3-f32",
        "gemma4-f32",
        "gemma4-moe-f32",
        "phi3-longrope-f32",
        "qwen35-f32",
        "qwen35moe-f32",
        "qwen3next-mixed",
        "deepseek2-f32",
        "deepseek2-lite-q8_0",
    ] {
        let file = Checkpoint::open(fixture(&format!("{name}.gguf"))).unwrap();
        let model = Model::load(&device, &file, &LoadOptions::default()).unwrap();
        let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
        let template = ChatTemplate::from_gguf(file.metadata(), &tokenizer).unwrap();
        let messages = [Message::new("user", "Who made the light?")];
        let text = template.render(&messages, ChatOptions::default()).unwrap();
        assert!(text.contains("Who made the light?"), "{text}");
        let ids = tokenizer.encode_chat(&text).unwrap();
        let mut session = model.session().unwrap();
        let never = false.into();
        let out = generate(&mut session, &tokenizer, &ids, &greedy(8), &never, |_| {}).unwrap();
        assert_eq!(
            (out.ids.len(), out.finish),
            (8, Finish::MaxTokens),
            "{name}"
        );
    }
}

/// With a prompt several times as long as the windows of layers, and texts that go on far behind it: what is drawn over rings, which have room for a few
/// tokens more than the window, is what is drawn over caches of every token.
#[test]
fn texts_are_many_windows_long() {
    let device = Device::open(Preference::Cpu).unwrap();
    for name in ["gemma2-f32", "gemma3-f32", "gemma4-f32"] {
        let file = Checkpoint::open(fixture(&format!("{name}.gguf"))).unwrap();
        let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
        let prompt: Vec<u32> = PROMPT.into_iter().cycle().take(60).collect();
        let [ring, whole] = [7, 256].map(|chunk| {
            let options = LoadOptions {
                chunk: Some(chunk),
                ..LoadOptions::default()
            };
            let model = Model::load(&device, &file, &options).unwrap();
            assert_eq!(model.memory().windows_save > 0, chunk == 7);
            [greedy(90), random(3)].map(|options| {
                let mut session = model.session().unwrap();
                let never = false.into();
                generate(&mut session, &tokenizer, &prompt, &options, &never, |_| {})
                    .unwrap()
                    .ids
            })
        });
        assert_eq!(ring, whole, "{name}");
        assert_eq!(ring.map(|ids| ids.len()), [90, 24]);
    }
}

#[test]
fn the_stop_flag_ends_it_between_passes() {
    let tiny = Tiny::new(64);
    let stop = AtomicBool::new(false);
    let mut session = tiny.model.session().unwrap();
    let mut count = 0;
    let out = generate(
        &mut session,
        &tiny.tokenizer,
        &PROMPT,
        &greedy(40),
        &stop,
        |_| {
            count += 1;
            stop.store(count == 5, Ordering::Relaxed);
        },
    );
    let out = out.unwrap();
    assert_eq!((out.ids.len(), out.finish), (5, Finish::Stopped));

    session.clear();
    stop.store(true, Ordering::Relaxed);
    let out = generate(
        &mut session,
        &tiny.tokenizer,
        &PROMPT,
        &greedy(40),
        &stop,
        |_| {},
    )
    .unwrap();
    assert_eq!(
        (out.ids.len(), out.finish, session.position()),
        (0, Finish::Stopped, 0)
    );
}

#[test]
fn prompts_that_cannot_be_read() {
    let tiny = Tiny::new(16);
    let message = |prompt: &[u32]| tiny.generate(prompt, &greedy(1)).unwrap_err();
    let too_long = message(&[1; 17]);
    assert!(matches!(
        too_long,
        Error::ContextExceeded {
            tokens: 17,
            used: 0,
            context: 16
        }
    ));
    assert_eq!(
        too_long.to_string(),
        "17 tokens do not fit: 0 of the context's 16 positions are in use"
    );
    assert_eq!(
        message(&[1, 261]).to_string(),
        "token id 261 is out of range: the vocabulary has 261 tokens"
    );
    assert_eq!(message(&[]).to_string(), "there are no tokens to read");

    let mut session = tiny.model.session().unwrap();
    session.forward(&[1; 10]).unwrap();
    let error = session.forward(&[1; 7]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "7 tokens do not fit: 10 of the context's 16 positions are in use"
    );
    assert_eq!((session.position(), session.room()), (10, 6));
    assert!(session.forward_each(&[400], |_, _| {}).is_err());
    // What was refused has left no trace.
    let mut other = tiny.model.session().unwrap();
    other.forward(&[1; 10]).unwrap();
    assert_eq!(best(&mut session, &[3]), best(&mut other, &[3]));
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let tiny = Tiny::new(16);
    let other = Checkpoint::open(fixture("tokenizer-spm.gguf")).unwrap();
    let tokenizer = Tokenizer::from_gguf(other.metadata()).unwrap();
    let mut session = tiny.model.session().unwrap();
    let error = generate(
        &mut session,
        &tokenizer,
        &[1],
        &greedy(1),
        &false.into(),
        |_| {},
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not belong to a model of 261"),
        "{error}"
    );
}
