//! Runs the grammar over a text and gathers what is wrong with it.

use super::ast::{BinaryOp, Doc, Expr, ExprKind, File, Item, Spanned, StmtKind};
use super::error::SyntaxError;
use super::grammar::FileParser;
use super::hint::hint;
use super::layout::{Layout, Lexeme};
use super::token::Token;
use crate::diagnostics::{Diagnostic, FileId, Span};
use lalrpop_util::{ErrorRecovery, ParseError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;

/// Parses a file. The tree holds what could be parsed; the messages say what could not, in the order of the text.
/// The program may be used further only if there are no messages.
pub fn parse(source: &str, file: FileId) -> (File, Vec<Diagnostic>) {
    let (items, mut errors) = parse_items(source, file);
    errors.sort_by_key(|error| error.span());
    (File { file, items }, errors.iter().map(|error| error.diagnostic(source)).collect())
}

/// The tokens of a file without mistakes, with the newlines that end statements. Between them stand white space and comments.
///
/// # Errors
/// What [`parse`] has to say of the file.
pub fn tokens(source: &str, file: FileId) -> Result<Vec<Lexeme<'_>>, Vec<Diagnostic>> {
    match parse(source, file).1 {
        errors if errors.is_empty() => Ok(Layout::new(source, file).tokens),
        errors => Err(errors),
    }
}

fn parse_items(source: &str, file: FileId) -> (Vec<Item>, Vec<SyntaxError>) {
    if source.len() > super::MAX_SOURCE {
        return (Vec::new(), vec![SyntaxError::TooLarge { span: Span::new(file, 0, 0) }]);
    }
    let mut layout = Layout::new(source, file);
    let context = Context { file, docs: &layout.docs, tokens: &layout.tokens, errors: RefCell::default() };
    let tokens = layout.tokens.iter().cloned().map(Ok::<_, Infallible>);
    let items = FileParser::new().parse(&context, tokens).unwrap_or_else(|error| {
        context.report(error);
        Vec::new()
    });
    let found = context.errors.into_inner();
    let mut errors = std::mem::take(&mut layout.errors);
    errors.extend(found.into_iter().filter(|error| {
        let at = error.span().start;
        let first = !layout.is_disturbed(at);
        layout.disturb(at);
        first
    }));
    (items, errors)
}

/// What the actions of the grammar need beside their symbols.
#[derive(Debug)]
pub struct Context<'c> {
    file: FileId,
    docs: &'c HashMap<u32, Doc>,
    tokens: &'c [Lexeme<'c>],
    errors: RefCell<Vec<SyntaxError>>,
}

type Failure<'s> = ParseError<u32, Token<'s>, Infallible>;

impl Context<'_> {
    /// The bytes `start..end` of the file.
    pub fn span(&self, start: u32, end: u32) -> Span {
        Span::new(self.file, start, end)
    }

    /// The `///` lines before the token that begins at `start`.
    pub fn doc(&self, start: u32) -> Option<Doc> {
        self.docs.get(&start).cloned()
    }

    /// Reports a token that does not fit.
    pub fn unexpected(&self, recovery: ErrorRecovery<u32, Token, Infallible>) {
        self.report(recovery.error);
    }

    /// An item that could not be parsed. A block in it holds statements if it is a function's; of others nothing is known,
    /// and only the first error counts.
    pub fn broken_item(&self, span: Span) -> Item {
        let first = self.tokens.partition_point(|token| token.0 < span.start);
        if !matches!(self.tokens.get(first), Some((_, Token::Fn | Token::Test, _))) {
            let mut errors = self.errors.borrow_mut();
            let earlier = errors.partition_point(|error| error.span().start < span.start);
            errors.truncate(earlier + 1);
        }
        Item::Error(span)
    }

    /// `target = value`
    pub fn assign(&self, target: Expr, value: Expr) -> StmtKind {
        self.check_target(&target);
        StmtKind::Assign { target, value }
    }

    /// `target op= value`
    pub fn augment(&self, target: Expr, op: Spanned<BinaryOp>, value: Expr) -> StmtKind {
        if matches!(target.kind, ExprKind::Tuple(_) | ExprKind::Hole) {
            self.push(SyntaxError::NotAssignable { span: target.span });
        }
        self.check_target(&target);
        StmtKind::Augment { target, op, value }
    }

    /// A loop that the language has not.
    pub fn no_while(&self, head: Span) -> StmtKind {
        self.push(SyntaxError::While { span: head });
        StmtKind::Error
    }

    fn check_target(&self, target: &Expr) {
        match &target.kind {
            ExprKind::Hole => {}
            ExprKind::Path(path) if path.as_ident().is_some() => {}
            ExprKind::Tuple(parts) => parts.iter().for_each(|part| self.check_target(part)),
            ExprKind::Field { base, .. } | ExprKind::Index { base, .. }
                if !matches!(base.kind, ExprKind::Hole) =>
            {
                self.check_target(base)
            }
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Bool(_)
            | ExprKind::Path(_)
            | ExprKind::Unary { .. }
            | ExprKind::Binary { .. }
            | ExprKind::Call { .. }
            | ExprKind::Convert { .. }
            | ExprKind::Index { .. }
            | ExprKind::Field { .. }
            | ExprKind::List(_)
            | ExprKind::Comprehension { .. }
            | ExprKind::If(_) => self.push(SyntaxError::NotAssignable { span: target.span }),
        }
    }

    fn report(&self, error: Failure) {
        let (start, token, end, expected) = match error {
            ParseError::UnrecognizedToken { token: (start, token, end), expected } => {
                (start, Some(token), end, expected)
            }
            ParseError::UnrecognizedEof { location, expected } => (location, None, location, expected),
            ParseError::InvalidToken { location } => (location, None, location, Vec::new()),
            ParseError::ExtraToken { token: (start, token, end) } => (start, Some(token), end, Vec::new()),
            ParseError::User { error } => match error {},
        };
        let before = self.tokens.partition_point(|token| token.0 < start);
        let hint = hint(&self.tokens[..before], token.as_ref(), &expected);
        self.push(SyntaxError::Unexpected { span: self.span(start, end), expected, hint });
    }

    fn push(&self, error: SyntaxError) {
        self.errors.borrow_mut().push(error);
    }
}

/// The list with one more element at the end.
pub fn push<T>(mut list: Vec<T>, next: T) -> Vec<T> {
    list.push(next);
    list
}

/// The list with one more element at the beginning.
pub fn prepend<T>(first: T, mut rest: Vec<T>) -> Vec<T> {
    rest.insert(0, first);
    rest
}

/// Those that could be parsed.
pub fn present<T>(list: Option<Vec<Option<T>>>) -> Vec<T> {
    list.into_iter().flatten().flatten().collect()
}
