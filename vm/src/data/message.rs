//! The wording of messages about data files.

use super::array::shape_text;
use super::csv::{Doubt, Line};
use super::error::{NoNumber, Precision, Problem};
use super::model::Mismatch;
use super::normalised::layer_of;
use super::source::{Decimal, Reading, Rows, Source};
use super::spec::{Element, InputSpec, Options};

impl Problem {
    /// One sentence that stands alone.
    pub(super) fn title(&self, what: &str) -> String {
        match self {
            Problem::Missing => format!("there is no file for {what}"),
            Problem::Unreadable(_) => format!("the file for {what} cannot be read"),
            Problem::UnknownFormat { .. } => format!("the file for {what} has no known format"),
            Problem::Foreign { .. } => format!("the file for {what} has a format that is not read"),
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
            Problem::NotANumber { line, kind: NoNumber::Missing, .. } => {
                format!("a value of {what} is missing, line {line}")
            }
            Problem::NotANumber { line, .. } => format!("a cell of {what} is not a number, line {line}"),
            Problem::Ragged { line, .. } => format!("the rows of {what} differ in length, line {line}"),
            Problem::NotFinite { index, value } => format!("{what}{} is {value}", shape_text(index)),
            Problem::TooLarge { .. } => format!("a value of {what} does not fit 64 bits with a sign"),
            Problem::Doubtful { doubt, .. } => format!("{} of {what} can mean two things", doubt.subject()),
            Problem::WrongShape { .. } => format!("the shape of {what} does not fit"),
            Problem::OtherOrder { .. } => format!("the axes of {what} are in another order"),
            Problem::Axes { axes, .. } => format!("{what} does not have {}", axes_of(*axes)),
            Problem::OtherRows { rows, declared, .. } => {
                let are = if *declared == 1 { "is" } else { "are" };
                format!("{what} has {} where {declared} {are} declared", plural(*rows, "row"))
            }
            Problem::NoRows { wanted, present, .. } => {
                format!("{what} has {}, not {wanted}", plural(*present, "row"))
            }
            Problem::NoLabels { hot: true, .. } => format!("{what} is one-hot already"),
            Problem::NoLabels { hot: false, .. } => format!("{what} has no labels"),
            Problem::OneRow => format!("a single row of {what} cannot be standardised"),
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
            Problem::Foreign { format } => format!("is {}", format.what),
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
            Problem::NotANumber { line, column, heading, cell, .. } => {
                let heading = heading.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                let cell = if cell.is_empty() { "nothing".to_string() } else { format!("{cell:?}") };
                format!("has {cell} in line {line}, column {column}{heading}")
            }
            Problem::Ragged { line, cells, expected } => {
                format!("has {} in line {line} and {expected} before", plural(*cells, "cell"))
            }
            Problem::NotFinite { index, value } => format!("has {value}{}", place(index)),
            Problem::TooLarge { element, value } => format!("has {value} as element {element}"),
            Problem::Doubtful { line, doubt } => doubt.fact(line),
            Problem::WrongShape { found, .. }
            | Problem::OtherOrder { found, .. }
            | Problem::Axes { found, .. }
            | Problem::WrongType { found }
            | Problem::OtherRows { found, .. }
            | Problem::NoRows { found, .. } => format!("holds {found}"),
            Problem::NoLabels { found, hot: true } => format!("holds {found}, a 0 or 1 for every class"),
            Problem::NoLabels { found, hot: false } => {
                format!("holds {found}, a number for every class, but no labels to make one-hot")
            }
            Problem::OneRow => "holds one row, from whose mean it does not deviate".into(),
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
            Problem::Option { reason, .. } => format!("does not go with it: {reason}"),
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
            Problem::UnknownFormat { .. } => one(FORMATS),
            Problem::Malformed { format: "csv", .. } => one(TEXTS),
            Problem::Foreign { format } => vec![format.way(&hints.source.path.display().to_string())],
            Problem::UnsupportedType { found } => vec![conversion(found)],
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
            Problem::NotAContainer { .. } | Problem::OneOfModel => {
                hints.argument(&Source { member: None, ..hints.source.clone() })
            }
            Problem::NotANumber { column, cell, kind, .. } => hints.no_number(*column, cell, *kind),
            Problem::Doubtful { doubt, .. } => hints.settle(*doubt),
            Problem::Ragged { .. } => one("every line has the same number of cells; blank lines are skipped"),
            Problem::NotFinite { .. } => one("replace it before the program sees it:  numpy.nan_to_num(x)"),
            Problem::TooLarge { .. } => one("scale it down in NumPy, or keep fewer of its bits"),
            Problem::WrongShape { shape, .. } => hints.declare_as(shape),
            Problem::OtherOrder { shape, axes, .. } => hints.transpose(shape, axes),
            Problem::Axes { .. } => one("transpose names every axis of the file once, the first one 0"),
            Problem::OtherRows { rows, declared, .. } => hints.other_rows(*rows, *declared),
            Problem::NoRows { present, .. } => hints.with_rows(Rows { start: 0, end: Some(*present) }),
            Problem::WrongType { .. } => one("convert it in NumPy:  x.round().astype(\"i8\")"),
            Problem::NotOneHot { .. } => hints.one_hot(true),
            Problem::NoLabels { .. } => hints.one_hot(false),
            Problem::OneRow => {
                one("use the mean and the deviation of the training data, in the program or before it")
            }
            Problem::BadLabel { classes, .. } => {
                vec![format!("labels are whole numbers from 0 to {}", classes.saturating_sub(1))]
            }
            Problem::OutOfRange { .. } => one("correct the file, or the range in the declaration"),
            Problem::Overflow { precision, .. } => hints.precision(precision),
            Problem::Option { option, .. } => vec![format!("leave `{option}` out")],
            Problem::Model { mismatches } => names(mismatches),
        }
    }
}

