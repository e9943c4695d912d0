//! Kernels of one template over the format of weights: one binding for all of them, which takes the format.

use super::names;
use anyhow::{Result, bail};
use mettle_gpu::Format;
use mettle_msl::{Argument, ArgumentKind, Kernel, Type, Unit};
use std::fmt::Write;

/// What the names of structs begin with that are blocks of a format.
const BLOCK: &str = "block_";

/// Kernels whose names and weights differ in a format only.
pub struct Group<'a> {
    /// The kernels' names before and behind the format.
    name: (&'a str, &'a str),
    /// Which arguments are weights, by their places in the list.
    weights: Vec<usize>,
    /// In the order of the file.
    kernels: Vec<(Format, &'a Kernel)>,
}

impl<'a> Group<'a> {
    /// The groups of a unit: where a kernel has blocks of a format as an argument and the format in its name
    /// (`mul_mv_q4_0_f32` with `block_q4_0`), all kernels that are named so but for the format.
    ///
    /// # Errors
    /// Blocks of another size than the format's; kernels whose other arguments differ.
    pub fn all(unit: &'a Unit) -> Result<Vec<Group<'a>>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for kernel in &unit.kernels {
            let name = kernel
                .arguments
                .iter()
                .find_map(block_of)
                .and_then(|block| kernel.name.split_once(block));
            let Some(name) = name.filter(|name| groups.iter().all(|known| known.name != *name))
            else {
                continue;
            };
            let weights = (0..kernel.arguments.len())
                .filter(|&i| block_of(&kernel.arguments[i]).is_some())
                .collect();
            let kernels = unit.kernels.iter().filter_map(|kernel| {
                let format = kernel.name.strip_prefix(name.0)?.strip_suffix(name.1)?;
                Some((format.parse().ok()?, kernel))
            });
            let group = Group {
                name,
                weights,
                kernels: kernels.collect(),
            };
            group.check(unit)?;
            groups.push(group);
        }
        Ok(groups)
    }

    /// Whether a kernel is one of them.
    pub fn has(&self, kernel: &Kernel) -> bool {
        self.kernels
            .iter()
            .any(|(_, known)| known.name == kernel.name)
    }

    /// Whether argument `i` is weights.
    pub fn is_weights(&self, i: usize) -> bool {
        self.weights.contains(&i)
    }

    /// The kernels' names, with `with` in the place of the format.
    pub fn name(&self, with: &str) -> String {
        format!("{}{with}{}", self.name.0, self.name.1)
    }

    /// The formats, in the order of the file.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        self.kernels.iter().map(|&(format, _)| format)
    }

    /// The struct `name` that says which of the kernels is meant.
    pub fn choice(&self, name: &str) -> Result<String> {
        let mut arms = String::new();
        for (format, kernel) in &self.kernels {
            write!(arms, "Format::{format:?} => {:?},", kernel.name)?;
        }
        Ok(format!(
            "/// One of the kernels `{pattern}`, by the format of its weights.\n\
             #[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub struct {name}(&'static str);\n\n\
             impl {name} {{\n\
             /// The kernel for weights of a format; `None` where there is none.\n\
             pub fn of(format: Format) -> Option<{name}> {{\nSome({name}(match format {{\n{arms}\n_ => return None,\n}}))\n}}\n\n\
             /// Its host name.\npub fn name(self) -> &'static str {{\nself.0\n}}\n}}\n\n",
            pattern = self.name("*"),
        ))
    }

    /// Blocks are as large as those of the format, and all else is alike.
    fn check(&self, unit: &Unit) -> Result<()> {
        for (format, kernel) in &self.kernels {
            let Some((_, first)) = self.kernels.first() else {
                continue;
            };
            let same = |(i, (a, b)): (usize, (&Argument, &Argument))| {
                a.name == b.name && a.index == b.index && (self.is_weights(i) || a.kind == b.kind)
            };
            let mut pairs = kernel.arguments.iter().zip(&first.arguments).enumerate();
            if kernel.arguments.len() != first.arguments.len() || !pairs.all(same) {
                bail!(
                    "{}: {} must have the arguments of {}, but for the format of its weights",
                    kernel.location,
                    kernel.name,
                    first.name
                );
            }
            for block in kernel.arguments.iter().filter_map(block_of) {
                let of_block =
                    |name: &str| names::unqualified(name).strip_prefix(BLOCK) == Some(block);
                let size = unit
                    .structs
                    .iter()
                    .find(|known| of_block(&known.name))
                    .map_or(0, |known| known.size);
                if size != format.block_bytes() {
                    bail!(
                        "{}: {BLOCK}{block} has {size} bytes, a block of {format} has {}",
                        kernel.location,
                        format.block_bytes()
                    );
                }
            }
        }
        Ok(())
    }
}

/// The format in the name of an argument's blocks.
fn block_of(argument: &Argument) -> Option<&str> {
    match &argument.kind {
        ArgumentKind::Buffer {
            element: Type::Struct(name),
            ..
        } => names::unqualified(name).strip_prefix(BLOCK),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mettle_msl::Options;

    /// The groups of kernels that `INSTANTIATE` makes of a template with arguments `w` and `x`.
    fn groups(rest: &str) -> Result<Vec<String>> {
        let text = format!(
            "#include <metal_stdlib>\nusing namespace metal;\n\
             struct block_q4_0 {{ half d; uchar qs[16]; }};\nstruct block_q8_0 {{ half d; char qs[30]; }};\n{rest}"
        );
        let unit = Unit::from_source("mul", &text, &Options::default())?;
        let described = |group: &Group<'_>| {
            format!(
                "{} {:?}",
                group.name("*"),
                group.formats().collect::<Vec<_>>()
            )
        };
        Ok(Group::all(&unit)?.iter().map(described).collect())
    }

    #[test]
    fn kernels_that_differ_in_the_format() {
        let found = groups(
            "kernel void mul_f16_f32(device const half* w, device const float* x) {}
             kernel void mul_q4_0_f32(device const block_q4_0* w, device const float* x) {}
             kernel void mul_other_f32(device const half* w, device const float* x) {}
             kernel void mul_q4_0(device const block_q4_0* w) {}",
        );
        assert_eq!(found.unwrap(), ["mul_*_f32 [F16, Q4_0]", "mul_* [Q4_0]"]);
    }

    #[test]
    fn refusals() {
        let error = |text: &str| groups(text).unwrap_err().to_string();
        let size = error("kernel void mul_q8_0(device const block_q8_0* w) {}");
        assert!(
            size.contains("block_q8_0 has 32 bytes, a block of Q8_0 has 34"),
            "{size}"
        );
        let arguments = error(
            "kernel void mul_q4_0(device const block_q4_0* w, device const float* x) {}
             kernel void mul_f16(device const half* w, device const half* x) {}",
        );
        assert!(
            arguments.contains("mul_f16 must have the arguments of mul_q4_0"),
            "{arguments}"
        );
    }
}
