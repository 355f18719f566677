//! From text to syntax tree.

pub mod ast;
mod number;

pub use number::{MAX_DIGITS, Number};

/// The greatest height of a syntax tree, counted in tokens that nest. Everything behind the parser recurses over
/// trees; with this bound no input can exhaust the stack.
pub const MAX_HEIGHT: usize = 128;
