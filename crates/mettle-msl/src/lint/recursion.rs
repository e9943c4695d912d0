//! Functions that call themselves. Kernels may recurse from Metal 2.4 on (1.5.4), but nobody knows how deep, and a GPU's stack does not grow:
//! strict mode wants a call graph without circles.
//!
//! Names alone do not tell: a function may call its namesake for other types. So a circle of names is only a reason to ask the compiler, whose
//! intermediate code has every call of every instance of a template. Most units have none, and cost nothing.

use super::Findings;
use super::code::{Code, Function};
use crate::compile;
use crate::error::Result;
use std::collections::{HashMap, HashSet};
use std::ops::{Range, RangeInclusive};

pub(super) fn check(code: &Code<'_>, findings: &mut Findings) -> Result<()> {
    if !possible(code) {
        return Ok(());
    }
    let Some((edited, ir)) = compile::plain_ir(code.unit)? else {
        return Ok(());
    };
    let graph = Graph::new(&ir);
    let circles = circles(
        &graph
            .calls
            .iter()
            .map(|c| (c.from, c.to))
            .collect::<Vec<_>>(),
        graph.functions.len(),
    );
    for call in &graph.calls {
        let (from, to) = (&graph.functions[call.from], &graph.functions[call.to]);
        // Of the calls of a circle, those that lead back in the text.
        if circles[call.from] != circles[call.to] || to.line > from.line {
            continue;
        }
        let message = if call.from == call.to {
            format!("{} calls itself", from.name)
        } else {
            format!("{} calls {}, which calls it in turn", from.name, to.name)
        };
        findings.error(
            edited.map.origin(edited.offset(call.line, call.column)),
            "recursion",
            format!("{message}: the depth of the stack is not known (1.5.4)"),
        );
    }
    Ok(())
}

/// Whether functions call one another in a circle if a name with a number of arguments stands for every function that takes so many.
pub(super) fn possible(code: &Code<'_>) -> bool {
    let t = code.t;
    // Calls of operators do not name them, so every function may call every operator. Those of function objects are left out: what they are
    // called by is a template that got them as an argument.
    let is_operator = |f: &Function<'_>| {
        (f.item.head..f.parameters).any(|i| t.is(i, "operator") && !t.is(i + 1, "("))
    };
    let functions: Vec<_> = code.bodies().collect();
    let mut named: HashMap<&str, Vec<(usize, RangeInclusive<usize>)>> = HashMap::new();
    let mut operators = Vec::new();
    for (i, (function, _)) in functions.iter().enumerate() {
        if is_operator(function) {
            operators.push(i);
        } else {
            let takes = arity(code, function);
            named
                .entry(t.str(function.name))
                .or_default()
                .push((i, takes));
        }
    }
    let mut calls = HashSet::new();
    for (from, (function, body)) in functions.iter().enumerate() {
        for i in body.clone().filter(|i| t.is_word(*i)) {
            let of_library = t.is(i - 1, "::") && t.is(i.wrapping_sub(2), "metal");
            let open = match t.str(i + 1) {
                "<" => t.angle(i + 1, body.end).map_or(i + 1, |close| close + 1),
                _ => i + 1,
            };
            if of_library || !t.is(open, "(") {
                continue;
            }
            let given = t.split(open + 1..t.partner(open), ",").len();
            let candidates = named.get(t.str(i)).into_iter().flatten();
            calls.extend(
                candidates
                    .filter(|(_, takes)| takes.contains(&given))
                    .map(|(to, _)| (from, *to)),
            );
        }
        if !is_operator(function) {
            calls.extend(operators.iter().map(|to| (from, *to)));
        }
    }
    let calls: Vec<_> = calls.into_iter().collect();
    let circles = circles(&calls, functions.len());
    calls
        .iter()
        .any(|(from, to)| from == to || circles[*from] == circles[*to])
}

/// How many arguments a function takes.
fn arity(code: &Code<'_>, function: &Function<'_>) -> RangeInclusive<usize> {
    let t = code.t;
    let parameters = code.parameters(function);
    let has = |p: &Range<usize>, word| p.clone().any(|i| t.is(i, word));
    if parameters.iter().any(|p| has(p, "...")) {
        return 0..=usize::MAX;
    }
    let optional = parameters.iter().filter(|p| has(p, "=")).count();
    parameters.len() - optional..=parameters.len()
}

