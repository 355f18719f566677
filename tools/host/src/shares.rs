//! Values that stay shared from one run to the next: every party keeps its own shares in a file of its own, `NAME.shares-I.tern` at party I.
//! docs/shares.md describes the format. The files of two parties together tell the value; one alone is random.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use tern_bytecode::Program;
use tern_bytecode::model::MAX_PARTIES;
use tern_bytecode::program::{Element, Input, Output};
use tern_vm::data::shares::{Head, ShareFile, Tensor};
use tern_vm::machine::{Elements, RunId};
use tern_vm::net::Party;

/// The name of a party's file.
pub fn file_name(name: &str, party: Party) -> String {
    format!("{name}.{}.tern", mark(party))
}

/// The file of `party` that belongs to the same value as `file`, which is some party's.
pub fn file_of(file: &str, party: Party) -> String {
    let path = Path::new(file);
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return file.to_string() };
    let own = Party::all(MAX_PARTIES).fold(name.to_string(), |name, other| {
        name.replace(&format!(".{}.", mark(other)), &format!(".{}.", mark(party)))
    });
    path.with_file_name(own).display().to_string()
}

fn mark(party: Party) -> String {
    format!("shares-{}", party.index())
}

/// What a party is about to write for an output, still without tensors.
pub fn empty(program: &Program, name: &str, me: Party, run: RunId) -> ShareFile {
    ShareFile { head: head(program, name, me, run.to_string()), words: Vec::new() }
}

/// Adds a tensor.
pub fn add(file: &mut ShareFile, declared: &Output, elements: Elements<'_>) {
    let Output { name, field, element, shape, frac, .. } = declared;
    file.head.tensors.push(tensor((name, field), *element, *frac, shape));
    file.words.push(elements.words.to_vec());
}

/// Reads what a party has of an input, whose fields have the indices given: its set, and the words of each field.
///
/// # Errors
/// A file that cannot be read, or is another party's, of another precision or of other tensors: all that differs is named.
pub fn read(
    program: &Program,
    inputs: &[&Input],
    me: Party,
    path: &Path,
) -> anyhow::Result<(String, Vec<Vec<u64>>)> {
    let file = ShareFile::read(path).map_err(|error| anyhow!("{} {error}", path.display()))?;
    let name = inputs.first().map_or("", |input| &input.name);
    let mut expected = head(program, name, me, file.head.set.clone());
    let declared = inputs.iter().map(|i| tensor((&i.name, &i.field), i.element, i.frac, &i.shape));
    expected.tensors.extend(declared);
    // The value may have had another name where it was put out.
    let mut found = file.head.clone();
    if let ([found], [expected]) = (&mut found.tensors[..], &expected.tensors[..])
        && inputs.iter().all(|input| input.field.is_empty())
        && found.name == file.head.name
    {
        found.name.clone_from(&expected.name);
    }
    let differences = found.differences(&expected);
    if !differences.is_empty() {
        bail!("{} does not hold this party's shares of {name}: {}", path.display(), differences.join("; "));
    }
    let at = |name: &str| found.tensors.iter().position(|tensor| tensor.name == name);
    let mut all: Vec<Option<Vec<u64>>> = file.words.into_iter().map(Some).collect();
    let words = expected.tensors.iter().map(|t| at(&t.name).and_then(|i| all[i].take()).unwrap_or_default());
    Ok((found.set, words.collect()))
}

/// The file of a data directory that holds a party's shares of an input.
pub fn find(directory: &Path, name: &str, me: Party) -> Option<PathBuf> {
    Some(directory.join(file_name(name, me))).filter(|path| path.is_file())
}

fn head(program: &Program, name: &str, me: Party, set: String) -> Head {
    let header = &program.header;
    let protocol = header.protocol.name().to_string();
    let fixed = [header.frac, header.total];
    let party = me.index() as u8;
    Head { protocol, party, set, name: name.into(), ring: header.ring, fixed, tensors: Vec::new() }
}

fn tensor((name, field): (&str, &str), element: Element, frac: u32, shape: &[u32]) -> Tensor {
    let name = if field.is_empty() { name } else { field }.to_string();
    let element = match element {
        Element::Fix => "fix",
        Element::Int => "int",
        Element::Bool => "bool",
    };
    Tensor { name, element: element.into(), frac, shape: shape.iter().map(|n| u64::from(*n)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_value_differ_in_the_party() {
        assert_eq!(file_name("w", Party::P2), "w.shares-2.tern");
        assert_eq!(file_of("out/w.shares-0.tern", Party::P1), "out/w.shares-1.tern");
        assert_eq!(file_of("out/w.shares-2.tern", Party::P2), "out/w.shares-2.tern");
        // directories are as they are
        assert_eq!(file_of("a.shares-0.b/w.shares-0.tern", Party::P1), "a.shares-0.b/w.shares-1.tern");
    }
}
