//! Function constants, the constants computed from them, and `#pragma mettle variant(...)`.

use super::Reader;
use super::item::{Item, ItemKind};
use super::names::Bindings;
use super::value;
use crate::TargetClass;
use crate::diagnostic::Location;
use crate::reflect::{ConstantValue, FunctionConstant, Scalar, Type, Variant};
use crate::token::Tokens;
use std::collections::HashSet;
use std::ops::Range;

/// Largest `n` of `[[function_constant(n)]]`.
const MAX_INDEX: u32 = 65535;

/// Where a function constant, or a constant computed from some, is declared.
#[derive(Debug)]
pub(crate) struct Declaration {
    /// Tokens of the whole declaration, `;` included.
    pub tokens: Range<usize>,
    /// Token of the name.
    pub name: usize,
    /// The name.
    pub plain: String,
    /// What qualifies the name from outside: `::` or `::a::b::`.
    pub prefix: String,
    /// Index in the list of function constants, for one of them.
    pub constant: Option<usize>,
}

impl Reader<'_> {
    /// All function constants, and every declaration that has to do with them.
    pub(super) fn constants(&mut self) -> (Vec<FunctionConstant>, Vec<Declaration>) {
        let t = self.tokens;
        let items = self.items;
        let mut constants: Vec<FunctionConstant> = Vec::new();
        let mut declarations = Vec::new();
        let mut dependent: HashSet<&str> = HashSet::new();
        for item in items
            .list
            .iter()
            .filter(|i| i.kind == ItemKind::Variable && i.templates.is_empty())
        {
            let last = item.tokens.end.saturating_sub(1);
            let range = item.head..last;
            if let Some(constant) = self.function_constant(item, range.clone()) {
                let (constant, name) = constant;
                if let Some(other) = constants
                    .iter()
                    .find(|c| c.index == constant.index || c.name == constant.name)
                {
                    let message = format!(
                        "{} has the index or name of the function constant {}",
                        constant.name, other.name
                    );
                    self.error(name, message);
                    continue;
                }
                dependent.insert(t.str(name));
                declarations.push(self.declaration(item, name, Some(constants.len())));
                constants.push(constant);
                continue;
            }
            // `constant uint ROWS = is_function_constant_defined(R) ? R : 4;`
            let Some(equals) = range.clone().find(|i| t.is(*i, "=")) else {
                continue;
            };
            let program_scope = range.start..equals;
            let is_constant = program_scope.clone().any(|i| t.is(i, "constant"));
            if is_constant && (equals..last).any(|i| t.is_word(i) && dependent.contains(t.str(i))) {
                let name = equals - 1;
                dependent.insert(t.str(name));
                declarations.push(self.declaration(item, name, None));
            }
        }
        (constants, declarations)
    }

    fn declaration(&self, item: &Item, name: usize, constant: Option<usize>) -> Declaration {
        let prefix = match self.items.scopes[item.scope].name.as_str() {
            "" => "::".to_owned(),
            scope => format!("::{scope}::"),
        };
        Declaration {
            tokens: item.tokens.clone(),
            name,
            plain: self.tokens.str(name).to_owned(),
            prefix,
            constant,
        }
    }

    /// Reads `constant T NAME [[function_constant(n)]]`; also the token of the name.
    fn function_constant(
        &mut self,
        item: &Item,
        range: Range<usize>,
    ) -> Option<(FunctionConstant, usize)> {
        let t = self.tokens;
        let declared = self.names.declared(range, item.scope, &Bindings::new());
        let attribute = declared
            .attributes
            .iter()
            .find(|a| t.is(a.start, "function_constant"))?
            .clone();
        let name = declared.name.unwrap_or(attribute.start);
        let Some(Type::Scalar(scalar)) = declared.value_type() else {
            self.error(name, "a function constant must be a scalar");
            return None;
        };
        let open = attribute.start + 1;
        let index = value::evaluate(
            &self.names,
            open + 1..t.partner(open),
            item.scope,
            &Bindings::new(),
        );
        match index
            .and_then(|i| u32::try_from(i).ok())
            .filter(|i| *i <= MAX_INDEX)
        {
            Some(index) => Some((
                FunctionConstant {
                    name: t.str(name).to_owned(),
                    index,
                    scalar,
                },
                name,
            )),
            None => {
                self.error(
                    attribute.start,
                    format!("the index must be a constant from 0 to {MAX_INDEX}"),
                );
                None
            }
        }
    }

    /// All `#pragma mettle variant(pattern, NAME = value, ...)`.
    pub(super) fn variants(&mut self, constants: &[FunctionConstant]) -> Vec<Variant> {
        let t = self.tokens;
        let items = self.items;
        let mut variants = Vec::new();
        for item in items.list.iter().filter(|i| i.kind == ItemKind::Pragma) {
            let line = t.str(item.head);
            let Some(rest) = directive(line, "mettle") else {
                continue;
            };
            if directive(rest, "early").is_some() {
                continue;
            }
            match directive(rest, "variant")
                .ok_or_else(|| "the pragma is not understood".to_owned())
                .and_then(|v| variant(v, constants, self.source.locate(t.start(item.head))))
            {
                Ok(variant) => variants.push(variant),
                Err(message) => self.error(
                    item.head,
                    format!(
                        "{message}; expected #pragma mettle variant(pattern, NAME = value, ...)"
                    ),
                ),
            }
        }
        variants
    }
}

