//! What names stand for: type aliases, structs, enumerations and integer constants, by qualified name.

use super::item::{Item, ItemKind, Items, Scope};
use super::value;
use crate::reflect::{Layout, Scalar, Struct, Type};
use crate::source::Source;
use crate::token::Tokens;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

/// What template parameters stand for in one instantiation.
pub(super) type Bindings = HashMap<String, Binding>;

/// A template argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Type(Type),
    Value(i128),
    /// Neither a known type nor an integer: as written.
    Text(String),
}

/// The names of a unit.
///
/// Filled in the order of the text: C++ wants declarations before their use, so every value and alias is known when it is met
/// and nothing needs to be looked up twice.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    pub tokens: &'a Tokens<'a>,
    pub source: &'a Source,
    scopes: &'a [Scope],
    types: HashMap<String, Type>,
    values: HashMap<String, i128>,
    /// Structs of known layout in the order of their definition.
    pub structs: Vec<Struct>,
    /// Token index of the keyword of each struct, in step with `structs`.
    pub struct_keywords: Vec<usize>,
    /// How deep the readers of types and values have called each other.
    depth: Cell<usize>,
}

/// Types and values may nest this deep (`- - - 1`, `vec<vec<..>>`); the readers' recursion stops there.
const MAX_DEPTH: usize = 100;

impl<'a> Names<'a> {
    /// Collects the names of all items.
    pub fn collect(source: &'a Source, tokens: &'a Tokens<'a>, items: &'a Items) -> Self {
        let mut names = Self {
            tokens,
            source,
            scopes: &items.scopes,
            types: HashMap::new(),
            values: HashMap::new(),
            structs: Vec::new(),
            struct_keywords: Vec::new(),
            depth: Cell::new(0),
        };
        for (index, item) in items.list.iter().enumerate() {
            // What a template's name stands for depends on its arguments.
            if item.templates.is_empty() {
                names.add(item, &items.list[index + 1..]);
            }
        }
        names
    }

    fn add(&mut self, item: &Item, following: &[Item]) {
        let t = self.tokens;
        match item.kind {
            ItemKind::Alias => self.add_alias(item),
            ItemKind::Enum {
                name,
                body,
                alias,
                typedef,
            } => {
                let scalar = self.add_enumerators(item, name, body);
                for name in [name, alias.filter(|_| typedef)].into_iter().flatten() {
                    self.add_type(item.scope, t.str(name), Type::Scalar(scalar));
                }
            }
            ItemKind::Struct {
                keyword,
                name,
                body,
                alias,
                typedef,
            } => {
                let alias = alias.filter(|_| typedef);
                let Some(own) = name.or(alias) else { return };
                let qualified = self.qualify(item.scope, t.str(own));
                let members = following
                    .iter()
                    .take_while(|m| m.tokens.start < t.partner(body));
                let laid = super::structs::layout(self, item, members, qualified.clone());
                let ty = if laid.is_some() {
                    Type::Struct(qualified.clone())
                } else {
                    Type::Other(qualified.clone())
                };
                if let Some(laid) = laid {
                    self.structs.push(laid);
                    self.struct_keywords.push(keyword);
                }
                self.types.insert(qualified, ty.clone());
                if let Some(alias) = alias {
                    self.add_type(item.scope, t.str(alias), ty);
                }
            }
            ItemKind::Variable => self.add_constant(item),
            _ => {}
        }
    }

    fn add_type(&mut self, scope: usize, name: &str, ty: Type) {
        let name = self.qualify(scope, name);
        self.types.entry(name).or_insert(ty);
    }

    fn add_alias(&mut self, item: &Item) {
        let t = self.tokens;
        let last = item.tokens.end.saturating_sub(1);
        if t.is(item.head, "using") && t.is(item.head + 2, "=") {
            if let Some(ty) = self.type_of(item.head + 3..last, item.scope, &Bindings::new()) {
                self.add_type(item.scope, t.str(item.head + 1), ty);
            }
        } else if t.is(item.head, "typedef") {
            let declared = self.declared(item.head + 1..last, item.scope, &Bindings::new());
            if let (Some(ty), Some(name)) = (declared.value_type(), declared.name) {
                self.add_type(item.scope, t.str(name), ty);
            }
        }
    }

