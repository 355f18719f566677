//! A model in a file: one named tensor per field, as PyTorch's state dictionaries have them.

use super::array::Array;
use super::error::{DataError, Problem};
use super::normalised::{self, InPlace};
use super::open::read_tensors;
use super::prepare::{Prepared, prepare_part};
use super::source::Source;
use super::spec::InputSpec;
use std::collections::BTreeMap;
use std::fmt;

/// A tensor that is on one side only, or differs on both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The program declares it, the file lacks it.
    Missing {
        /// The field.
        name: String,
        /// Its type: `fix[10, 128]`.
        declared: String,
    },
    /// The file holds a tensor of another shape.
    Misshapen {
        /// The field.
        name: String,
        /// Its type.
        declared: String,
        /// What the file has.
        found: String,
    },
    /// The file lacks it, and holds something from which a layer computes it in a way that the file does not tell.
    Parametrised {
        /// The field.
        name: String,
        /// The tensor that is there.
        found: String,
    },
    /// The file lacks it, and holds its lengths and directions instead, from which it was computed: no error.
    Normalised {
        /// The field.
        name: String,
        /// The tensors that are there.
        from: [String; 2],
    },
    /// The file holds it, the program does not use it.
    Extra {
        /// The tensor.
        name: String,
        /// What the file has.
        found: String,
    },
}

impl fmt::Display for Mismatch {
    /// What is so about the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Missing { name, declared } => write!(f, "lacks {name}, declared {declared}"),
            Mismatch::Misshapen { name, declared, found } => {
                write!(f, "holds {name} {found}, declared {declared}")
            }
            Mismatch::Parametrised { name, found } => {
                write!(f, "holds {found} in place of {name}, and not how the one becomes the other")
            }
            Mismatch::Normalised { name, from: [lengths, directions] } => {
                write!(
                    f,
                    "holds {lengths} and {directions}, from which comes {name}, by weight normalisation"
                )
            }
            Mismatch::Extra { name, found } => {
                write!(f, "holds {name} {found}, which the program does not use")
            }
        }
    }
}

/// The tensors of a model's fields, whose names are those of `fields`, in that order, checked as [`prepare`](super::prepare())
/// checks tensors; and what the file holds besides, which is no error: a program may use a part of a network. Unlike rows of data, they
/// must have exactly the declared shapes. A weight under weight normalisation is computed from what the file has instead, and that is told.
///
/// # Errors
/// Whatever is wrong with the file, as [`prepare`](super::prepare()); D019 for tensors that are missing or misshapen, all of them at
/// once, with those that are left over, since a name may only be misspelt.
pub fn load_model(
    input: &str,
    fields: &[InputSpec],
    source: &Source,
) -> Result<(Vec<Prepared>, Vec<Mismatch>), DataError> {
    let tensors = read(fields, source).map_err(|problem| of_model(input, problem.at(None, source)))?;
    prepare_model(input, fields, tensors, source)
}

/// The same of tensors in memory, by name; `source` is what messages call them.
///
/// # Errors
/// As [`load_model`].
pub fn prepare_model(
    input: &str,
    fields: &[InputSpec],
    tensors: BTreeMap<String, Array>,
    source: &Source,
) -> Result<(Vec<Prepared>, Vec<Mismatch>), DataError> {
    let matched = matched(fields, tensors);
    let (arrays, unused) = matched.map_err(|problem| of_model(input, problem.at(None, source)))?;
    let one = |(field, array): (&InputSpec, Array)| {
        let source = Source::member(&source.path, &field.name);
        prepare_part(field, array, &source, Some(input))
    };
    let tensors = fields.iter().zip(arrays).map(one).collect::<Result<_, _>>()?;
    Ok((tensors, unused))
}

fn of_model(input: &str, error: DataError) -> DataError {
    DataError { model: Some(input.to_string()), ..error }
}

const COUNTER: &str = "num_batches_tracked";

