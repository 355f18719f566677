//! Bytes of a file on their way to becoming values.
//!
//! **Invariant**: memory is never set aside for what a header claims, only for what the file can hold: its length, or
//! if it is compressed, the most that deflate can make of it.

use super::array::{Array, Dtype, Values, elements};
use super::error::Problem;
use crate::scarce;
use half::{bf16, f16};
use std::io::{self, Read};

/// Deflate never expands by more than this (258 bytes for two bits).
const DEFLATE_LIMIT: u64 = 1032;

/// How many bytes are converted at a time; a multiple of every element's size.
const CHUNK: usize = 1 << 16;

/// A file, or a part of one, that is read from its beginning to its end.
pub(super) struct Stream<'a> {
    reader: Box<dyn Read + 'a>,
    /// Whether and how it is compressed: errors mean something else then.
    packed: Option<&'static str>,
    /// At most so many bytes can come.
    limit: u64,
}

/// How a tensor lies in a file.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The name of the format, for messages.
    pub format: &'static str,
    /// The type of the elements.
    pub dtype: Dtype,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
    /// Sizes as the header claims them.
    pub shape: Vec<u64>,
}

impl<'a> Stream<'a> {
    /// A file of this many bytes.
    pub(super) fn plain(reader: impl Read + 'a, length: u64) -> Stream<'a> {
        Stream { reader: Box::new(reader), packed: None, limit: length }
    }

    /// What comes out of so many compressed bytes.
    pub(super) fn packed(reader: impl Read + 'a, format: &'static str, compressed: u64) -> Stream<'a> {
        let limit = compressed.saturating_mul(DEFLATE_LIMIT);
        Stream { reader: Box::new(reader), packed: Some(format), limit }
    }

    /// The first bytes, as many as there are up to `count`. They stay in the stream.
    pub(super) fn peek(mut self, count: usize) -> Result<(Vec<u8>, Stream<'a>), Problem> {
        let mut head = vec![0; count];
        let found = self.read_up_to(&mut head)?;
        head.truncate(found);
        let reader = Box::new(io::Cursor::new(head.clone()).chain(self.reader));
        Ok((head, Stream { reader, ..self }))
    }

    /// What is left, for a reader of another crate; its errors go to [`Stream::problem`].
    pub(super) fn reader(&mut self) -> &mut (dyn Read + 'a) {
        &mut self.reader
    }

    /// The same without the way back.
    pub(super) fn into_reader(self) -> Box<dyn Read + 'a> {
        self.reader
    }

    /// Fills the buffer as far as the stream goes, and returns how far that is.
    pub(super) fn read_up_to(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.problem(error)),
            }
        }
        Ok(filled)
    }

    /// A header's part of a known size; `None` if the stream ends within it.
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Problem> {
        let mut bytes = [0; N];
        Ok((self.read_up_to(&mut bytes)? == N).then_some(bytes))
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).map_err(|error| self.problem(error))?;
        Ok(bytes)
    }

    /// What an error of the reader below means.
    pub(super) fn problem(&self, error: io::Error) -> Problem {
        let damaged = [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput, io::ErrorKind::UnexpectedEof];
        match self.packed {
            Some(format) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Problem::Corrupt { format, reason: "it ends too early".into() }
            }
            Some(format) if damaged.contains(&error.kind()) => {
                Problem::Corrupt { format, reason: error.to_string() }
            }
            _ => Problem::Unreadable(error),
        }
    }

    /// The tensor that is all the rest of the stream. Reading to the very end also checks the sums of compressed data.
    pub(super) fn tensor(mut self, layout: &Layout) -> Result<Array, Problem> {
        let absurd = || Problem::Absurd { shape: layout.shape.clone() };
        let shape: Option<Vec<usize>> = layout.shape.iter().map(|&size| usize::try_from(size).ok()).collect();
        let shape = shape.ok_or_else(absurd)?;
        let count = elements(&shape).ok_or_else(absurd)?;
        count.checked_mul(layout.dtype.bytes()).filter(|&n| isize::try_from(n).is_ok()).ok_or_else(absurd)?;
        let values = self.values(layout, count)?;
        if self.bytes::<1>()?.is_some() {
            let promised = (count * layout.dtype.bytes()) as u64;
            return Err(Problem::TooLong { format: layout.format, promised });
        }
        Ok(Array::with_dtype(layout.dtype, shape, values))
    }

    fn values(&mut self, layout: &Layout, count: usize) -> Result<Values, Problem> {
        /// A decoder for either order of bytes.
        macro_rules! decode {
            ($type:ty) => {
                match layout.big_endian {
                    true => <$type>::from_be_bytes,
                    false => <$type>::from_le_bytes,
                }
            };
        }
        Ok(match layout.dtype {
            Dtype::U8 => Values::U8(self.convert(layout, count, |[b]| b)?),
            Dtype::Bool => Values::U8(self.convert(layout, count, |[b]| u8::from(b != 0))?),
            Dtype::I8 => Values::I32(self.convert(layout, count, |[b]| i32::from(b as i8))?),
            Dtype::U16 => {
                let decode = decode!(u16);
                Values::I32(self.convert(layout, count, |b| i32::from(decode(b)))?)
            }
            Dtype::I16 => {
                let decode = decode!(i16);
                Values::I32(self.convert(layout, count, |b| i32::from(decode(b)))?)
            }
            Dtype::U32 => {
                let decode = decode!(u32);
                Values::I64(self.convert(layout, count, |b| i64::from(decode(b)))?)
            }
            Dtype::I32 => Values::I32(self.convert(layout, count, decode!(i32))?),
            Dtype::U64 => Values::I64(signed(self.convert(layout, count, decode!(u64))?)?),
            Dtype::I64 => Values::I64(self.convert(layout, count, decode!(i64))?),
            Dtype::F16 => {
                let decode = decode!(f16);
                Values::F32(self.convert(layout, count, |b| decode(b).to_f32())?)
            }
            Dtype::BF16 => {
                let decode = decode!(bf16);
                Values::F32(self.convert(layout, count, |b| decode(b).to_f32())?)
            }
            Dtype::F32 => Values::F32(self.convert(layout, count, decode!(f32))?),
            Dtype::F64 => Values::F64(self.convert(layout, count, decode!(f64))?),
        })
    }

    fn convert<const N: usize, T>(
        &mut self,
        layout: &Layout,
        count: usize,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, Problem> {
        let promised = (count * N) as u64;
        let mut values = Vec::new();
        let backed = usize::try_from(promised.min(self.limit)).unwrap_or(0) / N;
        // Where memory is short this fails as the growing below would, but in a way that can be said.
        scarce::reserve(&mut values, backed).map_err(|_| Problem::Absurd { shape: layout.shape.clone() })?;
        let mut buffer = vec![0; CHUNK.min(count * N)];
        while values.len() < count {
            let wanted = buffer.len().min((count - values.len()) * N);
            let found = self.read_up_to(&mut buffer[..wanted])?;
            if found < wanted {
                let found = (values.len() * N + found) as u64;
                return Err(Problem::Short { format: layout.format, promised, found });
            }
            let (chunks, _) = buffer[..wanted].as_chunks::<N>();
            values.extend(chunks.iter().map(|&bytes| decode(bytes)));
        }
        Ok(values)
    }
}

fn signed(values: Vec<u64>) -> Result<Vec<i64>, Problem> {
    let convert = |(element, value)| i64::try_from(value).map_err(|_| Problem::TooLarge { element, value });
    values.into_iter().enumerate().map(convert).collect()
}
