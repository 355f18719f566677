//! A file's tensor against the declaration of an input. Everything that can be wrong with it is found here, before the
//! program runs.

use super::array::{Array, Number, Values, each_type, elements};
use super::error::{DataError, Problem};
use super::open;
use super::shape;
use super::source::Source;
use super::spec::{Element, InputSpec, Ratio};
use super::standardise::Columns;
use std::ops::Range;

/// An input whose values fit its declaration, ready to be encoded.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) origin: Origin,
    pub(super) content: Content,
}

/// Where values came from, for messages.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) spec: InputSpec,
    pub(super) file: Source,
    /// The input whose field this is, if it is one.
    model: Option<String>,
    /// The shape that the file has, which is what the user knows.
    shape: Vec<usize>,
}

/// The values that are used, and what becomes of them.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Each is multiplied by a factor.
    Scaled { values: Values, scale: Ratio },
    /// Each is a label below `classes`, and becomes so many numbers: one of them the factor, otherwise 0.
    OneHot { labels: Vec<usize>, classes: usize, scale: Ratio },
    /// Each is standardised in its column.
    Standardised { values: Values, columns: Columns },
}

/// Reads the file of an input and checks that it fits.
///
/// # Errors
/// Whatever is wrong with the file, or with its values for this input.
pub fn load(spec: &InputSpec, source: &Source) -> Result<Prepared, DataError> {
    let array = open::read_file(source, spec).map_err(|problem| problem.at(Some(spec), source))?;
    prepare(spec, array, source)
}

/// The same for a file whose bytes are in memory already; the source is for messages and names the tensor.
///
/// # Errors
/// As [`load`].
pub fn load_bytes(spec: &InputSpec, bytes: &[u8], source: &Source) -> Result<Prepared, DataError> {
    let array = open::read_slice(bytes, source, spec).map_err(|problem| problem.at(Some(spec), source))?;
    prepare(spec, array, source)
}

/// Checks that a tensor fits the declaration of an input. The source is for messages only.
///
/// The first axis counts rows, of which the file has exactly those that are declared unless the program says `first_rows`;
/// how the axes of a row are joined does not matter, in which order they come does.
///
/// # Errors
/// Everything from D003 to D006, and from D014 on.
pub fn prepare(spec: &InputSpec, array: Array, source: &Source) -> Result<Prepared, DataError> {
    prepare_part(spec, array, source, None)
}

/// The same for a field of a model.
pub(super) fn prepare_part(
    spec: &InputSpec,
    array: Array,
    source: &Source,
    model: Option<&str>,
) -> Result<Prepared, DataError> {
    let (shape, model) = (array.shape().to_vec(), model.map(str::to_string));
    let origin = Origin { spec: spec.clone(), file: source.clone(), model, shape };
    let content = check(spec, array).map_err(|problem| origin.blame(problem))?;
    let prepared = Prepared { origin, content };
    prepared.check_range()?;
    Ok(prepared)
}

impl Prepared {
    /// The declaration.
    pub fn spec(&self) -> &InputSpec {
        &self.origin.spec
    }

    /// How many values the program sees.
    pub fn len(&self) -> usize {
        self.content.len()
    }

    /// Whether the program sees none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the values of some elements in double precision, in the order of the declared tensor, each with its place in
    /// the range.
    ///
    /// # Panics
    /// If the range ends after [`Prepared::len`].
    pub fn fill_real(&self, range: Range<usize>, mut out: impl FnMut(usize, f64)) {
        match &self.content {
            Content::Scaled { values, scale } => {
                let (num, den) = (scale.num() as f64, scale.den() as f64);
                each_type!(values, v => {
                    v[range].iter().enumerate().for_each(|(i, x)| out(i, x.float() * num / den));
                });
            }
            Content::OneHot { labels, classes, scale } => {
                let one = scale.num() as f64 / scale.den() as f64;
                fill_one_hot(labels, *classes, range, |i, hot| out(i, if hot { one } else { 0.0 }));
            }
            Content::Standardised { values, columns } => {
                each_type!(values, v => fill_standardised(v, columns, range, out));
            }
        }
    }

    fn check_range(&self) -> Result<(), DataError> {
        let Some((low, high)) = self.origin.spec.options.range else { return Ok(()) };
        let mut first = None;
        self.fill_real(0..self.len(), |i, value| {
            if first.is_none() && !(low..=high).contains(&value) {
                first = Some((i, value));
            }
        });
        let Some((i, becomes)) = first else { return Ok(()) };
        let (index, value) = self.found(i);
        let becomes = becomes.to_string();
        let becomes = (becomes != value).then_some(becomes);
        let (low, high) = (low.to_string(), high.to_string());
        Err(self.origin.blame(Problem::OutOfRange { index, value, becomes, low, high }))
    }

    /// The place in the file and the text of what an element was made from.
    pub(super) fn found(&self, element: usize) -> (Vec<usize>, String) {
        match &self.content {
            Content::Scaled { values, .. } | Content::Standardised { values, .. } => {
                (unravel(element, &self.origin.shape), values.text(element))
            }
            Content::OneHot { labels, classes, .. } => {
                let label = element / classes;
                (unravel(label, &self.origin.shape), labels[label].to_string())
            }
        }
    }
}

impl Origin {
    pub(super) fn blame(&self, problem: Problem) -> DataError {
        DataError { model: self.model.clone(), ..problem.at(Some(&self.spec), &self.file) }
    }
}