/// The rest of a directive after the word `name` (and a `#pragma` in front of it).
pub(super) fn directive<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let line = line.trim_start();
    let line = line
        .strip_prefix('#')
        .map_or(Some(line), |l| l.trim_start().strip_prefix("pragma"))?;
    let rest = line.trim_start().strip_prefix(name)?;
    rest.starts_with(|c: char| !c.is_alphanumeric() && c != '_')
        .then_some(rest)
}

fn variant(
    text: &str,
    constants: &[FunctionConstant],
    location: Location,
) -> Result<Variant, String> {
    let inner = text
        .trim()
        .strip_prefix('(')
        .and_then(|r| r.strip_suffix(')'))
        .ok_or("the parentheses are missing")?;
    let mut parts = inner.split(',').map(str::trim);
    let first = parts.next().unwrap_or("");
    let (class, pattern) = match first.split_once(':') {
        None => (None, first),
        Some(("cpu", pattern)) => (Some(TargetClass::Cpu), pattern),
        Some(("gpu", pattern)) => (Some(TargetClass::Gpu), pattern),
        Some((other, _)) => return Err(format!("{other} is neither cpu nor gpu")),
    };
    let kernel_pattern = pattern.trim().trim_matches('"').to_owned();
    if kernel_pattern.is_empty() {
        return Err("the pattern is missing".into());
    }
    let mut values: Vec<(u32, ConstantValue)> = Vec::new();
    for part in parts {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| format!("{part} has no value"))?;
        let name = name.trim();
        let constant = constants
            .iter()
            .find(|c| c.name == name)
            .ok_or_else(|| format!("{name} is no function constant of this file"))?;
        let value = constant_value(value.trim(), constant.scalar).ok_or_else(|| {
            format!(
                "{} is no value of type {}",
                value.trim(),
                constant.scalar.msl_name()
            )
        })?;
        if values.iter().any(|(index, _)| *index == constant.index) {
            return Err(format!("{name} is given twice"));
        }
        values.push((constant.index, value));
    }
    values.sort_by_key(|(index, _)| *index);
    Ok(Variant {
        kernel_pattern,
        class,
        constants: values,
        location,
    })
}

/// Reads `true`, an integer, or a decimal number.
fn constant_value(text: &str, scalar: Scalar) -> Option<ConstantValue> {
    match (text, scalar) {
        ("true", Scalar::Bool) => return Some(ConstantValue::Bool(true)),
        ("false", Scalar::Bool) => return Some(ConstantValue::Bool(false)),
        (_, Scalar::F32 | Scalar::F16 | Scalar::BF16) => {
            return text
                .trim_end_matches(['f', 'h'])
                .parse()
                .ok()
                .map(ConstantValue::Float);
        }
        _ => {}
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |d| (true, d));
    let magnitude = value::literal(digits)?;
    ConstantValue::from_integer(if negative { -magnitude } else { magnitude }, scalar)
}

/// Whether the tokens mention a function constant by `is_function_constant_defined(NAME)`; the token of NAME.
pub(crate) fn defined_query(tokens: &Tokens<'_>, i: usize) -> Option<usize> {
    (tokens.is(i, "is_function_constant_defined")
        && tokens.is(i + 1, "(")
        && tokens.is_word(i + 2)
        && tokens.is(i + 3, ")"))
    .then_some(i + 2)
}
