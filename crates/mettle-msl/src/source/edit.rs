//! Edits on a text, applied at once, with a map back.

use crate::artefact::LineRun;
use crate::unit::Unit;
use std::ops::Range;

/// Replacements of parts of a text. Later ones must not overlap earlier ones except to lie wholly inside a removed part.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    list: Vec<(Range<usize>, String)>,
}

impl Edits {
    /// Puts `with` in the place of `range`.
    pub fn replace(&mut self, range: Range<usize>, with: impl Into<String>) {
        self.list.push((range, with.into()));
    }

    /// Takes `range` out; its newlines stay, so that lines keep their numbers.
    pub fn remove(&mut self, text: &str, range: Range<usize>) {
        let newlines = text[range.clone()].matches('\n').count();
        self.replace(range, "\n".repeat(newlines));
    }

    /// The edited text and its map. Of two edits that overlap, the one that starts first (of two that start together, the longer) is taken.
    pub fn apply(mut self, text: &str) -> Edited {
        self.list
            .sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut edited = Edited {
            text: String::with_capacity(text.len()),
            map: Map::default(),
        };
        let mut done = 0;
        for (range, with) in self.list {
            if range.start < done {
                continue;
            }
            edited.copy(text, done..range.start);
            edited.insert(&with, range.start);
            done = range.end;
        }
        edited.copy(text, done..text.len());
        edited
    }
}

/// A text made from pieces of another.
#[derive(Debug)]
pub(crate) struct Edited {
    pub text: String,
    pub map: Map,
}

impl Edited {
    fn copy(&mut self, from: &str, range: Range<usize>) {
        if !range.is_empty() {
            self.map.pieces.push(Piece {
                start: self.text.len(),
                origin: range.start,
                copied: true,
            });
            self.text.push_str(&from[range]);
        }
    }

    /// Offset of a line and column, both from 1, the column in bytes.
    pub fn offset(&self, line: u32, column: u32) -> usize {
        let start = match (line as usize).checked_sub(2) {
            Some(n) => self
                .text
                .match_indices('\n')
                .nth(n)
                .map_or(self.text.len(), |(i, _)| i + 1),
            None => 0,
        };
        (start + (column as usize).saturating_sub(1)).min(self.text.len())
    }

    /// Where the lines of the text come from.
    pub fn lines(&self, unit: &Unit) -> Vec<LineRun> {
        let mut runs: Vec<LineRun> = Vec::new();
        let mut offset = 0;
        for (i, text) in self.text.split_inclusive('\n').enumerate() {
            let (file, line) = unit.source.line(self.map.origin(offset));
            let compiled = i as u32 + 1;
            let follows =
                |run: &LineRun| run.file == file && run.line + (compiled - run.compiled) == line;
            if !runs.last().is_some_and(follows) {
                runs.push(LineRun {
                    compiled,
                    file: file.into_owned(),
                    line,
                });
            }
            offset += text.len();
        }
        runs
    }

    /// Appends text of our own that stands for the place `origin`.
    pub fn insert(&mut self, text: &str, origin: usize) {
        if !text.is_empty() {
            self.map.pieces.push(Piece {
                start: self.text.len(),
                origin,
                copied: false,
            });
            self.text.push_str(text);
        }
    }
}

/// From offsets of the edited text to offsets of the original.
#[derive(Debug, Default)]
pub(crate) struct Map {
    /// Ordered by start.
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    start: usize,
    origin: usize,
    /// Copied text maps byte by byte; inserted text maps to one place.
    copied: bool,
}

impl Map {
    /// The original's offset for an offset of the edited text.
    pub fn origin(&self, offset: usize) -> usize {
        let index = self.pieces.partition_point(|p| p.start <= offset);
        match index.checked_sub(1).map(|i| &self.pieces[i]) {
            Some(piece) if piece.copied => piece.origin + (offset - piece.start),
            Some(piece) => piece.origin,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_map_back() {
        let text = "device float* x;";
        let mut edits = Edits::default();
        edits.remove(text, 0..6);
        edits.replace(14..15, "yyy");
        let edited = edits.apply(text);
        assert_eq!(edited.text, " float* yyy;");
        assert_eq!(edited.map.origin(1), 7);
        assert_eq!(edited.map.origin(9), 14);
        assert_eq!(edited.map.origin(11), 15);
    }

    #[test]
    fn an_edit_inside_a_removed_part_is_dropped() {
        let text = "a [[b\n(c)]] d";
        let mut edits = Edits::default();
        edits.replace(4..5, "X");
        edits.remove(text, 2..11);
        assert_eq!(edits.apply(text).text, "a \n d");
    }
}
