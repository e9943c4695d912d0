//! The tokens of a unit with what the rules ask about them.

use crate::parse::item::{Item, ItemKind, Items};
use crate::token::Tokens;
use crate::unit::Unit;
use std::collections::HashSet;
use std::ops::Range;

/// What the rules look at.
pub(super) struct Code<'a> {
    pub unit: &'a Unit,
    pub t: &'a Tokens<'a>,
    pub items: &'a Items,
    /// In step with the items: the index of the struct it stands in.
    outer: Vec<Option<usize>>,
    /// Names of kernel functions and kernel templates.
    pub kernels: HashSet<&'a str>,
}

/// A function of the unit.
#[derive(Clone, Copy)]
pub(super) struct Function<'a> {
    pub item: &'a Item,
    /// Token of the name.
    pub name: usize,
    /// The `(` of its parameters.
    pub parameters: usize,
    /// The `{` of its body.
    pub body: Option<usize>,
    pub is_member: bool,
    pub is_kernel: bool,
}

impl<'a> Code<'a> {
    pub fn new(unit: &'a Unit, t: &'a Tokens<'a>, items: &'a Items) -> Self {
        let mut code = Self {
            unit,
            t,
            items,
            outer: Vec::with_capacity(items.list.len()),
            kernels: HashSet::new(),
        };
        // The structs that the current item stands in; items are in the order of the text.
        let mut structs: Vec<usize> = Vec::new();
        for (i, item) in items.list.iter().enumerate() {
            while structs
                .last()
                .is_some_and(|s| item.tokens.start >= items.list[*s].tokens.end)
            {
                structs.pop();
            }
            code.outer.push(structs.last().copied());
            if matches!(item.kind, ItemKind::Struct { .. }) {
                structs.push(i);
            }
        }
        code.kernels = code
            .functions()
            .filter(|f| f.is_kernel)
            .map(|f| t.str(f.name))
            .collect();
        code
    }

    /// All items, and whether each stands in a struct.
    pub fn items(&self) -> impl Iterator<Item = (&'a Item, bool)> {
        let member = self.outer.iter().map(Option::is_some);
        self.items.list.iter().zip(member)
    }

    /// An item and the structs it stands in, from the inside.
    pub fn around(&self, item: &Item) -> impl Iterator<Item = &'a Item> {
        let own = self
            .items
            .list
            .partition_point(|i| i.tokens.start < item.tokens.start);
        std::iter::successors(Some(own), |i| self.outer[*i]).map(|i| &self.items.list[i])
    }

    /// All functions, declarations included.
    pub fn functions(&self) -> impl Iterator<Item = Function<'a>> {
        self.items()
            .filter_map(|(item, is_member)| match item.kind {
                ItemKind::Function {
                    name,
                    parameters,
                    body,
                } => Some(Function {
                    item,
                    name,
                    parameters,
                    body,
                    is_member,
                    is_kernel: self.is_kernel(item.head..parameters),
                }),
                _ => None,
            })
    }

    /// The tokens inside the bodies of functions.
    pub fn bodies(&self) -> impl Iterator<Item = (Function<'a>, Range<usize>)> {
        self.functions()
            .filter_map(|f| f.body.map(|body| (f, body + 1..self.t.partner(body))))
    }

    /// The parameters of a function.
    pub fn parameters(&self, function: &Function<'_>) -> Vec<Range<usize>> {
        let open = function.parameters;
        self.t.split(open + 1..self.t.partner(open), ",")
    }

    /// Whether the head of a function says `kernel`, as a word or an attribute.
    fn is_kernel(&self, head: Range<usize>) -> bool {
        let t = self.t;
        let mut i = head.start;
        while i < head.end {
            let inner = if t.is_attribute(i) {
                i + 2..t.partner(i + 1)
            } else {
                i..i + 1
            };
            if inner.into_iter().any(|j| t.is(j, "kernel")) {
                return true;
            }
            i = t.skip(i);
        }
        false
    }

    /// Byte offset of token `i`.
    pub fn at(&self, i: usize) -> usize {
        self.t.start(i)
    }

    /// Whether `i` is the first token of a statement or declaration.
    pub fn starts_statement(&self, i: usize) -> bool {
        let t = self.t;
        i == 0
            || matches!(t.str(i - 1), ";" | "{" | "}" | ":" | "else" | "do")
            || t.kind(i - 1) == Some(crate::token::TokenKind::Directive)
    }

    /// The `;` that ends the statement at `i`, or the end of `range`.
    pub fn statement_end(&self, mut i: usize, end: usize) -> usize {
        while i < end && !self.t.is(i, ";") {
            i = self.t.skip(i);
        }
        i.min(end)
    }
}
