//! The shape of a file against the declared one.
//!
//! The first axis counts rows. Of a row, neighbouring axes may be one axis on the other side, and axes of size 1 come and
//! go: [60000, 28, 28] serves fix[60000, 784] as well as fix[60000, 1, 28, 28], since the numbers stand in the same order
//! in all of them. Two shapes that have the same numbers in another order (an image's channels last, and not first) are
//! an error: nobody but the user knows what the axes mean.

use super::array::{Array, Number, Values, each_type, elements};
use super::error::Problem;
use super::spec::InputSpec;
use std::collections::BTreeSet;

/// How many of the file's values are used.
pub(super) fn check(spec: &InputSpec, array: &Array) -> Result<usize, Problem> {
    let (found, declared) = (array.shape(), of_values(spec));
    // An input larger than memory is larger than the file.
    let Some(count) = elements(declared) else { return Err(wrong(array)) };
    let single = declared.is_empty() && elements(found) != Some(1);
    if single || !same_row(found, declared) {
        // A vector may lie down in its file, as MATLAB and R keep it.
        return if !single && sizes(found).eq(sizes(declared)) {
            Ok(count)
        } else {
            Err(mismatch(spec, array))
        };
    }
    let (found, declared) = (rows(found), rows(declared));
    if found == declared || (found > declared && spec.options.first_rows) {
        return Ok(count);
    }
    Err(Problem::OtherRows { found: array.to_string(), rows: found, declared })
}

/// The shape that the file should have: labels have no axis of classes.
fn of_values(spec: &InputSpec) -> &[usize] {
    match spec.shape.split_last() {
        Some((_, labels)) if spec.options.one_hot => labels,
        _ => &spec.shape,
    }
}

fn rows(shape: &[usize]) -> usize {
    shape.first().copied().unwrap_or(1)
}

/// Sizes other than 1.
fn sizes(shape: &[usize]) -> impl Iterator<Item = usize> {
    shape.iter().copied().filter(|&size| size != 1)
}

/// Whether rows have the same numbers in the same order.
fn same_row(found: &[usize], declared: &[usize]) -> bool {
    let (Some(found), Some(declared)) = (Row::of(found), Row::of(declared)) else { return false };
    found.length == declared.length
        && (found.ends.is_subset(&declared.ends) || declared.ends.is_subset(&found.ends))
}

/// How a row is divided.
struct Row {
    length: usize,
    /// How many numbers are in one part, for every axis at which parts begin.
    ends: BTreeSet<usize>,
}

impl Row {
    /// `None` if it does not fit memory.
    fn of(shape: &[usize]) -> Option<Row> {
        let mut row = Row { length: 1, ends: BTreeSet::from([1]) };
        for size in shape.get(1..).unwrap_or_default().iter().rev() {
            row.length = row.length.checked_mul(*size)?;
            row.ends.insert(row.length);
        }
        Some(row)
    }
}

/// What is wrong with a file whose rows are other rows.
fn mismatch(spec: &InputSpec, array: &Array) -> Problem {
    let found = array.shape();
    let classes = spec.shape.last().copied().filter(|_| spec.shape.len() >= 2).unwrap_or(1);
    if spec.options.one_hot {
        if same_row(found, &spec.shape) {
            let hot = classes > 0 && each_type!(array.values(), v => v.chunks(classes).all(is_one_hot));
            return Problem::NoLabels { found: array.to_string(), hot };
        }
        return wrong(array);
    }
    let labels = spec.shape.split_last().map_or(&[][..], |(_, labels)| labels);
    if classes > 1 && same_row(found, labels) {
        let used = elements(found).unwrap_or(0).min(elements(labels).unwrap_or(0));
        if let Some(distinct) = each_type!(array.values(), v => distinct_labels(&v[..used], classes)) {
            return Problem::NotOneHot { found: array.to_string(), distinct };
        }
    }
    match axes(found, &spec.shape) {
        Some(axes) => Problem::OtherOrder { found: array.to_string(), shape: found.to_vec(), axes },
        None => wrong(array),
    }
}

