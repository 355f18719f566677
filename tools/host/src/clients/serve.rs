//! A server takes from clients what they owe, and gives them what is theirs.
//!
//! Whoever has connected has limited time for a handshake, and one that is too many pushes out the oldest that has not said who it is. A client can
//! fill no more of the disk than its inputs take, since the program says how large they are.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use sha2::{Digest, Sha256};
use tern_bytecode::program::{Input, Place};
use tern_bytecode::{Program, disasm};
use tern_vm::data::shares::Head;
use tern_vm::net::{Door, Stream};

use super::store::Store;
use super::wire::{Answer, CHUNK, Request, hear, say};
use super::{identity, why};
use crate::run::Seat;
use crate::shares;
use crate::stop::Stop;

/// How often it is looked for whoever connects.
const TICK: Duration = Duration::from_millis(20);
/// The most that have connected and not said who they are.
const GUESTS: usize = 64;
/// Connections of one client at a time.
const CONNECTIONS: usize = 16;
/// Bytes of a file's hash.
const HASH: usize = 32;
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
            Request::Take { program, name } => match self.is_theirs(client, &program, &name) {
                Ok(()) => return self.give(client, &name, stream),
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
        self.is_of(client, &head.name, "comes from", from)?;
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
        self.is_of(client, name, "goes to", to.ok_or_else(|| format!("the program has no output {name:?}"))?)
    }

    fn is_of(&self, client: &str, name: &str, what: &str, place: Place) -> Result<(), String> {
        if self.program.client(place) == Some(client) {
            return Ok(());
        }
        Err(format!("{name} {what} {}, this is client {client}", disasm::place(self.program, place)))
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
        let key = (client.to_string(), head.name.clone());
        if !lock(&self.busy).insert(key.clone()) {
            return say(
                stream,
                &Answer::Later(format!("{} is on its way over another connection", head.name)),
            );
        }
        let outcome = self.take_alone(client, head, length, replace, stream);
        lock(&self.busy).remove(&key);
        outcome
    }

    fn take_alone(
        &self,
        client: &str,
        head: &Head,
        length: u64,
        replace: bool,
        stream: &mut Stream,
    ) -> io::Result<()> {
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

/// The head of a file of shares, if it is there.
fn head_of(path: &Path) -> Option<Head> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    Head::read(BufReader::new(file), length).ok()
}

/// Why a file was not taken.
enum Lost {
    /// The client is gone.
    Link(io::Error),
    /// It cannot be written.
    Disk(io::Error),
    /// It is not what it should be.
    Damaged(String),
}

/// A file that has arrived, with its hash.
struct Part {
    path: std::path::PathBuf,
    length: u64,
    is_whole: bool,
}

impl Part {
    /// Takes what is missing of a file. What has arrived is on disk, whatever happens.
    fn receive(
        store: &Store,
        client: &str,
        head: &Head,
        length: u64,
        stream: &mut Stream,
    ) -> Result<Part, Lost> {
        let path = store.part(client, &head.name, &head.set).map_err(Lost::Disk)?;
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).append(true).create(true).mode(0o600).open(&path).map_err(Lost::Disk)?;
        let mut have = file.metadata().map_err(Lost::Disk)?.len();
        if have > length {
            file.set_len(0).map_err(Lost::Disk)?;
            have = 0;
        }
        let mut hash = Ending::new(length);
        let mut room = vec![0; CHUNK];
        let mut left = have;
        while left > 0 {
            let most = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = &mut room[..most];
            file.read_exact(piece).map_err(Lost::Disk)?;
            hash.update(piece);
            left -= most as u64;
        }
        say(stream, &Answer::From(have)).map_err(Lost::Link)?;
        while have < length {
            let most = room.len().min(usize::try_from(length - have).unwrap_or(usize::MAX));
            let count = stream.read(&mut room[..most]).map_err(Lost::Link)?;
            if count == 0 {
                return Err(Lost::Link(io::ErrorKind::UnexpectedEof.into()));
            }
            file.write_all(&room[..count]).map_err(Lost::Disk)?;
            hash.update(&room[..count]);
            have += count as u64;
        }
        file.sync_all().map_err(Lost::Disk)?;
        Ok(Part { path, length, is_whole: hash.agrees() })
    }

    /// Whether it is the file that was announced; one that is not is removed.
    fn check(&self, announced: &Head) -> Result<(), String> {
        let outcome = match head_of(&self.path) {
            None => Err("is no file of shares".to_string()),
            Some(_) if !self.is_whole => Err("is damaged".to_string()),
            Some(head) if head.set != announced.set => Err("is of another set than announced".to_string()),
            Some(head) => match &head.differences(announced)[..] {
                [] => Ok(()),
                differences => Err(format!("is not what was announced: {}", differences.join("; "))),
            },
        };
        if outcome.is_err() {
            // What is wrong is not gone on with.
            let _ = fs::remove_file(&self.path);
        }
        outcome
    }

    /// Puts it where it belongs.
    fn settle(&self, place: &Path) -> io::Result<()> {
        debug_assert!(fs::metadata(&self.path).is_ok_and(|there| there.len() == self.length));
        fs::rename(&self.path, place)?;
        place.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}

/// The hash of all but the last bytes, which are to be that hash.
struct Ending {
    hash: Sha256,
    /// Bytes before the hash that have not passed.
    before: u64,
    ending: Vec<u8>,
}

impl Ending {
    fn new(length: u64) -> Ending {
        Ending { hash: Sha256::new(), before: length.saturating_sub(HASH as u64), ending: Vec::new() }
    }

    fn update(&mut self, bytes: &[u8]) {
        let count = usize::try_from(self.before).unwrap_or(usize::MAX).min(bytes.len());
        self.hash.update(&bytes[..count]);
        self.before -= count as u64;
        self.ending.extend_from_slice(&bytes[count..]);
    }

    fn agrees(self) -> bool {
        self.before == 0 && self.hash.finalize()[..] == self.ending[..]
    }
}