    /// Adds the values of an enumeration; its underlying type.
    fn add_enumerators(&mut self, item: &Item, name: Option<usize>, body: usize) -> Scalar {
        let t = self.tokens;
        let none = Bindings::new();
        let colon = (item.head..body).find(|i| t.is(*i, ":"));
        let scalar = colon
            .and_then(|c| self.scalar_of(c + 1..body, item.scope, &none))
            .unwrap_or(Scalar::I32);
        let class = t.is(item.head + 1, "class") || t.is(item.head + 1, "struct");
        let mut next = Some(0i128);
        for part in t.split(body + 1..t.partner(body), ",") {
            if t.is(part.start + 1, "=") {
                next = value::evaluate(self, part.start + 2..part.end, item.scope, &none);
            }
            if let Some(v) = next {
                let plain = t.str(part.start);
                if let Some(name) = name {
                    let qualified = self.qualify(item.scope, &format!("{}::{plain}", t.str(name)));
                    self.values.insert(qualified, v);
                }
                if !class {
                    let qualified = self.qualify(item.scope, plain);
                    self.values.insert(qualified, v);
                }
            }
            next = next.and_then(|v| v.checked_add(1));
        }
        scalar
    }

    /// Adds `constexpr int x = 4;` and its like.
    fn add_constant(&mut self, item: &Item) {
        let t = self.tokens;
        let last = item.tokens.end.saturating_sub(1);
        let Some(equals) = (item.head..last).find(|i| t.is(*i, "=")) else {
            return;
        };
        let constant =
            (item.head..equals).any(|i| matches!(t.str(i), "constexpr" | "constant" | "const"));
        if !constant || !t.is_word(equals.wrapping_sub(1)) {
            return;
        }
        if let Some(v) = value::evaluate(self, equals + 1..last, item.scope, &Bindings::new()) {
            let name = self.qualify(item.scope, t.str(equals - 1));
            self.values.insert(name, v);
        }
    }

    /// Runs a recursive part of a reader one level deeper; `None` past the limit.
    pub fn deeper<T>(&self, part: impl FnOnce() -> Option<T>) -> Option<T> {
        if self.depth.get() >= MAX_DEPTH {
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        let result = part();
        self.depth.set(self.depth.get() - 1);
        result
    }

    /// `name` as seen from outside `scope`.
    pub fn qualify(&self, scope: usize, name: &str) -> String {
        match self.scopes[scope].name.as_str() {
            "" => name.to_owned(),
            outer => format!("{outer}::{name}"),
        }
    }

    /// The entry of `map` that `path` means in `scope`: looked for there and in every scope around it.
    fn find<'m, T>(&self, map: &'m HashMap<String, T>, path: &str, scope: usize) -> Option<&'m T> {
        let mut scope = Some(scope);
        while let Some(s) = scope {
            if let Some(found) = map.get(&self.qualify(s, path)) {
                return Some(found);
            }
            scope = self.scopes[s].parent;
        }
        None
    }

    /// A qualified name as one string without blanks: `a :: b` is `a::b`.
    pub fn path(&self, range: Range<usize>) -> String {
        range.map(|i| self.tokens.str(i)).collect()
    }

    /// The integer that a name stands for.
    pub fn value_of(&self, path: Range<usize>, scope: usize, bindings: &Bindings) -> Option<i128> {
        let path = self.path(path);
        match bindings.get(&path) {
            Some(Binding::Value(v)) => Some(*v),
            Some(_) => None,
            None => self.find(&self.values, &path, scope).copied(),
        }
    }

    /// The type that a name of the unit stands for.
    pub fn named_type(&self, path: &str, scope: usize, bindings: &Bindings) -> Option<Type> {
        match bindings.get(path) {
            Some(Binding::Type(ty)) => Some(ty.clone()),
            Some(Binding::Text(text)) => Some(Type::Other(text.clone())),
            Some(Binding::Value(_)) => None,
            None => self.find(&self.types, path, scope).cloned(),
        }
    }

    /// Size and alignment, if known.
    pub fn layout(&self, ty: &Type) -> Option<Layout> {
        ty.layout(&self.structs)
    }
}