fn wrong(array: &Array) -> Problem {
    Problem::WrongShape { found: array.to_string(), shape: array.shape().to_vec() }
}

fn is_one_hot<T: Number>(row: &[T]) -> bool {
    let truth = row.iter().all(|x| matches!(x.whole(), Some(0 | 1)));
    truth && row.iter().filter(|x| x.whole() == Some(1)).count() == 1
}

/// How many different labels there are, if all values are labels.
fn distinct_labels<T: Number>(values: &[T], classes: usize) -> Option<usize> {
    let labels: Option<BTreeSet<usize>> = values.iter().map(|&x| label(x, classes)).collect();
    labels.map(|labels| labels.len())
}

/// A value as a label of so many classes, if it is one.
pub(super) fn label<T: Number>(x: T, classes: usize) -> Option<usize> {
    usize::try_from(x.whole()?).ok().filter(|&label| label < classes)
}

/// The order of the file's axes that gives the declared sizes, if they are the same sizes; of equal ones, the first comes
/// first. Where only the number of rows differs, the first axis stays.
fn axes(found: &[usize], declared: &[usize]) -> Option<Vec<usize>> {
    let mut left: Vec<usize> = (0..found.len()).collect();
    let mut axes = Vec::new();
    let keep_rows = |(place, size): (usize, &usize)| match found.first() {
        Some(&rows) if place == 0 && !found[1..].contains(size) => rows,
        _ => *size,
    };
    for size in declared.iter().enumerate().map(keep_rows).filter(|&size| size != 1) {
        let place = left.iter().position(|&axis| found[axis] == size)?;
        axes.push(left.remove(place));
    }
    // What is left are axes of size 1, which come last, or the shapes differ.
    let same = left.iter().all(|&axis| found[axis] == 1);
    axes.extend(left);
    (same && !axes.is_sorted() && axes.len() <= 10).then_some(axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_where_axes_are_only_joined() {
        for (found, declared) in [
            (&[5, 28, 28][..], &[9, 784][..]),
            (&[5, 784], &[9, 1, 28, 28]),
            (&[5, 28, 28, 1], &[5, 1, 28, 28]),
            (&[5, 3, 1024], &[5, 3, 32, 32]),
            (&[5], &[5, 1]),
            (&[], &[1]),
            (&[5, 0, 3], &[5, 0]),
        ] {
            assert!(same_row(found, declared) && same_row(declared, found), "{found:?}, {declared:?}");
        }
        for (found, declared) in [
            (&[5, 32, 32, 3][..], &[5, 3, 32, 32][..]),
            (&[5, 3, 4], &[5, 2, 6]),
            (&[5, 3, 4], &[5, 2, 2, 3]),
            (&[5, 7], &[5, 8]),
            (&[5, usize::MAX, 2], &[5, 2]),
        ] {
            assert!(!same_row(found, declared) && !same_row(declared, found), "{found:?}, {declared:?}");
        }
    }

    #[test]
    fn the_order_of_axes_that_is_wanted() {
        assert_eq!(axes(&[9, 32, 32, 3], &[9, 3, 32, 32]), Some(vec![0, 3, 1, 2]));
        assert_eq!(axes(&[9, 32, 32, 3], &[5, 3, 32, 32]), Some(vec![0, 3, 1, 2]));
        assert_eq!(axes(&[2, 2, 2, 3], &[2, 3, 2, 2]), Some(vec![0, 3, 1, 2]));
        assert_eq!(axes(&[2, 4], &[4, 2]), Some(vec![1, 0]));
        assert_eq!(axes(&[28, 28, 9], &[9, 1, 28, 28]), Some(vec![2, 0, 1]));
        assert_eq!(axes(&[28, 28, 1, 9], &[9, 1, 28, 28]), Some(vec![3, 0, 1, 2]));
        assert_eq!(axes(&[9, 3], &[9, 4]), None);
        assert_eq!(axes(&[9, 3], &[9, 3]), None);
    }
}
