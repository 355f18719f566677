//! From text to the tokens that the grammar reads: lines become statement ends, and brackets are made to match.
//!
//! - A newline ends a statement if the last token can end one and the innermost open bracket is a brace or none (Go's
//!   rule), except before `}`, `else` and `->`, and outside functions before `grad`.
//! - A bracket that is missing is put in, one that closes nothing is left out, and both are reported. So the grammar sees
//!   balanced input only, and recovers at the end of the statement rather than the end of the file.
//! - The height that the tree will have is bounded here, before any of it is built.
//! - `///` lines are kept aside, by the place of the token behind them.

use super::MAX_HEIGHT;
use super::ast::Doc;
use super::error::SyntaxError;
use super::token::{Token, TokenError};
use crate::diagnostics::{FileId, Span};
use logos::Logos;
use std::collections::{BTreeSet, HashMap};

/// A token between the offsets of its first byte and of the one behind it.
pub type Lexeme<'s> = (u32, Token<'s>, u32);

/// What the grammar reads, and what was found on the way.
#[derive(Debug)]
pub struct Layout<'s> {
    /// Balanced, and with the newlines that end statements.
    pub tokens: Vec<Lexeme<'s>>,
    /// The `///` lines, by the first byte of the token behind them.
    pub docs: HashMap<u32, Doc>,
    /// In the order of the text.
    pub errors: Vec<SyntaxError>,
    /// Where every line begins.
    line_starts: Vec<u32>,
    /// Lines with a token too many or too few, where further errors would be consequences.
    disturbed: BTreeSet<usize>,
}

impl Layout<'_> {
    /// Splits a text of less than 4 GiB.
    pub fn new(source: &str, file: FileId) -> Layout<'_> {
        Reader::new(source, file).read()
    }

    /// The token that begins there.
    pub fn token_at(&self, start: u32) -> Option<&Token<'_>> {
        let at = self.tokens.binary_search_by_key(&start, |token| token.0).ok()?;
        Some(&self.tokens[at].1)
    }

    /// Whether the last token within the span is a closing brace.
    pub fn ends_with_brace(&self, span: Span) -> bool {
        let behind = self.tokens.partition_point(|token| token.0 < span.end);
        behind > 0 && self.tokens[behind - 1].1 == Token::RightBrace
    }

    /// The end of the statement or item that goes on at this place.
    pub fn end_of_line(&self, at: u32) -> u32 {
        let behind = self.tokens.partition_point(|token| token.0 < at);
        let end = self.tokens[behind..].iter().find(|token| token.1 == Token::Newline);
        end.map_or(u32::MAX, |newline| newline.0)
    }

    /// The line of an offset, from 0.
    fn line(&self, at: u32) -> usize {
        self.line_starts.partition_point(|&start| start <= at).saturating_sub(1)
    }

    /// Whether an error on this line was reported already.
    pub fn is_disturbed(&self, at: u32) -> bool {
        self.disturbed.contains(&self.line(at))
    }

    /// Makes further errors on this line pass for consequences.
    pub fn disturb(&mut self, at: u32) {
        self.disturbed.insert(self.line(at));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Paren,
    Square,
    Brace,
}

impl Bracket {
    fn closer(self) -> Token<'static> {
        match self {
            Bracket::Paren => Token::RightParen,
            Bracket::Square => Token::RightBracket,
            Bracket::Brace => Token::RightBrace,
        }
    }
}

/// A bracket that is open.
#[derive(Debug)]
struct Open {
    bracket: Bracket,
    span: Span,
    /// The column of the first token on its line.
    indent: u32,
    height: Height,
}

/// A bound for the height of what stands between two brackets: of the current part, and of the highest one before.
#[derive(Debug, Default)]
struct Height {
    operators: usize,
    operands: usize,
    earlier: usize,
}

impl Height {
    fn end_part(&mut self) {
        self.earlier = self.total();
        (self.operators, self.operands) = (0, 0);
    }

    fn total(&self) -> usize {
        self.earlier.max(self.operators + self.operands)
    }
}

struct Reader<'s> {
    source: &'s str,
    file: FileId,
    out: Layout<'s>,
    open: Vec<Open>,
    outside: Height,
    /// Sum of `operators` over everything open.
    operators: usize,
    doc: Option<Doc>,
    /// Behind the last token, whether it could be read or not.
    end: u32,
    /// Whether the line ended since the last token.
    new_line: bool,
    /// Whether the last token can end a statement.
    may_end: bool,
    /// Whether the next `>` closes `fix<`.
    fix_open: bool,
    last_fix: bool,
    /// The first token's column on this line.
    indent: u32,
    /// A brace whose closing brace stood further left than its line.
    suspect: Option<Span>,
    stopped: bool,
}

