//! The functions through which a loader runs kernels, and what makes the unit whole.

use super::Request;
use super::constants::{self, EXPORT};
use crate::reflect::{ArgumentKind, Kernel, Parameter, Struct};
use crate::source::edit::Edited;
use crate::token::Tokens;
use crate::unit::Unit;
use std::fmt::Write as _;

/// Appends layout assertions, the tables and the entries.
pub(super) fn append(edited: &mut Edited, t: &Tokens<'_>, unit: &Unit, request: &Request<'_>) {
    for (laid, keyword) in unit.structs.iter().zip(&unit.places.structs) {
        edited.insert(&layout_assertion(laid), t.start(*keyword));
    }
    let end = t.text.len();
    // Declared in abi.h, where its visibility is given.
    edited.insert(
        "\nextern \"C\" { const mettle::Hooks* mettle_hooks = nullptr; }\n",
        end,
    );
    if request.constants.is_none() {
        edited.insert(&constants::table(unit), end);
    }
    for (i, kernel) in request.kernels.iter().enumerate() {
        edited.insert(&entry(i, kernel), kernel.offset);
    }
}

fn layout_assertion(laid: &Struct) -> String {
    let name = format!("::{}", laid.name);
    let mut text = format!(
        "\nstatic_assert(sizeof({name}) == {} && alignof({name}) == {}",
        laid.size, laid.align
    );
    for field in &laid.fields {
        let _ = write!(
            text,
            " && __builtin_offsetof({name}, {}) == {}",
            field.name, field.offset
        );
    }
    let _ = writeln!(
        text,
        ", \"the layout of {} is not the reflected one\");",
        laid.name
    );
    text
}

/// The two entries of a kernel. `bind` fetches the arguments once; what it returns runs one thread.
fn entry(i: usize, kernel: &Kernel) -> String {
    let Kernel {
        call,
        name,
        namespace,
        ..
    } = kernel;
    let mut fetch = String::new();
    let mut pass = Vec::new();
    for (p, parameter) in kernel.parameters.iter().enumerate() {
        match *parameter {
            Parameter::Argument(a) => {
                let argument = &kernel.arguments[a];
                let (table, how) = match argument.kind {
                    ArgumentKind::Buffer { .. } => ("buffers", format!("pointer<{p}>")),
                    ArgumentKind::Value { .. } => ("buffers", format!("value<{p}, Whole>")),
                    ArgumentKind::ThreadgroupMemory { .. } => {
                        ("threadgroup_memory", format!("pointer<{p}>"))
                    }
                };
                let _ = writeln!(
                    fetch,
                    "  auto a{p} = Signature::template {how}(launch.{table}[{}]);",
                    argument.index
                );
                pass.push(format!("a{p}"));
            }
            Parameter::Builtin(b) => {
                let kind = kernel.builtins[b].kind.msl_name();
                pass.push(format!(
                    "Signature::template position<{p}>(group.{kind}(thread))"
                ));
            }
        }
    }
    let pass = pass.join(", ");
    let (open, close) = if namespace.is_empty() {
        (String::new(), "")
    } else {
        (format!("namespace {namespace} {{"), "}")
    };
    let symbol = |kind: &str| format!("asm(\"mettle_{kind}__{name}\")");
    format!(
        r#"
{open}
template <bool Whole> static METTLE_INLINE auto mettle_bind_{i}(const mettle::Launch& launch) {{
  using Signature = mettle::Signature<decltype(&{call})>;
{fetch}  return [=](const mettle::Group& group, const mettle::Thread& thread) __attribute__((always_inline)) {{ {call}({pass}); }};
}}
{EXPORT} void mettle_thread_{i}(const mettle::Launch* launch, uint index) {thread};
{EXPORT} void mettle_group_{i}(const mettle::Launch* launch) {group};
void mettle_thread_{i}(const mettle::Launch* launch, uint index) {{ mettle::run_thread(*launch, mettle_bind_{i}<false>(*launch), index); }}
void mettle_group_{i}(const mettle::Launch* launch) {{ mettle::run_group(*launch, mettle_bind_{i}<true>(*launch)); }}
{close}
"#,
        thread = symbol("thread"),
        group = symbol("group"),
    )
}
