//! Turns preprocessed MSL into C++17: the few places where the languages differ are edited, everything else stays as the user wrote it.
//!
//! | MSL | here |
//! |---|---|
//! | `device`, `thread`, `threadgroup` | dropped |
//! | `constant` | `const` |
//! | `threadgroup T x[N];` in a body | `static METTLE_THREADGROUP T x[N];`, see `include/mettle/types.h` |
//! | `[[attribute]]`, `kernel` | dropped; kernels become `static` functions that generated entries call, without a body where not asked for |
//! | `constant T X [[function_constant(n)]];` | a variable that the loader sets, or `constexpr` when the value is given |
//! | functions that differ in address spaces only | one function |
//! | `1.5`, `1.5h`, `1.5bf` | `1.5f`, `1.5f16`, `bfloat(1.5f)` |
//! | `#pragma METAL fp ...` | `#pragma clang fp ...` |
//! | `#pragma unroll(MACRO)` | dropped: the preprocessor leaves macros in pragmas as they are |
//! | `v.x += e` where a free `operator+=` is declared | `v.x = v.x + (e)` |
//! | `c ? 0 : x` | the literal in the type of `x`, where that may be a bfloat |
//!
//! Names that this adds start with `mettle_`.

mod branches;
mod constants;
mod duplicates;
mod entries;
mod pragma;
mod swizzle;

use crate::Target;
use crate::error::{Error, Result};
use crate::parse::item::{ItemKind, Items};
use crate::parse::{self, space};
use crate::reflect::{ConstantValue, Kernel};
use crate::source::edit::{Edited, Edits};
use crate::token::{TokenKind, Tokens};
use crate::unit::Unit;
use std::ops::Range;

/// Attributes that clang knows and that keep their meaning.
const KEPT_ATTRIBUTES: [&str; 9] = [
    "clang",
    "gnu",
    "maybe_unused",
    "nodiscard",
    "noreturn",
    "fallthrough",
    "likely",
    "unlikely",
    "deprecated",
];

/// What a rewrite is asked for.
pub(crate) struct Request<'a> {
    /// What the text will be compiled for: entries differ.
    pub target: Target,
    /// Values of function constants; `None` leaves all of them to the loader.
    pub constants: Option<&'a [(u32, ConstantValue)]>,
    /// Kernels that get entries.
    pub kernels: &'a [&'a Kernel],
}

/// The C++ text of a unit: the user's code, rewritten, then the entries of the kernels asked for. The map leads to the preprocessed text.
pub(crate) fn rewrite(unit: &Unit, request: &Request<'_>) -> Result<Edited> {
    let source = &unit.source;
    let tokens = parse::tokens(source)?;
    let items = parse::item::items(&tokens);
    let mut rewriter = Rewriter {
        tokens: &tokens,
        edits: Edits::default(),
        words: pragma::Words::of(&tokens),
    };
    duplicates::merge(&tokens, &items, &mut rewriter.edits, source)
        .map_err(|diagnostics| Error::Compile { diagnostics })?;
    constants::rewrite(&tokens, unit, request.constants, &mut rewriter.edits);
    branches::rewrite(&tokens, &mut rewriter.edits);
    rewriter.items(&items, request.kernels);
    rewriter.tokens();
    swizzle::spell_out(&tokens, &items, &mut rewriter.edits);
    let mut edited = rewriter.edits.apply(&source.text);
    entries::append(&mut edited, &tokens, unit, request);
    Ok(edited)
}

struct Rewriter<'a> {
    tokens: &'a Tokens<'a>,
    edits: Edits,
    words: pragma::Words<'a>,
}

