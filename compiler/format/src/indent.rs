//! Where lines begin, and their tokens with the spaces between them.
//!
//! What is in brackets stands one step further in than the line that opens them; a statement that goes on in the next line, too. The parameters of a
//! function go two steps in, so that they do not look like its body.

use tern_compiler::syntax::Token;

use crate::columns::Row;
use crate::pieces::{Line, Piece};
use crate::spaces::{self, Inside};

const STEP: usize = 4;

struct Open {
    inside: Inside,
    /// Of the lines within.
    content: usize,
    /// Of the line that begins with its closing bracket.
    closing: usize,
    /// Of the statement that it stands in.
    statement: usize,
}

/// Goes through the tokens of a file.
struct Reader<'l, 't> {
    open: Vec<Open>,
    /// The token before, on whatever line.
    last: Option<&'l Piece<'t>>,
    /// The token before that.
    earlier: Option<&'l Piece<'t>>,
    /// Of the first line of the present statement.
    statement: usize,
    /// Of the present line.
    line: usize,
    /// Whether the present statement began with `fn`, and its block has not.
    header: bool,
    /// Whether `fix<` is open.
    precision: bool,
    /// Whether the last token was the `>` of `fix<f>`.
    closed_fix: bool,
    /// Whether the last token was an operator before its only operand.
    prefix: bool,
    /// Whether the last token was an operator that is written without spaces.
    tight: bool,
}

/// Every line with its indentation and its cells.
pub fn rows<'t>(lines: &[Line<'t>]) -> Vec<Row<'t>> {
    let mut reader = Reader {
        open: Vec::new(),
        last: None,
        earlier: None,
        statement: 0,
        line: 0,
        header: false,
        precision: false,
        closed_fix: false,
        prefix: false,
        tight: false,
    };
    let count = lines.len();
    let mut rows: Vec<Row<'t>> = Vec::with_capacity(count);
    for (i, line) in lines.iter().enumerate() {
        let opened = matches!(reader.last, Some(last) if opens(&last.token))
            && rows.last().is_some_and(|row: &Row<'_>| !row.is_comment());
        let closes = line.pieces.first().is_some_and(|piece| closes(&piece.token));
        let mut row = Row::new(line, line.apart && i > 0 && !opened && !closes);
        row.indent = match line.pieces.first() {
            Some(first) => reader.begin_line(first),
            None => reader.comment_indent(lines[i..].iter().find_map(|line| line.pieces.first())),
        };
        for (k, piece) in line.pieces.iter().enumerate() {
            let space = reader.space(piece, line.pieces.get(k + 1)) && k > 0;
            let cell = reader.begins_column(piece);
            row.push(piece, space, cell);
            reader.step(piece);
        }
        row.ends_statement = lines[i + 1..].iter().find_map(|line| line.pieces.first()).is_none_or(|next| {
            next.begins || closes_token(next) || reader.last.is_some_and(|last| last.token == Token::Comma)
        });
        row.depth = reader.open.len();
        rows.push(row);
    }
    rows
}

fn closes_token(piece: &Piece<'_>) -> bool {
    closes(&piece.token)
}

fn opens(token: &Token<'_>) -> bool {
    matches!(token, Token::LeftParen | Token::LeftBracket | Token::LeftBrace)
}

fn closes(token: &Token<'_>) -> bool {
    matches!(token, Token::RightParen | Token::RightBracket | Token::RightBrace)
}

impl<'l, 't> Reader<'l, 't> {
    fn content(&self) -> usize {
        self.open.last().map_or(0, |open| open.content)
    }

    fn inside(&self) -> Inside {
        self.open.last().map_or(Inside::Lines, |open| open.inside)
    }

    /// The indentation of a line that begins with this token.
    fn begin_line(&mut self, first: &Piece<'t>) -> usize {
        let content = self.content();
        let after = self.last.map(|last| &last.token);
        let fresh = match after {
            None | Some(Token::LeftBrace | Token::LeftParen | Token::LeftBracket | Token::Comma) => true,
            Some(_) => first.begins,
        };
        self.line = match (&first.token, self.open.last()) {
            (token, Some(open)) if closes(token) => open.closing,
            (Token::Else | Token::LeftBrace, _) => self.statement,
            (Token::Grad, None) => 0,
            (Token::Arrow, _) => self.statement + STEP,
            (_, _) if fresh => content,
            (_, _) => content + STEP,
        };
        if fresh && self.inside() == Inside::Lines {
            self.statement = self.line;
        }
        self.line
    }

