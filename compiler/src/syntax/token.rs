//! Tokens: what the text is made of before brackets and lines are considered.

use super::number::Number;
use logos::{Lexer, Logos};

/// A token. Texts and names are slices of the source.
#[derive(Logos, Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "a token is called what it is")]
#[logos(error = TokenError)]
#[logos(skip r"[ \t\r]+")]
#[logos(skip(r"//[^\n]*", allow_greedy = true, priority = 1))]
#[rustfmt::skip]
pub enum Token<'s> {
    // ---- lines
    #[token("\n")]                                                 Newline,
    #[regex(r"///[^\n]*", allow_greedy = true, priority = 9)]      Doc(&'s str),

    // ---- with content
    #[regex(r"[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]+", name, priority = 1)]    Name(&'s str),
    #[regex(r"[0-9][0-9_]*(\.[0-9]+)?([eE][-+]?[0-9]+)?", number, priority = 9)]
    #[regex(r"[0-9][0-9_]*(\.[0-9]+)?([eE][-+]?[0-9]+)?[A-Za-z_][A-Za-z0-9_]*", malformed, priority = 8)]
    #[regex(r"\.[0-9]+", malformed, priority = 8)]                 Number(Number),
    #[regex(r#""[^"\n]*""#, text)]
    #[regex(r#""[^"\n]*"#, unclosed, allow_greedy = true)]
    #[regex(r"'[^'\n]*'|“[^”\n]*”", other_quotes)]                Text(&'s str),

    // ---- words
    #[token("_")]       Underscore,
    #[token("assert")]  Assert,
    #[token("bool")]    Bool,
    #[token("break")]   Break,
    #[token("buffer")]  Buffer,
    #[token("by")]      By,
    #[token("client")]  Client,
    #[token("const")]   Const,
    #[token("else")]    Else,
    #[token("false")]   False,
    #[token("fix")]     Fix,
    #[token("fn")]      Fn,
    #[token("for")]     For,
    #[token("from")]    From,
    #[token("grad")]    Grad,
    #[token("if")]      If,
    #[token("in")]      In,
    #[token("input")]   Input,
    #[token("int")]     Int,
    #[token("let")]     Let,
    #[token("model")]   Model,
    #[token("num")]     Num,
    #[token("output")]  Output,
    #[token("party")]   Party,
    #[token("public")]  Public,
    #[token("require")] Require,
    #[token("return")]  Return,
    #[token("secret")]  Secret,
    #[token("shares")]  Shares,
    #[token("str")]     Str,
    #[token("test")]    Test,
    #[token("to")]      To,
    #[token("true")]    True,
    #[token("unroll")]  Unroll,
    #[token("use")]     Use,
    #[token("var")]     Var,
    #[token("while")]   While,

    // ---- brackets
    #[token("(")] LeftParen,
    #[token(")")] RightParen,
    #[token("[")] LeftBracket,
    #[token("]")] RightBracket,
    #[token("{")] LeftBrace,
    #[token("}")] RightBrace,

    // ---- signs
    #[token("=")]   Assign,
    #[token("+=")]  PlusAssign,
    #[token("-=")]  MinusAssign,
    #[token("*=")]  StarAssign,
    #[token("/=")]  SlashAssign,
    #[token("==")]  Equal,
    #[token("!=")]  NotEqual,
    #[token("<")]   Less,
    #[token("<=")]  LessEqual,
    #[token(">")]   Greater,
    #[token(">=")]  GreaterEqual,
    #[token("<<")]  ShiftLeft,
    #[token(">>")]  ShiftRight,
    #[token("+")]   Plus,
    #[token("-")]   Minus,
    #[token("*")]   Star,
    #[token("**")]  StarStar,
    #[token("/")]   Slash,
    #[token("%")]   Percent,
    #[token("@")]   At,
    #[token("!")]   Not,
    #[token("&")]   And,
    #[token("|")]   Or,
    #[token("^")]   Xor,
    #[token("->")]  Arrow,
    #[token(":")]   Colon,
    #[token("::")]  PathSeparator,
    #[token(",")]   Comma,
    #[token(".")]   Dot,
    #[token("..")]  DotDot,
    #[token("...")] Ellipsis,

    // ---- of other languages; the parser never sees these
    #[token("&&", |_| foreign("write `&`"))]
    #[token("||", |_| foreign("write `|`"))]
    #[regex(r"//[ \t]*[0-9]+[ \t]*", |_| foreign("`//` begins a comment: write `div(a, b)`"), priority = 20)]
    #[token("#",  |_| foreign("a comment begins with `//`"))]
    #[token(";",  semicolon)]
    Foreign,
}

