//! A text as lines of tokens and comments.

use tern_compiler::syntax::{Lexeme, Token};

/// A token as the author wrote it.
#[derive(Debug, Clone)]
pub struct Piece<'t> {
    pub token: Token<'t>,
    pub text: &'t str,
    /// Blanks before it on its line; of a line's first token, those are its indentation.
    pub blanks: usize,
    /// Characters between the beginning of its line's first token and its own.
    pub column: usize,
    /// Whether a statement ends right before it.
    pub begins: bool,
}

/// A line that is not empty.
#[derive(Debug, Clone, Default)]
pub struct Line<'t> {
    pub pieces: Vec<Piece<'t>>,
    /// With its `//`, without blanks at its end, and the column in which it began.
    pub comment: Option<(&'t str, usize)>,
    /// Whether an empty line stands before it.
    pub apart: bool,
}

/// The lines of a text with these tokens.
pub fn lines<'t>(text: &'t str, tokens: &[Lexeme<'t>]) -> Vec<Line<'t>> {
    let mut reader = Reader { text, lines: vec![Line::default()], line_start: 0, first: 0, newlines: 0 };
    let (mut end, mut begins) = (if text.starts_with('\u{feff}') { 3 } else { 0 }, true);
    for (start, token, behind) in tokens {
        if *token == Token::Newline {
            begins = true;
            continue;
        }
        let (start, behind) = (*start as usize, *behind as usize);
        let blanks = reader.gap(end, start);
        let column = reader.column(start);
        reader.last().pieces.push(Piece {
            column,
            token: token.clone(),
            text: &text[start..behind],
            blanks,
            begins,
        });
        (end, begins) = (behind, false);
    }
    reader.gap(end, text.len());
    reader.lines.retain(|line| !line.pieces.is_empty() || line.comment.is_some());
    reader.lines
}

/// The comments of a text, in order.
pub fn comments<'l, 't>(lines: &'l [Line<'t>]) -> impl Iterator<Item = &'t str> + use<'l, 't> {
    lines.iter().filter_map(|line| line.comment).map(|(text, _)| text)
}

struct Reader<'t> {
    text: &'t str,
    lines: Vec<Line<'t>>,
    /// Where the present line of the text begins.
    line_start: usize,
    /// Where its first token begins.
    first: usize,
    /// Newlines since the last token or comment.
    newlines: usize,
}

impl<'t> Reader<'t> {
    fn last(&mut self) -> &mut Line<'t> {
        if self.newlines > 0 {
            let apart = self.newlines > 1;
            self.newlines = 0;
            self.lines.push(Line { apart, ..Line::default() });
        }
        let last = self.lines.len() - 1; // there is one from the start
        &mut self.lines[last]
    }

    /// How far a token that begins here stands from the first one of its line.
    fn column(&mut self, start: usize) -> usize {
        if self.last().pieces.is_empty() {
            self.first = start;
        }
        self.text[self.first..start].chars().count()
    }

    /// Reads what stands between two tokens; gives the blanks at its end.
    fn gap(&mut self, mut at: usize, end: usize) -> usize {
        loop {
            let rest = &self.text[at..end];
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
            at += blanks;
            let rest = &rest[blanks..];
            if rest.starts_with('\n') {
                self.newlines += 1;
                at += 1;
                self.line_start = at;
            } else if rest.is_empty() {
                return blanks;
            } else {
                let length = rest.find('\n').unwrap_or(rest.len());
                let column = self.text[self.line_start..at].chars().count();
                self.last().comment = Some((rest[..length].trim_end(), column));
                at += length;
            }
        }
    }
}
