//! The source of one kernel alone, for when another of its unit does not compile.
//!
//! Where a macro makes kernels, they can only be told apart after preprocessing, and where Metal compiles there may be no preprocessor that
//! we could ask. So the text of a unit is carried expanded, too, by the user's macros: those that Apple's headers define stay as they are
//! written, and so does `#include` of these headers, for Apple's compiler to read.

use super::SOURCE;
use crate::artefact::Artefact;
use crate::error::{Error, Result};
use crate::parse;
use crate::parse::item::{Item, ItemKind, Items};
use crate::preprocess;
use crate::source::Source;
use crate::source::edit::Edits;
use crate::token::Tokens;
use crate::unit::Unit;
use std::collections::HashSet;
use std::path::Path;

/// Target of an artefact whose code is Metal source after preprocessing, with line markers, that [`alone`] takes kernels from.
pub const EXPANDED: &str = "metal-expanded";

/// What an `#include` is while the preprocessor runs.
const INCLUDE: &str = "#pragma mettle_include ";

/// What [`source_artefact`](super::source_artefact) made, after preprocessing.
///
/// # Errors
/// [`Error::Tool`] if the text cannot be preprocessed, and whatever keeps the preprocessor from running.
pub fn expand(source: &Artefact) -> Result<Artefact> {
    let text = text(source)?;
    let text = crate::flatten::without_includes(text, INCLUDE);
    let expanded = preprocess::expand(&source.unit, &text)?;
    Ok(Artefact {
        target: EXPANDED.to_owned(),
        code: expanded.into_bytes(),
        ..source.clone()
    })
}

/// The artefact of one kernel of what [`expand`] made: its text without the other kernels, and without functions that nothing in it names.
///
/// # Errors
/// [`Error::UnknownKernel`], and [`Error::Compile`] if the text is not understood.
pub fn alone(expanded: &Artefact, kernel: &str) -> Result<Artefact> {
    let name = format!("{}.metal", expanded.unit);
    let source = Source::from_preprocessor(text(expanded)?, Path::new(&name), "");
    let unit = Unit::from_preprocessed(expanded.unit.clone(), source)?;
    let place = unit.kernel(kernel)?.offset;
    let tokens = parse::tokens(&unit.source)?;
    let items = parse::item::items(&tokens);
    let cut = Cut {
        tokens: &tokens,
        items: &items,
        place,
        others: unit.kernels.iter().map(|kernel| kernel.offset).collect(),
    };
    let text = cut.edits().apply(&unit.source.text).text;
    Ok(Artefact {
        target: SOURCE.to_owned(),
        kernels: expanded
            .kernels
            .iter()
            .filter(|known| known.name == kernel)
            .cloned()
            .collect(),
        code: unit.source.with_lines(&text, included).into_bytes(),
        ..expanded.clone()
    })
}

fn text(artefact: &Artefact) -> Result<&str> {
    std::str::from_utf8(&artefact.code).map_err(|error| Error::Artefact {
        reason: format!("its source is no text: {error}"),
    })
}

/// A line as Apple's compiler is to read it.
fn included(line: &str) -> Option<String> {
    let file = line.strip_prefix(INCLUDE)?;
    Some(format!("#include {file}"))
}

/// What is taken out of a text.
struct Cut<'a> {
    tokens: &'a Tokens<'a>,
    items: &'a Items,
    /// Where the kernel that stays begins.
    place: usize,
    /// Where every kernel begins.
    others: HashSet<usize>,
}

impl<'a> Cut<'a> {
    fn edits(&self) -> Edits {
        let t = self.tokens;
        // What is in a struct goes or stays with it.
        let outer = |item: &&Item| !self.items.scopes[item.scope].record;
        let mut undecided = Vec::new();
        let mut named = HashSet::new();
        for item in self.items.list.iter().filter(outer) {
            if self.may_go(item) {
                undecided.push(item);
            } else {
                named.extend(self.words(item));
            }
        }
        loop {
            let count = undecided.len();
            undecided.retain(|item| {
                let stays = self.function(item).is_some_and(|name| named.contains(name));
                if stays {
                    named.extend(self.words(item));
                }
                !stays
            });
            if undecided.len() == count {
                break;
            }
        }
        let mut edits = Edits::default();
        for item in undecided {
            let range = t.start(item.tokens.start)..t.end(item.tokens.end - 1);
            edits.remove(t.text, range);
        }
        edits
    }

