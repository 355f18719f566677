//! A message to the user, as data. Stages make them; only [`render`](super::render()) knows what they look like.

use super::{Code, Span};

/// Whether the program can be compiled nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

/// A message with its places.
///
/// ```
/// use tern_compiler::diagnostics::{Code, Diagnostic, FileId, Span};
///
/// let span = Span::new(FileId(0), 40, 45);
/// let message = Diagnostic::error(Code::P006, "there is no `while`")
///     .at(span, "")
///     .why("the number of rounds must be known before the program runs")
///     .help("for i in 0..100 { … }");
/// assert_eq!(message.place(), Some(span));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Diagnostic {
    /// What it is about.
    pub code: Code,
    /// Whether it ends the compilation.
    pub severity: Severity,
    /// One sentence that stands alone, in lower case and without a full stop.
    pub message: String,
    /// Places, the first one being where it happened. A message about arguments or files has none.
    pub labels: Vec<Label>,
    /// The reason for the rule, if that is not plain.
    pub why: Option<String>,
    /// Facts that help to understand it.
    pub notes: Vec<String>,
    /// At most two ways out, which can be pasted.
    pub helps: Vec<String>,
}

/// A place with a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there; may be empty where the message says it all.
    pub text: String,
    /// Whether it is where it happened, rather than something that explains it.
    pub primary: bool,
}

impl Diagnostic {
    /// An error. Nothing else is set.
    pub fn error(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, message)
    }

    /// A warning. Nothing else is set.
    pub fn warning(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, message)
    }

    fn new(severity: Severity, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity,
            message: message.into(),
            labels: Vec::new(),
            why: None,
            notes: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// Says where it happened. The first call gives the place in the header.
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into(), primary: true });
        self
    }

    /// Adds a place that explains it: where a value became secret, where a name was declared, a frame of the library.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into(), primary: false });
        self
    }

    /// Gives the reason for the rule.
    pub fn why(mut self, text: impl Into<String>) -> Diagnostic {
        self.why = Some(text.into());
        self
    }

    /// Adds a fact.
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Adds a way out.
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.helps.push(text.into());
        self
    }

    /// Where it happened: the first primary label, if there is one.
    pub fn place(&self) -> Option<Span> {
        self.labels.iter().find(|label| label.primary).map(|label| label.span)
    }
}
