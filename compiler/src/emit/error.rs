//! Why a program has no bytecode.

use crate::diagnostics::{Code, Diagnostic, Span};

use super::pool::TooLarge;

/// A reason with its place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{cause}")]
pub struct EmitError {
    /// The place in the user's source.
    pub span: Option<Span>,
    /// The reason.
    pub cause: Cause,
}

/// A reason.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Cause {
    /// The ring or the type cannot hold a constant.
    #[error("the constant {0} is too large for its type")]
    Constant(String),
    /// A tensor has more axes than a register.
    #[error("a tensor of {0} axes; there can be {max}", max = tern_bytecode::validate::MAX_AXES)]
    Axes(usize),
    /// A tensor has more elements than a buffer.
    #[error("a tensor of {0} elements; there can be {max}", max = tern_bytecode::validate::MAX_ELEMENTS)]
    Elements(u128),
    /// The name of an input or an output, which is that of a file.
    #[error("the name {0}… has {1} letters; those of inputs and outputs have at most {max}", max = tern_bytecode::validate::names::MAX_WORD)]
    Name(String, usize),
    /// The passes should have removed or replaced this.
    #[error("the compiler kept {0}, which has no instruction (this is a bug in the compiler)")]
    Unexpected(String),
    /// The emitted program breaks a rule.
    #[error("{0} (this is a bug in the compiler)")]
    Invalid(#[from] tern_bytecode::Fault),
}

impl From<TooLarge> for Cause {
    fn from(error: TooLarge) -> Cause {
        Cause::Constant(error.0.to_string())
    }
}

impl From<EmitError> for Diagnostic {
    fn from(error: EmitError) -> Diagnostic {
        let code = match error.cause {
            Cause::Constant(_) | Cause::Axes(_) | Cause::Elements(_) | Cause::Name(..) => Code::B001,
            Cause::Unexpected(_) | Cause::Invalid(_) => Code::B002,
        };
        let diagnostic = Diagnostic::error(code, error.cause.to_string());
        match error.span {
            Some(span) => diagnostic.at(span, ""),
            None => diagnostic,
        }
    }
}
