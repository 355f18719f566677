//! Which files hold the data of a program's inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_vm::data::{self, Source};
use tern_vm::net::Party;

use crate::clients::Store;
use crate::inputs::{by_name, provides};
use crate::shares;

/// MNIST's own file names for the inputs of the MNIST programs.
const MNIST: &[(&str, &str)] = &[
    ("train_x", "train-images-idx3-ubyte"),
    ("train_y", "train-labels-idx1-ubyte"),
    ("test_x", "t10k-images-idx3-ubyte"),
    ("test_y", "t10k-labels-idx1-ubyte"),
];

/// Where data are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Files {
    /// Data of inputs: NAME=FILE, of an archive NAME=FILE.npz:TENSOR, of some rows `NAME=FILE[START:END]`. What the
    /// file does not say follows after commas, as docs/data.md lists it.
    pub inputs: Vec<String>,
    /// A directory (or npz file) in which inputs are found by name; the own file names of MNIST and CIFAR-10 are known.
    pub data: Option<PathBuf>,
    /// What clients have given this party.
    pub store: Option<Store>,
}

impl Files {
    /// All inputs by their names in a directory.
    pub fn of_directory(data: PathBuf) -> Files {
        Files { data: Some(data), ..Files::default() }
    }

    /// The files that provide a program's inputs, as far as there are any.
    pub fn used(&self, program: &Program) -> anyhow::Result<Vec<PathBuf>> {
        let named = self.named(program, None)?;
        let mut files = Vec::new();
        for (name, _) in by_name(program) {
            let source = match (named.get(name), &self.data) {
                (Some(file), _) => Some(parse(name, file)?),
                (None, Some(directory)) => find(directory, name)?,
                (None, None) => None,
            };
            files.extend(source.iter().flat_map(data::files_of));
        }
        Ok(files)
    }

    /// The rows of the file of an input, if there is one with data in the clear.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn rows(&self, name: &str) -> anyhow::Result<Option<usize>> {
        let given =
            self.inputs.iter().filter_map(|text| text.split_once('=')).find(|(other, _)| *other == name);
        let source = match (given, &self.data) {
            (Some((_, file)), _) if file.ends_with(".tern") => None,
            (Some((_, file)), _) => Some(parse(name, file)?),
            (None, Some(directory)) => find(directory, name)?,
            (None, None) => None,
        };
        let Some(source) = source else { return Ok(None) };
        let array = data::read(&source, name).map_err(|error| anyhow!("{}", error.message()))?;
        Ok(array.shape().first().copied())
    }

    /// The files by input, of inputs that the program has; `only` says whose.
    pub(crate) fn named(
        &self,
        program: &Program,
        only: Option<Party>,
    ) -> anyhow::Result<BTreeMap<&str, &str>> {
        let mut files = BTreeMap::new();
        for text in &self.inputs {
            let Some((name, file)) = text.split_once('=') else { bail!("--input {text}: write NAME=FILE") };
            let Some(input) = program.inputs.iter().find(|i| i.name == name) else {
                let known: Vec<&str> = by_name(program).into_iter().map(|(name, _)| name).collect();
                bail!(
                    "--input {name}: the program uses no input of that name, it uses {}\n   = help: an input that is declared and not used, or only in what is left out, needs no data",
                    if known.is_empty() { "none".into() } else { known.join(", ") }
                );
            };
            if let Some(me) = only.filter(|me| !provides(program, *me, input)) {
                bail!(
                    "input {name} comes from {}, this is {me}",
                    tern_bytecode::disasm::place(program, input.from)
                );
            }
            if files.insert(name, file).is_some() {
                bail!("--input {name} is given twice");
            }
        }
        Ok(files)
    }

    /// The part that one party of a local run needs.
    pub fn of(&self, program: &Program, party: Party) -> anyhow::Result<Files> {
        let named = self.named(program, None)?;
        let own = program.inputs.iter().filter(|input| provides(program, party, input));
        let own: BTreeSet<&str> = own.map(|input| input.name.as_str()).collect();
        let inputs = named.iter().filter(|(name, _)| own.contains(*name));
        let shared = |name: &str| program.inputs.iter().any(|i| i.name == name && i.from.is_shared());
        let of_party = |name: &str, file: &str| {
            if shared(name) { shares::file_of(file, party) } else { file.to_string() }
        };
        Ok(Files {
            inputs: inputs.map(|(name, file)| format!("{name}={}", of_party(name, file))).collect(),
            data: self.data.clone(),
            store: self.store.clone(),
        })
    }
}

/// What `--input` says of an input.
pub(crate) fn parse(name: &str, text: &str) -> anyhow::Result<Source> {
    Source::parse(text).with_context(|| format!("--input {name}={text}"))
}

/// The file of a data directory that holds an input, if there is one.
///
/// # Errors
/// Several of them: nobody knows which is meant.
pub(crate) fn find(directory: &Path, name: &str) -> anyhow::Result<Option<Source>> {
    if directory.is_file() {
        return Ok(Some(Source::member(directory, name)));
    }
    let original = MNIST.iter().find(|(n, _)| *n == name).map(|(_, file)| *file);
    let stems = [Some(name), original].into_iter().flatten();
    let suffixes = ["", ".npy", ".npz", ".safetensors", ".csv", ".tsv", ".txt", ".idx"];
    let names = stems.flat_map(|stem| suffixes.iter().map(move |suffix| format!("{stem}{suffix}")));
    // A file and what it was packed to, or unpacked from, are the same.
    let present = |name: &String| {
        let plain = directory.join(name);
        [plain.clone(), directory.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
    };
    let tensor = data::cifar_tensor(directory, name);
    let mut found = names.filter_map(|name| present(&name)).map(Source::file).chain(tensor);
    let (first, second) = (found.next(), found.next());
    if let (Some(first), Some(second)) = (&first, &second) {
        bail!(
            "--data {}: {name} can be {first} or {second}\n   = help: --input {name}={}",
            directory.display(),
            first.path.display()
        );
    }
    Ok(first)
}
