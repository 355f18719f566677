//! The binary version of CIFAR-10, as its authors pack it: a folder with `data_batch_1.bin` to `data_batch_5.bin` and
//! `test_batch.bin`, each of records of 3,073 bytes: a label, and 32 by 32 pixels of red, of green and of blue, row by
//! row. Described on the page of the data set.
//!
//! No byte of such a file says what it is, so it is the folder that is told, by the names in it.

use super::array::{Array, Values};
use super::error::Problem;
use super::open::Wanted;
use super::source::Source;
use crate::scarce;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

const FORMAT: &str = "CIFAR-10";

/// Sizes of an image: channels, rows, columns.
const IMAGE: [usize; 3] = [3, 32, 32];

/// Bytes of an image, which a label precedes.
const PIXELS: usize = IMAGE[0] * IMAGE[1] * IMAGE[2];

const CLASSES: u8 = 10;

/// The files with training images, of which there are as many as one likes from the first on.
const TRAINING: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];

const TESTING: [&str; 1] = ["test_batch.bin"];

/// The tensors that a folder is: a name, its files, and whether it is the labels.
const TENSORS: [(&str, &[&str], bool); 4] = [
    ("train_x", &TRAINING, false),
    ("train_y", &TRAINING, true),
    ("test_x", &TESTING, false),
    ("test_y", &TESTING, true),
];

/// The tensor of this name in a folder, if it is one of CIFAR-10.
pub fn cifar_tensor(folder: &Path, name: &str) -> Option<Source> {
    let (name, ..) = TENSORS.into_iter().find(|(known, ..)| *known == name)?;
    is_cifar(folder).then(|| Source::member(folder, name))
}

/// The files behind a source: one, or those of a tensor of CIFAR-10.
pub fn files_of(source: &Source) -> Vec<PathBuf> {
    let tensor = TENSORS.into_iter().find(|(known, ..)| Some(*known) == source.member.as_deref());
    match tensor {
        Some((_, files, _)) if is_cifar(&source.path) => present(&source.path, files),
        _ => vec![source.path.clone()],
    }
}

/// Whether this is a folder of CIFAR-10.
pub(super) fn is_cifar(path: &Path) -> bool {
    path.is_dir() && [TRAINING[0], TESTING[0]].iter().any(|name| path.join(name).is_file())
}

/// Reads one of its tensors: images of shape `[n, 3, 32, 32]`, or labels of shape `[n]`.
pub(super) fn read(folder: &Path, wanted: Wanted<'_>) -> Result<Array, Problem> {
    let names = TENSORS.map(|(name, ..)| name);
    let chosen = wanted.of(&names)?;
    let tensor = TENSORS.into_iter().find(|(name, ..)| chosen == [*name]);
    let (_, files, labels) = tensor.ok_or_else(|| malformed("it holds no model".into()))?;
    let files = complete(folder, files)?;
    let mut bytes = Vec::new();
    for file in &files {
        read_file(file, labels, &mut bytes)?;
    }
    let shape = match labels {
        true => vec![bytes.len()],
        false => [&[bytes.len() / PIXELS], &IMAGE[..]].concat(),
    };
    Ok(Array::new(shape, Values::U8(bytes)))
}

fn present(folder: &Path, files: &[&str]) -> Vec<PathBuf> {
    files.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
}

/// The files that there are, the first of them and none left out.
fn complete(folder: &Path, files: &[&str]) -> Result<Vec<PathBuf>, Problem> {
    let found = present(folder, files);
    let lacking = files.iter().take(found.len().max(1)).find(|name| !found.contains(&folder.join(name)));
    match lacking {
        Some(name) if found.is_empty() => Err(malformed(format!("there is no {name}"))),
        Some(name) => Err(malformed(format!("there is no {name}, but a later one"))),
        None => Ok(found),
    }
}

/// Appends the labels or the images of a file.
fn read_file(path: &Path, labels: bool, bytes: &mut Vec<u8>) -> Result<(), Problem> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = File::open(path).map_err(Problem::Unreadable)?;
    let length = file.metadata().map_err(Problem::Unreadable)?.len();
    let record = 1 + PIXELS;
    let count = usize::try_from(length).unwrap_or(usize::MAX) / record;
    if count == 0 || length != (count * record) as u64 {
        return Err(malformed(format!("{name} has {length} bytes, which are not records of {record}")));
    }
    let more = if labels { count } else { count * PIXELS };
    let refused = |_| Problem::Absurd { shape: vec![more as u64] };
    scarce::reserve(bytes, more).map_err(refused)?;
    let mut reader = BufReader::new(file);
    let mut buffer = [0; 1 + PIXELS];
    for n in 0..count {
        reader.read_exact(&mut buffer).map_err(Problem::Unreadable)?;
        let [label, image @ ..] = &buffer;
        if *label >= CLASSES {
            return Err(malformed(format!(
                "record {n} of {name}, counted from 0, has the label {label}, which is not below {CLASSES}"
            )));
        }
        bytes.extend_from_slice(if labels { std::slice::from_ref(label) } else { image });
    }
    Ok(())
}

fn malformed(reason: String) -> Problem {
    Problem::Malformed { format: FORMAT, reason }
}