    /// The indentation of a comment of its own, before this token.
    fn comment_indent(&self, next: Option<&Piece<'t>>) -> usize {
        let goes_on = next.is_some_and(|next| !next.begins && !closes(&next.token));
        match self.last.map(|last| &last.token) {
            None | Some(Token::LeftBrace | Token::LeftParen | Token::LeftBracket | Token::Comma) => {
                self.content()
            }
            Some(_)
                if goes_on && next.is_some_and(|next| !matches!(next.token, Token::Else | Token::Grad)) =>
            {
                self.content() + STEP
            }
            Some(_) => self.content(),
        }
    }

    /// Whether there is a space before this token, if it is not the first of its line.
    fn space(&mut self, piece: &Piece<'t>, next: Option<&Piece<'t>>) -> bool {
        let Some(last) = self.last else { return false };
        let (tight, prefix) = (std::mem::take(&mut self.tight), std::mem::take(&mut self.prefix));
        let operand = !piece.begins && (spaces::ends_operand(&last.token) || self.closed_fix);
        match piece.token {
            Token::Less if last.token == Token::Fix => {
                self.tight = true;
                return false;
            }
            Token::Greater if self.precision => return false,
            Token::Assign if self.is_argument() => {
                self.tight = true;
                return false;
            }
            _ => {}
        }
        if tight || prefix {
            self.prefix = prefix_of(&piece.token, false);
            return false;
        }
        match piece.token {
            Token::Star | Token::Slash | Token::Percent | Token::Plus | Token::Minus | Token::DotDot
                if operand =>
            {
                self.tight = spaces::is_tight(Some(last), piece, next, self.inside());
                // an open end has nothing behind it that it could join
                let open = next.is_none_or(|next| closes(&next.token) || next.token == Token::Comma);
                !(self.tight || piece.token == Token::DotDot && open && piece.blanks == 0)
            }
            ref token => {
                self.prefix = prefix_of(token, operand);
                spaces::between(last, piece, self.inside(), self.closed_fix)
            }
        }
    }

    /// Whether a `=` stands behind the name of an argument.
    fn is_argument(&self) -> bool {
        let named =
            self.earlier.is_some_and(|earlier| matches!(earlier.token, Token::LeftParen | Token::Comma));
        self.inside() == Inside::Parens && named && !self.header
    }

    /// Whether neighbouring lines may have this token in one column: `=`, `from`, and the type behind the name of a declaration.
    fn begins_column(&self, piece: &Piece<'t>) -> bool {
        if self.inside() != Inside::Lines {
            return false;
        }
        let after_colon = self.last.is_some_and(|last| last.token == Token::Colon);
        self.last.is_some() && (after_colon || matches!(piece.token, Token::Assign | Token::From))
    }

    fn step(&mut self, piece: &'l Piece<'t>) {
        if piece.begins || matches!(self.last, None | Some(Piece { token: Token::LeftBrace, .. })) {
            self.header = false;
            if self.inside() == Inside::Lines {
                self.statement = self.line;
            }
        }
        let closes_fix = piece.token == Token::Greater && self.precision;
        match piece.token {
            Token::Fn => self.header = true,
            Token::Less if self.last.is_some_and(|last| last.token == Token::Fix) => self.precision = true,
            Token::Greater => self.precision = false,
            Token::LeftParen => self.open(Inside::Parens),
            Token::LeftBracket => self.open(Inside::Squares),
            Token::LeftBrace => self.open_brace(),
            Token::RightParen | Token::RightBracket | Token::RightBrace => {
                if let Some(open) = self.open.pop() {
                    self.statement = open.statement;
                }
            }
            _ => {}
        }
        self.closed_fix = closes_fix;
        self.earlier = self.last.replace(piece);
    }

    fn open(&mut self, inside: Inside) {
        let steps = if self.header && self.open.is_empty() { 2 } else { 1 };
        self.open.push(Open {
            inside,
            content: self.line + steps * STEP,
            closing: self.line,
            statement: self.statement,
        });
    }

    fn open_brace(&mut self) {
        let names = self.last.is_some_and(|last| last.token == Token::PathSeparator);
        let inside = if names { Inside::Names } else { Inside::Lines };
        // the block of a header that takes several lines belongs to the first of them
        let base = if self.inside() == Inside::Lines { self.statement } else { self.line };
        self.header = false;
        self.open.push(Open { inside, content: base + STEP, closing: base, statement: self.statement });
    }
}

/// Whether the token stands before its only operand.
fn prefix_of(token: &Token<'_>, behind_operand: bool) -> bool {
    match token {
        Token::Not => true,
        Token::Minus | Token::Plus | Token::DotDot => !behind_operand,
        _ => false,
    }
}
