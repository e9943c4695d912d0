//! The module of one `.metal` file: a struct for each kernel, its parameter structs, its function constants.

use super::formats::Group;
use super::{docs, names, structs, types};
use anyhow::{Result, bail};
use mettle_gpu::Format;
use mettle_msl::{
    Access, AddressSpace, Argument, ArgumentKind, FunctionConstant, Kernel, Scalar, Struct, Type,
    Unit,
};
use std::fmt::Write;

/// A family's generated module, and the structs it shares with others.
pub struct Module {
    /// Rust text, not formatted.
    pub text: String,
    /// Structs of headers that its kernels use.
    pub shared: Vec<Struct>,
    /// For each group of kernels that differ in the format of weights only, the formats.
    pub formats: Vec<Vec<Format>>,
}

/// Generates the module of `unit`, whose name is the family's.
pub fn emit(unit: &Unit) -> Result<Module> {
    let family = &unit.name;
    let groups = Group::all(unit)?;
    let (own, shared) = argument_structs(unit, &groups);
    let format = if groups.is_empty() { "" } else { ", Format" };
    let mut text = format!(
        "//! Launch bindings of `metal/{family}.metal`.\n{}\nuse crate::catalogue::{{self, Access, Argument}};\n\
         use mettle_gpu::{{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit{format}}};\n\n",
        super::generated_from("it")
    );
    if !shared.is_empty() {
        let names: Vec<String> = shared
            .iter()
            .map(|known| names::camel_case(&known.name))
            .collect();
        writeln!(text, "pub use super::types::{{{}}};\n", names.join(", "))?;
    }
    for own_struct in &own {
        text.push_str(&structs::emit(own_struct, &unit.structs)?);
    }
    if !unit.constants.is_empty() {
        text.push_str(&constants(&unit.constants)?);
    }
    let mut names = Vec::new();
    let mut bound: Vec<String> = Vec::new();
    for kernel in &unit.kernels {
        let group = groups.iter().find(|group| group.has(kernel));
        let kernel_name = match group {
            Some(group) => group.name("").replace("__", "_"),
            None => kernel.name.clone(),
        };
        if group.is_some() && bound.contains(&kernel_name) {
            continue;
        }
        let Some(name) = names::kernel_struct(family, kernel_name.trim_end_matches('_')) else {
            bail!(
                "{}: kernel {} must be named {family} or {family}_...",
                kernel.location,
                kernel.name
            );
        };
        if names.contains(&name)
            || own
                .iter()
                .any(|known| names::camel_case(&known.name) == name)
        {
            bail!(
                "{}: the binding of {} would be a second {name} in {family}",
                kernel.location,
                kernel.name
            );
        }
        text.push_str(&binding(unit, kernel, group, &name)?);
        names.push(name);
        bound.push(kernel_name);
    }
    text.push_str(&catalogue(unit)?);
    Ok(Module {
        text,
        shared: shared.into_iter().cloned().collect(),
        formats: groups
            .iter()
            .map(|group| group.formats().collect())
            .collect(),
    })
}

/// The structs that arguments use, weights of a group left out: those of the `.metal` file, and those of headers.
fn argument_structs<'a>(
    unit: &'a Unit,
    groups: &[Group<'_>],
) -> (Vec<&'a Struct>, Vec<&'a Struct>) {
    let mut used = Vec::new();
    for kernel in &unit.kernels {
        let group = groups.iter().find(|group| group.has(kernel));
        for (i, argument) in kernel.arguments.iter().enumerate() {
            if !group.is_some_and(|group| group.is_weights(i)) {
                types::structs_of(argument_type(argument), &unit.structs, &mut used);
            }
        }
    }
    // Kernels are written in the file itself, never in a header.
    let own = |known: &&Struct| {
        unit.kernels
            .iter()
            .any(|kernel| kernel.location.file == known.location.file)
    };
    used.into_iter().partition(own)
}

fn argument_type(argument: &Argument) -> &Type {
    match &argument.kind {
        ArgumentKind::Buffer { element, .. } | ArgumentKind::ThreadgroupMemory { element } => {
            element
        }
        ArgumentKind::Value { ty } => ty,
    }
}

