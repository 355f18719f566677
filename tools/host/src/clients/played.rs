//! Clients of a local run: whoever gave the command plays them too, as it plays the parties.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;
use tern_bytecode::Program;
use tern_vm::net::Party;

use crate::events::{Event, Events};
use crate::files::{Files, find};
use crate::inputs::by_name;
use crate::outputs::Outputs;
use crate::shares;
use crate::sharing::Owned;

/// The shares of all clients' inputs, in a directory that goes when the run is over.
pub struct Played {
    files: Files,
    _directory: Option<TempDir>,
}

impl Played {
    /// Shares what is given for inputs of clients in the clear.
    ///
    /// # Errors
    /// Data that do not fit the program, or shares that cannot be written.
    pub fn give(program: &Program, files: &Files, events: &mut Events<'_>) -> anyhow::Result<Played> {
        let named = files.named(program, None)?;
        let mut clear = Vec::new();
        for (name, fields) in by_name(program) {
            let given = match named.get(name) {
                Some(file) => Some((*file).to_string()),
                None => in_directory(files.data.as_deref(), name)?,
            };
            let is_client = program.client(program.inputs[fields[0]].from).is_some();
            clear.extend(given.filter(|file| is_client && !is_shares(file)).map(|file| (name, file)));
        }
        if clear.is_empty() {
            return Ok(Played { files: files.clone(), _directory: None });
        }
        // Only its owner can enter it.
        let directory = tempfile::Builder::new().prefix("tern-clients-").tempdir().context("a directory")?;
        let mut all = files.clone();
        for (name, file) in clear {
            Owned::read(program, name, &file, events)?.write(directory.path())?;
            let own = |text: &String| text.split_once('=').is_some_and(|(other, _)| other == name);
            all.inputs.retain(|text| !own(text));
            let shares = directory.path().join(shares::file_name(name, Party::P0));
            all.inputs.push(format!("{name}={}", shares.display()));
        }
        Ok(Played { files: all, _directory: Some(directory) })
    }

    /// What the parties read.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Opens the results of clients, in place of the parties' shares of them.
    ///
    /// # Errors
    /// Shares that do not agree, results that cannot be written.
    pub fn take(&self, program: &Program, to: &Outputs, events: &mut Events<'_>) -> anyhow::Result<()> {
        let mut names: Vec<&str> = Vec::new();
        let of_clients = program.outputs.iter().filter(|output| program.client(output.to).is_some());
        names.extend(of_clients.map(|output| output.name.as_str()));
        names.dedup();
        for name in names {
            for (name, paths) in shared(program, &to.out, name)? {
                let tensors = shares::open_files(&paths)?.tensors;
                let file = to.write(&name, &tensors)?.display().to_string();
                events.emit(Event::Output { name, file });
                paths.iter().try_for_each(std::fs::remove_file).context("shares of a result")?;
            }
        }
        Ok(())
    }
}

/// A file in the clear of a directory of data.
fn in_directory(data: Option<&Path>, name: &str) -> anyhow::Result<Option<String>> {
    let Some(data) = data.filter(|data| shares::find(data, name, Party::P0).is_none()) else {
        return Ok(None);
    };
    Ok(find(data, name)?.map(|source| source.to_string()))
}

fn is_shares(file: &str) -> bool {
    file.ends_with(".tern")
}

/// The files of a result, and of each iteration if it is one of many: by what they are called.
fn shared(program: &Program, out: &Path, name: &str) -> anyhow::Result<Vec<(String, Vec<PathBuf>)>> {
    let model = program.header.protocol.model();
    let parties = || Party::all(model.parties).filter(|party| model.computes(party.index()));
    let first = shares::file_name("", Party::P0);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))?.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = file.strip_suffix(&first) else { continue };
        let number = stem.strip_prefix(&format!("{name}."));
        let is_one_of_many = number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
        if stem == name || is_one_of_many {
            let paths = parties().map(|party| out.join(shares::file_name(stem, party))).collect();
            all.push((stem.to_string(), paths));
        }
    }
    all.sort();
    Ok(all)
}