impl Content {
    pub(super) fn len(&self) -> usize {
        match self {
            Content::Scaled { values, .. } | Content::Standardised { values, .. } => values.len(),
            Content::OneHot { labels, classes, .. } => labels.len() * classes,
        }
    }
}

/// Says of some elements of one-hot rows whether they are the 1.
pub(super) fn fill_one_hot(
    labels: &[usize],
    classes: usize,
    range: Range<usize>,
    mut out: impl FnMut(usize, bool),
) {
    assert!(range.end <= labels.len() * classes, "the range is within the input");
    let Some(mut row) = range.start.checked_div(classes) else { return };
    let mut class = range.start - row * classes;
    for i in 0..range.len() {
        out(i, labels[row] == class);
        class += 1;
        if class == classes {
            (row, class) = (row + 1, 0);
        }
    }
}

/// Gives some elements of a standardised matrix.
pub(super) fn fill_standardised<T: Number>(
    values: &[T],
    columns: &Columns,
    range: Range<usize>,
    mut out: impl FnMut(usize, f64),
) {
    let mut column = range.start.checked_rem(columns.len()).unwrap_or(0);
    for (i, x) in values[range].iter().enumerate() {
        out(i, columns.value(column, x.float()));
        column += 1;
        if column == columns.len() {
            column = 0;
        }
    }
}

fn check(spec: &InputSpec, array: Array) -> Result<Content, Problem> {
    check_options(spec)?;
    check_type(spec, &array)?;
    let used = shape::check(spec, &array)?;
    let shape = array.shape().to_vec();
    let mut values = array.into_values();
    values.truncate(used);
    let scale = spec.options.scale.unwrap_or(Ratio::ONE);
    check_finite(&values, &shape)?;
    if spec.options.one_hot {
        let classes = spec.shape.last().copied().unwrap_or(0);
        let labels = each_type!(&values, v => labels(v, classes, &shape))?;
        return Ok(Content::OneHot { labels, classes, scale });
    }
    if spec.element == Element::Bool {
        check_truth(&values, &shape)?;
    }
    if spec.options.standardise {
        let columns = row_length(&spec.shape).unwrap_or(0);
        let negative = scale.num() < 0;
        // A factor of 0 leaves nothing to standardise: every column is constant.
        if scale.num() != 0 {
            if spec.shape.first() == Some(&1) {
                return Err(Problem::OneRow);
            }
            let columns = each_type!(&values, v => Columns::of(v, columns, negative));
            return Ok(Content::Standardised { values, columns });
        }
    }
    Ok(Content::Scaled { values, scale })
}

fn check_options(spec: &InputSpec) -> Result<(), Problem> {
    let options = &spec.options;
    let unless =
        |fine: bool, option, reason| if fine { Ok(()) } else { Err(Problem::Option { option, reason }) };
    let fix = spec.element == Element::Fix;
    unless(fix || options.scale.is_none(), "scale", "only fix has fractions")?;
    unless(fix || !options.standardise, "standardise", "only fix has fractions")?;
    unless(!options.one_hot || !options.standardise, "standardise", "one-hot rows stay as they are")?;
    unless(!options.one_hot || spec.shape.len() >= 2, "one_hot", "the input has no axis of classes")
}

fn check_type(spec: &InputSpec, array: &Array) -> Result<(), Problem> {
    let fits = match spec.element {
        _ if spec.options.one_hot => true,
        // Truth values are the numbers 0 and 1.
        Element::Fix => true,
        Element::Int | Element::Bool => !array.dtype().is_float(),
    };
    if fits { Ok(()) } else { Err(Problem::WrongType { found: array.to_string() }) }
}

/// Elements of a row; `None` if the shape is larger than memory.
fn row_length(shape: &[usize]) -> Option<usize> {
    elements(shape)?;
    elements(shape.get(1..).unwrap_or_default())
}

fn labels<T: Number>(values: &[T], classes: usize, shape: &[usize]) -> Result<Vec<usize>, Problem> {
    let convert = |(i, &x): (usize, &T)| {
        let bad = || Problem::BadLabel { index: unravel(i, shape), value: x.float().to_string(), classes };
        shape::label(x, classes).ok_or_else(bad)
    };
    values.iter().enumerate().map(convert).collect()
}

fn check_finite(values: &Values, shape: &[usize]) -> Result<(), Problem> {
    let first = match values {
        Values::U8(_) | Values::I32(_) | Values::I64(_) => None,
        Values::F32(values) => values.iter().position(|x| !x.is_finite()),
        Values::F64(values) => values.iter().position(|x| !x.is_finite()),
    };
    match first {
        Some(i) => Err(Problem::NotFinite { index: unravel(i, shape), value: values.float(i) }),
        None => Ok(()),
    }
}

fn check_truth(values: &Values, shape: &[usize]) -> Result<(), Problem> {
    let first = each_type!(values, v => v.iter().position(|x| !matches!(x.whole(), Some(0 | 1))));
    let Some(i) = first else { return Ok(()) };
    let (low, high) = ("0".to_string(), "1".to_string());
    Err(Problem::OutOfRange { index: unravel(i, shape), value: values.text(i), becomes: None, low, high })
}

/// The index of an element in a tensor of this shape.
fn unravel(mut element: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &size) in index.iter_mut().zip(shape).rev() {
        *place = element % size.max(1);
        element /= size.max(1);
    }
    index
}
