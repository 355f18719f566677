//! Values that stay shared from one run to the next: every party keeps its own shares in a file of its own, `NAME.shares-I.tern` at party I.
//! docs/shares.md describes the format. The files of two parties together tell the value; one alone is random.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use tern_bytecode::Program;
use tern_bytecode::model::MAX_PARTIES;
use tern_bytecode::program::{Element, Input, Output};
use tern_bytecode::validate::names::is_word;
use tern_vm::data::Array;
use tern_vm::data::shares::{self, Head, OpenError, ShareError, ShareFile, Stored, Tensor};
use tern_vm::machine::{Elements, RunId};
use tern_vm::net::Party;

use crate::results;

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

/// Opens what a party has of an input, whose fields have the indices given: the file, and which tensor of it each field is.
///
/// # Errors
/// A file that cannot be read, or is another party's, of another precision or of other tensors: all that differs is named.
pub fn read(
    program: &Program,
    inputs: &[&Input],
    me: Party,
    path: &Path,
) -> anyhow::Result<(Arc<Stored>, Vec<usize>)> {
    let name = inputs.first().map_or("", |input| &input.name);
    let wanted = expected(program, inputs, me);
    let check = |head: &Head| {
        let differences = adapted(head, &wanted).differences(&wanted);
        if !differences.is_empty() {
            bail!("does not hold this party's shares of {name}: {}", differences.join("; "));
        }
        Ok(())
    };
    let file = Stored::open(path, check).map_err(|error| anyhow!("{} {error}", path.display()))?;
    let found = adapted(&file.head, &wanted);
    let at = |name: &str| found.tensors.iter().position(|tensor| tensor.name == name);
    let tensors = wanted.tensors.iter().map(|t| at(&t.name).context("it was found before"));
    let tensors = tensors.collect::<anyhow::Result<_>>()?;
    Ok((Arc::new(file), tensors))
}

/// What a party's file of an input has to be, its set aside.
pub fn expected(program: &Program, inputs: &[&Input], party: Party) -> Head {
    let name = inputs.first().map_or("", |input| &input.name);
    let mut head = head(program, name, party, String::new());
    let declared = inputs.iter().map(|i| tensor((&i.name, &i.field), i.element, i.frac, &i.shape));
    head.tensors.extend(declared);
    head
}

/// What the first party's file of an output has to be, its set aside.
pub fn expected_output(program: &Program, outputs: &[&Output]) -> Head {
    let name = outputs.first().map_or("", |output| &output.name);
    let mut head = head(program, name, Party::P0, String::new());
    head.tensors.extend(outputs.iter().map(|o| tensor((&o.name, &o.field), o.element, o.frac, &o.shape)));
    head
}

/// A head with the name that a single value is expected under: it may have had another where it was put out.
fn adapted(found: &Head, expected: &Head) -> Head {
    let mut adapted = found.clone();
    if let ([tensor], [wanted]) = (&mut adapted.tensors[..], &expected.tensors[..])
        && wanted.name == expected.name
        && tensor.name == found.name
    {
        tensor.name.clone_from(&wanted.name);
    }
    adapted
}

/// The file of a data directory that holds a party's shares of an input.
pub fn find(directory: &Path, name: &str, me: Party) -> Option<PathBuf> {
    Some(directory.join(file_name(name, me))).filter(|path| path.is_file())
}

/// What shares are opened to: the tensors of a result by name.
///
/// # Errors
/// Files that do not belong together or do not agree, as `names` calls them.
pub fn open(files: &[ShareFile], names: &dyn Fn(usize) -> String) -> anyhow::Result<Vec<(String, Array)>> {
    let opened = shares::open(files).map_err(|error| match error {
        OpenError::Differ { first, second, difference } => {
            anyhow!("{} and {} do not belong together: {difference}", names(first), names(second))
        }
        OpenError::Twice { first, second, party } => {
            anyhow!("{} and {} are both of party {party}", names(first), names(second))
        }
        other => other.into(),
    })?;
    let array = |(tensor, words): &(Tensor, Vec<u64>)| {
        let element = match tensor.element.as_str() {
            "fix" => Element::Fix,
            "int" => Element::Int,
            "bool" => Element::Bool,
            other => bail!("{} is of a type that is not known: {other}", tensor.name),
        };
        let shape: Result<Vec<usize>, _> = tensor.shape.iter().map(|n| usize::try_from(*n)).collect();
        let elements = Elements { limbs: opened.limbs, words };
        Ok((tensor.name.clone(), results::array(element, tensor.frac, shape?, elements)))
    };
    opened.tensors.iter().map(array).collect()
}

/// Reads files of shares and opens what they hold: its name and tensors, and the parties whose files these are.
///
/// # Errors
/// Files that cannot be read, or do not belong together.
pub fn open_files(paths: &[PathBuf]) -> anyhow::Result<OpenedFiles> {
    let read = |path: &PathBuf| {
        ShareFile::read(path, |_| Ok(())).map_err(|error: ShareError| anyhow!("{} {error}", path.display()))
    };
    let files = paths.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let tensors = open(&files, &|at| paths[at].display().to_string())?;
    let head = &files.first().ok_or_else(|| anyhow!("there is no file of shares"))?.head;
    if !is_word(&head.name) {
        bail!("{}: the name {:?} is not a word", paths[0].display(), head.name);
    }
    let parties = files.iter().map(|file| file.head.party.into()).collect();
    Ok(OpenedFiles { name: head.name.clone(), protocol: head.protocol.clone(), parties, tensors })
}

/// What [`open_files`] has opened.
pub struct OpenedFiles {
    /// What the value is called.
    pub name: String,
    /// Among whom it was shared.
    pub protocol: String,
    /// Whose files they are.
    pub parties: Vec<usize>,
    /// By field, or under the name.
    pub tensors: Vec<(String, Array)>,
}

fn head(program: &Program, name: &str, me: Party, set: String) -> Head {
    let header = &program.header;
    let protocol = header.protocol.name().to_string();
    let fixed = [header.frac, header.total];
    let party = me.index() as u8;
    Head {
        protocol,
        party,
        set,
        name: name.into(),
        ring: header.ring,
        fixed,
        drawn: None,
        tensors: Vec::new(),
    }
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