impl<'s> Reader<'s> {
    fn new(source: &'s str, file: FileId) -> Reader<'s> {
        let out = Layout {
            tokens: Vec::with_capacity(source.len() / 4),
            docs: HashMap::new(),
            errors: Vec::new(),
            line_starts: vec![0],
            disturbed: BTreeSet::new(),
        };
        Reader {
            source,
            file,
            out,
            open: Vec::new(),
            outside: Height::default(),
            operators: 0,
            doc: None,
            end: 0,
            new_line: true,
            may_end: false,
            fix_open: false,
            last_fix: false,
            indent: 0,
            suspect: None,
            stopped: false,
        }
    }

    fn read(mut self) -> Layout<'s> {
        let skip = if self.source.starts_with('\u{feff}') { 3 } else { 0 };
        for (token, range) in Token::lexer(&self.source[skip..]).spanned() {
            let span = Span::new(self.file, (range.start + skip) as u32, (range.end + skip) as u32);
            match token {
                Ok(Token::Newline) => {
                    self.new_line = true;
                    self.out.line_starts.push(span.end);
                }
                Ok(Token::Doc(text)) => self.keep_doc(text, span),
                Ok(token) => self.token(token, span),
                Err(error) => self.bad_token(error, span),
            }
            if self.stopped {
                break;
            }
        }
        let end = self.source.len() as u32;
        self.close_down_to(0, Span::new(self.file, end, end));
        self.out
    }

    fn token(&mut self, token: Token<'s>, span: Span) {
        let first = self.new_line;
        if first {
            self.indent = span.start - self.out.line_starts[self.out.line_starts.len() - 1];
            self.close_before(&token, span);
        }
        self.end_statement(&token, span);
        if let Some(doc) = self.doc.take() {
            self.out.docs.insert(span.start, doc);
        }
        let closes_fix = token == Token::Greater && self.fix_open;
        self.fix_open = if token == Token::Less { self.last_fix } else { self.fix_open && !closes_fix };
        self.last_fix = token == Token::Fix;
        match token {
            Token::LeftParen => self.open(Bracket::Paren, token, span),
            Token::LeftBracket => self.open(Bracket::Square, token, span),
            Token::LeftBrace => self.open(Bracket::Brace, token, span),
            Token::RightParen => self.close(Bracket::Paren, span, first),
            Token::RightBracket => self.close(Bracket::Square, span, first),
            Token::RightBrace => self.close(Bracket::Brace, span, first),
            _ => self.plain(token, span),
        }
        self.may_end |= closes_fix;
    }

    fn plain(&mut self, token: Token<'s>, span: Span) {
        if token == Token::Comma {
            self.end_part();
        } else if token.nests() {
            self.nest(span);
        }
        self.push(token, span);
    }

    fn push(&mut self, token: Token<'s>, span: Span) {
        self.end = span.end;
        self.may_end = token.ends_statement();
        self.out.tokens.push((span.start, token, span.end));
    }

    // ---- lines

    /// Writes a newline before `next` if the line ended and a statement with it.
    fn end_statement(&mut self, next: &Token, span: Span) {
        let new_line = std::mem::take(&mut self.new_line);
        let ended = new_line && (self.may_end || self.is_cut_off(next));
        let in_list = self.open.last().is_some_and(|open| open.bracket != Bracket::Brace);
        let continues = match next {
            Token::RightBrace | Token::Else | Token::Arrow => true,
            Token::Grad => self.open.is_empty(),
            _ => false,
        };
        if ended && !in_list && !continues {
            self.push(Token::Newline, Span::new(self.file, self.end, self.end));
            self.end_part();
            self.fix_open = false;
        }
    }

    /// Whether the last line's statement is incomplete, since `next`, the first token of this one, begins another.
    fn is_cut_off(&self, next: &Token) -> bool {
        let begins = next.begins_statement() || self.indent == 0 && next.begins_item_at_margin();
        let complete = |last: &Lexeme| matches!(last.1, Token::Newline | Token::LeftBrace);
        begins && self.out.tokens.last().is_some_and(|last| !complete(last))
    }

