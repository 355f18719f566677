//! The wording of messages about data files.

use super::array::shape_text;
use super::error::{Precision, Problem};
use super::model::Mismatch;
use super::spec::{Element, InputSpec, Options};
use std::path::Path;

impl Problem {
    /// One sentence that stands alone.
    pub(super) fn title(&self, what: &str) -> String {
        match self {
            Problem::Missing => format!("there is no file for {what}"),
            Problem::Unreadable(_) => format!("the file for {what} cannot be read"),
            Problem::UnknownFormat { .. } => format!("the file for {what} has no known format"),
            Problem::UnsupportedType { .. } => {
                format!("the file for {what} does not hold numbers that can be used")
            }
            Problem::Malformed { format, .. } => format!("the file for {what} is no proper {format} file"),
            Problem::Corrupt { format, .. } => format!("the {format} data for {what} are damaged"),
            Problem::Short { .. } => format!("the file for {what} is short"),
            Problem::TooLong { .. } => format!("the file for {what} is longer than it says"),
            Problem::Absurd { .. } => format!("the file for {what} claims an impossible size"),
            Problem::NoMember { wanted: Some(name), .. } => format!("no tensor {name} for {what}"),
            Problem::NoMember { wanted: None, .. } => format!("it is not clear which tensor {what} is"),
            Problem::NotAContainer { .. } => format!("the file for {what} holds a single tensor"),
            Problem::NotANumber { line, .. } => format!("a cell of {what} is not a number, line {line}"),
            Problem::Ragged { line, .. } => format!("the rows of {what} differ in length, line {line}"),
            Problem::NotFinite { index, value } => format!("{what}{} is {value}", shape_text(index)),
            Problem::TooLarge { .. } => format!("a value of {what} does not fit 64 bits with a sign"),
            Problem::WrongShape { .. } => format!("the shape of {what} does not fit"),
            Problem::FewerRows { rows, declared, .. } => {
                format!("{what} has {} where {declared} are declared", plural(*rows, "row"))
            }
            Problem::WrongType { .. } => format!("the type of {what} does not fit"),
            Problem::NotOneHot { .. } => format!("{what} is not one-hot yet"),
            Problem::BadLabel { index, value, classes } => {
                format!(
                    "{what}{} is {value}, which is no label of {}",
                    shape_text(index),
                    plural_es(*classes, "class")
                )
            }
            Problem::OutOfRange { index, value, .. } => {
                format!("{what}{} is {value}, outside its range", shape_text(index))
            }
            Problem::Overflow { index, value, .. } => {
                format!("{what}{} is {value}, too large for the precision", shape_text(index))
            }
            Problem::Option { option, .. } => format!("{option} means nothing for {what}"),
            Problem::Model { .. } => format!("the tensors of {what} do not fit"),
            Problem::OneOfModel => format!("{what} is a model, not a single tensor"),
        }
    }

    /// What is so about the file; its name comes before each of these, of which there is at least one.
    pub(super) fn facts(&self) -> Vec<String> {
        if let Problem::Model { mismatches, .. } = self {
            return mismatches.iter().map(Mismatch::to_string).collect();
        }
        vec![self.fact()]
    }

