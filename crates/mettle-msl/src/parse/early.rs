//! `#pragma mettle early(pattern, name, ...)`: arguments that kernels may read before the launches that they wait for are through.

use super::Reader;
use super::constants::directive;
use super::item::ItemKind;
use crate::reflect::{Access, ArgumentKind, Kernel, matches};

impl Reader<'_> {
    /// Marks the arguments that pragmas name.
    pub(super) fn mark_early(&mut self, kernels: &mut [Kernel]) {
        let t = self.tokens;
        let items = self.items;
        for item in items.list.iter().filter(|i| i.kind == ItemKind::Pragma) {
            let early =
                directive(t.str(item.head), "mettle").and_then(|rest| directive(rest, "early"));
            if let Some(Err(message)) = early.map(|rest| mark(rest, kernels)) {
                let form = "expected #pragma mettle early(pattern, name, ...)";
                self.error(item.head, format!("{message}; {form}"));
            }
        }
    }
}

fn mark(text: &str, kernels: &mut [Kernel]) -> Result<(), String> {
    let inner = text
        .trim()
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or("the parentheses are missing")?;
    let mut parts = inner.split(',').map(str::trim);
    let pattern = parts.next().unwrap_or("");
    for name in parts {
        let mut found = false;
        for kernel in kernels.iter_mut().filter(|k| matches(pattern, &k.name)) {
            for argument in kernel.arguments.iter_mut().filter(|a| a.name == name) {
                let ArgumentKind::Buffer {
                    access: Access::Read,
                    ..
                } = argument.kind
                else {
                    return Err(format!("{name} is no buffer that is only read"));
                };
                argument.early = true;
                found = true;
            }
        }
        if !found {
            return Err(format!("no kernel {pattern} has an argument {name}"));
        }
    }
    Ok(())
}