/// `pub struct Constants` with one field a function constant, and its conversion.
fn constants(constants: &[FunctionConstant]) -> Result<String> {
    let (mut fields, mut values) = (String::new(), String::new());
    for FunctionConstant {
        name,
        index,
        scalar,
    } in constants
    {
        let field = names::constant_field(name);
        let ty = match scalar {
            Scalar::Bool => "bool",
            Scalar::F16 | Scalar::BF16 => {
                bail!("function constant {name}: declare it as float and round it in the kernel")
            }
            other => types::scalar_type(*other),
        };
        writeln!(
            fields,
            "/// `{} {name}`, function constant {index}.\npub {field}: {ty},",
            scalar.msl_name()
        )?;
        write!(values, ".with({index}, self.{field})")?;
    }
    Ok(format!(
        "/// Function constants: each set of values is a kernel of its own.\n#[derive(Clone, Copy, Debug, PartialEq)]\npub struct Constants {{\n{fields}}}\n\n\
         impl Constants {{\nfn set(&self) -> ConstantSet {{\nConstantSet::EMPTY{values}\n}}\n}}\n\n"
    ))
}

/// The struct and the `Binding` of a kernel, or of all kernels of its group.
fn binding(unit: &Unit, kernel: &Kernel, group: Option<&Group<'_>>, name: &str) -> Result<String> {
    let (mut fields, mut binds) = (String::new(), String::new());
    let mut borrows = false;
    let mut choice = String::new();
    let (pattern, which) = match group {
        Some(group) => {
            choice = group.choice(&format!("{name}Of"))?;
            writeln!(fields, "/// Which kernel.\npub kernel: {name}Of,")?;
            (group.name("*"), "self.kernel.name()".to_owned())
        }
        None => (kernel.name.clone(), format!("{:?}", kernel.name)),
    };
    for (i, argument) in kernel.arguments.iter().enumerate() {
        let is_weights = group.is_some_and(|group| group.is_weights(i));
        let ty = argument_type(argument);
        let rust = match is_weights {
            // The launch checks their alignment as it does that of all arguments.
            true => Some("u8".to_owned()),
            false => types::rust_type(ty, &unit.structs),
        };
        let Some(rust) = rust else {
            bail!(
                "{}: the layout of {ty} is not known, so {} cannot be bound",
                argument.location,
                argument.name
            );
        };
        let (field, index, msl_name) =
            (names::field(&argument.name), argument.index, &argument.name);
        let (field_type, bind) = match &argument.kind {
            ArgumentKind::Buffer {
                access: Access::Read,
                ..
            } => (
                format!("&'a Buffer<{rust}>"),
                format!("args.read({index}, \"{msl_name}\", self.{field});"),
            ),
            ArgumentKind::Buffer {
                access: Access::ReadWrite,
                ..
            } => (
                format!("&'a mut Buffer<{rust}>"),
                format!("args.write({index}, \"{msl_name}\", self.{field});"),
            ),
            ArgumentKind::Value { .. } => (
                rust,
                format!("args.value({index}, \"{msl_name}\", &self.{field});"),
            ),
            ArgumentKind::ThreadgroupMemory { .. } => (
                "usize".to_owned(),
                format!("args.threadgroup_memory({index}, \"{msl_name}\", self.{field});"),
            ),
        };
        borrows |= field_type.starts_with('&');
        writeln!(
            fields,
            "{}pub {field}: {field_type},",
            docs::field(&declaration(argument, is_weights), &argument_note(argument))
        )?;
        binds.push_str(&bind);
    }
    let constants = if unit.constants.is_empty() {
        "ConstantSet::EMPTY"
    } else {
        fields.push_str("/// Function constants.\npub constants: Constants,\n");
        "self.constants.set()"
    };
    let (generics, elided) = if borrows { ("<'a>", "<'_>") } else { ("", "") };
    let unused = if kernel.arguments.is_empty() {
        "_args"
    } else {
        "args"
    };
    let docs = docs::item(&kernel.docs, &format!("Kernel `{pattern}`"));
    Ok(format!(
        "{choice}{docs}pub struct {name}{generics} {{\n{fields}}}\n\n\
         impl Binding for {name}{elided} {{\nfn kernel(&self) -> &'static str {{\n{which}\n}}\n\
         fn unit() -> &'static EmbeddedUnit {{\n&crate::embedded::{unit_name}\n}}\n\
         fn constants(&self) -> ConstantSet {{\n{constants}\n}}\n\
         fn bind(&self, {unused}: &mut Arguments<'_>) {{\n{binds}\n}}\n}}\n\n",
        unit_name = unit.name.to_ascii_uppercase(),
    ))
}

