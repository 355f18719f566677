//! Messages on a stream: a header with a length, and that many bytes of JSON.
//!
//! Whatever arrives, reading it neither panics nor takes more memory than arrived. After a message that is no JSON the next one can be read; after a header
//! that is none, nothing can.

use std::io::{self, BufRead, Read, Write};

use lsp_server::Message;
use serde_json::{Value, json};

/// Bytes of a message. A program has at most two million, which JSON may write as six each.
const MAX_MESSAGE: u64 = 16 << 20;
/// Bytes of a line of a header.
const MAX_HEADER: u64 = 1 << 10;

/// What was read.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Message(Message),
    /// Something that is no message, and why. The stream goes on behind it.
    Malformed(String),
    /// The stream has ended.
    End,
    /// The stream cannot be followed any longer, and why.
    Broken(String),
}

/// Reads what comes next.
pub fn read(input: &mut impl BufRead) -> Incoming {
    let length = match header(input) {
        Ok(Some(length)) => length,
        Ok(None) => return Incoming::End,
        Err(error) => return Incoming::Broken(error.to_string()),
    };
    if length > MAX_MESSAGE {
        return match io::copy(&mut input.take(length), &mut io::sink()) {
            Ok(skipped) if skipped == length => {
                Incoming::Malformed(format!("a message of {length} bytes; at most {MAX_MESSAGE} are read"))
            }
            Ok(_) => Incoming::End,
            Err(error) => Incoming::Broken(error.to_string()),
        };
    }
    let mut bytes = Vec::new();
    match input.take(length).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 == length => match serde_json::from_slice(&bytes) {
            Ok(message) => Incoming::Message(message),
            Err(error) => Incoming::Malformed(error.to_string()),
        },
        Ok(_) => Incoming::End,
        Err(error) => Incoming::Broken(error.to_string()),
    }
}

/// The length that the header gives; `None` if the stream ends before it.
fn header(input: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        input.take(MAX_HEADER).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "a header was expected: Content-Length: …");
        let text = std::str::from_utf8(&line).map_err(|_| bad())?;
        let text = text.strip_suffix('\n').ok_or_else(bad)?.trim_end();
        if text.is_empty() {
            return length.ok_or_else(bad).map(Some);
        }
        let (name, value) = text.split_once(':').ok_or_else(bad)?;
        if name.trim().eq_ignore_ascii_case("Content-Length") {
            length = Some(value.trim().parse().map_err(|_| bad())?);
        }
    }
}

/// Writes a message.
///
/// # Errors
/// Those of the stream.
pub fn write(output: &mut impl Write, message: Message) -> io::Result<()> {
    message.write(output)
}

/// Answers something that is no message, and so has no number.
///
/// # Errors
/// Those of the stream.
pub fn refuse(output: &mut impl Write, why: &str) -> io::Result<()> {
    let code = lsp_server::ErrorCode::ParseError as i32;
    let answer: Value = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": why } });
    let text = answer.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Incoming> {
        let mut found = Vec::new();
        loop {
            let next = read(&mut bytes);
            let last = matches!(next, Incoming::End | Incoming::Broken(_));
            found.push(next);
            if last {
                return found;
            }
        }
    }

    #[test]
    fn what_is_no_json_is_skipped() {
        let found =
            all(b"Content-Length: 3\r\n\r\n{]}Content-Type: x\ncontent-length: 14\n\n{\"method\":\"a\"}");
        assert!(
            matches!(
                &found[..],
                [Incoming::Malformed(_), Incoming::Message(Message::Notification(n)), Incoming::End] if n.method == "a"
            ),
            "{found:?}"
        );
    }

    #[test]
    fn a_length_costs_nothing_until_the_bytes_arrive() {
        for length in ["16000000", "17000000", "18446744073709551615"] {
            let found = all(format!("Content-Length: {length}\r\n\r\n{{").as_bytes());
            assert!(matches!(&found[..], [Incoming::End]), "{found:?}");
        }
    }

    #[test]
    fn no_header_is_the_end() {
        let long = "x".repeat(5000);
        for text in
            ["\r\n", "hello\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: 3", &long, "\u{0}\u{ff}\n"]
        {
            let found = all(text.as_bytes());
            assert!(matches!(&found[..], [Incoming::Broken(_)]), "{text:?}: {found:?}");
        }
    }
}
