//! Text from a prompt, token by token.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use mettle_kernels::ops;

use crate::{Error, ExpertStats, Launches, Result, Session, Tokenizer};

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    /// Always the most probable one.
    Greedy,
    /// Drawn at random from the probable ones, reproducibly from a seed.
    Random(ops::Sampling),
}

/// How much text is generated, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Stop after this many tokens.
    pub max_tokens: usize,
    /// How each token is chosen.
    pub sampling: Sampling,
    /// Go on behind tokens that end a text or a turn.
    pub ignore_end: bool,
}

/// A generated token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Its id.
    pub id: u32,
    /// The text that it completes; may be empty.
    pub text: &'a str,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its text or its turn.
    End,
    /// As many tokens as asked for.
    MaxTokens,
    /// The context is full.
    Context,
    /// The stop flag was set.
    Stopped,
}

impl Finish {
    /// A short name, for machines to read.
    pub fn name(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::MaxTokens => "max_tokens",
            Self::Context => "context",
            Self::Stopped => "stopped",
        }
    }
}

/// What was generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// The text, without the prompt.
    pub text: String,
    /// Ids of the tokens, without the one that ended the text.
    pub ids: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// How long it took.
    pub stats: Stats,
}

/// Counts and times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Time until the prompt was read and the first token known.
    pub prompt_time: Duration,
    /// Passes behind that, one a token.
    pub decode_tokens: usize,
    /// Time of these passes.
    pub decode_time: Duration,
    /// Launches of the last of these passes, if there was any.
    pub decode_launches: Option<Launches>,
    /// What the cache of experts did for them all, in models that have one.
    pub experts: Option<ExpertStats>,
}

impl Stats {
    /// Tokens of the prompt a second.
    pub fn prompt_rate(&self) -> f64 {
        rate(self.prompt_tokens, self.prompt_time)
    }

    /// Tokens generated a second, behind the first.
    pub fn decode_rate(&self) -> f64 {
        rate(self.decode_tokens, self.decode_time)
    }

    /// Time until the first token was known.
    pub fn time_to_first_token(&self) -> Duration {
        self.prompt_time
    }
}

fn rate(tokens: usize, time: Duration) -> f64 {
    match time.is_zero() {
        true => 0.0,
        false => tokens as f64 / time.as_secs_f64(),
    }
}

/// Reads a prompt and generates what follows, handing each token to `each` as it comes.
///
/// Setting `stop` ends it before the next pass.
///
/// # Errors
/// [`Error::Request`] for an empty prompt, [`Error::ContextExceeded`] for one longer than the context has room for, and
/// errors of the device.
pub fn generate(
    session: &mut Session,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    options: &GenerateOptions,
    stop: &AtomicBool,
    mut each: impl FnMut(Token<'_>),
) -> Result<Generation> {
    let vocabulary = session.model().config().vocabulary;
    if tokenizer.len() != vocabulary {
        return Err(Error::Request(format!(
            "a tokenizer of {} tokens does not belong to a model of {vocabulary}",
            tokenizer.len()
        )));
    }
    let mut out = Generation {
        text: String::new(),
        ids: Vec::new(),
        finish: Finish::MaxTokens,
        stats: Stats {
            prompt_tokens: prompt.len(),
            ..Stats::default()
        },
    };
    let stopped = || stop.load(Ordering::Relaxed);
    let experts = session.model().expert_stats();
    let start = Instant::now();
    let first = session.start(prompt, &options.sampling, &mut || !stopped())?;
    out.stats.prompt_time = start.elapsed();
    let Some(mut id) = first else {
        out.finish = Finish::Stopped;
        return Ok(out);
    };
    let mut stream = tokenizer.stream_after_prompt();
    let start = Instant::now();
    while out.ids.len() < options.max_tokens {
        if tokenizer.is_end(id) && !options.ignore_end {
            out.finish = Finish::End;
            break;
        }
        out.ids.push(id);
        let text = stream.push(id)?;
        each(Token { id, text: &text });
        out.text.push_str(&text);
        if out.ids.len() == options.max_tokens {
            break;
        }
        if stopped() {
            out.finish = Finish::Stopped;
            break;
        }
        if session.room() == 0 {
            out.finish = Finish::Context;
            break;
        }
        let more = out.ids.len() + 1 < options.max_tokens;
        id = session.step(&options.sampling, more)?;
        out.stats.decode_tokens += 1;
        out.stats.decode_launches = Some(session.launches());
    }
    out.stats.decode_time = start.elapsed();
    let done = session.model().expert_stats().zip(experts);
    out.stats.experts = done.map(|(now, before)| now.since(before));
    let rest = stream.finish();
    if let (Some(&id), false) = (out.ids.last(), rest.is_empty()) {
        each(Token { id, text: &rest });
        out.text.push_str(&rest);
    }
    Ok(out)
}
