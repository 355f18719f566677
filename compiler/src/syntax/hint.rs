//! What was probably meant where something else was expected.

use super::layout::Lexeme;
use super::token::Token;

/// A fix for the most common slips, given the tokens before the one that does not fit, that one, and what would fit.
pub fn hint(before: &[Lexeme], found: Option<&Token>, expected: &[String]) -> Option<&'static str> {
    let fits = |terminal: &str| expected.iter().any(|name| name.trim_matches('"') == terminal);
    let found = found?;
    let after_operand = before.last().is_some_and(|last| last.1.ends_statement());
    match (before, found) {
        (_, Token::Let | Token::Var) if fits("fn") => Some(
            "outside of functions a name is declared with `const`; what runs stands in `fn main() { … }`",
        ),
        (_, _) if is_statement(found) && fits("fn") => {
            Some("what runs stands in a function: `fn main() { … }`")
        }
        ([.., (_, Token::Party, _), (_, Token::Number(_), _)], Token::Comma) => {
            Some("an output has one receiver; for another one, write it once more under a name of its own")
        }
        ([.., (_, Token::Grad, _), _, _, (_, Token::RightParen, _)], Token::LeftBrace) => {
            Some("the rule of a derivative stands behind the closing brace: `fn f(x) { … } grad(d) { … }`")
        }
        (_, Token::Name(name)) => foreign_word(name),
        ([.., (_, Token::Number(_), _), (_, Token::Dot, _)], _) => {
            Some("a number has digits on both sides of the point: `1.0`")
        }
        ([] | [.., (_, Token::Newline | Token::LeftBrace, _)], _) if is_operator(found) => {
            Some("a line that goes on ends with the operator: the next one cannot begin with it")
        }
        (_, Token::Assign) if after_operand => Some("to compare, write `==`"),
        (_, Token::Colon) if fits("{") => Some("a block stands in braces: `{ … }`"),
        (_, _) if is_comparison(found) && after_operand => {
            Some("comparisons do not chain: `(a < b) & (b < c)`")
        }
        (_, _) if is_word(found) && fits("Name0") && !fits("Number") => {
            Some("this word has a meaning of its own, so it cannot be a name")
        }
        (_, _) => None,
    }
}

fn foreign_word(name: &str) -> Option<&'static str> {
    match name {
        "and" => Some("`and` is written `&`"),
        "or" => Some("`or` is written `|`"),
        "not" => Some("`not` is written `!`"),
        "is" => Some("to compare, write `==`"),
        "lambda" => Some("a function is declared with `fn` and given by its name"),
        "print" => Some("`debug(x)` shows a value in the emulator, `metric(\"x\", reveal(x))` publishes it"),
        "elif" => Some("`elif` is written `else if`"),
        "def" | "func" | "function" => Some("a function begins with `fn`"),
        "import" => Some("modules are named with `use`: `use nn::{dense, relu}`"),
        "class" | "struct" => Some("a record of parameters is a `model`"),
        _ => None,
    }
}

/// Whether only a statement begins with it.
fn is_statement(token: &Token) -> bool {
    use Token::*;
    matches!(token, For | While | If | Require | Assert | Return | Unroll | Break | Output)
}

fn is_operator(token: &Token) -> bool {
    use Token::*;
    matches!(
        token,
        Plus | Star | StarStar | Slash | Percent | At | And | Or | Xor | ShiftLeft | ShiftRight | Dot
    ) || is_comparison(token)
}

fn is_comparison(token: &Token) -> bool {
    use Token::*;
    matches!(token, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
}

fn is_word(token: &Token) -> bool {
    use Token::*;
    matches!(
        token,
        Assert
            | Bool
            | Break
            | By
            | Const
            | Else
            | False
            | Fix
            | Fn
            | For
            | Grad
            | If
            | In
            | Int
            | Let
            | Num
            | Public
    ) || matches!(token, Require | Return | Secret | Str | True | Unroll | Use | Var | While)
        // names in expressions, but not of what is declared
        || matches!(token, Buffer | Client | From | Input | Model | Output | Party | Shares | Test | To)
}
