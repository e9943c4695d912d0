//! Chat templates: messages to the text that a chat model was trained on.
//!
//! Templates are Jinja programs inside model files, written for the environment that Hugging Face's `transformers` sets
//! up. The same environment is set up here.

mod json;
mod time;

use minijinja::{Environment, ErrorKind, Value, context, syntax::SyntaxConfig, value::Kwargs};

use crate::{Error, Result, Tokenizer, gguf::Metadata};

const KEY: &str = "tokenizer.chat_template";
const NAME: &str = "chat template";

/// Steps a template may take: far more than real ones need, far fewer than would be noticed.
const FUEL: u64 = 20_000_000;

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of `role`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// What a template is told besides the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatOptions {
    /// End with the start of the assistant's turn, so that the model answers.
    pub add_generation_prompt: bool,
    /// For models that can think before they answer; undefined for the template when absent.
    pub enable_thinking: Option<bool>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            add_generation_prompt: true,
            enable_thinking: None,
        }
    }
}

/// The chat template of a model.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// The template of a model file.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] when the file has none or it cannot be parsed.
    pub fn from_gguf(metadata: &Metadata, tokenizer: &Tokenizer) -> Result<Self> {
        let source = metadata
            .find::<&str>(KEY)?
            .ok_or_else(|| Error::ChatTemplate(format!("the model has none (`{KEY}`)")))?;
        let text = |id: Option<u32>| match id {
            Some(id) => tokenizer.token(id),
            None => Ok(""),
        };
        Self::new(source, text(tokenizer.bos())?, text(tokenizer.eos())?)
    }

    /// A template from its source; `bos` and `eos` are the texts of these tokens.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] when it cannot be parsed.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(failed)?);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(failed)?;
        Ok(Self {
            environment,
            bos: bos.to_owned(),
            eos: eos.to_owned(),
        })
    }

    /// The conversation as text for [`Tokenizer::encode_chat`].
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] when the template fails or refuses the messages.
    pub fn render(&self, messages: &[Message], options: ChatOptions) -> Result<String> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|m| Value::from_pairs([("role", &m.role), ("content", &m.content)]))
            .collect();
        let thinking = options
            .enable_thinking
            .map_or(Value::UNDEFINED, Value::from);
        let template = self.environment.get_template(NAME).map_err(failed)?;
        template
            .render(context! {
                messages,
                bos_token => &self.bos,
                eos_token => &self.eos,
                add_generation_prompt => options.add_generation_prompt,
                enable_thinking => thinking,
            })
            .map_err(failed)
    }
}

fn failed(error: minijinja::Error) -> Error {
    Error::ChatTemplate(error.to_string())
}

fn raise_exception(message: String) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: &str) -> Result<String, minijinja::Error> {
    let now = std::time::SystemTime::now();
    let seconds = now
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    time::format_utc(format, seconds).map_err(|directive| {
        minijinja::Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now does not know the directive %{directive}"),
        )
    })
}

/// `json.dumps` as transformers calls it, in place of the built-in filter, which escapes for HTML.
fn tojson(value: &Value, options: Kwargs) -> Result<Value, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Accepted and without effect, as in transformers, where the default is not to escape either.
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    Ok(Value::from(json::dumps(value, indent)?))
}
