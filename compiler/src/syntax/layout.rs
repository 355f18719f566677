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
use super::height::Height;
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
    /// Empty if it was put in.
    span: Span,
    /// The column of the first token on its line.
    indent: u32,
    /// As [`Reader::wants_block`].
    wants_block: Option<u32>,
}

/// What the next `>` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fix {
    /// A comparison.
    No,
    /// That too, but the last token was `fix`.
    Word,
    /// The end of `fix<f>`.
    Open,
}

struct Reader<'s> {
    source: &'s str,
    file: FileId,
    out: Layout<'s>,
    open: Vec<Open>,
    /// Whether a block must follow outside all brackets, as behind `for`, `if` and `fn`; and the column of the first token
    /// of that line.
    wants_block: Option<u32>,
    height: Height,
    doc: Option<Doc>,
    /// Behind the last token, whether it could be read or not.
    end: u32,
    /// Whether the line ended since the last token.
    new_line: bool,
    /// Whether the last token can end a statement.
    may_end: bool,
    fix: Fix,
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
            wants_block: None,
            height: Height::default(),
            doc: None,
            end: 0,
            new_line: true,
            may_end: false,
            fix: Fix::No,
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
            self.end_statement(&token);
        }
        if let Some(doc) = self.doc.take() {
            self.out.docs.insert(span.start, doc);
        }
        let closes_fix = token == Token::Greater && self.fix == Fix::Open;
        self.fix = match (&token, self.fix) {
            (Token::Fix, _) => Fix::Word,
            (Token::Less, Fix::Word) => Fix::Open,
            (Token::Greater, _) | (_, Fix::No | Fix::Word) => Fix::No,
            (_, Fix::Open) => Fix::Open,
        };
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
        if token.wants_block()
            || self.open.is_empty() && matches!(token, Token::Test | Token::Model | Token::Grad)
        {
            *self.wants_block() = Some(self.indent);
        }
        if token == Token::Comma {
            self.height.part();
        } else if token.nests() {
            self.height.operator();
        }
        self.check_height(span);
        self.push(token, span);
    }

    fn push(&mut self, token: Token<'s>, span: Span) {
        self.end = span.end;
        self.may_end = token.ends_statement();
        self.out.tokens.push((span.start, token, span.end));
    }

    // ---- lines

    /// Writes a newline before `next`, the first token of a line, if a statement ended.
    fn end_statement(&mut self, next: &Token) {
        self.new_line = false;
        let in_list = self.open.last().is_some_and(|open| open.bracket != Bracket::Brace);
        let wants_block = *self.wants_block();
        let continues = match next {
            Token::RightBrace | Token::Else | Token::Arrow => true,
            Token::LeftBrace => wants_block.is_some(),
            Token::Grad => self.open.is_empty(),
            _ => false,
        };
        if in_list || continues {
            return;
        }
        let (colon, otherwise) = match self.out.tokens.last() {
            Some((_, last, _)) => (*last == Token::Colon, *last == Token::Else),
            None => (false, false),
        };
        if wants_block.is_some_and(|indent| indent < self.indent) && (self.may_end || colon || otherwise) {
            self.open_missing(colon);
        } else if self.may_end || self.is_cut_off(next) {
            self.push(Token::Newline, Span::new(self.file, self.end, self.end));
            self.height.part();
            *self.wants_block() = None;
            self.fix = Fix::No;
        }
    }

    /// Opens the block that an indented line shows to be meant. A colon that stands in its place is taken for it.
    fn open_missing(&mut self, colon: bool) {
        let start = self.end - u32::from(colon);
        self.out.tokens.truncate(self.out.tokens.len() - usize::from(colon));
        let span = Span::new(self.file, start, self.end);
        let hint = colon.then_some("a block stands in braces: `{ … }`");
        self.report(SyntaxError::Unexpected { span, expected: vec!["{".to_string()], hint }, span);
        let indent = self.wants_block().unwrap_or(0);
        self.open(Bracket::Brace, Token::LeftBrace, span.after());
        if let Some(open) = self.open.last_mut() {
            open.indent = indent;
        }
    }

    /// Whether the last line's statement is incomplete, since `next`, the first token of this one, begins another.
    fn is_cut_off(&self, next: &Token) -> bool {
        let begins = next.begins_statement() || self.indent == 0 && next.begins_item_at_margin();
        begins && self.in_statement()
    }

    /// Whether a statement has begun and not ended.
    fn in_statement(&self) -> bool {
        self.out.tokens.last().is_some_and(|last| !matches!(last.1, Token::Newline | Token::LeftBrace))
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
        self.may_end |= self.in_statement();
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
        if bracket == Bracket::Brace {
            let takes_block = |open: &Open| open.bracket == Bracket::Brace || open.wants_block.is_some();
            let keep = self.open.iter().rposition(takes_block).map_or(0, |at| at + 1);
            self.close_down_to(keep, span);
            *self.wants_block() = None;
        }
        self.height.open();
        self.check_height(span);
        if !self.stopped {
            self.open.push(Open { bracket, span, indent: self.indent, wants_block: None });
            self.push(token, span);
        }
    }

    fn close(&mut self, bracket: Bracket, span: Span, first: bool) {
        if bracket == Bracket::Brace && !first && self.wants_block().is_some() {
            self.end = span.end;
            let expected = vec!["{".to_string()];
            return self.report(SyntaxError::Unexpected { span, expected, hint: None }, span);
        }
        let within_braces = |open: &&Open| bracket == Bracket::Brace || open.bracket != Bracket::Brace;
        let above = self.open.iter().rev().take_while(within_braces).position(|open| open.bracket == bracket);
        let Some(above) = above else {
            self.end = span.end;
            return self.report(SyntaxError::Unopened { span }, span);
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
        let least = self.indent + u32::from(*token == Token::RightBrace);
        if let Some(at) = self.open.iter().position(|open| open.span.is_empty() && open.indent >= least) {
            self.close_down_to(at, span);
        }
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
        let written = self.open.iter().skip(keep).rev().find(|open| !open.span.is_empty());
        if let Some(innermost) = written.map(|open| open.span) {
            if !self.stopped {
                let open = if keep == 0 { self.suspect.take() } else { None }.unwrap_or(innermost);
                self.report(SyntaxError::Unclosed { open, at }, open);
            }
            self.disturb_lists(keep);
            self.out.disturb(self.end);
        }
        while self.open.len() > keep {
            self.pop(Span::new(self.file, self.end, self.end));
        }
    }

    /// Disturbs all lines since the first list was opened that is about to be closed: they were read as a part of it.
    fn disturb_lists(&mut self, keep: usize) {
        let list = self.open[keep..].iter().find(|open| open.bracket != Bracket::Brace);
        if let Some(start) = list.map(|open| open.span.start) {
            self.out.disturbed.extend(self.out.line(start)..=self.out.line(self.end));
        }
    }

    /// Closes the innermost bracket, of which there must be one.
    fn pop(&mut self, span: Span) {
        let Some(open) = self.open.pop() else { return };
        self.height.close();
        self.push(open.bracket.closer(), span);
        self.check_height(span);
    }

    fn report(&mut self, error: SyntaxError, at: Span) {
        if !self.out.is_disturbed(at.start) {
            self.out.errors.push(error);
        }
        self.out.disturb(at.start);
    }

    fn wants_block(&mut self) -> &mut Option<u32> {
        self.open.last_mut().map_or(&mut self.wants_block, |open| &mut open.wants_block)
    }

    fn check_height(&mut self, span: Span) {
        if self.height.current() > MAX_HEIGHT && !self.stopped {
            self.stopped = true;
            self.report(SyntaxError::TooDeep { span }, span);
        }
    }
}
