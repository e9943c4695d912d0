//! Lays out structs of plain data.

use super::item::{Item, ItemKind};
use super::names::{Bindings, Names};
use super::value;
use crate::reflect::{Field, Struct, Type};

/// The layout of the struct `item` with the given members (items inside its body, nested ones included); `None` when it is more than
/// plain data: a union, a class with bases, packed, a template, or a member whose type is not known.
pub(super) fn layout<'i>(
    names: &Names<'_>,
    item: &Item,
    members: impl Iterator<Item = &'i Item>,
    name: String,
) -> Option<Struct> {
    let t = names.tokens;
    let ItemKind::Struct { keyword, body, .. } = item.kind else {
        return None;
    };
    let none = Bindings::new();
    // `union`, and attributes in front of or behind the body that may change the layout.
    let tail = t.skip(body)..item.tokens.end;
    if t.is(keyword, "union") || tail.clone().any(|i| t.is(i, "__attribute__")) {
        return None;
    }
    let mut align = 1;
    let mut i = keyword + 1;
    while i < body {
        match t.str(i) {
            "alignas" => {
                let value = value::evaluate(names, i + 2..t.partner(i + 1), item.scope, &none)?;
                align = usize::try_from(value)
                    .ok()
                    .filter(|a| a.is_power_of_two() && *a <= 4096)?;
                i += 1;
            }
            ":" | "__attribute__" | "<" => return None,
            _ => {}
        }
        i = t.skip(i);
    }
    let private = (body + 1..t.partner(body))
        .any(|i| matches!(t.str(i), "private" | "protected") && t.is(i + 1, ":"));
    if t.is(keyword, "class") || private {
        return None;
    }
    let mut fields: Vec<Field> = Vec::new();
    let mut scope = None;
    for member in members {
        // The first member is the struct's own; those of nested structs stand in other scopes.
        if member.scope != *scope.get_or_insert(member.scope) {
            continue;
        }
        match member.kind {
            ItemKind::Variable => add_fields(names, member, &mut fields)?,
            // A member of a type defined on the spot.
            ItemKind::Struct {
                alias: Some(_),
                typedef: false,
                ..
            }
            | ItemKind::Enum {
                alias: Some(_),
                typedef: false,
                ..
            } => {
                return None;
            }
            // An anonymous struct or union adds its members here.
            ItemKind::Struct { name: None, .. } => return None,
            _ => {}
        }
    }
    let location = names.source.locate(t.start(item.tokens.start));
    let docs = names.source.docs(&location);
    Struct {
        name,
        fields,
        size: 0,
        align,
        location,
        docs,
    }
    .lay_out(&names.structs)
}

/// Adds the fields of `float a, b[4];`.
fn add_fields(names: &Names<'_>, member: &Item, fields: &mut Vec<Field>) -> Option<()> {
    let t = names.tokens;
    let range = member.head..member.tokens.end.saturating_sub(1);
    if range.clone().any(|i| {
        matches!(
            t.str(i),
            "static" | "constexpr" | "constant" | "static_assert" | "friend" | "using"
        )
    }) {
        return Some(());
    }
    if range
        .clone()
        .any(|i| matches!(t.str(i), "alignas" | "__attribute__" | ":"))
    {
        return None;
    }
    let docs = names.source.line_docs(t.end(range.end));
    let mut base = None;
    for part in t.split(range, ",") {
        let mut declared = names.declared(part, member.scope, &Bindings::new());
        match &base {
            None => base = Some(declared.base.clone()?),
            // Behind a comma there is only a name, which was taken for the type.
            Some(base) => {
                let named = declared.base.replace(base.clone())?;
                declared.name = None;
                let Type::Other(name) = named else {
                    return None;
                };
                fields.push(Field {
                    name,
                    ty: declared.value_type()?,
                    offset: 0,
                    docs: docs.clone(),
                });
                continue;
            }
        }
        let name = t.str(declared.name?).to_owned();
        fields.push(Field {
            name,
            ty: declared.value_type()?,
            offset: 0,
            docs: docs.clone(),
        });
    }
    Some(())
}
