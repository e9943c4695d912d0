//! How well a model predicts a text.

use crate::{Error, Result, Session, Tokenizer};

/// Information that a model needs for a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Sum over all tokens of -log2 of the probability the model gave them.
    pub bits: f64,
    /// Tokens of the text.
    pub tokens: usize,
    /// Bytes of the text.
    pub bytes: usize,
}

impl Score {
    /// Bits for each byte of the text: lower is better, and comparable between tokenizers.
    pub fn bits_per_byte(&self) -> f64 {
        self.bits / self.bytes as f64
    }

    /// The number of equally likely tokens that would be as hard to guess.
    pub fn perplexity(&self) -> f64 {
        (self.bits / self.tokens as f64).exp2()
    }
}

/// Scores a text.
///
/// The text is encoded without anything added and cut into windows of the session's context, the last of them shorter.
/// Each window is predicted from an empty cache behind the model's BOS token (EOS for models without one), so every token
/// is scored exactly once. `progress` is told the tokens scored so far and their number.
///
/// # Errors
/// [`Error::Request`] for an empty text or a model without BOS and EOS; errors of the tokenizer and the device.
pub fn score(
    session: &mut Session,
    tokenizer: &Tokenizer,
    text: &str,
    mut progress: impl FnMut(usize, usize),
) -> Result<Score> {
    let start = tokenizer.bos().or(tokenizer.eos()).ok_or_else(|| {
        Error::Request("the model has neither a BOS nor an EOS token to start from".to_owned())
    })?;
    let ids = tokenizer.encode(text, false)?;
    if ids.is_empty() {
        return Err(Error::Request("there is no text to score".to_owned()));
    }
    let mut bits = 0.0;
    let mut done = 0;
    for window in ids.chunks(session.model().context()) {
        session.clear();
        let mut input = vec![start];
        input.extend_from_slice(&window[..window.len() - 1]);
        session.forward_each(&input, |i, logits| bits += surprise(logits, window[i]))?;
        done += window.len();
        progress(done, ids.len());
    }
    session.clear();
    Ok(Score {
        bits,
        tokens: ids.len(),
        bytes: text.len(),
    })
}

/// -log2 of the probability of a token.
fn surprise(logits: &[f32], id: u32) -> f64 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&l| f64::from(l - highest).exp()).sum();
    (sum.ln() + f64::from(highest - logits[id as usize])) / std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::surprise;

    #[test]
    fn surprise_of_known_distributions() {
        assert_eq!(surprise(&[3.0; 8], 5), 3.0);
        let logits = [0.0f32, 3f32.ln()];
        assert!((surprise(&logits, 0) - 2.0).abs() < 1e-6);
        assert!((surprise(&[1000.0, 999.0], 1) - (1f64.exp() + 1.0).log2()).abs() < 1e-6);
    }
}