/// The argument as MSL writes it, weights of a group as those of a template over `W`.
fn declaration(argument: &Argument, is_weights: bool) -> String {
    let name = &argument.name;
    match &argument.kind {
        ArgumentKind::Buffer {
            element,
            access,
            space,
        } => {
            let constness = match (space, access) {
                (AddressSpace::Constant, _) => "constant ",
                (AddressSpace::Device, Access::Read) => "device const ",
                (AddressSpace::Device, Access::ReadWrite) => "device ",
            };
            match is_weights {
                true => format!("{constness}W* {name}"),
                false => format!("{constness}{element}* {name}"),
            }
        }
        ArgumentKind::Value { ty } => format!("constant {ty}& {name}"),
        ArgumentKind::ThreadgroupMemory { element } => format!("threadgroup {element}* {name}"),
    }
}

/// The comment beside the argument; for threadgroup memory also the unit of its field.
fn argument_note(argument: &Argument) -> String {
    match argument.kind {
        ArgumentKind::ThreadgroupMemory { .. } => format!("Its size in bytes. {}", argument.docs)
            .trim_end()
            .to_owned(),
        _ => argument.docs.clone(),
    }
}

/// What `crate::catalogue` shows of the family.
fn catalogue(unit: &Unit) -> Result<String> {
    let mut kernels = String::new();
    for kernel in &unit.kernels {
        let mut arguments = String::new();
        let mut dtypes: Vec<String> = Vec::new();
        for argument in &kernel.arguments {
            let access = match &argument.kind {
                ArgumentKind::Buffer {
                    access: Access::Read,
                    ..
                } => "Read",
                ArgumentKind::Buffer {
                    access: Access::ReadWrite,
                    ..
                } => "ReadWrite",
                ArgumentKind::Value { .. } => "Value",
                ArgumentKind::ThreadgroupMemory { .. } => "ThreadgroupMemory",
            };
            let (name, index, declaration) =
                (&argument.name, argument.index, declaration(argument, false));
            write!(
                arguments,
                "Argument::new({index}, {name:?}, {declaration:?}, Access::{access}),"
            )?;
            if let ArgumentKind::Buffer { element, .. } = &argument.kind {
                let dtype = dtype(element);
                if !dtypes.contains(&dtype) {
                    dtypes.push(dtype);
                }
            }
        }
        let mut constants: Vec<&FunctionConstant> = unit.constants.iter().collect();
        constants.sort_by_key(|constant| constant.index);
        let constants: Vec<&str> = constants
            .iter()
            .map(|constant| constant.name.as_str())
            .collect();
        write!(
            kernels,
            "catalogue::Kernel {{ name: {:?}, family: {family:?}, file: \"metal/{family}.metal\", dtypes: &{dtypes:?}, arguments: &[{arguments}], constants: &{constants:?} }},",
            kernel.name,
            family = unit.name,
        )?;
    }
    Ok(format!(
        "pub(super) const CATALOGUE: &[catalogue::Kernel] = &[{kernels}];\n"
    ))
}

