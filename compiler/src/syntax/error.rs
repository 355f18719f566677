//! What can be wrong with the form of a program, and how it is said.

use super::token::TokenError;
use super::{MAX_DIGITS, MAX_HEIGHT, MAX_NAME, MAX_SOURCE};
use crate::diagnostics::{Code, Diagnostic, Span};

/// An error of lexing or parsing.
#[derive(Debug, Clone, PartialEq)]
pub enum SyntaxError {
    /// No token could be made.
    Token {
        /// Why.
        error: TokenError,
        /// Of what.
        span: Span,
    },
    /// A bracket without its counterpart.
    Unclosed {
        /// The bracket.
        open: Span,
        /// Where it should have been closed at the latest.
        at: Span,
    },
    /// A closing bracket that closes nothing.
    Unopened {
        /// The bracket.
        span: Span,
    },
    /// The tree would be higher than [`MAX_HEIGHT`].
    TooDeep {
        /// Where that became clear.
        span: Span,
    },
    /// A token that does not fit.
    Unexpected {
        /// The token; empty at the end of a line.
        span: Span,
        /// What would fit, as terminals of the grammar.
        expected: Vec<String>,
        /// What was probably meant.
        hint: Option<&'static str>,
    },
    /// A target that cannot be assigned.
    NotAssignable {
        /// The target.
        span: Span,
    },
    /// A `while` loop.
    While {
        /// Its head.
        span: Span,
    },
    /// More than [`MAX_SOURCE`] bytes.
    TooLarge {
        /// Its beginning.
        span: Span,
    },
}

impl SyntaxError {
    /// Where it happened.
    pub fn span(&self) -> Span {
        match self {
            SyntaxError::Token { span, .. }
            | SyntaxError::Unclosed { open: span, .. }
            | SyntaxError::Unopened { span }
            | SyntaxError::TooDeep { span }
            | SyntaxError::Unexpected { span, .. }
            | SyntaxError::NotAssignable { span }
            | SyntaxError::While { span }
            | SyntaxError::TooLarge { span } => *span,
        }
    }

    /// The message to the user. `source` is the text that the spans point into.
    pub fn diagnostic(&self, source: &str) -> Diagnostic {
        match self {
            SyntaxError::Token { error, span } => token(*error, *span, source),
            SyntaxError::Unclosed { open, at } => unclosed(*open, *at, source),
            SyntaxError::Unopened { span } => {
                Diagnostic::error(Code::P003, format!("this {} closes nothing", quote(*span, source)))
                    .at(*span, "")
            }
            SyntaxError::TooDeep { span } => Diagnostic::error(Code::P004, "this is nested too deeply")
                .at(*span, format!("more than {MAX_HEIGHT} operators and brackets inside one another"))
                .help("name parts of it with `let`"),
            SyntaxError::Unexpected { span, expected, hint } => unexpected(*span, expected, *hint, source),
            SyntaxError::NotAssignable { span } => Diagnostic::error(Code::P005, "this cannot be assigned")
                .at(*span, "not a variable or a part of one"),
            SyntaxError::While { span } => Diagnostic::error(Code::P006, "there is no `while`")
                .at(*span, "")
                .why("the number of rounds must be known before the program runs")
                .help("for i in 0..100 { … if done { break } }   reported as at most 100"),
            SyntaxError::TooLarge { span } => {
                let text = format!("this file is too large: a program has at most {} MiB", MAX_SOURCE >> 20);
                Diagnostic::error(Code::L006, text)
                    .at(*span, "")
                    .help("data are inputs: input x: fix[…] from party 0")
            }
        }
    }
}

fn token(error: TokenError, span: Span, source: &str) -> Diagnostic {
    let found = quote(span, source);
    match error {
        TokenError::Character => {
            let first = text(span, source).chars().next().map_or(0, u32::from);
            Diagnostic::error(Code::L001, format!("{found} means nothing here"))
                .at(span, format!("U+{first:04X}"))
        }
        TokenError::Foreign(instead) => {
            Diagnostic::error(Code::L002, format!("{found} is a sign of other languages")).at(span, instead)
        }
        TokenError::Semicolon => token(TokenError::Foreign("a statement ends with its line"), span, source),
        TokenError::UnclosedText => {
            Diagnostic::error(Code::L003, "this text has no closing quotation mark").at(span, "")
        }
        TokenError::MalformedNumber => malformed_number(span, source),
        TokenError::LongNumber => Diagnostic::error(Code::L005, "this number is too long")
            .at(span, format!("more than {MAX_DIGITS} digits, or an exponent beyond that")),
        TokenError::LongName => Diagnostic::error(Code::L007, "this name or text is too long")
            .at(span, format!("{} bytes; there can be {MAX_NAME}", span.end - span.start)),
    }
}

