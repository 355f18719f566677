//! Lines as text, with what stands below one another in neighbouring lines.
//!
//! Neighbours are lines of one statement each that begin with the same word, with nothing between them. Cells of theirs that the author set below one
//! another stay a column. Comments behind neighbouring lines stand in one column, where the author's rightmost was.

use tern_compiler::syntax::Token;

use crate::pieces::{Line, Piece};

/// A comment moves left only if it stands further to the right than this.
const RIGHTMOST: usize = 100;
/// Between a line and its comment.
const BEFORE_COMMENT: usize = 1;

/// A part of a line.
#[derive(Debug, Default)]
struct Cell {
    text: String,
    /// Where it began in the author's line, counted from that line's first token.
    column: usize,
}

/// A line of the result.
pub struct Row<'t> {
    pub indent: usize,
    cells: Vec<Cell>,
    comment: Option<(&'t str, usize)>,
    /// Whether an empty line stands before it.
    apart: bool,
    /// The first word, of lines that begin a statement.
    word: Option<Token<'t>>,
    pub ends_statement: bool,
    /// Brackets that are open at the end.
    pub depth: usize,
}

impl<'t> Row<'t> {
    pub fn new(line: &Line<'t>, apart: bool) -> Row<'t> {
        let word = line.pieces.first().map(|first| match &first.token {
            // names are of one kind, whatever they are
            Token::Name(_) => Token::Name(""),
            other => other.clone(),
        });
        Row {
            indent: 0,
            cells: vec![Cell::default()],
            comment: line.comment,
            apart,
            word,
            ends_statement: true,
            depth: 0,
        }
    }

    pub fn is_comment(&self) -> bool {
        self.word.is_none()
    }

    /// Adds a token.
    pub fn push(&mut self, piece: &Piece<'t>, space: bool, cell: bool) {
        if cell && space {
            self.cells.push(Cell { text: String::new(), column: piece.column });
        } else if space {
            self.last().push(' ');
        }
        self.last().push_str(piece.text);
    }

    fn last(&mut self) -> &mut String {
        let last = self.cells.len() - 1; // there is one from the start
        &mut self.cells[last].text
    }

    fn continues(&self, before: &Row<'_>) -> bool {
        !self.apart
            && self.word.is_some()
            && before.ends_statement
            && self.ends_statement
            && (self.indent, self.depth, &self.word) == (before.indent, before.depth, &before.word)
    }
}

/// The text of all lines.
pub fn write(rows: &[Row<'_>]) -> String {
    let texts: Vec<String> = runs(rows, |before, row| row.continues(before)).flat_map(texts).collect();
    let mut out = String::new();
    let mut next = 0;
    for run in runs(rows, |before, row| !row.apart && before.comment.is_some() && row.comment.is_some()) {
        let texts = &texts[next..next + run.len()];
        next += run.len();
        let column = comment_column(run, texts);
        for (row, text) in run.iter().zip(texts) {
            if row.apart {
                out.push('\n');
            }
            out.push_str(text);
            if let Some((comment, _)) = row.comment {
                let width = if row.is_comment() { 0 } else { column.saturating_sub(text.chars().count()) };
                out.extend(std::iter::repeat_n(' ', width));
                out.push_str(comment);
            }
            out.push('\n');
        }
    }
    out
}

/// The rows in groups of neighbours.
fn runs<'r, 't>(
    rows: &'r [Row<'t>],
    joined: impl Fn(&Row<'t>, &Row<'t>) -> bool + 'r,
) -> impl Iterator<Item = &'r [Row<'t>]> {
    rows.chunk_by(move |before, row| joined(before, row))
}

/// Neighbouring lines without their comments.
fn texts(run: &[Row<'_>]) -> Vec<String> {
    let mut texts: Vec<String> = run.iter().map(|row| " ".repeat(row.indent) + &row.cells[0].text).collect();
    let cells = run.iter().map(|row| row.cells.len()).max().unwrap_or(1);
    for cell in 1..cells {
        let mut first = 0;
        for column in run.chunk_by(|a, b| below(a, b, cell)) {
            add_column(column, &mut texts[first..first + column.len()], cell);
            first += column.len();
        }
    }
    texts
}

/// Whether the author set a cell of one line below that of the line before.
fn below(before: &Row<'_>, row: &Row<'_>, cell: usize) -> bool {
    let column = |row: &Row<'_>| row.cells.get(cell).map(|cell| cell.column);
    column(before) == column(row)
}

/// Writes a cell behind each of these lines, if they have it.
fn add_column(rows: &[Row<'_>], texts: &mut [String], cell: usize) {
    let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    for (row, text) in rows.iter().zip(texts) {
        if let Some(cell) = row.cells.get(cell) {
            let blanks = width - text.chars().count() + 1;
            text.extend(std::iter::repeat_n(' ', blanks));
            text.push_str(&cell.text);
        }
    }
}

/// Where the comments of neighbouring lines begin.
fn comment_column(run: &[Row<'_>], texts: &[String]) -> usize {
    let code = run.iter().zip(texts).filter(|(row, _)| row.comment.is_some() && !row.is_comment());
    let nearest = code.clone().map(|(_, text)| text.chars().count() + BEFORE_COMMENT).max().unwrap_or(0);
    let wanted = code.filter_map(|(row, _)| row.comment).map(|(_, column)| column).max().unwrap_or(0);
    nearest.max(wanted.min(RIGHTMOST))
}
