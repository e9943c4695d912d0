//! Tests of parsing and rewriting together, without a compiler.

mod hostile;
mod rewriting;

use crate::error::Result;
use crate::source::Source;
use crate::unit::Unit;
use std::path::Path;

/// A unit of a text that is preprocessed already.
fn unit(text: &str) -> Result<Unit> {
    let output = format!("# 1 \"<stdin>\"\n{text}");
    let source = Source::from_preprocessor(&output, Path::new("test.metal"), text);
    Unit::from_preprocessed("test".into(), source)
}