    /// Whether the text may do without an item: it is another kernel, or a function. Types and variables stay.
    fn may_go(&self, item: &Item) -> bool {
        let start = self.tokens.start(item.tokens.start);
        if start == self.place {
            return false;
        }
        self.others.contains(&start) || self.function(item).is_some()
    }

    /// The name of a function; none of an operator or a specialisation, which may be used without a name.
    fn function(&self, item: &Item) -> Option<&'a str> {
        let ItemKind::Function { name, .. } = item.kind else {
            return None;
        };
        let operator = (item.head..name).any(|i| self.tokens.is(i, "operator"));
        (self.tokens.is_word(name) && !operator).then(|| self.tokens.str(name))
    }

    fn words(&self, item: &Item) -> impl Iterator<Item = &'a str> {
        let t = self.tokens;
        let words = item.tokens.clone().filter(|i| t.is_word(*i));
        words.map(|i| t.str(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CheckOptions, Options};

    const TEXT: &str = "\
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;
constant float MOST = INFINITY;
#ifdef __METTLE__
#error \"not what Apple's compiler sees\"
#endif
struct Pair { float a, b; float sum() const { return a + b; } };
namespace inner {
METAL_FUNC float least(float a) { return min(a, -MOST); }
METAL_FUNC float unused(float a) { return nowhere(a); }
}
template <typename T> kernel void scaled(device T* x [[buffer(0)]]) { x[0] = inner::least(x[0]); }
#define MAKE(name, type) template [[host_name(\"scaled_\" #name)]] kernel void scaled<type>(device type*);
MAKE(f32, float)
MAKE(f16, half)
kernel void bad(device float* x [[buffer(0)]]) {
    // Not there.



    x[0] = nowhere(x[1]);
}
float helper(float a) { return a * 2; }
kernel void good(device float* x [[buffer(0)]]) { x[0] = helper(x[1]); }
";

    fn expanded() -> Artefact {
        let ours = TEXT.replace("#error", "#pragma");
        let unit = Unit::from_source("u", &ours, &Options::default()).unwrap();
        let source = super::super::source_artefact(&unit, TEXT.to_owned());
        expand(&source).unwrap()
    }

    fn alone_text(kernel: &str) -> String {
        let artefact = alone(&expanded(), kernel).unwrap();
        let names: Vec<&str> = artefact.kernels.iter().map(|k| k.name.as_str()).collect();
        assert_eq!((names, artefact.target.as_str()), (vec![kernel], SOURCE));
        String::from_utf8(artefact.code).unwrap()
    }

    #[test]
    fn a_kernel_stays_with_what_it_names() {
        let text = alone_text("good");
        assert!(text.starts_with("#include <metal_stdlib>\n"), "{text}");
        assert!(text.contains("#include <metal_simdgroup_matrix>"), "{text}");
        assert!(text.contains("MOST = INFINITY"), "{text}");
        assert!(text.contains("struct Pair") && text.contains("float helper("));
        for gone in ["bad", "scaled", "nowhere", "least", "unused"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        let text = alone_text("scaled_f16");
        assert!(text.contains("void scaled<half>") && text.contains("float least("));
        for gone in ["scaled<float>", "nowhere", "helper"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
    }

    #[test]
    fn it_compiles_where_its_unit_does_not() {
        let check = |text: &str| {
            let unit = Unit::from_source("program_source", text, &Options::default()).unwrap();
            crate::check(&unit, &CheckOptions::default()).unwrap()
        };
        for kernel in ["good", "scaled_f16", "scaled_f32"] {
            assert_eq!(check(&alone_text(kernel)), [], "{kernel}");
        }
        let errors = check(&alone_text("bad"));
        assert_eq!(errors.len(), 1, "{errors:?}");
        let place = &errors[0].location;
        assert_eq!((place.file.to_str(), place.line), (Some("u.metal"), 22));
    }

    #[test]
    fn a_kernel_that_is_not_there_is_an_error() {
        let error = alone(&expanded(), "none").unwrap_err();
        assert!(matches!(error, Error::UnknownKernel { .. }), "{error}");
    }
}