    fn fact(&self) -> String {
        match self {
            Problem::Missing => "does not exist".into(),
            Problem::Unreadable(error) => format!("cannot be read: {error}"),
            Problem::UnknownFormat { start } if start.is_empty() => "is empty".into(),
            Problem::UnknownFormat { start } => format!("begins with {}", hex(start)),
            Problem::UnsupportedType { found } => format!("holds elements of type {found}"),
            Problem::Malformed { format, reason } => format!("begins like {format}, but {reason}"),
            Problem::Corrupt { format, reason } => {
                format!("is compressed ({format}) and does not unpack: {reason}")
            }
            Problem::Short { format, promised, found } => {
                format!("holds {found} of the {promised} bytes of data that its {format} header promises")
            }
            Problem::TooLong { format, promised } => {
                format!("holds more than the {promised} bytes of data that its {format} header promises")
            }
            Problem::Absurd { shape } => format!("has a header for a tensor {shape:?}"),
            Problem::NoMember { present, .. } => match present.as_slice() {
                [] => "holds no tensors".into(),
                names => format!("holds {}", names.join(", ")),
            },
            Problem::NotAContainer { member } => format!("has no members, so no {member}"),
            Problem::NotANumber { line, column, heading, cell } => {
                let heading = heading.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                format!("has {cell:?} in line {line}, column {column}{heading}")
            }
            Problem::Ragged { line, cells, expected } => {
                format!("has {} in line {line} and {expected} in the first", plural(*cells, "cell"))
            }
            Problem::NotFinite { index, value } => format!("has {value}{}", place(index)),
            Problem::TooLarge { element, value } => format!("has {value} as element {element}"),
            Problem::WrongShape { found, .. }
            | Problem::WrongType { found, .. }
            | Problem::FewerRows { found, .. } => format!("holds {found}"),
            Problem::NotOneHot { found, distinct } => {
                format!("holds {found} with {}", plural(*distinct, "different whole number"))
            }
            Problem::BadLabel { index, value, .. } | Problem::Overflow { index, value, .. } => {
                format!("has {value}{}", place(index))
            }
            Problem::OutOfRange { index, value, becomes, low, high } => {
                let becomes = becomes.as_ref().map(|v| format!(", which becomes {v}")).unwrap_or_default();
                format!("has {value}{}{becomes}, not within {low}..{high}", place(index))
            }
            Problem::Option { reason, .. } => format!("is not used: {reason}"),
            Problem::Model { mismatches, .. } => plural(mismatches.len(), "difference"),
            Problem::OneOfModel => "names one tensor of the file".into(),
        }
    }

    /// Ways out.
    pub(super) fn helps(&self, hints: &Hints) -> Vec<String> {
        let one = |text: &str| vec![text.to_string()];
        match self {
            Problem::Missing => hints.missing(),
            Problem::Unreadable(_) => Vec::new(),
            Problem::UnknownFormat { .. } | Problem::Malformed { format: "csv", .. } => one(FORMATS),
            Problem::UnsupportedType { .. } => one("convert it in NumPy:  x.astype(\"f4\")"),
            Problem::Malformed { .. }
            | Problem::Absurd { .. }
            | Problem::Corrupt { .. }
            | Problem::Short { .. }
            | Problem::TooLong { .. } => hints.fetch_again(),
            Problem::NoMember { present, .. } => {
                present.iter().take(1).map(|name| hints.choose(name)).collect()
            }
            Problem::NotAContainer { .. } if hints.model.is_some() => {
                one("a model is an npz or safetensors file with a tensor for every field")
            }
            Problem::NotAContainer { .. } => hints.input_argument(&hints.path.display().to_string()),
            Problem::NotANumber { cell, .. } => match cell.replacen(',', ".", 1) {
                number if number != *cell && number.parse::<f64>().is_ok() => {
                    vec![format!("a point and not a comma comes before the fraction:  {number}")]
                }
                _ => one("replace or leave out what is missing before the program sees it"),
            },
            Problem::Ragged { .. } => one("every line has the same number of cells; empty lines are skipped"),
            Problem::NotFinite { .. } => one("replace it before the program sees it:  numpy.nan_to_num(x)"),
            Problem::TooLarge { .. } => one("scale it down in NumPy, or keep fewer of its bits"),
            Problem::WrongShape { shape, .. } => hints.declare_as(shape),
            Problem::FewerRows { rows, .. } => hints.declare_rows(*rows),
            Problem::WrongType { float: true, .. } => one("convert it in NumPy:  x.round().astype(\"i8\")"),
            Problem::WrongType { float: false, .. } => one("convert it in NumPy:  x.astype(\"u1\")"),
            Problem::NotOneHot { .. } => hints.add_one_hot(),
            Problem::BadLabel { classes, .. } => {
                vec![format!("labels are whole numbers from 0 to {}", classes.saturating_sub(1))]
            }
            Problem::OutOfRange { .. } => one("correct the file, or the range in the declaration"),
            Problem::Overflow { precision, .. } => hints.precision(precision),
            Problem::Option { option, .. } => vec![format!("leave `{option}` out")],
            Problem::Model { .. } => one(
                "tensors have the names of the model's fields and PyTorch's layouts: a dense layer's weight is [outputs, inputs]",
            ),
            Problem::OneOfModel => hints.input_argument(&hints.path.display().to_string()),
        }
    }
}