/// Why no token could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenError {
    /// A character outside the language.
    #[default]
    Character,
    /// A sign of another language, and what to do instead.
    Foreign(&'static str),
    /// `;`, which is taken for the end of the line.
    Semicolon,
    /// A text that the line ends before its quotation mark.
    UnclosedText,
    /// Letters behind digits, or a point without digits before it.
    MalformedNumber,
    /// More digits or a larger exponent than [`Number`] takes.
    LongNumber,
    /// A name or a text of more than [`MAX_NAME`](super::MAX_NAME) bytes.
    LongName,
}

fn name<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Result<&'s str, TokenError> {
    short(lexer.slice())
}

fn short(text: &str) -> Result<&str, TokenError> {
    if text.len() <= super::MAX_NAME { Ok(text) } else { Err(TokenError::LongName) }
}

fn number<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Result<Number, TokenError> {
    Number::parse(lexer.slice()).ok_or(TokenError::LongNumber)
}

fn malformed<'s>(_: &mut Lexer<'s, Token<'s>>) -> Result<Number, TokenError> {
    Err(TokenError::MalformedNumber)
}

fn text<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Result<&'s str, TokenError> {
    short(lexer.slice().trim_matches('"'))
}

fn unclosed<'s>(_: &mut Lexer<'s, Token<'s>>) -> Result<&'s str, TokenError> {
    Err(TokenError::UnclosedText)
}

fn other_quotes<'s>(_: &mut Lexer<'s, Token<'s>>) -> Result<&'s str, TokenError> {
    Err(TokenError::Foreign("write `\"…\"`"))
}

fn semicolon<'s>(_: &mut Lexer<'s, Token<'s>>) -> Result<(), TokenError> {
    Err(TokenError::Semicolon)
}

fn foreign(instead: &'static str) -> Result<(), TokenError> {
    Err(TokenError::Foreign(instead))
}

impl Token<'_> {
    /// Whether a line that ends with this token may end a statement: Go's rule.
    /// The `>` that closes `fix<f>` does so too; the layout knows which one that is.
    #[rustfmt::skip]
    pub fn ends_statement(&self) -> bool {
        use Token::*;
        matches!(
            self,
            Name(_) | Number(_) | Text(_) | Underscore | True | False | Break | Return | Shares
                | Bool | Fix | Int | Num | Str | Secret | Grad | Fn
                | Buffer | Client | From | Input | Model | Output | Party | Test | To
                | RightParen | RightBracket | RightBrace | DotDot
        )
    }

    /// Whether an operand that follows makes the tree higher. What brackets add is counted with the brackets.
    #[rustfmt::skip]
    pub fn nests(&self) -> bool {
        use Token::*;
        matches!(
            self,
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual | ShiftLeft | ShiftRight
                | Plus | Minus | Star | StarStar | Slash | Percent | At | Not | And | Or | Xor | Dot | If | Else
        )
    }

    /// Whether a block must follow, at once or later.
    pub fn wants_block(&self) -> bool {
        matches!(self, Token::For | Token::If | Token::Else | Token::While | Token::Fn)
    }

    /// Whether it begins a statement and can stand nowhere else, so that a bracket before it must have been closed.
    pub fn begins_statement(&self) -> bool {
        use Token::*;
        matches!(self, Let | Var | Unroll | Return | Assert | Require | Break | While) || self.begins_item()
    }

    /// Whether it begins an item and, at the beginning of a line, can stand nowhere else.
    pub fn begins_item(&self) -> bool {
        matches!(self, Token::Fn | Token::Use)
    }

    /// Whether it begins an item if it is the first of an unindented line.
    pub fn begins_item_at_margin(&self) -> bool {
        use Token::*;
        matches!(self, Const | Input | Model | Test) || self.begins_item()
    }
}
