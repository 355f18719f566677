//! Programs as bytes: `TERN`, version, hash of the body, body (postcard).

use serde::Deserialize;

use crate::program::Program;

/// The first bytes of every program.
pub const MAGIC: [u8; 4] = *b"TERN";
/// The version of the format; programs of another are refused. Whatever changes how programs are written takes a new one: `tests/container.rs`
/// notices.
pub const VERSION: u16 = 5;
const HASH: usize = 32;
const BODY: usize = MAGIC.len() + 2 + HASH;

/// Why bytes are not a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The file does not begin with the magic.
    #[error("this is not tern bytecode: it does not begin with TERN")]
    Magic,
    /// The file is of another version.
    #[error(
        "this bytecode has version {found}, this program reads version {VERSION}: compile the source again"
    )]
    Version {
        /// The version that the file states.
        found: u16,
    },
    /// The file ends within its head.
    #[error("the bytecode ends after {len} bytes, its head alone takes {BODY}")]
    Head {
        /// Bytes there are.
        len: usize,
    },
    /// The body is not what the head's hash was computed from.
    #[error(
        "the bytecode is damaged or truncated: {len} bytes after byte {BODY} do not match the hash in the head"
    )]
    Hash {
        /// Bytes in the body.
        len: usize,
    },
    /// The body does not decode.
    #[error("the bytecode is corrupt at byte {at}: {cause}")]
    Body {
        /// Byte offset in the file.
        at: usize,
        /// What the decoder says.
        cause: String,
    },
}

/// The bytes of a program and its hash.
pub fn encode(program: &Program) -> Vec<u8> {
    let body = postcard::to_stdvec(program)
        .expect("a program has no maps, no unsized sequences, and writing to memory does not fail");
    let mut bytes = Vec::with_capacity(BODY + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(blake3::hash(&body).as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// The program in `bytes`. It still has to pass [`crate::validate()`].
pub fn decode(bytes: &[u8]) -> Result<Program, DecodeError> {
    if bytes.len() < MAGIC.len() || bytes[..MAGIC.len()] != MAGIC {
        return Err(DecodeError::Magic);
    }
    if bytes.len() < BODY {
        return Err(DecodeError::Head { len: bytes.len() });
    }
    let found = u16::from_le_bytes([bytes[4], bytes[5]]);
    if found != VERSION {
        return Err(DecodeError::Version { found });
    }
    let body = &bytes[BODY..];
    if blake3::hash(body).as_bytes() != &bytes[BODY - HASH..BODY] {
        return Err(DecodeError::Hash { len: body.len() });
    }
    decode_body(body)
}

/// Decodes a body without its head: what the fuzzer feeds, since it cannot guess hashes. Errors count from the beginning of the file that would
/// have it.
pub fn decode_body(body: &[u8]) -> Result<Program, DecodeError> {
    let mut reader = postcard::Deserializer::from_bytes(body);
    let program = Program::deserialize(&mut reader);
    let rest = reader.finalize().map_or(0, <[u8]>::len);
    let fault = |cause| DecodeError::Body { at: BODY + body.len() - rest, cause };
    match program {
        Ok(program) if rest == 0 => Ok(program),
        Ok(_) => Err(fault(format!("{rest} bytes too many"))),
        Err(cause) => Err(fault(cause.to_string())),
    }
}

/// The hash of all that a program computes, wherever its lines stand: whoever compiles the same source elsewhere gets the same.
pub fn identity(program: &Program) -> [u8; HASH] {
    hash(&Program { files: Vec::new(), lines: Vec::new(), ..program.clone() })
}

/// The hash by which parties recognise that they run the same program.
pub fn hash(program: &Program) -> [u8; HASH] {
    let bytes = encode(program);
    let mut hash = [0; HASH];
    hash.copy_from_slice(&bytes[BODY - HASH..BODY]);
    hash
}