/// The element type in the words of formats: `f32`, `bf16`, `q4_0`.
fn dtype(element: &Type) -> String {
    match element {
        Type::Scalar(scalar)
        | Type::Atomic(scalar)
        | Type::Vector(scalar, _)
        | Type::PackedVector(scalar, _) => types::scalar_type(*scalar)
            .trim_start_matches("half::")
            .to_owned(),
        Type::Array(element, _) => dtype(element),
        Type::Struct(name) => {
            let name = names::unqualified(name);
            name.strip_prefix("block_").unwrap_or(name).to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mettle_msl::Options;

    fn module(text: &str) -> Result<String> {
        let text = format!("#include <metal_stdlib>\nusing namespace metal;\n{text}");
        Ok(emit(&Unit::from_source("scale", &text, &Options::default())?)?.text)
    }

    /// Spaces and line ends as the formatter will make them do not matter here.
    fn has(text: &str, expected: &str) {
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            squeeze(text).contains(&squeeze(expected)),
            "no {expected:?} in:\n{text}"
        );
    }

    #[test]
    fn arguments_become_fields() {
        let text = module(
            "constant bool FAST [[function_constant(3)]];
            struct Params { uint n; float4 bias; };
            // out[i] = x[i]
            kernel void scale_f32_4(
                device const float4* x [[buffer(0)]],
                device half* out [[buffer(1)]],
                constant Params& params [[buffer(2)]],
                constant uint* in [[buffer(3)]],
                threadgroup float* sums [[threadgroup(0)]],
                uint i [[thread_position_in_grid]]) {}",
        )
        .unwrap();
        has(&text, "/// out\\[i\\] = x\\[i\\]\npub struct F32_4<'a> {");
        has(&text, "pub x: &'a Buffer<[f32; 4]>,");
        has(&text, "pub out: &'a mut Buffer<half::f16>,");
        has(&text, "pub params: Params,");
        has(&text, "pub r#in: &'a Buffer<u32>,");
        has(
            &text,
            "/// `threadgroup float* sums`: Its size in bytes.\npub sums: usize,",
        );
        has(&text, "pub constants: Constants,");
        has(
            &text,
            "/// `bool FAST`, function constant 3.\npub fast: bool,",
        );
        has(&text, "ConstantSet::EMPTY.with(3, self.fast)");
        has(
            &text,
            "fn kernel(&self) -> &'static str { \"scale_f32_4\" }",
        );
        has(&text, "args.write(1, \"out\", self.out);");
        has(&text, "args.value(2, \"params\", &self.params);");
        // float4 is aligned to 16 bytes: the gap before it is written out, and the struct is as aligned.
        has(&text, "#[repr(C, align(16))]");
        has(
            &text,
            "pub n: u32,\n/// Unused. Fill it with `..bytemuck::Zeroable::zeroed()`.\npub padding0: [u8; 12],",
        );
        has(&text, "assert!(std::mem::offset_of!(Params, bias) == 16);");
        has(&text, "dtypes: &[\"f32\", \"f16\", \"u32\"]");
    }

    #[test]
    fn names_must_belong_to_the_family() {
        let error = module("kernel void other_f32(device float* x [[buffer(0)]]) {}")
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("scale:3:") && error.contains("must be named scale"),
            "{error}"
        );
        let twice = "kernel void scale_a_b(device float* x [[buffer(0)]]) {} kernel void scale_aB(device float* x [[buffer(0)]]) {}";
        assert!(
            module(twice)
                .err()
                .unwrap()
                .to_string()
                .contains("a second AB")
        );
    }

    #[test]
    fn kernels_that_differ_in_the_format_share_a_binding() {
        let text = module(
            "struct block_q4_0 { half d; uchar qs[16]; };
            kernel void scale_f32_f32(device const float* w, device float* out) {}
            kernel void scale_q4_0_f32(device const block_q4_0* w, device float* out) {}",
        )
        .unwrap();
        has(
            &text,
            "pub struct F32<'a> { /// Which kernel. pub kernel: F32Of,",
        );
        has(&text, "/// `device const W* w`. pub w: &'a Buffer<u8>,");
        has(&text, "pub out: &'a mut Buffer<f32>,");
        has(&text, "Format::Q4_0 => \"scale_q4_0_f32\",");
        has(
            &text,
            "fn kernel(&self) -> &'static str { self.kernel.name() }",
        );
        assert_eq!(text.matches("impl Binding for").count(), 1, "{text}");
    }

    #[test]
    fn unknown_layouts_are_refused() {
        let error =
            module("union U { int a; float b; }; kernel void scale(device U* x [[buffer(0)]]) {}")
                .err()
                .unwrap()
                .to_string();
        assert!(error.contains("the layout of U is not known"), "{error}");
    }
}
