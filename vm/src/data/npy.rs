//! NumPy's npy format: a magic number, a version, the length of a header, the header as a Python literal, the elements.
//! Described in NumPy's documentation, `numpy.lib.format`.
//!
//! The header is parsed here rather than by a crate because files are untrusted: no recursion, no arithmetic that can
//! overflow, and no memory for what a header only claims.

use super::array::{Array, Dtype, Values};
use super::error::Problem;
use super::stream::{Layout, Stream};
use std::io::{self, Write};

const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy itself refuses longer headers than 10,000 bytes unless told otherwise.
const LONGEST_HEADER: usize = 1 << 16;

/// Whether a file that begins like this is one.
pub(super) fn is_npy(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Reads it.
pub(super) fn read(mut stream: Stream<'_>) -> Result<Array, Problem> {
    let text = read_header(&mut stream)?;
    let header = Header::parse(&text)?;
    let (dtype, big_endian) = element_type(&header.descr)?;
    let mut shape = header.shape;
    if !header.fortran_order {
        return stream.tensor(&Layout { format: "npy", dtype, big_endian, shape });
    }
    // In column-major order the first axis is the fastest: the transpose in every axis.
    shape.reverse();
    let array = stream.tensor(&Layout { format: "npy", dtype, big_endian, shape })?;
    let axes: Vec<usize> = (0..array.shape().len()).rev().collect();
    Ok(array.transposed(&axes))
}

/// Writes a tensor in version 1.0.
///
/// # Errors
/// Those of the writer.
pub fn write_npy(mut out: impl Write, array: &Array) -> io::Result<()> {
    let descr = match (array.dtype(), array.values()) {
        (Dtype::Bool, _) => "|b1",
        (_, Values::U8(_)) => "|u1",
        (_, Values::I32(_)) => "<i4",
        (_, Values::I64(_)) => "<i8",
        (_, Values::F32(_)) => "<f4",
        (_, Values::F64(_)) => "<f8",
    };
    // A tuple as Python writes it, which some readers insist on: (), (3,), (2, 3).
    let shape = match array.shape() {
        [size] => format!("({size},)"),
        sizes => format!("({})", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // Magic number, version and length take 10 bytes; the elements begin at a multiple of 64.
    header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    write_elements(&mut out, array.values())
}

/// Writes the elements alone, the least significant byte first.
pub(super) fn write_elements(out: &mut impl Write, values: &Values) -> io::Result<()> {
    match values {
        Values::U8(values) => out.write_all(values),
        Values::I32(values) => write_values(out, values, i32::to_le_bytes),
        Values::I64(values) => write_values(out, values, i64::to_le_bytes),
        Values::F32(values) => write_values(out, values, f32::to_le_bytes),
        Values::F64(values) => write_values(out, values, f64::to_le_bytes),
    }
}

fn write_values<const N: usize, T: Copy>(
    out: &mut impl Write,
    values: &[T],
    bytes: fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut buffer = Vec::new();
    for chunk in values.chunks(8192) {
        buffer.clear();
        buffer.extend(chunk.iter().flat_map(|&value| bytes(value)));
        out.write_all(&buffer)?;
    }
    Ok(())
}

fn malformed(reason: impl Into<String>) -> Problem {
    Problem::Malformed { format: "npy", reason: reason.into() }
}

fn read_header(stream: &mut Stream<'_>) -> Result<String, Problem> {
    let cut = || malformed("it ends within the header");
    let [_, _, _, _, _, _, major, minor] = stream.bytes()?.ok_or_else(cut)?;
    let length = match major {
        1 => usize::from(u16::from_le_bytes(stream.bytes()?.ok_or_else(cut)?)),
        2 | 3 => u32::from_le_bytes(stream.bytes()?.ok_or_else(cut)?) as usize,
        _ => return Err(malformed(format!("its version {major}.{minor} is unknown"))),
    };
    if length > LONGEST_HEADER {
        return Err(malformed(format!("its header claims {length} bytes")));
    }
    let mut bytes = vec![0; length];
    if stream.read_up_to(&mut bytes)? < length {
        return Err(cut());
    }
    String::from_utf8(bytes).map_err(|_| malformed("its header is not text"))
}

/// `{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }`
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<u64>,
}

impl Header {
    fn parse(text: &str) -> Result<Header, Problem> {
        let mut rest = Cursor { text: text.trim() };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        rest.expect("{")?;
        while !rest.accept("}") {
            let key = rest.quoted()?;
            rest.expect(":")?;
            match key {
                "descr" => descr = Some(rest.descr()?.to_string()),
                "fortran_order" => fortran_order = Some(rest.truth()?),
                "shape" => shape = Some(rest.tuple()?),
                _ => return Err(malformed(format!("its header has an unknown key {key:?}"))),
            }
            if !rest.accept(",") {
                rest.expect("}")?;
                break;
            }
        }
        if !rest.text.is_empty() {
            return Err(malformed("its header goes on after the closing brace"));
        }
        let missing = |key| move || malformed(format!("its header has no {key}"));
        Ok(Header {
            descr: descr.ok_or_else(missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(missing("fortran_order"))?,
            shape: shape.ok_or_else(missing("shape"))?,
        })
    }
}

/// What is left of the header; spaces before a token do not count.
struct Cursor<'a> {
    text: &'a str,
}

impl<'a> Cursor<'a> {
    fn accept(&mut self, token: &str) -> bool {
        let rest = self.text.trim_start().strip_prefix(token);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), Problem> {
        if self.accept(token) { Ok(()) } else { Err(malformed(format!("its header lacks a {token:?}"))) }
    }

    /// Everything up to the first character that satisfies the condition.
    fn until(&mut self, end: impl Fn(char) -> bool) -> &'a str {
        let (token, rest) = self.text.split_at(self.text.find(end).unwrap_or(self.text.len()));
        self.text = rest;
        token
    }

    fn quoted(&mut self) -> Result<&'a str, Problem> {
        let quote = if self.accept("'") { '\'' } else { '"' };
        if quote == '"' {
            self.expect("\"")?;
        }
        let token = self.until(|c| c == quote);
        self.expect(quote.encode_utf8(&mut [0; 4]))?;
        Ok(token)
    }

    /// A type. Records are lists, which have no use here; the message shows one, or how it begins.
    fn descr(&mut self) -> Result<&'a str, Problem> {
        self.text = self.text.trim_start();
        if self.text.starts_with('[') {
            let found = match self.text.find(']') {
                Some(end) if end < 60 => self.text[..=end].to_string(),
                _ => self.text.chars().take(60).chain(['…']).collect(),
            };
            return Err(Problem::UnsupportedType { found });
        }
        self.quoted()
    }

    fn truth(&mut self) -> Result<bool, Problem> {
        match (self.accept("True"), self.accept("False")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(malformed("its fortran_order is neither True nor False")),
        }
    }

    fn tuple(&mut self) -> Result<Vec<u64>, Problem> {
        let mut sizes = Vec::new();
        self.expect("(")?;
        while !self.accept(")") {
            self.text = self.text.trim_start();
            let size = self.until(|c| !c.is_ascii_digit());
            sizes.push(size.parse().map_err(|_| malformed("its shape is not a tuple of sizes"))?);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(sizes)
    }
}

/// The type, and whether its most significant byte comes first.
fn element_type(descr: &str) -> Result<(Dtype, bool), Problem> {
    let (big_endian, name) = match descr.strip_prefix('>') {
        Some(name) => (true, name),
        None => (false, descr.trim_start_matches(['<', '|', '='])),
    };
    let dtype = match name {
        "b1" | "?" => Dtype::Bool,
        "u1" => Dtype::U8,
        "i1" => Dtype::I8,
        "u2" => Dtype::U16,
        "i2" => Dtype::I16,
        "u4" => Dtype::U32,
        "i4" => Dtype::I32,
        "u8" => Dtype::U64,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        // NumPy has no name for bfloat16: packages that add it write two bytes without a meaning, and nothing else does.
        "V2" => Dtype::BF16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        _ => return Err(Problem::UnsupportedType { found: descr.to_string() }),
    };
    Ok((dtype, big_endian))
}
