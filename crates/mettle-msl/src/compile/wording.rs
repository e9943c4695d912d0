//! Words of the C++ compiler as a writer of MSL knows them.

/// C++ names of scalar types whose MSL name differs.
const SCALARS: [(&str, &str); 8] = [
    ("unsigned char", "uchar"),
    ("unsigned short", "ushort"),
    ("unsigned int", "uint"),
    ("unsigned long", "ulong"),
    ("signed char", "char"),
    ("_Float16", "half"),
    ("metal::", ""),
    ("mettle::bfloat", "bfloat"),
];

/// The message with types named as in MSL: `vec<_Float16, 4>` is `half4`.
pub(super) fn msl(message: &str) -> String {
    let mut text = message.to_owned();
    for (cpp, msl) in SCALARS {
        text = text.replace(cpp, msl);
    }
    let mut rest = text.as_str();
    let mut result = String::with_capacity(rest.len());
    while let Some(at) = rest.find("vec<") {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        match vector(from) {
            Some((name, after)) if !before.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                result.push_str(&name);
                rest = after;
            }
            _ => {
                result.push_str("vec<");
                rest = &from["vec<".len()..];
            }
        }
    }
    result.push_str(rest);
    result
}

/// The MSL name of the vector type that `text` begins with, and what follows it.
fn vector(text: &str) -> Option<(String, &str)> {
    let (scalar, rest) = text.strip_prefix("vec<")?.split_once(", ")?;
    let (count, after) = rest.split_once('>')?;
    let named = scalar.chars().all(|c| c.is_ascii_lowercase());
    let count: u8 = count.parse().ok()?;
    (named && (2..=4).contains(&count)).then(|| (format!("{scalar}{count}"), after))
}

#[cfg(test)]
mod tests {
    use super::msl;

    #[test]
    fn types_are_named_as_in_msl() {
        for (cpp, expected) in [
            (
                "from 'vec<float, 4>' to 'const metal::vec<_Float16, 2>'",
                "from 'float4' to 'const half2'",
            ),
            ("'vec<unsigned int, 3> *'", "'uint3 *'"),
            ("packed_vec<float, 3>", "packed_vec<float, 3>"),
            ("vec<T, N> vec<", "vec<T, N> vec<"),
            ("vec<float, 16>", "vec<float, 16>"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(msl(cpp), expected);
        }
    }
}
