//! Offsets in a text, and the protocol's positions: lines from 0, and UTF-16 units in them.

use std::path::PathBuf;
use std::str::FromStr;

use lsp_types::{Position, Range, Uri};
use tern_compiler::diagnostics::{SourceFile, Span};

/// The position of an offset.
pub fn position(file: &SourceFile, offset: u32) -> Position {
    let offset = file.boundary(offset);
    let line = file.line(offset) - 1;
    let start = file.line_range(line).start;
    let units = file.text[start as usize..offset as usize].encode_utf16().count();
    Position { line, character: units as u32 }
}

/// The range of a span.
pub fn range(file: &SourceFile, span: Span) -> Range {
    Range { start: position(file, span.start), end: position(file, span.end) }
}

/// The offset of a position; what lies behind a line's end or the last line is moved there.
pub fn offset(file: &SourceFile, position: Position) -> u32 {
    let line = file.line_range(position.line);
    let mut units = 0;
    for (at, c) in file.text[line.start as usize..line.end as usize].char_indices() {
        if units >= position.character {
            return line.start + at as u32;
        }
        units += c.len_utf16() as u32;
    }
    line.end
}

/// The file that an address names; of a text that is in no file yet, its name alone.
pub fn path(uri: &Uri) -> PathBuf {
    let text = uri.as_str();
    let Some(rest) = text.strip_prefix("file://") else {
        return PathBuf::from(text.rsplit(['/', ':']).next().unwrap_or("untitled.mpc"));
    };
    let from = rest.find('/').unwrap_or(rest.len());
    PathBuf::from(String::from_utf8_lossy(&unescaped(&rest[from..])).into_owned())
}

/// The address of a file.
pub fn uri(path: &std::path::Path) -> Option<Uri> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let mut text = String::from("file://");
    for byte in path.to_str()?.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    Uri::from_str(&text).ok()
}

/// With `%41` as `A`.
fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_compiler::diagnostics::{FileId, Origin, SourceMap};

    #[test]
    fn positions_count_utf_16() {
        let mut sources = SourceMap::new();
        let id = sources.add("a.mpc", "// é𝄞x\nlet\n", Origin::User);
        assert_eq!(id, FileId(0));
        let file = sources.get(id).unwrap();
        for (offset_, line, character) in
            [(0, 0, 0), (3, 0, 3), (5, 0, 4), (9, 0, 6), (10, 0, 7), (11, 1, 0), (14, 1, 3), (15, 2, 0)]
        {
            let at = Position { line, character };
            assert_eq!(position(file, offset_), at, "{offset_}");
            assert_eq!(offset(file, at), offset_, "{at:?}");
        }
        assert_eq!(offset(file, Position { line: 0, character: 999 }), 10);
        assert_eq!(offset(file, Position { line: 99, character: 9 }), 15);
        assert_eq!(offset(file, Position { line: u32::MAX, character: u32::MAX }), 15);
    }

    #[test]
    fn addresses_of_files() {
        let there = |text: &str| path(&Uri::from_str(text).unwrap());
        assert_eq!(there("file:///a/b%20c.mpc"), PathBuf::from("/a/b c.mpc"));
        assert_eq!(there("file://host/a.mpc"), PathBuf::from("/a.mpc"));
        assert_eq!(there("untitled:Untitled-1"), PathBuf::from("Untitled-1"));
        assert_eq!(uri(&PathBuf::from("/a/b c%.mpc")).unwrap().as_str(), "file:///a/b%20c%25.mpc");
        assert_eq!(there(uri(&PathBuf::from("/ä/b c%.mpc")).unwrap().as_str()), PathBuf::from("/ä/b c%.mpc"));
    }
}
