//! Those who run none of the servers: clients that give data, and clients that get results.
//!
//! Every server keeps a [`Store`] of files of shares and [`serve`](fn@serve)s it to the clients of its program. A client [`send`](fn@send)s each server what
//! that one may have of an input, or [`receive`](fn@receive)s what each has of a result; a run takes inputs from the store and leaves results there.
//!
//! **Who learns what.** A server gets its own file of shares, which is random as long as it lacks another server's. Only the client that a program names
//! can give an input or get a result, and only for the program that it has: its hash is compared first. Everybody learns names, shapes and when.

mod part;
mod played;
mod receive;
mod send;
mod serve;
mod store;
mod talk;
mod wire;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tern_bytecode::program::Place;
use tern_bytecode::{Program, container, disasm};
use tern_vm::net::{ClientError, Fingerprint, Hosts, Identity, Party};

pub use played::Played;
pub use receive::receive;
pub use send::{Secret, send};
pub use serve::{Said, serve};
pub use store::{Store, wait};

use crate::run::{certificate_beside, check_parties, key_beside};
use crate::stop::Stop;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(300);

/// A client, its key, and the servers that it knows.
pub struct Client<'a> {
    /// What it gives data for, or gets results of.
    pub program: &'a Program,
    /// The servers, and the clients by certificate.
    pub hosts: Hosts,
    /// What the program calls it.
    pub name: String,
    /// Its key and certificate.
    pub identity: Identity,
    /// How long servers that are not there, or not ready, are waited for.
    pub wait: Duration,
    /// Asks it to end.
    pub stop: Stop,
}

impl<'a> Client<'a> {
    /// Reads the hosts file and the key of a client; its certificate is beside the key, which by default is `NAME.key.pem` in the directory of the
    /// hosts file.
    ///
    /// # Errors
    /// Files that cannot be read; a client that the hosts file or the program does not know; a key that is not the client's.
    pub fn take(
        program: &'a Program,
        hosts: &Path,
        name: &str,
        key: Option<&Path>,
    ) -> anyhow::Result<Client<'a>> {
        let file = hosts;
        let hosts = Hosts::load(file)?;
        check_parties(program, &hosts)?;
        let Some(listed) = hosts.clients.get(name).copied() else {
            let known: Vec<&str> = hosts.clients.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
            bail!("there is no client {name} in {}; there are: {known}", file.display());
        };
        let key = key.map_or_else(|| key_beside(file, name), Path::to_path_buf);
        let identity = Identity::load(&key, &certificate_beside(&key)?)
            .with_context(|| format!("the key of client {name}"))?;
        check_identity(&hosts, name, identity.fingerprint(), listed)?;
        let (name, wait, stop) = (name.to_string(), Duration::ZERO, Stop::default());
        Ok(Client { program, hosts, name, identity, wait, stop })
    }

    /// Those who have shares.
    pub fn servers(&self) -> Vec<Party> {
        let model = self.program.header.protocol.model();
        Party::all(model.parties).filter(|party| model.computes(party.index())).collect()
    }

    /// Does something with each server at the same time, again and again until it is done or there is no point in going on.
    fn with_each<T: Send>(
        &self,
        work: impl Fn(Party) -> Result<T, Failure> + Sync,
        said: &(dyn Fn(String) + Sync),
    ) -> Vec<(Party, anyhow::Result<T>)> {
        let until = Instant::now() + self.wait;
        std::thread::scope(|scope| {
            let one = |party| {
                let work = &work;
                scope.spawn(move || self.until_done(until, said, &|| work(party)))
            };
            let threads: Vec<_> = self.servers().into_iter().map(|party| (party, one(party))).collect();
            let joined = threads.into_iter().map(|(party, thread)| {
                (party, thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            });
            joined.collect()
        })
    }

    fn until_done<T>(
        &self,
        until: Instant,
        said: &(dyn Fn(String) + Sync),
        work: &dyn Fn() -> Result<T, Failure>,
    ) -> anyhow::Result<T> {
        let mut last = String::new();
        loop {
            let cause = match work() {
                Ok(done) => return Ok(done),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(cause)) => cause,
            };
            if self.stop.is_asked() || Instant::now() >= until {
                return Err(cause);
            }
            let text = cause.to_string();
            if text != last {
                said(format!("{text}; it is tried again"));
                last = text;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Why something with a server did not work out.
enum Failure {
    /// It may, later.
    Passing(anyhow::Error),
    /// It will not.
    Final(anyhow::Error),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        if error.is_passing() { Failure::Passing(error.into()) } else { Failure::Final(error.into()) }
    }
}

/// Why a connection broke.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the other end is gone".into(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "nothing has come for too long".into(),
        _ => error.to_string(),
    }
}

/// The hash by which both ends know the program.
fn identity(program: &Program) -> String {
    container::identity(program).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether an input or output is this client's; `what` says which way it goes.
fn is_of(program: &Program, client: &str, name: &str, what: &str, place: Place) -> Result<(), String> {
    if program.client(place) == Some(client) {
        return Ok(());
    }
    Err(format!("{name} {what} {}, this is client {client}", disasm::place(program, place)))
}

fn check_identity(hosts: &Hosts, name: &str, given: Fingerprint, listed: Fingerprint) -> anyhow::Result<()> {
    if given == listed {
        return Ok(());
    }
    let owner = match (hosts.client(given), hosts.find(given)) {
        (Some(other), _) => format!("; it is the one of client {other}"),
        (None, Some(party)) => format!("; it is the one of {}", hosts.who(party)),
        (None, None) => String::new(),
    };
    bail!(
        "the certificate given, {given}, is not the one of client {name} in the hosts file, {listed}{owner}"
    )
}
