//! Tables: the same rows as text for people and as CSV for programs.

use std::fmt::Write;

/// A table of texts. Numbers are given as they are to be read.
pub(super) struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub(super) fn new(title: &str, head: &[&str]) -> Table {
        let head = head.iter().map(ToString::to_string).collect();
        Table { title: title.into(), head, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row; a cell without a value is shown as a dash.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.head.len(), "a cell per column");
        self.rows.push(cells);
    }

    /// Adds a line below the table.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Columns under each other; the first one to the left, others to the right.
    pub(super) fn to_text(&self) -> String {
        let shown = |cell: &String| if cell.is_empty() { "-".to_string() } else { cell.clone() };
        let lines: Vec<Vec<String>> = std::iter::once(self.head.clone())
            .chain(self.rows.iter().map(|row| row.iter().map(shown).collect()))
            .collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut text = format!("{}\n\n", self.title);
        for line in &lines {
            let mut out = String::new();
            for (i, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(width - cell.chars().count());
                let parts = if i == 0 {
                    [cell.as_str(), padding.as_str()]
                } else {
                    [padding.as_str(), cell.as_str()]
                };
                let gap = if i == 0 { "" } else { "  " };
                write!(out, "{gap}{}{}", parts[0], parts[1]).expect("a string takes everything");
            }
            text.push_str(out.trim_end());
            text.push('\n');
        }
        for (i, note) in self.notes.iter().enumerate() {
            writeln!(text, "{}{note}", if i == 0 { "\n" } else { "" }).expect("a string takes everything");
        }
        text
    }

    /// The head and the rows; what has no value is empty.
    pub(super) fn to_csv(&self) -> String {
        let line =
            |cells: &Vec<String>| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n";
        std::iter::once(&self.head).chain(&self.rows).map(line).collect()
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_string()
    }
}

/// A number with these digits after the point, or nothing.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_csv() {
        let mut table = Table::new("Title", &["name", "a, b"]);
        table.row(vec!["long name".into(), number(Some(1.25), 1)]);
        table.row(vec!["\"x\"".into(), number(None, 1)]);
        table.note("one");
        table.note("two");
        assert_eq!(
            table.to_text(),
            "Title\n\nname       a, b\nlong name   1.2\n\"x\"           -\n\none\ntwo\n"
        );
        assert_eq!(table.to_csv(), "name,\"a, b\"\nlong name,1.2\n\"\"\"x\"\"\",\n");
    }
}
