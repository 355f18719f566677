//! What a server keeps for clients: one directory per program, in it one per client, in it files of shares.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_vm::net::Party;

use super::identity;
use crate::events::Events;
use crate::files::Files;
use crate::inputs::{by_name, provides};
use crate::shares;
use crate::stop::Stop;

/// How often the store is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Digits of a program's hash in the name of a directory.
const DIGITS: usize = 16;

/// The part of a server's store that belongs to a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store in this directory, which is made if it is not there, for its owner only.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(directory: &Path, program: &Program) -> anyhow::Result<Store> {
        let root = directory.join(&identity(program)[..DIGITS]);
        make(&root).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(Store { root })
    }

    /// Where results of a client go, and inputs of it come from.
    pub fn of(&self, client: &str) -> PathBuf {
        self.root.join(client)
    }

    /// The file of an input that a client has given.
    pub fn input(&self, client: &str, name: &str, me: Party) -> PathBuf {
        self.of(client).join("given").join(shares::file_name(name, me))
    }

    /// The file of a result that a client can take.
    pub fn result(&self, client: &str, name: &str, me: Party) -> PathBuf {
        self.results(client).join(shares::file_name(name, me))
    }

    /// Where the results for a client are.
    pub fn results(&self, client: &str) -> PathBuf {
        self.of(client).join("results")
    }

    /// What has arrived so far of a sending; parts of others are removed.
    pub(super) fn part(&self, client: &str, name: &str, set: &str) -> io::Result<PathBuf> {
        let directory = self.of(client).join("given");
        make(&directory)?;
        let own = format!("{name}.{set}.part");
        for entry in fs::read_dir(&directory)?.flatten() {
            let other = entry.file_name().to_string_lossy().into_owned();
            let same = other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
            if same && other.ends_with(".part") && other != own {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(directory.join(own))
    }
}

/// Makes a directory that nobody else can enter.
fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Waits until the clients of a program have given what this party needs and has from nowhere else; reading it tells what is still missing then.
///
/// # Errors
/// File names that make no sense.
pub fn wait(
    program: &Program,
    me: Party,
    files: &Files,
    limit: Duration,
    stop: &Stop,
    events: &mut Events<'_>,
) -> anyhow::Result<()> {
    let Some(store) = &files.store else { return Ok(()) };
    let named = files.named(program, Some(me))?;
    let mut missing: Vec<(&str, &str)> = Vec::new();
    for (name, fields) in by_name(program) {
        let input = &program.inputs[fields[0]];
        let elsewhere = files.data.as_deref().and_then(|data| shares::find(data, name, me)).is_some();
        if let Some(client) = program.client(input.from)
            && provides(program, me, input)
            && !named.contains_key(name)
            && !elsewhere
        {
            missing.push((client, name));
        }
    }
    let until = Instant::now() + limit;
    let mut told = false;
    loop {
        missing.retain(|(client, name)| !store.input(client, name, me).is_file());
        if missing.is_empty() || stop.is_asked() || Instant::now() >= until {
            return Ok(());
        }
        if !told {
            told = true;
            let owed: Vec<String> =
                missing.iter().map(|(client, name)| format!("{name} from client {client}")).collect();
            events.warn(format!("waiting for {}", owed.join(", ")));
        }
        std::thread::sleep(TICK);
    }
}
