//! Plain structs of kernel arguments as `#[repr(C)]` Rust structs.

use super::{docs, names, types};
use anyhow::{Context, Result, bail};
use mettle_msl::{Struct, Type};
use std::fmt::Write;

/// A Rust struct with the layout of `ours`, padding written out, and assertions that the compiler agrees.
pub fn emit(ours: &Struct, structs: &[Struct]) -> Result<String> {
    let name = names::camel_case(&ours.name);
    let mut text = String::new();
    let mut asserts = format!("assert!(size_of::<{name}>() == {});\n", ours.size);
    let mut end = 0;
    let mut align = 1;
    let mut padding = 0;
    let mut pad = |text: &mut String, bytes: usize| {
        if bytes > 0 {
            let _ = writeln!(
                text,
                "/// Unused. Fill it with `..bytemuck::Zeroable::zeroed()`.\npub padding{padding}: [u8; {bytes}],"
            );
            padding += 1;
        }
    };
    for field in &ours.fields {
        let Some(ty) = types::rust_type(&field.ty, structs) else {
            bail!(
                "field {}::{} has the type {}, whose layout is not known",
                ours.name,
                field.name,
                field.ty
            );
        };
        let size = field
            .ty
            .layout(structs)
            .with_context(|| format!("layout of {}::{}", ours.name, field.name))?
            .size;
        pad(&mut text, field.offset - end);
        let field_name = names::field(&field.name);
        writeln!(
            text,
            "{}pub {field_name}: {ty},",
            docs::field(&field_text(&field.name, &field.ty), &field.docs)
        )?;
        writeln!(
            asserts,
            "assert!(std::mem::offset_of!({name}, {field_name}) == {});",
            field.offset
        )?;
        end = field.offset + size;
        align = align.max(types::rust_align(&field.ty, structs));
    }
    pad(&mut text, ours.size - end);

    let align_to = if align < ours.align {
        format!(", align({})", ours.align)
    } else {
        String::new()
    };
    let docs = docs::item(
        &ours.docs,
        &format!("`struct {}`", names::unqualified(&ours.name)),
    );
    Ok(format!(
        "{docs}#[repr(C{align_to})]\n#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]\npub struct {name} {{\n{text}}}\n\n\
         const _: () = {{\n{asserts}}};\n\n"
    ))
}

/// A declaration as MSL writes it: `uchar qs[16]`.
fn field_text(name: &str, ty: &Type) -> String {
    match ty {
        Type::Array(element, len) => format!("{} {name}[{len}]", element),
        _ => format!("{ty} {name}"),
    }
}
