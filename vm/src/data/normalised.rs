//! Layers under weight normalisation in a file: in place of a weight there are its lengths and its directions, as PyTorch's `weight_norm` keeps them.

use super::array::Array;
use super::error::{DataError, Problem};
use super::model::Mismatch;
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// Between a layer and what one of its weights is computed from, in PyTorch from 2.0 on.
const PARAMETRISED: &str = "parametrizations.";

/// What a tensor is to the weight that a layer computes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// One number for each position of an axis of the weight, or one for all.
    Lengths,
    /// A tensor of the weight's shape.
    Directions,
    /// Something whose use only the layer knows.
    Other,
}

/// The weight that a layer computes from the tensor of this name, if it may be such.
fn part_of(key: &str) -> Option<(String, Part)> {
    let begins = |at: &usize| *at == 0 || key.as_bytes().get(at - 1) == Some(&b'.');
    if let Some(at) = key.find(PARAMETRISED).filter(begins) {
        let (weight, part) = key[at + PARAMETRISED.len()..].split_once('.')?;
        let part = match part {
            "original0" => Part::Lengths,
            "original1" => Part::Directions,
            _ => Part::Other,
        };
        return Some((format!("{}{weight}", &key[..at]), part));
    }
    let older = |(end, part)| Some((key.strip_suffix(end)?.to_string(), part));
    [("_g", Part::Lengths), ("_v", Part::Directions)].into_iter().find_map(older)
}

/// The layer and the weight, as the module calls them, that is computed from the tensor of this name.
pub(super) fn layer_of(key: &str) -> Option<(String, String)> {
    let (weight, _) = part_of(key)?;
    let (layer, weight) = weight.rsplit_once('.').unwrap_or(("", &weight));
    Some((layer.to_string(), weight.to_string()))
}

/// What there is in place of a weight.
pub(super) enum InPlace {
    /// The weight, from the two tensors of these names, which are taken.
    Weight(Array, [String; 2]),
    /// The first tensor that the layer computes it from in a way that no file tells.
    Unknown(String),
}

/// Takes what there is in place of a weight that `is` tells by its name.
pub(super) fn taken(tensors: &mut BTreeMap<String, Array>, is: impl Fn(&str) -> bool) -> Option<InPlace> {
    let part = |key: &str| part_of(key).filter(|(weight, _)| is(weight)).map(|(_, part)| part);
    let named = |wanted| tensors.keys().find(|key| part(key) == Some(wanted)).cloned();
    if let (Some(lengths), Some(directions)) = (named(Part::Lengths), named(Part::Directions))
        && let Some(weight) = weight(&tensors[&lengths], &tensors[&directions])
    {
        tensors.remove(&lengths);
        tensors.remove(&directions);
        return Some(InPlace::Weight(weight, [lengths, directions]));
    }
    let unknown = |key: &&String| key.contains(PARAMETRISED) && part(key).is_some();
    tensors.keys().find(unknown).cloned().map(InPlace::Unknown)
}

/// The same tensors, with weights in place of their lengths and directions.
///
/// # Errors
/// D019 for a tensor from which a layer computes a weight in a way that no file tells.
pub fn with_weights(
    mut tensors: BTreeMap<String, Array>,
    source: &Source,
) -> Result<BTreeMap<String, Array>, DataError> {
    let named: BTreeSet<String> = tensors.keys().filter_map(|key| Some(part_of(key)?.0)).collect();
    for name in named.into_iter().filter(|name| !tensors.contains_key(name)).collect::<Vec<_>>() {
        match taken(&mut tensors, |weight| weight == name) {
            Some(InPlace::Weight(weight, _)) => drop(tensors.insert(name, weight)),
            Some(InPlace::Unknown(found)) => {
                let mismatches = vec![Mismatch::Parametrised { name, found }];
                return Err(Problem::Model { mismatches }.at(None, source));
            }
            None => {}
        }
    }
    Ok(tensors)
}

/// Whether a tensor of this name may be one of those that a layer computes a weight from.
pub fn is_part_of_weight(key: &str) -> bool {
    part_of(key).is_some()
}

