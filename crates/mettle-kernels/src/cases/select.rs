//! Which cases to run: by kernel, by name.

use super::Case;

/// The cases of every family, with data from `seed`, whose kernel and name match the globs.
pub fn select(kernel: &str, case: &str, seed: u64) -> Vec<Case> {
    crate::ops::families()
        .iter()
        .flat_map(|family| family.cases(seed))
        .filter(|candidate| matches(kernel, candidate.kernel()) && matches(case, candidate.name()))
        .collect()
}

/// Whether `name` matches `glob`, in which `*` stands for any characters and `?` for one.
pub fn matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    // The last `*` seen and the part of the name it was tried up to: where the rest does not fit, it takes one more.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(&c) if c == '?' || c == name[n] => (g, n) = (g + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (g, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs() {
        for (glob, name) in [
            ("*", ""),
            ("*", "add_f32"),
            ("add_f32", "add_f32"),
            ("add*", "add_f32"),
            ("*f32", "add_f32"),
            ("mul_mv_*_f32", "mul_mv_q4_0_f32"),
            ("mul_mv_q?_0*", "mul_mv_q4_0_f32"),
            ("*_*_*", "a_b_c_d"),
        ] {
            assert!(matches(glob, name), "{glob} should match {name}");
        }
        for (glob, name) in [
            ("", "a"),
            ("add", "add_f32"),
            ("?", ""),
            ("*_f16", "add_f32"),
            ("a*b", "acbd"),
        ] {
            assert!(!matches(glob, name), "{glob} should not match {name}");
        }
    }
}
