//! NumPy's npz format: a zip archive of npy files, each called after its tensor.

use super::array::Array;
use super::error::Problem;
use super::foreign;
use super::open::{Asked, Wanted};
use super::stream::Stream;
use super::{npy, write_npy};
use std::collections::BTreeSet;
use std::io::{self, BufWriter, Read, Seek, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Reads tensors of an archive, as `asked` says which.
pub(super) fn read(
    file: impl Read + Seek,
    length: u64,
    asked: &Asked<'_>,
) -> Result<Vec<(String, Array)>, Problem> {
    let mut archive = ZipArchive::new(file).map_err(|error| malformed(&error))?;
    let files: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let named = matches!(asked.wanted, Wanted::One { member: Some(_), .. });
    if let Some(foreign) = foreign::of_archive(&files).filter(|_| !named) {
        return Err(foreign.into());
    }
    asked.no_text()?;
    let tensors: Vec<&str> = files.iter().filter_map(|file| file.strip_suffix(".npy")).collect();
    asked
        .wanted
        .of(&tensors)?
        .into_iter()
        .map(|name| Ok((name.into(), member(&mut archive, length, name)?)))
        .collect()
}

fn member(archive: &mut ZipArchive<impl Read + Seek>, length: u64, name: &str) -> Result<Array, Problem> {
    let entry = archive.by_name(&format!("{name}.npy")).map_err(|error| malformed(&error))?;
    let compressed = entry.compressed_size().min(length);
    let (head, stream) = Stream::packed(entry, "zip", compressed).peek(6)?;
    if !npy::is_npy(&head) {
        return Err(malformed(&format!("{name}.npy in it is no npy file")));
    }
    npy::read(stream)
}

fn malformed(error: &dyn std::fmt::Display) -> Problem {
    Problem::Malformed { format: "zip", reason: error.to_string() }
}

/// Writes named tensors to one file, as `numpy.savez` does.
///
/// # Errors
/// Those of the writer; two tensors with one name.
pub fn write_npz<'a>(
    out: impl Write + Seek,
    arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
) -> io::Result<()> {
    let mut archive = ZipWriter::new(out);
    // The date stays at its default, so that equal tensors make equal files.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut names = BTreeSet::new();
    for (name, array) in arrays {
        if !names.insert(name) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("two tensors are called {name}"),
            ));
        }
        let large = array.values().len().saturating_mul(8) > u32::MAX as usize / 2;
        archive.start_file(format!("{name}.npy"), options.large_file(large))?;
        write_npy(BufWriter::new(&mut archive), array)?;
    }
    archive.finish()?.flush()
}