impl Rewriter<'_> {
    /// Takes out the tokens of `range`.
    fn remove(&mut self, range: Range<usize>) {
        let t = self.tokens;
        self.edits
            .remove(t.text, t.start(range.start)..t.end(range.end - 1));
    }

    fn replace(&mut self, token: usize, with: &str) {
        let t = self.tokens;
        self.edits.replace(t.start(token)..t.end(token), with);
    }

    /// Kernel functions and instantiations.
    fn items(&mut self, items: &Items, asked: &[&Kernel]) {
        for item in &items.list {
            match item.kind {
                ItemKind::Function {
                    name,
                    parameters,
                    body,
                } if item.templates.is_empty() => {
                    // Without `static` an unused kernel would still be compiled to code.
                    if let Some(place) = self.kernel_mark(item.head..parameters) {
                        let t = self.tokens;
                        self.edits
                            .replace(t.start(place)..t.end(t.partner(place)), "static");
                        if let Some(body) = body
                            && !self.is_needed(name, asked)
                        {
                            self.declare_only(body);
                        }
                    }
                }
                // The entries instantiate what is asked for.
                ItemKind::Instantiation if self.kernel_mark(item.tokens.clone()).is_some() => {
                    self.remove(item.tokens.clone())
                }
                _ => {}
            }
        }
    }

    /// Whether a kernel function is asked for, or may be called by another.
    fn is_needed(&self, name: usize, asked: &[&Kernel]) -> bool {
        let t = self.tokens;
        let function = t.str(name);
        let named = || (0..t.len()).filter(|i| t.is(*i, function)).count();
        asked.iter().any(|kernel| kernel.function == function) || named() > 1
    }

    /// Takes a function's body out, so that what is wrong in it does not matter.
    fn declare_only(&mut self, body: usize) {
        let t = self.tokens;
        let range = t.start(body)..t.end(t.partner(body));
        let newlines = t.text[range.clone()].matches('\n').count();
        self.edits
            .replace(range, format!(";{}", "\n".repeat(newlines)));
    }

    /// The `kernel` keyword in `range`, or the start of the attribute that holds it or a host name.
    fn kernel_mark(&self, range: Range<usize>) -> Option<usize> {
        let t = self.tokens;
        let mut host_name = None;
        let mut i = range.start;
        while i < range.end {
            if t.is_attribute(i) {
                let inner = i + 2..t.partner(i + 1);
                if inner.clone().any(|j| t.is(j, "kernel")) {
                    return Some(i);
                }
                if inner.clone().any(|j| t.is(j, "host_name")) {
                    host_name = Some(i);
                }
            } else if t.is(i, "kernel") {
                return Some(i);
            }
            i = t.skip(i);
        }
        host_name
    }

    /// Everything that can be decided token by token.
    fn tokens(&mut self) {
        let t = self.tokens;
        for i in 0..t.len() {
            match t.kind(i) {
                Some(TokenKind::Word) if !space::is_member(t, i) => match t.str(i) {
                    "kernel" => self.remove(i..i + 1),
                    "device" | "thread" => self.remove(i..i + 1),
                    "threadgroup" => match space::storage(t, i) {
                        Some(storage) => self.replace(i, storage),
                        None => self.remove(i..i + 1),
                    },
                    "constant" if space::qualifies_method(t, i) => self.remove(i..i + 1),
                    "constant" => self.replace(i, "const"),
                    _ => {}
                },
                Some(TokenKind::Punctuation)
                    if t.is_attribute(i) && !KEPT_ATTRIBUTES.contains(&t.str(i + 2)) =>
                {
                    self.remove(i..t.skip(i));
                }
                Some(TokenKind::Number) => {
                    if let Some(with) = literal(t.str(i)) {
                        self.replace(i, &with);
                    }
                }
                Some(TokenKind::Directive) => {
                    if let Some(with) = pragma::rewrite(t.str(i), &mut self.words) {
                        self.replace(i, &with);
                    }
                }
                _ => {}
            }
        }
    }
}

/// What a literal becomes that C++ does not have, or reads as a `double`.
pub(crate) fn literal(text: &str) -> Option<String> {
    if text.starts_with("0x") || text.starts_with("0X") {
        let is_double = text.contains(['p', 'P']) && !text.ends_with(['f', 'F']);
        return is_double.then(|| format!("{text}f"));
    }
    let with_point = |digits: &str| {
        let real = digits.contains(['.', 'e', 'E']);
        if real {
            digits.to_owned()
        } else {
            format!("{digits}.0")
        }
    };
    if let Some(digits) = text.strip_suffix("bf").or_else(|| text.strip_suffix("BF")) {
        return Some(format!("bfloat({}f)", with_point(digits)));
    }
    if let Some(digits) = text.strip_suffix(['h', 'H']) {
        return Some(format!("{}f16", with_point(digits)));
    }
    let is_double =
        text.contains(['.', 'e', 'E']) && text.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    is_double.then(|| format!("{text}f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        assert_eq!(literal("1.5h").as_deref(), Some("1.5f16"));
        assert_eq!(literal("2h").as_deref(), Some("2.0f16"));
        assert_eq!(literal("1e-3H").as_deref(), Some("1e-3f16"));
        assert_eq!(literal("1.0bf").as_deref(), Some("bfloat(1.0f)"));
        assert_eq!(literal("0x1bf"), None);
        assert_eq!(literal("1.5f"), None);
        assert_eq!(literal("1.").as_deref(), Some("1.f"));
        assert_eq!(literal("1e-5").as_deref(), Some("1e-5f"));
        assert_eq!(literal("0x1p-3").as_deref(), Some("0x1p-3f"));
        assert_eq!(literal("0xfe"), None);
        assert_eq!(literal("15"), None);
    }
}
