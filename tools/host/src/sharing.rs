//! Data of somebody who runs none of the servers: read, checked against the program, and shared among the parties.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use tern_bytecode::Program;
use tern_bytecode::program::{Input, Place};
use tern_vm::data::shares::Sharing;
use tern_vm::data::{Access, Encoded, write_atomically};
use tern_vm::net::Party;

use crate::events::Sink;
use crate::inputs::{Tensor, read_input, take_input};
use crate::shares;

/// An input that its owner is about to share.
pub struct Owned<'a> {
    program: &'a Program,
    name: String,
    tensors: Vec<Encoded>,
}

impl<'a> Owned<'a> {
    /// Reads the data of an input that the parties get in shares; `file` is what `--input NAME=` takes.
    ///
    /// # Errors
    /// Data that do not fit the program, or an input that one of the parties has.
    pub fn read(
        program: &'a Program,
        name: &str,
        file: &str,
        sink: &mut dyn Sink,
    ) -> anyhow::Result<Owned<'a>> {
        check_shared(program, name)?;
        Ok(Owned { program, name: name.to_string(), tensors: read_input(program, name, file, sink)? })
    }

    /// The same of data in memory.
    ///
    /// # Errors
    /// As [`Owned::read`].
    pub fn take(
        program: &'a Program,
        name: &str,
        tensor: Tensor,
        sink: &mut dyn Sink,
    ) -> anyhow::Result<Owned<'a>> {
        check_shared(program, name)?;
        Ok(Owned { program, name: name.to_string(), tensors: take_input(program, name, tensor, sink)? })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Those who get shares.
    pub fn parties(&self) -> impl Iterator<Item = Party> + use<> {
        let model = self.program.header.protocol.model();
        Party::all(model.parties).filter(|party| model.computes(party.index()))
    }

    /// What each of them gets; with the same secret always the same.
    pub fn sharing(&self, secret: &[u8; 32]) -> Sharing<'_> {
        let declared: Vec<&Input> = self.program.inputs.iter().filter(|i| i.name == self.name).collect();
        let head = shares::expected(self.program, &declared, Party::P0);
        Sharing::new(head, self.tensors.iter().collect(), secret)
    }

    /// Writes a file for each party, all or none: their paths.
    ///
    /// # Errors
    /// Files that cannot be written, or are there already.
    pub fn write(&self, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let sharing = self.sharing(&secret()?);
        let path = |party| directory.join(shares::file_name(&self.name, party));
        if let Some(there) = self.parties().map(path).find(|path| path.exists()) {
            bail!(
                "{} exists already: files of two sharings must not be mixed\n   = help: remove it, or choose another directory",
                there.display()
            );
        }
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut written = Vec::new();
        for party in self.parties() {
            let done = write_atomically(&path(party), Access::Owner, |out| sharing.write(party.index(), out));
            if let Err(error) = done {
                // Some without the others would be of no use.
                written.iter().for_each(|path| drop(std::fs::remove_file(path)));
                return Err(anyhow!("{} cannot be written: {error}", path(party).display()));
            }
            written.push(path(party));
        }
        Ok(written)
    }
}

/// Whether the parties get an input in shares, if there is such an input.
fn check_shared(program: &Program, name: &str) -> anyhow::Result<()> {
    match program.inputs.iter().find(|input| input.name == name) {
        Some(Input { from: Place::Party(party), .. }) => bail!(
            "{name} comes from party {party}, which takes it in the clear: there is nothing to share\n   = help: declare it   from shares"
        ),
        _ => Ok(()),
    }
}

/// A secret for one sharing.
///
/// # Errors
/// If the system has no randomness.
pub fn secret() -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| anyhow!("there is no randomness: {error}"))?;
    Ok(secret)
}