/// The number of the circle each node is in: nodes that reach one another have the same, every other node has its own.
fn circles(edges: &[(usize, usize)], nodes: usize) -> Vec<usize> {
    let reach = |edges: &[Vec<usize>]| {
        // Nodes in the order in which a depth-first walk leaves them.
        let mut order = Vec::with_capacity(nodes);
        let mut seen = vec![false; nodes];
        for start in 0..nodes {
            let mut pending = vec![(start, 0)];
            if std::mem::replace(&mut seen[start], true) {
                continue;
            }
            while let Some((node, next)) = pending.pop() {
                match edges[node].get(next) {
                    Some(&to) => {
                        pending.push((node, next + 1));
                        if !std::mem::replace(&mut seen[to], true) {
                            pending.push((to, 0));
                        }
                    }
                    None => order.push(node),
                }
            }
        }
        order
    };
    let mut forward = vec![Vec::new(); nodes];
    let mut backward = vec![Vec::new(); nodes];
    for &(from, to) in edges {
        forward[from].push(to);
        backward[to].push(from);
    }
    // Kosaraju: what reaches a node, in the reverse order of leaving, is its circle.
    let mut circle = vec![usize::MAX; nodes];
    for &root in reach(&forward).iter().rev() {
        let mut pending = vec![root];
        while let Some(node) = pending.pop() {
            if circle[node] == usize::MAX {
                circle[node] = root;
                pending.extend(&backward[node]);
            }
        }
    }
    circle
}

/// The functions of the user and their calls, from LLVM IR with line tables.
#[derive(Debug, Default)]
struct Graph {
    functions: Vec<Compiled>,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Compiled {
    /// As the user wrote it.
    name: String,
    /// Line of the rewritten text.
    line: u32,
}

#[derive(Debug)]
struct Call {
    from: usize,
    to: usize,
    line: u32,
    column: u32,
}

impl Graph {
    fn new(ir: &str) -> Self {
        // `!12 = distinct !DISubprogram(name: "f", ...)` and `!13 = !DILocation(line: 3, column: 5, scope: !12)`.
        let metadata: HashMap<&str, &str> = ir
            .lines()
            .filter(|line| line.starts_with('!'))
            .filter_map(|line| line.split_once(" = "))
            .collect();
        let of_user = |subprogram: &str| {
            let file = field(subprogram, "file: ").and_then(|f| metadata.get(f));
            file.and_then(|f| field(f, "filename: "))
                .is_some_and(|name| matches!(name, "\"<stdin>\"" | "\"-\""))
        };
        let mut graph = Self::default();
        let mut indices: HashMap<&str, usize> = HashMap::new();
        let definitions = || ir.lines().filter(|line| line.starts_with("define "));
        for line in definitions() {
            let Some(subprogram) = field(line, "!dbg ").and_then(|d| metadata.get(d)) else {
                continue;
            };
            let (Some(symbol), true) = (symbol(line), of_user(subprogram)) else {
                continue;
            };
            indices.insert(symbol, graph.functions.len());
            graph.functions.push(Compiled {
                name: field(subprogram, "name: ")
                    .unwrap_or("")
                    .trim_matches('"')
                    .to_owned(),
                line: number(subprogram, "line: "),
            });
        }
        let mut from = None;
        for line in ir.lines() {
            if line.starts_with("define ") {
                from = symbol(line).and_then(|s| indices.get(s).copied());
            } else if line.contains("call ")
                && let Some(from) = from
                && let Some(&to) = symbol(line).and_then(|s| indices.get(s))
                && let Some(place) = field(line, "!dbg ").and_then(|d| metadata.get(d))
            {
                graph.calls.push(Call {
                    from,
                    to,
                    line: number(place, "line: "),
                    column: number(place, "column: "),
                });
            }
        }
        graph
    }
}

/// The first global name of a line.
fn symbol(line: &str) -> Option<&str> {
    let rest = line.split_once('@')?.1;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-$._".contains(c)))
            .next(),
    }
}

/// What follows `name` up to the next comma, blank or parenthesis.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.split_once(name)?.1;
    Some(rest.split([',', ' ', ')', '{']).next().unwrap_or(""))
}

fn number(text: &str, name: &str) -> u32 {
    field(text, name).and_then(|n| n.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found() {
        let found = circles(&[(0, 1), (1, 2), (2, 1), (3, 3), (0, 3)], 5);
        assert_eq!(found[1], found[2]);
        let others: HashSet<usize> = [0, 1, 3, 4].iter().map(|i| found[*i]).collect();
        assert_eq!(others.len(), 4);
    }
}
