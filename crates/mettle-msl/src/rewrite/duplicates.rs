//! Functions, and specialisations of structs, that differ in address spaces only. Without address spaces they are one thing defined
//! several times: copies with the same body are taken out, different bodies are an error.

use crate::diagnostic::{Diagnostic, Severity};
use crate::parse::item::{ItemKind, Items};
use crate::parse::space;
use crate::source::Source;
use crate::source::edit::Edits;
use crate::token::Tokens;
use std::collections::HashMap;
use std::ops::Range;

/// Where a definition stands.
#[derive(PartialEq, Eq, Hash)]
enum Scope<'a> {
    /// Possibly opened several times.
    Namespace(&'a str),
    /// A struct; specialisations of one have the same name.
    Record(usize),
}

/// Removes the copies. On error: for each pair, a message at the later and a note at the earlier definition.
pub(super) fn merge(
    t: &Tokens<'_>,
    items: &Items,
    edits: &mut Edits,
    source: &Source,
) -> Result<(), Vec<Diagnostic>> {
    let mut seen: HashMap<(Scope<'_>, String), (Range<usize>, usize)> = HashMap::new();
    let mut diagnostics = Vec::new();
    for item in &items.list {
        let (name, body) = match item.kind {
            ItemKind::Function {
                name,
                body: Some(body),
                ..
            } => (name, body),
            // `S() thread = default;`
            ItemKind::Function {
                name, body: None, ..
            } => (name, item.tokens.end),
            // Only a specialisation can name an address space.
            ItemKind::Struct {
                name: Some(name),
                body,
                ..
            } if !item.templates.is_empty() && t.is(name + 1, "<") => (name, body),
            _ => continue,
        };
        let head = item.tokens.start..body;
        let scope = match &items.scopes[item.scope] {
            scope if scope.record => Scope::Record(item.scope),
            scope => Scope::Namespace(&scope.name),
        };
        let key = (scope, erased(t, head.clone()));
        let Some((first, first_body)) = seen.get(&key) else {
            seen.insert(key, (item.tokens.clone(), body));
            continue;
        };
        let same_text = |a: Range<usize>, b: Range<usize>| {
            a.len() == b.len() && a.zip(b).all(|(i, j)| t.str(i) == t.str(j))
        };
        // The very same signature twice is the user's mistake, which the compiler explains.
        if same_text(first.start..*first_body, head) {
            continue;
        }
        if erased(t, *first_body..first.end) == erased(t, body..item.tokens.end) {
            edits.remove(
                t.text,
                t.start(item.tokens.start)..t.end(item.tokens.end - 1),
            );
            continue;
        }
        let message = format!(
            "{} differs from an earlier definition in address spaces only, but does something else; give one of them another name",
            t.str(name)
        );
        diagnostics.push(source.error(t.start(name), message));
        let earlier = source.locate(t.start(first.start));
        diagnostics.push(source.diagnostic(
            earlier,
            Severity::Note,
            "the earlier definition is here",
        ));
    }
    if diagnostics.is_empty() {
        Ok(())
    } else {
        Err(diagnostics)
    }
}

/// The tokens of `range` as C++ will see them: without address spaces and attributes.
fn erased(t: &Tokens<'_>, range: Range<usize>) -> String {
    let mut text = String::new();
    let mut i = range.start;
    while i < range.end {
        if t.is_attribute(i) {
            i = t.skip(i);
            continue;
        }
        let word = space::erased_word(t, i);
        // `const constant` says it twice.
        if !(word.is_empty() || word == "const" && text.ends_with(" const")) {
            text.push(' ');
            text.push_str(word);
        }
        i += 1;
    }
    text
}
