//! The wording of messages about data files.

use super::error::Problem;
use super::spec::{InputSpec, Options};
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
            Problem::NoMember { wanted: None, .. } => format!("which tensor is {what}?"),
            Problem::NotAContainer { .. } => format!("the file for {what} holds a single tensor"),
            Problem::NotANumber { line, .. } => format!("a cell of {what} is not a number, line {line}"),
            Problem::Ragged { line, .. } => format!("the rows of {what} differ in length, line {line}"),
            Problem::NotFinite { index, value } => format!("{what}{index:?} is {}", float_name(*value)),
            Problem::TooLarge { .. } => format!("a value of {what} does not fit 64 bits with a sign"),
            Problem::WrongShape { .. } => format!("the shape of {what} does not fit"),
            Problem::FewerRows { found, declared } => {
                format!("{what} has {} where {declared} are declared", plural(*found, "row"))
            }
            Problem::WrongType { .. } => format!("the type of {what} does not fit"),
            Problem::NotOneHot { .. } => format!("{what} is not one-hot yet"),
            Problem::BadLabel { index, value, classes } => {
                format!("{what}{index:?} is {value}, which is no label of {}", plural_es(*classes, "class"))
            }
            Problem::OutOfRange { index, value, .. } => {
                format!("{what}{index:?} is {value}, outside its range")
            }
            Problem::Overflow { index, value, .. } => {
                format!("{what}{index:?} is {value}, too large for the precision")
            }
            Problem::Option { option, .. } => format!("{option} means nothing for {what}"),
        }
    }

    /// What is so about the file; its name comes before this.
    pub(super) fn fact(&self) -> String {
        match self {
            Problem::Missing => "does not exist".into(),
            Problem::Unreadable(error) => format!("cannot be read: {error}"),
            Problem::UnknownFormat { start } if start.is_empty() => "is empty".into(),
            Problem::UnknownFormat { start } => format!("begins with {}", hex(start)),
            Problem::UnsupportedType { found } => format!("holds elements of type {found}"),
            Problem::Malformed { format, reason } => format!("begins like {format}, but {reason}"),
            Problem::Corrupt { format, reason } => format!("is compressed ({format}), but {reason}"),
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
            Problem::NotFinite { index, value } => format!("has {} at {index:?}", float_name(*value)),
            Problem::TooLarge { element, value } => format!("has {value} as element {element}"),
            Problem::WrongShape { found, .. } | Problem::WrongType { found, .. } => format!("holds {found}"),
            Problem::FewerRows { found, .. } => format!("holds {}", plural(*found, "row")),
            Problem::NotOneHot { found, distinct } => {
                format!("holds {found} with {}", plural(*distinct, "different whole number"))
            }
            Problem::BadLabel { index, value, .. } | Problem::Overflow { index, value, .. } => {
                format!("has {value} at {index:?}")
            }
            Problem::OutOfRange { index, value, becomes, low, high } => {
                let becomes = becomes.as_ref().map(|v| format!(", which becomes {v}")).unwrap_or_default();
                format!("has {value} at {index:?}{becomes}, not within {low}..{high}")
            }
            Problem::Option { reason, .. } => format!("was not read: {reason}"),
        }
    }

    /// Ways out.
    pub(super) fn helps(&self, hints: &Hints) -> Vec<String> {
        match self {
            Problem::Missing => hints.missing(),
            Problem::Unreadable(_) => Vec::new(),
            Problem::UnknownFormat { .. } => {
                vec![
                    "npy, npz, csv, idx and safetensors are known, also gzipped:  numpy.save(\"x.npy\", x)"
                        .into(),
                ]
            }
            Problem::UnsupportedType { .. } => vec!["convert it in NumPy:  x.astype(\"f4\")".into()],
            Problem::Malformed { .. }
            | Problem::Corrupt { .. }
            | Problem::Short { .. }
            | Problem::TooLong { .. } => hints.fetch_again(),
            Problem::Absurd { .. } => hints.fetch_again(),
            Problem::NoMember { present, .. } => {
                present.first().map(|n| hints.choose(n)).into_iter().collect()
            }
            Problem::NotAContainer { .. } => hints.input_argument(&hints.path.display().to_string()),
            Problem::NotANumber { .. } => {
                vec!["replace or leave out what is missing before the program sees it".into()]
            }
            Problem::Ragged { .. } => {
                vec!["every line has the same number of cells; empty lines are skipped".into()]
            }
            Problem::NotFinite { .. } => {
                vec!["replace it before the program sees it:  numpy.nan_to_num(x)".into()]
            }
            Problem::TooLarge { .. } => vec!["scale it down in NumPy, or keep fewer of its bits".into()],
            Problem::WrongShape { shape, .. } => hints.declare_as(shape),
            Problem::FewerRows { found, .. } => hints.declare_rows(*found),
            Problem::WrongType { float, .. } => hints.other_type(*float),
            Problem::NotOneHot { .. } => hints.add_one_hot(),
            Problem::BadLabel { classes, .. } => {
                vec![format!("labels are whole numbers from 0 to {}", classes.saturating_sub(1))]
            }
            Problem::OutOfRange { .. } => vec!["correct the file, or the range in the declaration".into()],
            Problem::Overflow { frac, bits, .. } => hints.precision(*frac, *bits),
            Problem::Option { option, .. } => vec![format!("leave `{option}` out")],
        }
    }
}

/// What helps are made from.
pub(super) struct Hints<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// The input it is for.
    pub(super) input: Option<&'a InputSpec>,
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
        self.input.map(|input| format!("--input {}={file}", input.name)).into_iter().collect()
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
        if input.options.one_hot && shape == input.shape {
            let options = Options { one_hot: false, ..input.options.clone() };
            return vec![format!("it is one-hot already:  {}", input.line(shape, &options))];
        }
        vec![input.line(shape, &input.options)]
    }

    fn declare_rows(&self, rows: usize) -> Vec<String> {
        let Some(input) = self.input else { return Vec::new() };
        let shape: Vec<usize> = std::iter::once(rows).chain(input.shape.iter().skip(1).copied()).collect();
        vec![input.line(&shape, &input.options)]
    }

    fn other_type(&self, float: bool) -> Vec<String> {
        let rounded = "convert it in NumPy:  x.round().astype(\"i8\")";
        let plain = "convert it in NumPy:  x.astype(\"u1\")";
        vec![if float { rounded } else { plain }.into()]
    }

    fn add_one_hot(&self) -> Vec<String> {
        let Some(input) = self.input else { return Vec::new() };
        vec![input.line(&input.shape, &Options { one_hot: true, ..input.options.clone() })]
    }

    fn precision(&self, frac: u32, bits: u32) -> Vec<String> {
        let whole = bits.saturating_sub(frac + 1);
        let mut helps = vec![format!(
            "fix has {whole} bits before the point here; compile with more:  --fixed {}",
            2 * frac
        )];
        if let Some(input) = self.input.filter(|input| !input.options.standardise) {
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

fn float_name(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "not a number (NaN)",
        (false, true) => "infinite",
        (false, false) => "minus infinity",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
