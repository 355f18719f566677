//! Data: tensors in files, matched to the inputs of a program.
//!
//! [`load`] is the way in. It reads a file in any of the formats npy, npz, csv, idx and safetensors (also gzipped),
//! compares it with what the program declares, and does what the declaration asks of the owner (`scale`, `one_hot`,
//! `standardise`, `range`). [`Prepared::encode`] then chooses the precision, and [`Encoded::fill`] gives fixed-point
//! numbers, piece by piece:
//!
//! ```
//! use tern_vm::data::{Array, Element, InputSpec, Options, Ratio, Source, prepare};
//!
//! let spec = InputSpec {
//!     name: "x".into(),
//!     shape: vec![2, 2],
//!     element: Element::Fix,
//!     party: 0,
//!     options: Options { scale: Ratio::new(1, 256), ..Options::default() },
//! };
//! let pixels = Array::new([2, 1, 2], vec![0u8, 64, 128, 255]);
//! let input = prepare(&spec, pixels, &Source::file("x.npy"))?.encode(16, 32)?;
//! let mut raw = vec![0; input.len()];
//! input.fill(0..input.len(), |i, value| raw[i] = value);
//! assert_eq!(raw, [0, 1 << 14, 1 << 15, 255 << 8]);
//! # Ok::<(), tern_vm::data::DataError>(())
//! ```
//!
//! [`shares`] has files of another kind, those of secret shares.
//!
//! **Invariant**: nothing in a file panics or makes us set memory aside that the file does not fill. Whatever is wrong
//! is a [`DataError`], which knows the input, the file, what was expected and what was found.

mod array;
mod cifar;
mod code;
mod csv;
mod encode;
mod error;
mod foreign;
mod idx;
mod message;
mod model;
mod normalised;
mod npy;
mod npz;
mod open;
mod prepare;
mod safetensors;
mod shape;
pub mod shares;
mod source;
mod spec;
mod standardise;
mod stream;
mod write;

pub use array::{Array, Dtype, Values};
pub use cifar::{cifar_tensor, files_of};
pub use code::{Code, explain};
pub use csv::{Doubt, Line};
pub use encode::Encoded;
pub use error::{DataError, Message, NoNumber, Problem};
pub use foreign::Foreign;
pub use model::{Mismatch, load_model, prepare_model};
pub use normalised::{is_part_of_weight, with_weights};
pub use npy::write_npy;
pub use npz::write_npz;
pub use open::{read, read_all, read_bytes};
pub use prepare::{Prepared, load, load_bytes, prepare};
pub use safetensors::write_safetensors;
pub use source::{Decimal, Reading, Rows, Separator, Source, SourceError};
pub use spec::{Element, InputSpec, Options, Ratio};
pub use write::{Access, write_atomically};
