//! Plain tables: a heading, aligned columns, two blanks between them, no lines.
//!
//! ```text
//! SLOT   PID  STATE
//!    1  4711  idle
//! ```

use std::borrow::Cow;

use super::words::printable;

/// Which edge a column's cells stand at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table that grows row by row.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Edge)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no row.
    pub fn new(columns: &[(&'static str, Edge)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Appends a row with one cell per column. Cells may hold what a client sent: nothing that a terminal obeys gets
    /// through.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.into_iter().map(|cell| printable(&cell).into_owned()).collect());
    }

    /// The whole table, each line with its line break.
    pub fn render(&self) -> String {
        let widths = self.widths();
        let heads = self.columns.iter().map(|(head, _)| *head);
        let mut text = self.line(heads, &widths);
        for row in &self.rows {
            text.push_str(&self.line(row.iter().map(String::as_str), &widths));
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width = |at: usize, head: &str| {
            let cells = self.rows.iter().map(|row| columns_of(&row[at]));
            cells.chain([columns_of(head)]).max().unwrap_or(0)
        };
        self.columns.iter().enumerate().map(|(at, (head, _))| width(at, head)).collect()
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
        let padded = cells.zip(widths).zip(&self.columns).map(|((cell, width), (_, edge))| {
            let blanks = " ".repeat(width.saturating_sub(columns_of(cell)));
            match edge {
                Edge::Left => Cow::from(format!("{cell}{blanks}")),
                Edge::Right => Cow::from(format!("{blanks}{cell}")),
            }
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    }
}

/// How many columns of a terminal a text takes: letters of East Asia take two.
fn columns_of(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

/// The wide blocks of Unicode that names and paths are written in.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("SLOT", Edge::Right), ("NAME", Edge::Left), ("PID", Edge::Right)]);
        table.row(["1".into(), "站点".into(), "7".into()]);
        table.row(["12345".into(), "a".into(), "4711".into()]);
        let expected = " SLOT  NAME   PID\n    1  站点     7\n12345  a     4711\n";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn no_line_ends_in_blanks_and_no_cell_breaks_a_line() {
        let mut table = Table::new(&[("NAME", Edge::Left)]);
        table.row(["a\nb\u{1b}".into()]);
        table.row([String::new()]);
        assert_eq!(table.render(), "NAME\na\\nb\\u{1b}\n\n");
    }
}
