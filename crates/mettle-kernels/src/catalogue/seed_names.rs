//! Which kernel takes the place of which one of the systems that this catalogue is the union of.

/// A kernel of an older system and its counterpart in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedName {
    /// The older system.
    pub system: &'static str,
    /// What the kernel is called there.
    pub name: &'static str,
    /// Host name of the kernel that does the same here. It may do the work of several there: attention that of scores, softmax and values.
    pub kernel: &'static str,
    /// Names and values of the function constants with which it does so. Those that are not here, such as the ones that spread out the work, may
    /// have any value.
    pub constants: Vec<(&'static str, &'static str)>,
    /// A glob of the names of the cases in which it does so, where that depends on more than constants, such as an order of dimensions.
    pub cases: &'static str,
}

/// A line each: the fields of [`SeedName`] with tabs between them, constants as `NAME=value` with spaces between them, or `-`.
const LINES: &str = include_str!("seed-names.tsv");

/// Every kernel of the older systems that has a counterpart, in their order.
pub fn seed_names() -> impl Iterator<Item = SeedName> {
    LINES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(parsed)
}

fn parsed(line: &'static str) -> SeedName {
    let mut columns = line.split('\t');
    let mut next = || columns.next().unwrap_or_default();
    let (system, name, kernel, constants, cases) = (next(), next(), next(), next(), next());
    SeedName {
        system,
        name,
        kernel,
        constants: constants
            .split(' ')
            .filter_map(|constant| constant.split_once('='))
            .collect(),
        cases,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_line_is_lost() {
        let lines = LINES.lines().filter(|line| !line.starts_with('#'));
        let found: Vec<String> = seed_names()
            .map(|seed| {
                let constants: Vec<String> = seed
                    .constants
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                let constants = match constants.is_empty() {
                    true => "-".to_owned(),
                    false => constants.join(" "),
                };
                [seed.system, seed.name, seed.kernel, &constants, seed.cases].join("\t")
            })
            .collect();
        assert_eq!(found, lines.collect::<Vec<_>>());
        let mut names: Vec<_> = seed_names().map(|seed| (seed.system, seed.name)).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "a name is there twice");
    }
}
