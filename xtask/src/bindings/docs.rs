//! Comments of `.metal` files as rustdoc.

/// Documentation of an item: its comment, or `otherwise` where it has none.
pub fn item(comment: &str, otherwise: &str) -> String {
    let comment = comment.trim();
    if comment.is_empty() {
        return lines(&format!("{otherwise}."));
    }
    // Rustdoc would take an indented line for Rust code and try to compile it.
    if comment.lines().any(|line| line.starts_with("    ")) {
        return lines(&format!("```text\n{comment}\n```"));
    }
    lines(&escape(comment))
}

/// Documentation of a field: what it is in MSL, then the comment beside it.
pub fn field(declaration: &str, comment: &str) -> String {
    let comment = escape(comment.trim());
    if comment.is_empty() {
        return lines(&format!("`{declaration}`."));
    }
    lines(&format!("`{declaration}`: {comment}"))
}

fn lines(text: &str) -> String {
    text.lines()
        .map(|line| format!("/// {line}").trim_end().to_owned() + "\n")
        .collect()
}

/// Keeps `a[i]`, `x<y` and `a*b*c` from being read as links, tags and emphasis; code spans stay as they are.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let mut code = false;
    for c in text.chars() {
        code ^= c == '`';
        if !code && matches!(c, '[' | ']' | '<' | '>' | '*') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_plain_text() {
        assert_eq!(
            item("out[i] = `a[i]` * b\n\nmore ", ""),
            "/// out\\[i\\] = `a[i]` \\* b\n///\n/// more\n"
        );
        assert_eq!(item("", "`struct S`"), "/// `struct S`.\n");
        assert_eq!(
            item("As drawn:\n    | a | b |", ""),
            "/// ```text\n/// As drawn:\n///     | a | b |\n/// ```\n"
        );
        assert_eq!(
            field("uint n", "length of a row"),
            "/// `uint n`: length of a row\n"
        );
        assert_eq!(field("uint n", ""), "/// `uint n`.\n");
    }
}