fn malformed_number(span: Span, source: &str) -> Diagnostic {
    let text = text(span, source);
    let message =
        Diagnostic::error(Code::L004, format!("{} is not a number", quote(span, source))).at(span, "");
    let (digits, name) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if digits == "0" && name.starts_with(['x', 'b', 'o']) {
        message.note("numbers are decimal")
    } else if name.starts_with(['e', 'E']) && name[1..].starts_with(|c: char| c.is_ascii_digit()) {
        message.note("a number is 15, 60_000, 0.01 or 1e-3")
    } else if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        message.help(format!("{digits} * {name}"))
    } else {
        message.note("a number is 15, 60_000, 0.01 or 1e-3")
    }
}

fn unclosed(open: Span, at: Span, source: &str) -> Diagnostic {
    let message =
        Diagnostic::error(Code::P002, format!("this {} is not closed", quote(open, source))).at(open, "");
    if at.is_empty() {
        message.note("the file ends before it is")
    } else {
        message.label(at, "must be closed before this")
    }
}

fn unexpected(span: Span, expected: &[String], hint: Option<&str>, source: &str) -> Diagnostic {
    let found = if span.is_empty() { "the end of the line".to_string() } else { quote(span, source) };
    let message = match expectation(expected) {
        Some(wanted) => format!("expected {wanted}, found {found}"),
        None => format!("{found} does not fit here"),
    };
    let message = Diagnostic::error(Code::P001, message).at(span, "");
    match hint {
        Some(hint) => message.help(hint),
        None => message,
    }
}

/// Sets of terminals that a reader knows by one name. The first whose terminals all fit is said.
const NOTIONS: &[(&[&str], &str)] = &[
    (&["let"], "a statement"),
    (&["Number"], "an expression"),
    (&["public", "Name0"], "a type"),
    (&["use"], "an item"),
    (&["Name0"], "a name"),
];

/// Single terminals that are worth saying, and how.
const SIGNS: &[(&str, &str)] = &[
    (":", "`:`"),
    ("{", "`{`"),
    ("->", "`->`"),
    (",", "`,`"),
    (")", "`)`"),
    ("]", "`]`"),
    ("in", "`in`"),
    ("Newline", "a new line"),
];

/// Those that go without saying where an operand or an operator fits.
const MINOR_SIGNS: &[(&str, &str)] = &[
    ("=", "`=`"),
    ("from", "`from`"),
    ("to", "`to`"),
    ("party", "`party`"),
    ("shares", "`shares`"),
    ("client", "`client`"),
    ("(", "`(`"),
    ("::", "`::`"),
    ("..", "`..`"),
    ("Text0", "a text"),
    ("}", "`}`"),
];

/// What would fit, in words.
fn expectation(expected: &[String]) -> Option<String> {
    let fits = |terminal: &str| expected.iter().any(|name| name.trim_matches('"') == terminal);
    let said = |signs: &[(&str, &'static str)]| {
        signs.iter().filter(|(terminal, _)| fits(terminal)).map(|(_, name)| *name).collect::<Vec<_>>()
    };
    let notion = NOTIONS.iter().find(|(terminals, _)| terminals.iter().all(|terminal| fits(terminal)));
    let mut words: Vec<&str> = notion.iter().map(|(_, name)| *name).collect();
    words.extend(said(SIGNS));
    if notion.is_none() && !fits("*") && !fits("Newline") {
        words.extend(said(MINOR_SIGNS));
    }
    let last = words.pop()?;
    Some(if words.is_empty() { last.to_string() } else { format!("{} or {last}", words.join(", ")) })
}

fn text(span: Span, source: &str) -> &str {
    source.get(span.start as usize..span.end as usize).unwrap_or("")
}

/// What stands there, in quotes, and not too much of it.
fn quote(span: Span, source: &str) -> String {
    let text = text(span, source);
    match text.char_indices().nth(30) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
