//! What stands between two tokens of a line: one space, or nothing.

use tern_compiler::syntax::Token;

use crate::pieces::Piece;

/// What is open around a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// The text itself, or a block.
    Lines,
    /// Parentheses of arguments, parameters or a tuple.
    Parens,
    /// A list or subscript.
    Squares,
    /// The names of a `use`.
    Names,
}

/// Whether a token stands behind an operand, so that a sign there joins it with another.
pub fn ends_operand(token: &Token<'_>) -> bool {
    use Token::{
        Bool, False, Fix, Int, Name, Num, Number, RightBrace, RightBracket, RightParen, Str, Text, True,
        Underscore,
    };
    match token {
        Name(_) | Number(_) | Text(_) | Underscore | True | False => true,
        RightParen | RightBracket | RightBrace => true,
        Bool | Fix | Int | Num | Str | Token::Grad | Token::Secret => true,
        other => sometimes_name(other),
    }
}

/// Words that are names where they mean nothing else.
fn sometimes_name(token: &Token<'_>) -> bool {
    use Token::{Buffer, From, Input, Model, Output, Party, Shares, Test, To};
    matches!(token, Buffer | From | Input | Model | Output | Party | Shares | Test | To)
}

/// Whether an operator is written without spaces: it may be between single words or numbers if the author did so, as in `3/4`, `2*n` and
/// `x[0..n-1]`.
pub fn is_tight(
    before: Option<&Piece<'_>>,
    sign: &Piece<'_>,
    after: Option<&Piece<'_>>,
    inside: Inside,
) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return false };
    if sign.blanks > 0 || after.blanks > 0 {
        return false;
    }
    match sign.token {
        Token::Star | Token::Slash | Token::Percent => word(&before.token) && word(&after.token),
        Token::Plus | Token::Minus => inside == Inside::Squares && word(&before.token) && word(&after.token),
        Token::DotDot => true,
        _ => false,
    }
}

fn word(token: &Token<'_>) -> bool {
    matches!(token, Token::Name(_) | Token::Number(_))
}

/// Whether there is a space between neighbours of which neither is an operator between two operands.
pub fn between(before: &Piece<'_>, next: &Piece<'_>, inside: Inside, closes_fix: bool) -> bool {
    use Token::{
        Colon, Comma, Dot, LeftBrace, LeftBracket, LeftParen, PathSeparator, RightBrace, RightBracket,
        RightParen,
    };
    match (&before.token, &next.token) {
        (_, Comma | Colon | RightParen | RightBracket | PathSeparator | Dot) => false,
        (LeftParen | LeftBracket | PathSeparator | Dot, _) => false,
        (LeftBrace, RightBrace) => false,
        (LeftBrace, _) | (_, RightBrace) => inside != Inside::Names,
        (Token::Fn, LeftParen) => true,
        // a word of the language is followed by a call only where it is a name
        (word, LeftParen | LeftBracket) if sometimes_name(word) => next.blanks > 0,
        (before, LeftParen | LeftBracket) => !(ends_operand(before) || closes_fix),
        _ => true,
    }
}
