//! Places in source text, and the files that they point into.

use std::ops::Range;
use std::sync::Arc;

/// A file of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in one file; `end` is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file that the offsets count in.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `start..end` of `file`.
    pub fn new(file: FileId, start: u32, end: u32) -> Span {
        Span { file, start, end }
    }

    /// The smallest span that covers both. They must lie in one file; of two files, `self` is returned.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { start: self.start.min(other.start), end: self.end.max(other.end), ..self }
    }

    /// The empty place right behind the span, where something is missing.
    pub fn after(self) -> Span {
        Span { start: self.end, ..self }
    }

    /// Whether the span covers no text.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// Whose file it is: errors show the user's lines first and the library's as notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Given by the user.
    User,
    /// Embedded in the compiler.
    Library,
}

/// A file's name and text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// As the user would name it: a path, or `nn.mpc` for a file of the library.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// Whose it is.
    pub origin: Origin,
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// Line and column, both from 1, of a byte offset; the column counts characters. An offset outside the text is moved
    /// to its end.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let offset = self.boundary(offset);
        let line = self.line(offset);
        let start = self.line_starts[line as usize - 1];
        let column = self.text[start as usize..offset as usize].chars().count();
        (line, column as u32 + 1)
    }

    /// The line alone, without counting the characters before it.
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts.partition_point(|&start| start <= offset) as u32 // at least 1: line_starts[0] is 0
    }

    /// The bytes of a line, counted from 0, without its end. Behind the last line there is nothing.
    pub fn line_range(&self, line: u32) -> Range<u32> {
        let length = self.text.len() as u32;
        let start_of = |line: usize| self.line_starts.get(line).copied().unwrap_or(length);
        let (start, next) = (start_of(line as usize), start_of(line as usize + 1));
        let text = self.text[start as usize..next as usize].trim_end_matches(['\n', '\r']);
        start..start + text.len() as u32
    }

    /// The last place not behind `offset` where a character begins or the text ends.
    pub fn boundary(&self, offset: u32) -> u32 {
        self.text.floor_char_boundary(offset as usize) as u32
    }
}

/// Every file of one compilation: the user's, and those of the library that it uses.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// A map without files.
    pub fn new() -> SourceMap {
        SourceMap::default()
    }

    /// Adds a file and returns its number.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>, origin: Origin) -> FileId {
        let text = text.into();
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect();
        self.files.push(SourceFile { name: name.into(), text, origin, line_starts });
        FileId(self.files.len() as u32 - 1)
    }

    /// The file with this number, unless it is another map's.
    pub fn get(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(file.0 as usize)
    }

    /// The file with this name, if it was added.
    pub fn find(&self, name: &str) -> Option<FileId> {
        self.files.iter().position(|file| &*file.name == name).map(|at| FileId(at as u32))
    }

    /// The text that a span covers; empty if the span is another map's.
    pub fn text(&self, span: Span) -> &str {
        let text = self.get(span.file).map_or("", |file| &file.text);
        text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// `train.mpc:14:6`.
    pub fn place(&self, span: Span) -> String {
        match self.get(span.file) {
            Some(file) => {
                let (line, column) = file.line_column(span.start);
                format!("{}:{line}:{column}", file.name)
            }
            None => String::from("?"),
        }
    }
}