/// What to do about tensors that are missing or misshapen, and about those that something else is in place of.
fn names(mismatches: &[Mismatch]) -> Vec<String> {
    let other = |mismatch: &Mismatch| match mismatch {
        Mismatch::Parametrised { found, .. } => {
            let (layer, weight) = layer_of(found)?;
            Some(format!(
                "before it is saved, in Python:  torch.nn.utils.parametrize.remove_parametrizations(module.get_submodule({layer:?}), {weight:?})"
            ))
        }
        Mismatch::Missing { .. } | Mismatch::Misshapen { .. } => None,
        Mismatch::Normalised { .. } | Mismatch::Extra { .. } => None,
    };
    let others: Vec<String> = mismatches.iter().filter_map(other).collect();
    let plain = mismatches.iter().any(|m| matches!(m, Mismatch::Missing { .. } | Mismatch::Misshapen { .. }));
    let layouts = plain.then(|| LAYOUTS.to_string());
    layouts.into_iter().chain(others).collect()
}

const LAYOUTS: &str = "tensors have the names of the model's fields and PyTorch's layouts: a dense layer's weight is [outputs, inputs]";
const FORMATS: &str = "npy, npz, csv, idx and safetensors are known, also gzipped:  numpy.save(\"x.npy\", x)";
const TEXTS: &str = "a text holds rows of numbers, with or without headings above them:  0.5,1.5";

impl Doubt {
    /// What can mean two things.
    fn subject(self) -> &'static str {
        match self {
            Doubt::Counts { .. } | Doubt::Mixed | Doubt::Missing | Doubt::OneMore => "the first line",
            Doubt::Unnamed | Doubt::OneFewer { .. } => "the first column",
            Doubt::Comma | Doubt::PointAndComma => "a comma in the numbers",
        }
    }

    /// What is so about the file.
    fn fact(self, Line { number, text }: &Line) -> String {
        let why = match self {
            Doubt::Counts { index: false } => {
                "headings that count columns, as pandas writes them, or numbers"
            }
            Doubt::Counts { index: true } => {
                "headings above an index, as pandas writes them, or numbers of which the first is missing"
            }
            Doubt::Mixed => "headings of which some are numbers, or a row in which some are not",
            Doubt::Missing => "headings, or a row in which a value is missing",
            Doubt::OneMore => "headings that are numbers, or one row more than declared",
            Doubt::Unnamed => {
                "headings of which the first is missing, as above an index of pandas or R, or above a column without a name"
            }
            Doubt::OneFewer { commas: true } => {
                "one heading fewer than there are cells below: the first column is an index, or commas stand before fractions"
            }
            Doubt::OneFewer { commas: false } => {
                "one heading fewer than there are cells below: the first column is an index, or a heading is missing"
            }
            Doubt::Comma => "a number with a fraction, or thousands",
            Doubt::PointAndComma => {
                "a point, other numbers have a comma: one of them stands between thousands"
            }
        };
        format!("has {text:?} in line {number}, {why}")
    }
}