fn read(fields: &[InputSpec], source: &Source) -> Result<BTreeMap<String, Array>, Problem> {
    if source.member.is_some() {
        return Err(Problem::OneOfModel);
    }
    let expected = fields.first().map_or("", |field| &field.name);
    Ok(read_tensors(source, expected)?.into_iter().collect())
}

/// The tensors of the fields, and those that are left over.
fn matched(
    fields: &[InputSpec],
    mut tensors: BTreeMap<String, Array>,
) -> Result<(Vec<Array>, Vec<Mismatch>), Problem> {
    let (mut arrays, mut mismatches, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields {
        let (name, declared) = (field.name.clone(), field.type_text());
        let array = match taken(&mut tensors, &name) {
            Some(array) => Some(array),
            None => match normalised::taken(&mut tensors, |key| key == name || stands_for(&name, key)) {
                Some(InPlace::Weight(array, from)) => {
                    told.push(Mismatch::Normalised { name: name.clone(), from });
                    Some(array)
                }
                Some(InPlace::Unknown(found)) => {
                    mismatches.push(Mismatch::Parametrised { name, found });
                    continue;
                }
                None => None,
            },
        };
        match array {
            Some(array) if array.shape() == field.shape => arrays.push(array),
            Some(array) => {
                mismatches.push(Mismatch::Misshapen { name, declared, found: array.to_string() });
            }
            None => mismatches.push(Mismatch::Missing { name, declared }),
        }
    }
    // PyTorch's batch normalisation counts its batches, which no program here needs.
    let counter = |name: &str| name == COUNTER || name.ends_with(&format!(".{COUNTER}"));
    tensors.retain(|name, _| !counter(name));
    let unused = tensors.into_iter().map(|(name, array)| Mismatch::Extra { name, found: array.to_string() });
    if mismatches.is_empty() {
        return Ok((arrays, told.into_iter().chain(unused).collect()));
    }
    mismatches.extend(unused);
    Err(Problem::Model { mismatches })
}

/// The tensor of this name, or the one that PyTorch gives a name which none of the language can be.
fn taken(tensors: &mut BTreeMap<String, Array>, name: &str) -> Option<Array> {
    if let Some(array) = tensors.remove(name) {
        return Some(array);
    }
    let other = tensors.keys().find(|key| stands_for(name, key))?.clone();
    tensors.remove(&other)
}

/// Whether a path of fields is how a program spells a key of a state dictionary: `0` is `_0`, `in` is `in_`, and what is no letter is `_`.
fn stands_for(fields: &str, key: &str) -> bool {
    let plain = |part: &str| part.replace(|c: char| !c.is_alphanumeric(), "_");
    let same = |(field, part): (&str, String)| {
        field == part || field.strip_prefix('_') == Some(&part) || field.strip_suffix('_') == Some(&part)
    };
    let (fields, keys) = (fields.split('.'), key.split('.'));
    fields.clone().count() == keys.clone().count() && fields.zip(keys.map(plain)).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_no_program_can_spell() {
        for (fields, key) in
            [("_0.weight", "0.weight"), ("a.in_.w", "a.in.w"), ("a_b.w", "a-b.w"), ("a.w", "a.w")]
        {
            assert!(stands_for(fields, key), "{fields} {key}");
        }
        for (fields, key) in [("_0.weight", "1.weight"), ("a.w", "w"), ("a.w", "a.b.w"), ("ab.w", "b.w")] {
            assert!(!stands_for(fields, key), "{fields} {key}");
        }
    }

    #[test]
    fn a_tensor_of_the_very_name_comes_first() {
        let array = |value: f64| Array::new([1], vec![value]);
        let mut tensors = BTreeMap::from([("0.w".to_string(), array(1.0)), ("_0.w".to_string(), array(2.0))]);
        assert_eq!(taken(&mut tensors, "_0.w"), Some(array(2.0)));
        assert_eq!(taken(&mut tensors, "_0.w"), Some(array(1.0)));
        assert_eq!(taken(&mut tensors, "_0.w"), None);
    }
}