    fn keep_doc(&mut self, text: &str, span: Span) {
        let text = text.trim_start_matches("///");
        let text = text.strip_prefix(' ').unwrap_or(text).trim_end();
        match &mut self.doc {
            Some(doc) => {
                doc.text.push('\n');
                doc.text.push_str(text);
                doc.span = doc.span.to(span);
            }
            None => self.doc = Some(Doc { text: text.to_string(), span }),
        }
    }

    /// Leaves out what is no token. A run of strange characters is reported once in a line, anything else every time.
    fn bad_token(&mut self, error: TokenError, span: Span) {
        self.end = span.end;
        self.new_line |= error == TokenError::Semicolon;
        let error = SyntaxError::Token { error, span };
        match (&error, self.out.errors.last_mut()) {
            (
                SyntaxError::Token { error: TokenError::Character, .. },
                Some(SyntaxError::Token { error: TokenError::Character, span: last }),
            ) if last.end == span.start => last.end = span.end,
            (SyntaxError::Token { error: TokenError::Character, .. }, _) => self.report(error, span),
            (_, _) => self.out.errors.push(error),
        }
        self.out.disturb(span.start);
    }

    // ---- brackets

    fn open(&mut self, bracket: Bracket, token: Token<'s>, span: Span) {
        self.nest(span);
        if !self.stopped {
            self.open.push(Open { bracket, span, indent: self.indent, height: Height::default() });
            self.push(token, span);
        }
    }

    fn close(&mut self, bracket: Bracket, span: Span, first: bool) {
        let within_braces = |open: &&Open| bracket == Bracket::Brace || open.bracket != Bracket::Brace;
        let above = self.open.iter().rev().take_while(within_braces).position(|open| open.bracket == bracket);
        let Some(above) = above else {
            self.report(SyntaxError::Unopened { span }, span);
            return;
        };
        self.close_down_to(self.open.len() - above, span);
        if let Some(open) = self.open.last()
            && bracket == Bracket::Brace
            && first
            && self.indent < open.indent
        {
            self.suspect.get_or_insert(open.span);
        }
        self.pop(span);
    }

    /// Closes what must have been closed before a token that begins a line.
    fn close_before(&mut self, token: &Token, span: Span) {
        let margin = self.indent == 0 && token.begins_item_at_margin();
        if margin || token.begins_item() {
            self.close_down_to(0, span);
        } else if token.begins_statement() {
            let brace = self.open.iter().rposition(|open| open.bracket == Bracket::Brace);
            self.close_down_to(brace.map_or(0, |at| at + 1), span);
        }
    }

    /// Closes all but the `keep` outermost brackets, right behind the last token.
    fn close_down_to(&mut self, keep: usize, at: Span) {
        let Some(innermost) = self.open.get(keep..).and_then(|rest| rest.last()) else { return };
        if !self.stopped {
            let open = if keep == 0 { self.suspect.take() } else { None }.unwrap_or(innermost.span);
            self.report(SyntaxError::Unclosed { open, at }, open);
        }
        self.out.disturb(self.end);
        while self.open.len() > keep {
            self.pop(Span::new(self.file, self.end, self.end));
        }
    }

    /// Closes the innermost bracket, of which there must be one.
    fn pop(&mut self, span: Span) {
        let Some(open) = self.open.pop() else { return };
        self.operators -= open.height.operators;
        let inner = open.height.total();
        let height = self.height();
        height.operands = height.operands.max(inner);
        self.push(open.bracket.closer(), span);
        self.check_height(span);
    }

    fn report(&mut self, error: SyntaxError, at: Span) {
        if !self.out.is_disturbed(at.start) {
            self.out.errors.push(error);
        }
        self.out.disturb(at.start);
    }

    // ---- height

    fn height(&mut self) -> &mut Height {
        self.open.last_mut().map_or(&mut self.outside, |open| &mut open.height)
    }

    fn nest(&mut self, span: Span) {
        self.operators += 1;
        self.height().operators += 1;
        self.check_height(span);
    }

    fn end_part(&mut self) {
        self.operators -= self.height().operators;
        self.height().end_part();
    }

    fn check_height(&mut self, span: Span) {
        if self.operators + self.height().operands > MAX_HEIGHT && !self.stopped {
            self.stopped = true;
            self.report(SyntaxError::TooDeep { span }, span);
        }
    }
}
