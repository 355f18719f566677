//! From text to syntax tree: tokens, lines and brackets, grammar, tree ([`ast`]).

pub mod ast;
mod error;
mod height;
mod hint;
mod layout;
mod number;
mod parse;
mod token;

// Made by build.rs from grammar.lalrpop, and held to that generator's style.
lalrpop_util::lalrpop_mod!(
    #[allow(clippy::all, missing_docs, unused_qualifications)]
    grammar,
    "/syntax/grammar.rs"
);

pub use layout::Lexeme;
pub use number::{MAX_DIGITS, Number};
pub use parse::{parse, tokens};
pub use token::Token;

/// The greatest height of a syntax tree, counted in operators and brackets inside one another. Everything behind the
/// parser recurses over trees; with this bound no input can exhaust the stack.
pub const MAX_HEIGHT: usize = 128;

/// Bytes of a file. All of it is kept in memory several times over.
pub const MAX_SOURCE: usize = 2 << 20;

/// Bytes of a name or a text: both become names of files, metrics and tensors.
pub const MAX_NAME: usize = 200;