/// How elements of a type that is not read become numbers, in NumPy's words; the type is NumPy's or that of safetensors.
fn conversion(found: &str) -> String {
    let name = found.trim_start_matches(['<', '>', '|', '=']);
    let way = match name.as_bytes() {
        [b'c', ..] => "numbers are real here:  numpy.stack([x.real, x.imag], axis=-1)",
        [b'O', ..] => {
            "x = numpy.load(FILE, allow_pickle=True), if you trust who has written it:  x.astype(\"f8\")"
        }
        [b'M' | b'm', ..] => "as whole numbers of days, in NumPy:  x.astype(\"M8[D]\").astype(\"i8\")",
        [b'[', ..] => "one column per field, in NumPy:  numpy.lib.recfunctions.structured_to_unstructured(x)",
        [b'U' | b'S', ..] => "if the texts are numbers, in NumPy:  x.astype(\"f8\")",
        [b'V', ..] => {
            "view it as the type that it is, in the package that has written it, then:  x.astype(\"f4\")"
        }
        _ => "convert it, in NumPy or PyTorch:  x.astype(\"f4\"), x.float()",
    };
    way.to_string()
}

/// What helps are made from.
pub(super) struct Hints<'a> {
    /// The file, and how it was read.
    pub(super) source: &'a Source,
    /// The input it is for, unless that is a model.
    pub(super) input: Option<&'a InputSpec>,
    /// The model it is for.
    pub(super) model: Option<&'a str>,
}