/// Directions at these lengths, in double precision; `None` if the shapes are not those of weight normalisation.
fn weight(lengths: &Array, directions: &Array) -> Option<Array> {
    let (short, shape) = (lengths.shape(), directions.shape());
    let kept = |axis: &usize| (0..shape.len()).all(|i| short[i] == if i == *axis { shape[i] } else { 1 });
    let (count, inner) = match short.len() {
        0 => (1, 1),
        rank if rank == shape.len() => {
            let axis = (0..rank).find(kept)?;
            (shape[axis], shape[axis + 1..].iter().product())
        }
        _ => return None,
    };
    let place = |index: usize| index / inner % count;
    let values =
        || (0..directions.values().len()).map(|index| (place(index), directions.values().float(index)));
    let mut squares = vec![0.0; count];
    values().for_each(|(place, value)| squares[place] += value * value);
    let scaled = |(place, value): (usize, f64)| lengths.values().float(place) * value / squares[place].sqrt();
    Some(Array::new(shape, values().map(scaled).collect::<Vec<f64>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize], values: &[f64]) -> Array {
        Array::new(shape, values.to_vec())
    }

    #[test]
    fn names_of_what_a_weight_is_made_of() {
        for (key, weight, part) in [
            ("a.parametrizations.weight.original0", "a.weight", Part::Lengths),
            ("parametrizations.w.original1", "w", Part::Directions),
            ("0.parametrizations.weight.original", "0.weight", Part::Other),
            ("a.0.weight_g", "a.0.weight", Part::Lengths),
            ("weight_hh_l0_v", "weight_hh_l0", Part::Directions),
        ] {
            assert_eq!(part_of(key), Some((weight.to_string(), part)), "{key}");
        }
        for key in ["a.weight", "my_parametrizations.a.b", "g", "parametrizations.w"] {
            assert_eq!(part_of(key), None, "{key}");
        }
    }

    /// Directions of lengths 5 and 13 by rows and by columns, and of length 5 over all.
    #[test]
    fn lengths_are_along_the_axis_that_they_keep() {
        let rows = weight(&array(&[2, 1], &[10.0, 26.0]), &array(&[2, 2], &[3.0, 4.0, 5.0, 12.0]));
        assert_eq!(rows, Some(array(&[2, 2], &[6.0, 8.0, 10.0, 24.0])));
        let columns = weight(&array(&[1, 2], &[10.0, 26.0]), &array(&[2, 2], &[3.0, 5.0, 4.0, 12.0]));
        assert_eq!(columns, Some(array(&[2, 2], &[6.0, 10.0, 8.0, 24.0])));
        let all = weight(&array(&[], &[10.0]), &array(&[2, 2], &[1.0, 2.0, 2.0, 4.0]));
        assert_eq!(all, Some(array(&[2, 2], &[2.0, 4.0, 4.0, 8.0])));
    }

    #[test]
    fn other_shapes_are_something_else() {
        let directions = array(&[2, 3], &[1.0; 6]);
        for shape in [&[2][..], &[2, 3], &[3, 1], &[1, 1], &[1, 2, 1]] {
            let lengths = array(shape, &vec![1.0; shape.iter().product()]);
            assert_eq!(weight(&lengths, &directions), None, "{shape:?}");
        }
    }

    #[test]
    fn all_weights_of_a_file() {
        let tensors = BTreeMap::from([
            ("a.weight_g".to_string(), array(&[1, 1], &[2.0])),
            ("a.weight_v".to_string(), array(&[1, 2], &[3.0, 4.0])),
            ("a.bias".to_string(), array(&[1], &[7.0])),
            ("alone_v".to_string(), array(&[1], &[8.0])),
        ]);
        let source = Source::file("f.npz");
        let found = with_weights(tensors.clone(), &source).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a.bias", "a.weight", "alone_v"]);
        assert_eq!(found["a.weight"], array(&[1, 2], &[1.2, 1.6]));
        let mut other = tensors;
        other.insert("b.parametrizations.weight.original".to_string(), array(&[1], &[1.0]));
        let text = with_weights(other, &source).unwrap_err().to_string();
        assert!(
            text.contains("f.npz holds b.parametrizations.weight.original in place of b.weight"),
            "{text}"
        );
    }
}
