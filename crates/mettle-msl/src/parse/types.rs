//! Reads the types of declarations.

use super::names::{Bindings, Names};
use super::value;
use crate::reflect::{Scalar, Type};
use std::ops::Range;

/// Arrays may nest this deep in a reflected type.
const MAX_NESTING: usize = 8;

/// Address space words of MSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Device,
    Constant,
    Threadgroup,
    Thread,
}

/// A declaration taken apart: `device const float* x [[buffer(0)]]`.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// The type without `*`, `&` and array bounds; `None` if none was found.
    pub base: Option<Type>,
    /// Tokens of that type.
    pub specifier: Range<usize>,
    pub space: Option<Space>,
    /// `const` before the first `*` or `&`.
    pub is_const: bool,
    pub pointers: usize,
    pub references: usize,
    /// Array bounds, outermost first; `None` where a bound is no known constant.
    pub bounds: Vec<Option<usize>>,
    /// Token of the name.
    pub name: Option<usize>,
    /// Tokens inside each `[[...]]`.
    pub attributes: Vec<Range<usize>>,
    /// Something else that this reader does not understand (a function pointer, a bit field).
    pub odd: bool,
}

impl Declared {
    /// The declared type when it is an object, not a pointer or reference.
    pub fn value_type(&self) -> Option<Type> {
        if self.odd || self.pointers + self.references > 0 {
            return None;
        }
        nest(self.base.clone()?, &self.bounds)
    }

    /// What a parameter declared as an array points to: the type without the outermost bound.
    pub fn element_type(&self) -> Option<Type> {
        nest(self.base.clone()?, self.bounds.get(1..)?)
    }
}

/// Arrays of `bounds`, outermost first, around `base`.
fn nest(base: Type, bounds: &[Option<usize>]) -> Option<Type> {
    bounds
        .iter()
        .rev()
        .try_fold(base, |element, bound| array(element, (*bound)?))
}

/// An array type, unless it nests absurdly deep.
fn array(element: Type, length: usize) -> Option<Type> {
    let mut depth = 1;
    let mut inner = &element;
    while let Type::Array(next, _) = inner {
        inner = next;
        depth += 1;
    }
    (depth <= MAX_NESTING).then(|| Type::Array(Box::new(element), length))
}

