//! Strict mode: what Metal's own compiler refuses, or its hardware forbids, and C++ accepts.
//!
//! [`check`](crate::check) compiles a unit as C++, which sees most mistakes. What is left is found here, in two ways: rules about words,
//! declarations and signatures read the tokens of the unit, and address spaces are checked by a compiler that has them.
//! Numbers in messages and comments are sections of the Metal Shading Language Specification, version 3.2.

mod arguments;
mod attributes;
mod code;
mod kernels;
mod pointers;
mod recursion;
mod spaces;
mod variables;
mod words;

use crate::diagnostic::{Diagnostic, Severity};
use crate::error::Result;
use crate::parse;
use crate::unit::Unit;
use code::Code;

/// What strict mode finds in a unit, in the order of the text; nothing for a unit that is clean.
///
/// It looks at any unit, also at one in which [`check`](crate::check) finds errors: what is said here of a virtual function, say, tells more
/// than what C++ makes of it. Address spaces are checked as far as the rest can be read.
///
/// Every finding has a [`rule`](Diagnostic::rule).
///
/// # Errors
/// Whatever keeps the compiler from running.
pub fn lint(unit: &Unit) -> Result<Vec<Diagnostic>> {
    let span = tracing::debug_span!("lint", unit = %unit.name);
    let _entered = span.enter();
    let tokens = parse::tokens(&unit.source)?;
    let items = parse::item::items(&tokens);
    let code = Code::new(unit, &tokens, &items);
    let mut findings = read(&code);
    spaces::check(&code, &mut findings)?;
    recursion::check(&code, &mut findings)?;
    Ok(findings.into_diagnostics(unit))
}

/// What the tokens tell.
fn read(code: &Code<'_>) -> Findings {
    let mut findings = Findings::default();
    words::check(code, &mut findings);
    variables::check(code, &mut findings);
    kernels::check(code, &mut findings);
    arguments::check(code, &mut findings);
    attributes::check(code, &mut findings);
    pointers::check(code, &mut findings);
    findings
}

/// Everything that needs no compiler, for the tests that throw arbitrary text at it.
#[cfg(test)]
pub(crate) fn without_compiler(unit: &Unit) -> Result<()> {
    let tokens = parse::tokens(&unit.source)?;
    let items = parse::item::items(&tokens);
    let code = Code::new(unit, &tokens, &items);
    read(&code);
    spaces::rewrite(&code);
    recursion::possible(&code);
    Ok(())
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    list: Vec<Finding>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Byte of the preprocessed text.
    offset: usize,
    severity: Severity,
    rule: &'static str,
    message: String,
}

impl Findings {
    /// Adds an error at a byte of the preprocessed text.
    fn error(&mut self, offset: usize, rule: &'static str, message: impl Into<String>) {
        self.add(offset, Severity::Error, rule, message.into());
    }

    /// Adds a warning: Metal's compiler accepts it.
    fn warning(&mut self, offset: usize, rule: &'static str, message: impl Into<String>) {
        self.add(offset, Severity::Warning, rule, message.into());
    }

    fn add(&mut self, offset: usize, severity: Severity, rule: &'static str, message: String) {
        self.list.push(Finding {
            offset,
            severity,
            rule,
            message,
        });
    }

    fn into_diagnostics(mut self, unit: &Unit) -> Vec<Diagnostic> {
        self.list.sort();
        // Instantiations of a template repeat what is wrong with it.
        self.list.dedup();
        self.list
            .into_iter()
            .map(|f| {
                let location = unit.source.locate(f.offset);
                let mut diagnostic = unit.source.diagnostic(location, f.severity, f.message);
                diagnostic.rule = Some(f.rule);
                diagnostic
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn findings_name_rule_and_place() {
        let text = "float twice(float* p) {\n  double d = *p;\n  return 2 * d;\n}\n";
        let unit = Unit::from_source("u.metal", text, &Options::default()).unwrap();
        let found = lint(&unit).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|d| (d.rule.unwrap(), d.location.line, d.location.column))
            .collect();
        assert_eq!(seen, [("missing-address-space", 1, 18), ("double", 2, 3)]);
    }
}
