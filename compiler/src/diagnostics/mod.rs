//! Messages to the user as data, the files that they point into, and their rendering.

mod codes;
mod message;
mod render;
mod source;

pub use codes::{Code, UnknownCode, explain};
pub use message::{Diagnostic, Label, Severity};
pub use render::{Look, render, render_all};
pub use source::{FileId, Origin, SourceFile, SourceMap, Span};