const FORMATS: &str = "npy, npz, csv, idx and safetensors are known, also gzipped:  numpy.save(\"x.npy\", x)";

/// What helps are made from.
pub(super) struct Hints<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// The input it is for, unless that is a model.
    pub(super) input: Option<&'a InputSpec>,
    /// The model it is for.
    pub(super) model: Option<&'a str>,
}

impl Hints<'_> {
    fn missing(&self) -> Vec<String> {
        let mut helps = self.input_argument("FILE");
        if self.is_mnist() {
            helps.push("tern data mnist    prepares these files".into());
        }
        helps
    }

    fn fetch_again(&self) -> Vec<String> {
        let again = if self.is_mnist() {
            "tern data mnist    prepares these files"
        } else {
            "copy or download it again"
        };
        vec![again.into()]
    }

    fn is_mnist(&self) -> bool {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        ["train-images", "train-labels", "t10k-images", "t10k-labels"]
            .iter()
            .any(|part| name.starts_with(part))
    }

    fn input_argument(&self, file: &str) -> Vec<String> {
        let name = self.input.map(|input| input.name.as_str()).or(self.model);
        name.map(|name| format!("--input {name}={file}")).into_iter().collect()
    }

    fn choose(&self, member: &str) -> String {
        let name = self.input.map_or("NAME", |input| &input.name);
        format!("--input {name}={}:{member}", self.path.display())
    }

    fn declare_as(&self, shape: &[usize]) -> Vec<String> {
        let Some(input) = self.input else { return Vec::new() };
        if shape.len() == 2 && shape.iter().rev().eq(&input.shape) {
            return vec!["rows come first; transpose it in NumPy:  numpy.save(\"x.npy\", x.T)".into()];
        }
        if input.options.one_hot {
            let options = Options { one_hot: false, ..input.options.clone() };
            let already = shape.get(1..) == input.shape.get(1..);
            let help = || format!("it is one-hot already:  {}", input.line(&input.shape, &options));
            return already.then(help).into_iter().collect();
        }
        // Of a longer file the program may well want the rows that it declares.
        let mut shape = shape.to_vec();
        if let (Some(rows), Some(&declared)) = (shape.first_mut(), input.shape.first()) {
            *rows = declared.min(*rows);
        }
        vec![input.line(&shape, &input.options)]
    }

    fn declare_rows(&self, rows: usize) -> Vec<String> {
        let Some(input) = self.input else { return Vec::new() };
        let shape: Vec<usize> = std::iter::once(rows).chain(input.shape.iter().skip(1).copied()).collect();
        vec![input.line(&shape, &input.options)]
    }

    fn add_one_hot(&self) -> Vec<String> {
        let Some(input) = self.input else { return Vec::new() };
        vec![input.line(&input.shape, &Options { one_hot: true, ..input.options.clone() })]
    }

    fn precision(&self, precision: &Precision) -> Vec<String> {
        let Precision { frac, bits, needed } = *precision;
        let whole = self.input.is_some_and(|input| input.element != Element::Fix);
        let (name, point) = if whole { ("int", 0) } else { ("fix", frac) };
        let magnitude = bits.saturating_sub(point + 1);
        let holds = format!("{name} holds what is below 2^{magnitude} in absolute value here");
        let mut helps = vec![if needed < u128::BITS {
            format!("{holds}; compile with more bits in all:  --fixed {frac},{needed}")
        } else {
            format!("{holds}, and at most 2^{} with any precision: scale it down", 126 - point.min(126))
        }];
        if let Some(input) = self.input.filter(|input| !whole && !input.options.standardise) {
            let options = Options { standardise: true, scale: None, ..input.options.clone() };
            helps.push(input.line(&input.shape, &options));
        }
        helps
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn plural_es(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "es" })
}

/// ` at [17, 3]`; nothing for the only element of a tensor without axes.
fn place(index: &[usize]) -> String {
    if index.is_empty() { String::new() } else { format!(" at {index:?}") }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
