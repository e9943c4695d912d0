//! The addresses of thread-local variables, which hold static threadgroup memory on a CPU.
//!
//! LLVM's `TLS_addr64`, the call of `__tls_get_addr` on x86-64, is said to keep the registers that AVX-512 adds: vectors 16 to 31 and masks.
//! The first time that a thread asks for a variable the loader makes it, and then it does not keep them. In a function of its own, which
//! nobody inlines, nothing is in registers, and whoever calls it keeps none.

use std::collections::BTreeSet;

const ADDRESS: &str = "@llvm.threadlocal.address.p0(";

/// The IR with the address of each thread-local variable taken by a function that does only that.
pub(super) fn outline_addresses(ir: &str) -> String {
    let mut text = String::with_capacity(ir.len());
    let mut variables = BTreeSet::new();
    for line in ir.split_inclusive('\n') {
        match call(line) {
            Some((before, variable, after)) => {
                text.extend([before, &function(variable), "()", after]);
                variables.insert(variable);
            }
            None => text.push_str(line),
        }
    }
    for variable in variables {
        let name = function(variable);
        text.push_str(&format!(
            "\ndefine internal nonnull ptr {name}() noinline nounwind {{\n  \
               %1 = call ptr {ADDRESS}ptr {variable})\n  ret ptr %1\n}}\n"
        ));
    }
    text
}

/// A line that takes the address of a variable: what stands before the function that does, the variable, and what follows its argument.
fn call(line: &str) -> Option<(&str, &str, &str)> {
    let (before, argument) = line.split_once(ADDRESS)?;
    if !before.contains("call ") {
        return None;
    }
    let name = argument.find('@')?;
    let quoted = argument[name..].starts_with("@\"");
    let end = match quoted {
        true => name + 3 + argument[name + 2..].find('"')?,
        false => name + argument[name..].find(')')?,
    };
    let after = argument[end..].strip_prefix(')')?;
    Some((before, &argument[name..end], after))
}

/// The name of the function for a variable, whose name begins with `@`.
fn function(variable: &str) -> String {
    let name = variable[1..].trim_matches('"');
    format!("@\"mettle_address_of.{name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{front_end, ir, object};
    use crate::rewrite::{self, Request};
    use crate::target::CpuLevel;
    use crate::tool::clang::Clang;
    use crate::{Options, Target, Unit};
    use ::object::{Object, ObjectSection, ObjectSymbol, RelocationTarget};

    #[test]
    fn an_address_is_a_call() {
        let ir = "define void @f() {\n  \
            %4 = tail call align 16 ptr @llvm.threadlocal.address.p0(ptr align 16 @x), !dbg !5\n  \
            %5 = call ptr @llvm.threadlocal.address.p0(ptr @\"y (z)\")\n}\n\
            declare nonnull ptr @llvm.threadlocal.address.p0(ptr nonnull) #1\n";
        insta::assert_snapshot!(outline_addresses(ir), @r#"
        define void @f() {
          %4 = tail call align 16 ptr @"mettle_address_of.x"(), !dbg !5
          %5 = call ptr @"mettle_address_of.y (z)"()
        }
        declare nonnull ptr @llvm.threadlocal.address.p0(ptr nonnull) #1

        define internal nonnull ptr @"mettle_address_of.y (z)"() noinline nounwind {
          %1 = call ptr @llvm.threadlocal.address.p0(ptr @"y (z)")
          ret ptr %1
        }

        define internal nonnull ptr @"mettle_address_of.x"() noinline nounwind {
          %1 = call ptr @llvm.threadlocal.address.p0(ptr @x)
          ret ptr %1
        }
        "#);
    }

    /// Sixteen vectors stay in registers while the address of threadgroup memory is taken.
    const KERNEL: &str = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void busy(device float4* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {\n\
        float4 v[24];\n#pragma unroll\nfor (uint j = 0; j < 24; ++j) { v[j] = x[24 * i + j]; }\n\
        threadgroup float4 shared[64];\n\
        if (x[i].x > 0) { threadgroup_barrier(mem_flags::mem_threadgroup); }\n\
        shared[i] = v[i % 24];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n\
        #pragma unroll\nfor (uint j = 0; j < 24; ++j) { x[24 * i + j] = v[j] * shared[j]; }\n}\n";

    #[test]
    fn only_functions_of_their_own_ask_the_loader() {
        let unit = Unit::from_source("busy", KERNEL, &Options::default()).unwrap();
        let target = Target::Cpu(CpuLevel::X86_64V4Vnni);
        let kernels: Vec<_> = unit.kernels.iter().collect();
        let request = Request {
            target,
            constants: None,
            kernels: &kernels,
        };
        let edited = rewrite::rewrite(&unit, &request).unwrap();
        let clang = Clang::find().unwrap();
        let text = front_end::run(clang, &unit, target, &edited, false).unwrap();
        let ir = ir::Module::new(text).only(vec!["mettle_thread__busy".to_owned()]);
        let code = object(clang, &unit, target, &ir).unwrap();
        let file = ::object::File::parse(&*code).unwrap();
        let asks = |section: &::object::Section<'_, '_>| {
            section.relocations().any(|(_, relocation)| {
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    return false;
                };
                file.symbol_by_index(symbol).unwrap().name() == Ok("__tls_get_addr")
            })
        };
        let sections: Vec<&str> = file
            .sections()
            .filter(asks)
            .map(|section| section.name().unwrap())
            .collect();
        assert!(!sections.is_empty());
        for section in sections {
            assert!(section.starts_with(".text.mettle_address_of."), "{section}");
        }
    }
}
