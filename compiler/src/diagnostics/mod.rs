//! Messages to the user as data, the files that they point into, and their rendering.

mod source;

pub use source::{FileId, Origin, SourceFile, SourceMap, Span};
