//! Reads the tokens of a preprocessed unit: enough of the grammar to know its kernels, types and constants, and nothing of expressions
//! beyond integer constants. What it does not understand it steps over; the C++ compiler has the last word.

mod constants;
mod early;
pub(crate) mod item;
mod kernel;
mod names;
mod parameters;
pub(crate) mod space;
mod structs;
mod types;
mod value;

pub(crate) use constants::{Declaration, defined_query};
pub(crate) use types::builtin as builtin_type;

use crate::diagnostic::Diagnostic;
use crate::error::{Error, Result};
use crate::reflect::{FunctionConstant, Kernel, Struct, Variant};
use crate::source::Source;
use crate::token::Tokens;
use item::Items;
use names::Names;

/// What the parser found in a unit.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub kernels: Vec<Kernel>,
    pub constants: Vec<FunctionConstant>,
    pub structs: Vec<Struct>,
    pub variants: Vec<Variant>,
    pub places: Places,
}

/// Where in the tokens some of it stands, for the rewriter.
#[derive(Debug)]
pub(crate) struct Places {
    /// The keyword of each struct.
    pub structs: Vec<usize>,
    /// Declarations of function constants and of what is computed from them.
    pub constants: Vec<Declaration>,
}

/// Splits the text of a unit into tokens.
pub(crate) fn tokens(source: &Source) -> Result<Tokens<'_>> {
    Tokens::new(&source.text).map_err(|e| Error::Compile {
        diagnostics: vec![source.error(e.offset, e.message)],
    })
}

/// Reads a unit.
pub(crate) fn parse(source: &Source, tokens: &Tokens<'_>, items: &Items) -> Result<Parsed> {
    let names = Names::collect(source, tokens, items);
    let mut reader = Reader {
        source,
        tokens,
        items,
        names,
        diagnostics: Vec::new(),
    };
    let mut kernels = reader.kernels();
    let (constants, declarations) = reader.constants();
    let variants = reader.variants(&constants);
    reader.mark_early(&mut kernels);
    reader.check_names(&kernels);
    if !reader.diagnostics.is_empty() {
        return Err(Error::Compile {
            diagnostics: reader.diagnostics,
        });
    }
    let Names {
        structs,
        struct_keywords,
        ..
    } = reader.names;
    let places = Places {
        structs: struct_keywords,
        constants: declarations,
    };
    Ok(Parsed {
        kernels,
        constants,
        structs,
        variants,
        places,
    })
}

/// Everything the parts of the parser look at, and the errors they found.
struct Reader<'a> {
    source: &'a Source,
    tokens: &'a Tokens<'a>,
    items: &'a Items,
    names: Names<'a>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Reports an error at a token.
    fn error(&mut self, token: usize, message: impl Into<String>) {
        self.diagnostics
            .push(self.source.error(self.tokens.start(token), message));
    }

    fn check_names(&mut self, kernels: &[Kernel]) {
        for (i, kernel) in kernels.iter().enumerate() {
            if kernels[..i].iter().any(|k| k.name == kernel.name) {
                let message = format!("a second kernel is named {:?}", kernel.name);
                self.diagnostics.push(self.source.diagnostic(
                    kernel.location.clone(),
                    crate::Severity::Error,
                    message,
                ));
            }
        }
    }
}