impl Names<'_> {
    /// Takes apart the declaration in `range` (a parameter, a member, a typedef without its keyword and `;`).
    pub(super) fn declared(
        &self,
        range: Range<usize>,
        scope: usize,
        bindings: &Bindings,
    ) -> Declared {
        let t = self.tokens;
        let mut declared = Declared::default();
        let mut i = range.start;
        while i < range.end {
            if t.is_attribute(i) {
                declared.attributes.push(i + 2..t.partner(i + 1));
                i = t.skip(i);
                continue;
            }
            match t.str(i) {
                // A default argument or initialiser.
                "=" | "{" => break,
                "const" => declared.is_const |= declared.pointers + declared.references == 0,
                "device" => declared.space = declared.space.or(Some(Space::Device)),
                "constant" => declared.space = declared.space.or(Some(Space::Constant)),
                "threadgroup" => declared.space = declared.space.or(Some(Space::Threadgroup)),
                "thread" => declared.space = declared.space.or(Some(Space::Thread)),
                "volatile" | "constexpr" | "static" | "inline" | "restrict" | "__restrict"
                | "struct" | "class" | "enum" | "union" | "typename" | "mutable" | "coherent" => {}
                "alignas" => i += 1,
                "__attribute__" => {
                    i += 1;
                    let vector = |j| t.is(j, "ext_vector_type") || t.is(j, "vector_size");
                    declared.odd |= (i..t.partner(i)).any(vector);
                }
                "*" => declared.pointers += 1,
                "&" => declared.references += 1,
                "[" => {
                    let bound = value::evaluate(self, i + 1..t.partner(i), scope, bindings);
                    declared
                        .bounds
                        .push(bound.and_then(|b| usize::try_from(b).ok()));
                }
                _ if t.is_word(i) && declared.base.is_none() => {
                    let end = self.specifier_end(i, range.end);
                    declared.base = self.deeper(|| self.specifier(i..end, scope, bindings));
                    declared.specifier = i..end;
                    i = end;
                    continue;
                }
                _ if t.is_word(i) && declared.name.is_none() => declared.name = Some(i),
                _ => declared.odd = true,
            }
            i = t.skip(i);
        }
        declared
    }

    /// The type in `range`, which holds a type and nothing else.
    pub(super) fn type_of(
        &self,
        range: Range<usize>,
        scope: usize,
        bindings: &Bindings,
    ) -> Option<Type> {
        let t = self.tokens;
        let plain = |i: &usize| {
            matches!(
                t.str(*i),
                "const" | "struct" | "typename" | "device" | "constant" | "thread" | "threadgroup"
            )
        };
        let start = range.clone().find(|i| !plain(i))?;
        let end = self.specifier_end(start, range.end);
        // Whatever follows (`*`, an array bound) makes it another type, known only by its text.
        if !t.is_word(start) || end != range.end {
            return None;
        }
        self.deeper(|| self.specifier(start..end, scope, bindings))
    }

    /// The scalar type in `range`, which holds its name and nothing else.
    pub(super) fn scalar_of(
        &self,
        range: Range<usize>,
        scope: usize,
        bindings: &Bindings,
    ) -> Option<Scalar> {
        match self.type_of(range, scope, bindings)? {
            Type::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The token after the type that starts at the word `i`: a qualified name with template arguments, or several words as in `unsigned int`.
    fn specifier_end(&self, i: usize, end: usize) -> usize {
        let t = self.tokens;
        let words = ["unsigned", "signed", "char", "short", "int", "long"];
        if words.contains(&t.str(i)) {
            return (i + 1..end)
                .find(|j| !words.contains(&t.str(*j)))
                .unwrap_or(end);
        }
        let mut j = i + 1;
        loop {
            if t.is(j, "<")
                && let Some(close) = t.angle(j, end)
            {
                j = close + 1;
            }
            if j + 1 < end && t.is(j, "::") && t.is_word(j + 1) {
                j += 2;
            } else {
                return j.min(end);
            }
        }
    }

    fn specifier(&self, range: Range<usize>, scope: usize, bindings: &Bindings) -> Option<Type> {
        let t = self.tokens;
        let text = || {
            Some(Type::Other(
                t.slice(range.clone())
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
            ))
        };
        let open = range.clone().find(|i| t.is(*i, "<"));
        let path = self.path(range.start..open.unwrap_or(range.end));
        if let Some(open) = open {
            let arguments = t.split(open + 1..range.end - 1, ",");
            let known = self.template(&path, &arguments, scope, bindings);
            return known.or_else(text);
        }
        if let Some(found) = self.named_type(&path, scope, bindings) {
            return Some(found);
        }
        builtin(path.strip_prefix("metal::").unwrap_or(&path))
            .or_else(|| words(t.slice(range.clone())))
            .or_else(text)
    }

    /// `vec<T, n>`, `array<T, n>` and other templates of `metal_stdlib`.
    fn template(
        &self,
        path: &str,
        arguments: &[Range<usize>],
        scope: usize,
        bindings: &Bindings,
    ) -> Option<Type> {
        let first = self.type_of(arguments.first()?.clone(), scope, bindings)?;
        let number = |i: usize| {
            let range = arguments.get(i)?.clone();
            usize::try_from(value::evaluate(self, range, scope, bindings)?).ok()
        };
        let length = |i: usize| {
            number(i)
                .and_then(|n| u8::try_from(n).ok())
                .filter(|n| (2..=4).contains(n))
        };
        match (path.strip_prefix("metal::").unwrap_or(path), first) {
            ("vec", Type::Scalar(s)) => Some(Type::Vector(s, length(1)?)),
            ("packed_vec", Type::Scalar(s)) => Some(Type::PackedVector(s, length(1)?)),
            ("matrix", Type::Scalar(scalar)) => Some(Type::Matrix {
                scalar,
                columns: length(1)?,
                rows: length(2)?,
            }),
            ("atomic" | "_atomic", Type::Scalar(s)) => Some(Type::Atomic(s)),
            ("array", element) => array(element, number(1)?),
            _ => None,
        }
    }
}

/// A type of `metal_stdlib` of one word: `uint`, `half4`, `packed_float3`, `float4x4`, `atomic_uint`.
pub(crate) fn builtin(name: &str) -> Option<Type> {
    if let Some(scalar) = Scalar::from_msl(name) {
        return Some(Type::Scalar(scalar));
    }
    if let Some(scalar) = name.strip_prefix("atomic_").and_then(Scalar::from_msl) {
        return Some(Type::Atomic(scalar));
    }
    let (name, packed) = name
        .strip_prefix("packed_")
        .map_or((name, false), |rest| (rest, true));
    let scalar = Scalar::ALL.into_iter().find(|s| {
        // `uint` before `u...` is safe: what follows must be digits.
        name.strip_prefix(s.msl_name())
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })?;
    let length = |digit: &u8| (b'2'..=b'4').contains(digit).then(|| digit - b'0');
    match (&name.as_bytes()[scalar.msl_name().len()..], packed) {
        ([n], false) => Some(Type::Vector(scalar, length(n)?)),
        ([n], true) => Some(Type::PackedVector(scalar, length(n)?)),
        ([c, b'x', r], false) => Some(Type::Matrix {
            scalar,
            columns: length(c)?,
            rows: length(r)?,
        }),
        _ => None,
    }
}

/// `unsigned int`, `signed char`, `long long` and the like.
fn words(text: &str) -> Option<Type> {
    let has = |word| text.split_whitespace().any(|w| w == word);
    if !text
        .split_whitespace()
        .all(|w| matches!(w, "unsigned" | "signed" | "char" | "short" | "int" | "long"))
    {
        return None;
    }
    let (signed, unsigned) = match () {
        () if has("char") => (Scalar::I8, Scalar::U8),
        () if has("short") => (Scalar::I16, Scalar::U16),
        () if has("long") => (Scalar::I64, Scalar::U64),
        () => (Scalar::I32, Scalar::U32),
    };
    Some(Type::Scalar(if has("unsigned") {
        unsigned
    } else {
        signed
    }))
}
