//! A server takes from clients what they owe, and gives them what is theirs.
//!
//! Whoever has connected has limited time for a handshake, and one that is too many pushes out the oldest that has not said who it is. A client can
//! fill no more of the disk than its inputs take, since the program says how large they are.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use tern_bytecode::Program;
use tern_bytecode::program::Input;
use tern_vm::data::shares::Head;
use tern_vm::net::{Door, Stream};

use super::part::{Lost, Part, head_of};
use super::store::Store;
use super::wire::{Answer, CHUNK, Request, hear, say};
use super::{identity, is_of, why};
use crate::file_host::numbered;
use crate::run::Seat;
use crate::shares;
use crate::stop::Stop;

/// How often it is looked for whoever connects.
const TICK: Duration = Duration::from_millis(20);
/// The most that have connected and not said who they are.
const GUESTS: usize = 64;
/// Connections of one client at a time.
const CONNECTIONS: usize = 16;
/// Bytes that a file has besides its numbers, at most.
const BESIDES: u64 = 32 << 20;

/// What a server has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It serves now, at this address.
    Open(String),
    /// Something was given or taken.
    Done(String),
    /// Somebody was turned away.
    Refused(String),
}

/// A server of one program.
struct Serving<'a> {
    program: &'a Program,
    identity: String,
    seat: &'a Seat,
    store: &'a Store,
    /// What is being received: client and input.
    busy: Mutex<BTreeSet<(String, String)>>,
    guests: Mutex<Vec<Guest>>,
    said: &'a (dyn Fn(Said) + Sync),
}

/// Somebody who has connected, the oldest first.
struct Guest {
    number: usize,
    /// Who it is, once it has said so.
    client: Option<String>,
    stream: TcpStream,
}

/// An input of a client that is being received, until this is dropped.
struct Receiving<'a> {
    all: &'a Mutex<BTreeSet<(String, String)>>,
    own: (String, String),
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        lock(self.all).remove(&self.own);
    }
}

/// Serves the clients of a program until it is asked to stop.
///
/// # Errors
/// A port that cannot be opened.
pub fn serve(
    program: &Program,
    seat: &Seat,
    store: &Store,
    stop: &Stop,
    said: &(dyn Fn(Said) + Sync),
) -> anyhow::Result<()> {
    let door = Door::open(&seat.hosts, seat.me, &seat.identity)?;
    let serving = Serving {
        program,
        identity: identity(program),
        seat,
        store,
        busy: Mutex::default(),
        guests: Mutex::default(),
        said,
    };
    for port in door.ports() {
        port.set_nonblocking(true).context("the port for clients")?;
        said(Said::Open(port.local_addr().context("the port for clients")?.to_string()));
    }
    std::thread::scope(|scope| {
        let mut count = 0;
        while !stop.is_asked() {
            let mut quiet = true;
            for port in door.ports() {
                let Some(stream) = accept(port) else { continue };
                (quiet, count) = (false, count + 1);
                let (number, serving, door) = (count, &serving, &door);
                serving.enter(number, &stream);
                scope.spawn(move || serving.welcome(number, stream, door));
            }
            if quiet {
                std::thread::sleep(TICK);
            }
        }
        // Nobody is waited for who is still sending: what has arrived is on disk.
        lock(&serving.guests).drain(..).for_each(Guest::leave);
    });
    Ok(())
}

