//! Reads just enough of LLVM IR's text to know which definitions reach which.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A module as text, taken apart into definitions.
#[derive(Debug)]
pub(super) struct Module {
    text: String,
    /// Functions and global variables in the order of the text.
    definitions: Vec<Definition>,
    /// Index in `definitions` by name.
    names: HashMap<String, usize>,
}

#[derive(Debug)]
struct Definition {
    /// Bytes of the text, the newline at the end included.
    range: Range<usize>,
    /// Names mentioned.
    mentions: Vec<String>,
}

impl Module {
    /// Takes a module apart. Lines that are neither functions nor globals (metadata, attributes, types) belong to nobody and always stay.
    pub fn new(text: String) -> Self {
        let mut definitions = Vec::new();
        let mut names = HashMap::new();
        let mut at = 0;
        while at < text.len() {
            let line_end = text[at..].find('\n').map_or(text.len(), |n| at + n + 1);
            let line = &text[at..line_end];
            let is_function = line.starts_with("define ");
            if !is_function && !line.starts_with('@') {
                at = line_end;
                continue;
            }
            // A function ends with the first `}` that begins a line.
            let end = match text[at..].find("\n}").filter(|_| is_function) {
                Some(n) => (at + n + 3).min(text.len()),
                None => line_end,
            };
            let mut mentions = symbols(&text[at..end]);
            if let Some(name) = mentions.next() {
                let mut mentions: Vec<String> = mentions.collect();
                mentions.sort_unstable();
                mentions.dedup();
                names.insert(name, definitions.len());
                definitions.push(Definition {
                    range: at..end,
                    mentions,
                });
            }
            at = end;
        }
        Self {
            text,
            definitions,
            names,
        }
    }

    /// All names that `roots` reach, themselves included.
    pub fn reach(&self, roots: impl IntoIterator<Item = String>) -> HashSet<String> {
        let mut reached: HashSet<String> = HashSet::new();
        let mut pending: Vec<String> = roots.into_iter().collect();
        while let Some(name) = pending.pop() {
            let definition = self.names.get(&name);
            if reached.insert(name)
                && let Some(&definition) = definition
            {
                pending.extend(self.definitions[definition].mentions.iter().cloned());
            }
        }
        reached
    }

    /// The module with only what `roots`, static initialisers and the code generator need.
    pub fn only(&self, mut roots: Vec<String>) -> String {
        // What `mettle/memory.h` defines for the code generator.
        let called = ["memcpy", "memmove", "memset", "fminf", "fmaxf"];
        roots.extend(
            ["llvm.global_ctors"]
                .into_iter()
                .chain(called)
                .map(str::to_owned),
        );
        let keep: HashSet<usize> = self
            .reach(roots)
            .iter()
            .filter_map(|name| self.names.get(name).copied())
            .collect();
        let mut text = String::with_capacity(self.text.len());
        let mut done = 0;
        for (i, definition) in self.definitions.iter().enumerate() {
            text.push_str(&self.text[done..definition.range.start]);
            if keep.contains(&i) {
                text.push_str(&self.text[definition.range.clone()]);
            }
            done = definition.range.end;
        }
        text.push_str(&self.text[done..]);
        text
    }
}

/// The global names (`@name`, `@"name"`) in a text.
fn symbols(text: &str) -> impl Iterator<Item = String> + '_ {
    text.match_indices('@').filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let name = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => rest
                .split(|c: char| !(c.is_ascii_alphanumeric() || "-$._".contains(c)))
                .next()?,
        };
        (!name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "source_filename = \"-\"\n\n@hooks = global ptr null\n@table = constant [1 x ptr] [ptr @\"a b\"]\n\n\
        define void @f(ptr %0) {\n  call void @g()\n  ret void\n}\n\n\
        define internal void @g() {\n  %1 = load ptr, ptr @hooks\n  ret void\n}\n\n\
        define void @\"a b\"() {\n  ret void\n}\n\ndeclare void @h()\n!0 = !{i32 1}\n";

    #[test]
    fn references_are_followed() {
        let module = Module::new(TEXT.to_owned());
        let reached = module.reach(["f".to_owned()]);
        assert!(reached.contains("hooks"));
        assert!(!reached.contains("a b"));
        assert!(module.reach(["table".to_owned()]).contains("a b"));
    }

    #[test]
    fn what_is_not_reached_goes() {
        let module = Module::new(TEXT.to_owned());
        let text = module.only(vec!["g".to_owned()]);
        assert!(
            text.contains("@hooks = ")
                && text.contains("define internal void @g")
                && text.contains("!0 = ")
        );
        assert!(
            !text.contains("@table") && !text.contains("define void @f") && !text.contains("a b")
        );
    }
}
