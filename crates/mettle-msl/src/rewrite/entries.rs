//! The functions through which a loader runs kernels, and what makes the unit whole.

use super::Request;
use super::constants::{self, EXPORT};
use crate::Target;
use crate::abi;
use crate::reflect::{ArgumentKind, Builtin, Kernel, Parameter, Struct};
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
    let table = match request.constants {
        None => constants::table(unit, request.target),
        Some(_) => String::new(),
    };
    match request.target {
        Target::Cpu(_) => {
            // Declared in abi.h, where its visibility is given.
            let hooks = "\nextern \"C\" { const mettle::Hooks* mettle_hooks = nullptr; }\n";
            edited.insert(&format!("{hooks}{table}"), end);
        }
        Target::Ptx(_) => edited.insert(&exported(&table), end),
    }
    for (i, kernel) in request.kernels.iter().enumerate() {
        let entry = match request.target {
            Target::Cpu(_) => entry(i, kernel),
            Target::Ptx(_) => exported(&ptx_entry(i, kernel)),
        };
        edited.insert(&entry, kernel.offset);
    }
}

/// Declarations that say themselves where they belong, between those that are all for the GPU.
fn exported(text: &str) -> String {
    format!(
        "\n#pragma clang force_cuda_host_device end\n{text}\n#pragma clang force_cuda_host_device begin\n"
    )
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

/// A namespace, opened and closed.
fn within(namespace: &str) -> (String, &'static str) {
    if namespace.is_empty() {
        (String::new(), "")
    } else {
        (format!("namespace {namespace} {{"), "}")
    }
}

/// A parameter of a kernel that tells the thread where it is.
fn position(p: usize, builtin: &Builtin) -> String {
    let kind = builtin.kind.msl_name();
    format!("Signature::template position<{p}>(group.{kind}(thread))")
}

/// The kernel function as its entry names it. In the global namespace the name is qualified: a kernel may be called `log`, and
/// `using namespace metal` makes that name ambiguous.
fn callee(kernel: &Kernel) -> String {
    if kernel.namespace.is_empty() && !kernel.call.starts_with("::") {
        return format!("::{}", kernel.call);
    }
    kernel.call.clone()
}

/// The two entries of a kernel on a CPU. `bind` fetches the arguments once; what it returns runs one thread.
fn entry(i: usize, kernel: &Kernel) -> String {
    let Kernel {
        name, namespace, ..
    } = kernel;
    let call = callee(kernel);
    let mut fetch = String::new();
    let mut pass = Vec::new();
    for (p, parameter) in kernel.parameters.iter().enumerate() {
        match *parameter {
            Parameter::Argument(a) => {
                let argument = &kernel.arguments[a];
                let (table, how) = match argument.kind {
                    ArgumentKind::Buffer { .. } => ("buffers", format!("pointer<{p}>")),
                    // One that may not be bound must not be copied.
                    ArgumentKind::Value { .. } if argument.condition.is_some() => {
                        ("buffers", format!("value<{p}, false>"))
                    }
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
            Parameter::Builtin(b) => pass.push(position(p, &kernel.builtins[b])),
        }
    }
    let pass = pass.join(", ");
    let (open, close) = within(namespace);
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

/// The entry of a kernel on an NVIDIA GPU, which the kernel is part of however large it is: only then are its buffers known to be in global
/// memory, and its values in no memory at all. One block runs one threadgroup. Arguments are parameters, so that values come from the constant
/// bank and the compiler knows that no two buffers overlap where one of them is written.
fn ptx_entry(i: usize, kernel: &Kernel) -> String {
    let namespace = &kernel.namespace;
    let call = callee(kernel);
    let mut parameters = String::new();
    let mut pass = Vec::new();
    for (p, parameter) in kernel.parameters.iter().enumerate() {
        match *parameter {
            Parameter::Argument(a) => {
                let of_kernel =
                    format!("mettle::Signature<decltype(&{call})>::template parameter<{p}>");
                let (declared, passed) = match kernel.arguments[a].kind {
                    ArgumentKind::Buffer { .. } => (
                        format!("mettle::buffer_parameter<{of_kernel}>::type __restrict a{p}"),
                        format!("Signature::template pointer<{p}>((void*)a{p})"),
                    ),
                    ArgumentKind::Value { .. } => (
                        format!("const mettle::value_parameter<{of_kernel}>::type a{p}"),
                        format!("a{p}.value"),
                    ),
                    ArgumentKind::ThreadgroupMemory { .. } => (
                        format!("uint a{p}"),
                        format!(
                            "Signature::template pointer<{p}>(mettle::dynamic_threadgroup_memory + a{p})"
                        ),
                    ),
                };
                let _ = write!(parameters, ", {declared}");
                pass.push(passed);
            }
            Parameter::Builtin(b) => pass.push(position(p, &kernel.builtins[b])),
        }
    }
    let (open, close) = within(namespace);
    let symbol = abi::ptx_entry(&kernel.name);
    // The assembler gives a thread as many registers as so many threads leave it.
    let bounds = kernel.max_threads.map_or_else(String::new, |threads| {
        format!(" __attribute__((launch_bounds({threads})))")
    });
    let head = format!(
        "extern \"C\" __attribute__((global)){bounds} void mettle_kernel_{i}(const mettle::Dispatch dispatch{parameters})"
    );
    let pass = pass.join(", ");
    format!(
        r#"{open}
{head} asm("{symbol}");
{head} {{
  using Signature = mettle::Signature<decltype(&{call})>;
  const mettle::Group group(dispatch);
  const mettle::Thread thread = group.thread();
  [[clang::always_inline]] {call}({pass});
}}
{close}"#
    )
}