fn accept(port: &TcpListener) -> Option<TcpStream> {
    // Whatever keeps one connection from coming in may let in the next.
    let (stream, _) = port.accept().ok()?;
    stream.set_nonblocking(false).ok()?;
    Some(stream)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Guest {
    fn leave(self) {
        // It may have left by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Serving<'_> {
    /// Lets somebody in, and the oldest guest out if there are too many.
    fn enter(&self, number: usize, stream: &TcpStream) {
        let mut guests = lock(&self.guests);
        let is_stranger = |guest: &Guest| guest.client.is_none();
        if guests.iter().filter(|guest| is_stranger(guest)).count() >= GUESTS
            && let Some(oldest) = guests.iter().position(is_stranger)
        {
            guests.remove(oldest).leave();
        }
        if let Ok(stream) = stream.try_clone() {
            guests.push(Guest { number, client: None, stream });
        }
    }

    fn welcome(&self, number: usize, stream: TcpStream, door: &Door) {
        let silence = self.seat.hosts.timeouts.stall;
        match door.admit(stream, silence) {
            Ok((client, mut stream)) => {
                if !self.know(number, &client) {
                    (self.said)(Said::Refused(format!("client {client}: it has too many connections")));
                } else if let Err(error) = self.answer(&client, &mut stream) {
                    let why = why(&error);
                    (self.said)(Said::Refused(format!("client {client}: the connection broke: {why}")));
                }
            }
            Err(error) => (self.said)(Said::Refused(error.to_string())),
        }
        lock(&self.guests).retain(|guest| guest.number != number);
    }

    /// Remembers who a guest is; false if it is here too often.
    fn know(&self, number: usize, client: &str) -> bool {
        let mut guests = lock(&self.guests);
        let same = guests.iter().filter(|guest| guest.client.as_deref() == Some(client)).count();
        if let Some(guest) = guests.iter_mut().find(|guest| guest.number == number) {
            guest.client = Some(client.to_string());
        }
        same < CONNECTIONS
    }

    /// Hears what a client wants, and does it.
    fn answer(&self, client: &str, stream: &mut Stream) -> io::Result<()> {
        let refused = match hear(stream)? {
            Request::Give { program, head, length, replace } => {
                match self.judge(client, &program, &head, length) {
                    Ok(()) => return self.take(client, &head, length, replace, stream),
                    Err(reason) => reason,
                }
            }
            Request::Take { program, name, number } => match self.is_theirs(client, &program, &name) {
                Ok(()) => {
                    let name = number.map_or(name.clone(), |number| numbered(&name, number));
                    return self.give(client, &name, stream);
                }
                Err(reason) => reason,
            },
        };
        (self.said)(Said::Refused(format!("client {client}: {refused}")));
        say(stream, &Answer::Refused(refused))
    }

    fn is_same_program(&self, program: &str) -> Result<(), String> {
        if program == self.identity {
            return Ok(());
        }
        let short = |hash: &str| hash.chars().take(16).collect::<String>();
        Err(format!(
            "it runs another program: {} with the hash {}, the client has {}",
            self.program.header.name,
            short(&self.identity),
            short(program)
        ))
    }

    /// Whether a client may give this.
    fn judge(&self, client: &str, program: &str, head: &Head, length: u64) -> Result<(), String> {
        self.is_same_program(program)?;
        let fields: Vec<&Input> = self.program.inputs.iter().filter(|i| i.name == head.name).collect();
        let from = fields.first().map(|input| input.from);
        let from = from.ok_or_else(|| format!("the program has no input {:?}", head.name))?;
        is_of(self.program, client, &head.name, "comes from", from)?;
        let expected = shares::expected(self.program, &fields, self.seat.me);
        let differences = head.differences(&expected);
        if !differences.is_empty() {
            return Err(format!("these are no shares of {}: {}", head.name, differences.join("; ")));
        }
        if head.set.len() != 32 || !head.set.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("its set is not 32 hexadecimal digits".into());
        }
        let most = expected.bytes().saturating_add(BESIDES);
        if length > most {
            return Err(format!("{} has {length} bytes, there can be {most}", head.name));
        }
        Ok(())
    }

    /// Whether a client may have this.
    fn is_theirs(&self, client: &str, program: &str, name: &str) -> Result<(), String> {
        self.is_same_program(program)?;
        let to = self.program.outputs.iter().find(|output| output.name == name).map(|output| output.to);
        let to = to.ok_or_else(|| format!("the program has no output {name:?}"))?;
        is_of(self.program, client, name, "goes to", to)
    }

    /// That an input of a client is being received here, unless it is already.
    fn receiving(&self, client: &str, name: &str) -> Option<Receiving<'_>> {
        let own = (client.to_string(), name.to_string());
        lock(&self.busy).insert(own.clone()).then_some(Receiving { all: &self.busy, own })
    }

    /// Takes a file from a client.
    fn take(
        &self,
        client: &str,
        head: &Head,
        length: u64,
        replace: bool,
        stream: &mut Stream,
    ) -> io::Result<()> {
        let Some(_alone) = self.receiving(client, &head.name) else {
            let reason = format!("{} is on its way over another connection", head.name);
            return say(stream, &Answer::Later(reason));
        };
        let name = &head.name;
        let place = self.store.input(client, name, self.seat.me);
        if let Some(there) = head_of(&place) {
            if there.set == head.set {
                return say(stream, &Answer::Kept);
            }
            if !replace {
                let reason = format!(
                    "{name} is here already, from another sending (set {}; this one is {}): it can be replaced with --replace",
                    there.set, head.set
                );
                (self.said)(Said::Refused(format!("client {client}: {reason}")));
                return say(stream, &Answer::Refused(reason));
            }
        }
        let kept = Part::receive(self.store, client, head, length, stream).and_then(|part| {
            part.check(head).map_err(Lost::Damaged)?;
            part.settle(&place).map_err(Lost::Disk)
        });
        match kept {
            Ok(()) => {
                (self.said)(Said::Done(format!("client {client} has given {name}: {length} bytes")));
                say(stream, &Answer::Kept)
            }
            Err(Lost::Link(error)) => Err(error),
            Err(Lost::Disk(error)) => {
                (self.said)(Said::Refused(format!("client {client}: {name} cannot be kept: {error}")));
                say(stream, &Answer::Refused(format!("it cannot keep {name}: {error}")))
            }
            Err(Lost::Damaged(reason)) => {
                (self.said)(Said::Refused(format!("client {client}: {name} {reason}")));
                say(stream, &Answer::Later(format!("what has arrived of {name} {reason}")))
            }
        }
    }

    /// Gives a client the file of a result.
    fn give(&self, client: &str, name: &str, stream: &mut Stream) -> io::Result<()> {
        let Ok(file) = File::open(self.store.result(client, name, self.seat.me)) else {
            return say(stream, &Answer::Later(format!("there is no {name} yet")));
        };
        let length = file.metadata()?.len();
        say(stream, &Answer::Here(length))?;
        let mut out = BufWriter::with_capacity(CHUNK, &mut *stream);
        io::copy(&mut BufReader::with_capacity(CHUNK, file.take(length)), &mut out)?;
        out.flush()?;
        drop(out);
        (self.said)(Said::Done(format!("client {client} has taken {name}: {length} bytes")));
        Ok(())
    }
}