impl Hints<'_> {
    fn missing(&self) -> Vec<String> {
        let name = self.name();
        let mut helps: Vec<String> = name.map(|name| format!("--input {name}=FILE")).into_iter().collect();
        if self.is_mnist() {
            helps.push("tern data mnist    prepares these files".into());
        }
        helps
    }

    fn name(&self) -> Option<&str> {
        self.input.map(|input| input.name.as_str()).or(self.model)
    }

    /// The argument that gives another source to the same input.
    fn argument(&self, source: &Source) -> Vec<String> {
        self.name().map(|name| source.argument(name)).into_iter().collect()
    }

    /// The same file read in another way.
    fn read(&self, change: impl FnOnce(&mut Reading)) -> String {
        self.source.with(change).argument(self.name().unwrap_or("NAME"))
    }

    fn with_rows(&self, rows: Rows) -> Vec<String> {
        vec![self.read(|reading| reading.rows = Some(rows))]
    }

    /// Both readings of what is doubtful.
    fn settle(&self, doubt: Doubt) -> Vec<String> {
        let header = |yes| self.read(|reading| reading.header = Some(yes));
        let index = |yes| self.read(|reading| reading.index = Some(yes));
        let decimal = || self.read(|reading| reading.decimal = Some(Decimal::Comma));
        match doubt {
            Doubt::Counts { index: true } => {
                let both = self.read(|reading| {
                    reading.header = Some(true);
                    reading.index = Some(true);
                });
                vec![format!("headings:  {both}"), format!("a row:  {}", header(false))]
            }
            Doubt::Counts { index: false } | Doubt::Mixed | Doubt::Missing | Doubt::OneMore => {
                vec![format!("headings:  {}", header(true)), format!("a row:  {}", header(false))]
            }
            Doubt::Unnamed => {
                vec![format!("leave it out:  {}", index(true)), format!("keep it:  {}", index(false))]
            }
            Doubt::OneFewer { commas: true } => {
                vec![format!("an index:  {}", index(true)), format!("fractions:  {}", decimal())]
            }
            Doubt::OneFewer { commas: false } => {
                vec![format!("an index:  {}", index(true)), "data: give every column its heading".into()]
            }
            Doubt::Comma => {
                vec![format!("fractions:  {}", decimal()), "thousands: write them without commas".into()]
            }
            Doubt::PointAndComma => {
                vec!["write numbers with a point before the fraction, and nothing else".into()]
            }
        }
    }

    /// What to do about a cell that is no number.
    fn no_number(&self, column: usize, cell: &str, kind: NoNumber) -> Vec<String> {
        let reading = &self.source.reading;
        if kind == NoNumber::Missing {
            return vec!["replace or leave out what is missing before the program sees it".into()];
        }
        if cell.starts_with('(') || (cell.ends_with('j') && cell.starts_with(|c: char| c.is_ascii_digit())) {
            return vec![
                "numbers are real here, not complex: write real and imaginary parts as columns".into(),
            ];
        }
        if reading.separator.is_none() && cell.contains(char::is_whitespace) {
            return vec![self.read(|reading| reading.separator = Some(super::Separator::Blanks))];
        }
        let mut helps = Vec::new();
        if column == 1 && reading.index.is_none() {
            helps.push(format!("if it names the row:  {}", self.read(|reading| reading.index = Some(true))));
        }
        helps.push(
            "only numbers are read: in pandas,  pandas.get_dummies(x, dtype=int)  makes them of words".into(),
        );
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
        let name = self.source.path.file_name().unwrap_or_default().to_string_lossy();
        ["train-images", "train-labels", "t10k-images", "t10k-labels"]
            .iter()
            .any(|part| name.starts_with(part))
    }

    fn choose(&self, member: &str) -> String {
        let source = Source { member: Some(member.to_string()), ..self.source.clone() };
        source.argument(self.input.map_or("NAME", |input| &input.name))
    }

    fn declare_as(&self, shape: &[usize]) -> Vec<String> {
        let Some(input) = self.input else { return Vec::new() };
        if let ([rows, columns], [_, declared]) = (shape, input.shape.as_slice()) {
            // A text cannot say which of its columns only count rows.
            let binary =
                |name: &str| [".npy", ".npz", ".safetensors", ".idx"].iter().any(|end| name.ends_with(end));
            let text = !binary(self.source.path.to_string_lossy().trim_end_matches(".gz"));
            let index = self.source.reading.index.is_none() && *columns == declared + 1;
            if text && index && !input.options.one_hot {
                let mut helps = vec![input.line(&self.declared(*rows, shape), &input.options)];
                helps.push(format!(
                    "if the first column only counts or names the rows:  {}",
                    self.read(|reading| reading.index = Some(true))
                ));
                return helps;
            }
        }
        if input.options.one_hot {
            return vec!["one_hot makes a row of every label: the file has one whole number per row".into()];
        }
        let rows = shape.first().copied().unwrap_or(1);
        vec![input.line(&self.declared(rows, shape), &input.options)]
    }

    /// The file's shape with the rows that are declared, if the program means the first ones.
    fn declared(&self, rows: usize, shape: &[usize]) -> Vec<usize> {
        let declared = self.input.filter(|input| input.options.first_rows);
        let declared = declared.and_then(|input| input.shape.first().copied()).unwrap_or(rows);
        let mut shape = shape.to_vec();
        if let Some(first) = shape.first_mut() {
            *first = declared.min(rows);
        }
        shape
    }

    fn transpose(&self, shape: &[usize], axes: &[usize]) -> Vec<String> {
        let arranged: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
        let transposed = self.read(|reading| reading.transpose = Some(axes.to_vec()));
        let mut helps = vec![format!("as {arranged:?}:  {transposed}")];
        if let Some(input) = self.input {
            let rows = shape.first().copied().unwrap_or(1);
            helps.push(format!("as it is:  {}", input.line(&self.declared(rows, shape), &input.options)));
        }
        helps
    }

    fn other_rows(&self, rows: usize, declared: usize) -> Vec<String> {
        let Some(input) = self.input else { return Vec::new() };
        let shape: Vec<usize> = std::iter::once(rows).chain(input.shape.iter().skip(1).copied()).collect();
        let mut helps = Vec::new();
        if rows > declared && self.source.reading.rows.is_none() {
            helps.extend(self.with_rows(Rows { start: 0, end: Some(declared) }));
        }
        helps.push(input.line(&shape, &input.options));
        helps
    }

    fn one_hot(&self, one_hot: bool) -> Vec<String> {
        let Some(input) = self.input else { return Vec::new() };
        let line = input.line(&input.shape, &Options { one_hot, ..input.options.clone() });
        vec![if one_hot { line } else { format!("without one_hot:  {line}") }]
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

fn axes_of(count: usize) -> String {
    if count == 1 { "1 axis".into() } else { format!("{count} axes") }
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
