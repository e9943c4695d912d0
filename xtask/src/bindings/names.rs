//! From MSL names to Rust names.

/// The struct of a kernel: its host name without the family, in camel case.
///
/// `mul_mv_q4_0_f32` of `mul_mv` is `Q4_0F32`; a kernel named as its family is `Kernel`. `None` if the name does not
/// begin with the family's.
pub fn kernel_struct(family: &str, kernel: &str) -> Option<String> {
    let rest = kernel.strip_prefix(family)?;
    if rest.is_empty() {
        return Some("Kernel".to_owned());
    }
    let name = camel_case(rest.strip_prefix('_')?);
    // A type's name cannot begin with a digit: `permute_021` is `Kernel021`.
    Some(if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("Kernel{name}")
    } else {
        name
    })
}

/// `block_q4_0` as `BlockQ4_0`: underscores stay between digits only. Names in camel case stay as they are; namespaces
/// are left out.
pub fn camel_case(name: &str) -> String {
    let mut camel = String::new();
    for part in unqualified(name).split('_').filter(|part| !part.is_empty()) {
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        if digit(camel.chars().last()) && digit(part.chars().next()) {
            camel.push('_');
        }
        camel.extend(part.chars().take(1).map(|c| c.to_ascii_uppercase()));
        camel.push_str(&part[1..]);
    }
    camel
}

/// The name without its namespaces.
pub fn unqualified(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

/// A field's name: `in` as `r#in`.
pub fn field(name: &str) -> String {
    const RESERVED: &str = "as async await box break const continue do dyn else enum extern false final fn for gen if impl in let loop \
                            macro match mod move mut override priv pub ref return static struct trait true try type typeof unsafe \
                            unsized use virtual where while yield abstract become";
    match name {
        // These four cannot be raw identifiers.
        "self" | "super" | "crate" | "Self" => format!("{name}_"),
        _ if RESERVED.split_whitespace().any(|word| word == name) => format!("r#{name}"),
        _ => name.to_owned(),
    }
}

/// A function constant's field: `ROW_PER_THREAD` as `row_per_thread`.
pub fn constant_field(name: &str) -> String {
    field(&name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels() {
        for (family, kernel, expected) in [
            ("mul_mv", "mul_mv_q4_0_f32", Some("Q4_0F32")),
            ("mul_mv", "mul_mv_q4_k_f32", Some("Q4KF32")),
            ("rms_norm", "rms_norm_f32", Some("F32")),
            ("softmax", "softmax", Some("Kernel")),
            ("permute", "permute_021", Some("Kernel021")),
            ("add", "add_assign_f32", Some("AssignF32")),
            ("add", "address", None),
            ("add", "sub_f32", None),
        ] {
            assert_eq!(
                kernel_struct(family, kernel).as_deref(),
                expected,
                "{kernel}"
            );
        }
    }

    #[test]
    fn structs_and_fields() {
        assert_eq!(camel_case("block_q4_0"), "BlockQ4_0");
        assert_eq!(camel_case("Params"), "Params");
        assert_eq!(camel_case("RopeParams"), "RopeParams");
        assert_eq!(camel_case("mettle::block_q6_K"), "BlockQ6K");
        assert_eq!(field("in"), "r#in");
        assert_eq!(field("self"), "self_");
        assert_eq!(field("out"), "out");
        assert_eq!(constant_field("ROW_PER_THREAD"), "row_per_thread");
    }
}
