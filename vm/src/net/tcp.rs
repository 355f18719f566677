//! The transport between machines: TLS sessions on sockets that one thread polls.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use smallvec::{SmallVec, smallvec};
use tern_bytecode::model::MAX_PARTIES;

use super::again::{Again, Arrival};
use super::link::{Link, Loss, Patience};
use super::live::Live;
use super::party::{Party, Peers};
use super::session::Session;
use super::transport::{Read, Transport};

/// A link that keeps more than this takes nothing new until the other end has said what it has.
const KEEP: usize = 16 << 20;
/// Between two looks whether a link is back.
const LOOK: Duration = Duration::from_millis(20);

/// The links to the other parties, and the thread that connects again.
pub(super) struct Tcp {
    links: Peers<Link>,
    again: Again,
    patience: Patience,
    live: Option<Arc<Live>>,
}

impl Tcp {
    pub(super) fn new(links: Peers<Link>, again: Again, patience: Patience) -> Self {
        Self { links, again, patience, live: None }
    }

    fn lose(&mut self, peer: Party, cause: String, silent: bool) {
        let link = &mut self.links[peer];
        if link.lose(cause, silent) == Loss::New {
            link.mourn(&self.again, self.live.as_deref(), self.patience);
        }
    }

    /// Takes what has come from the thread that connects again, and looks at what cannot be seen on a socket.
    fn tend(&mut self) {
        let live = self.live.as_deref();
        while let Some(arrival) = self.again.arrival() {
            match arrival {
                Arrival::Back { party, socket, received } => self.links[party].back(socket, received, live),
                Arrival::Claimed { party, guest } => {
                    self.links[party].admit(*guest, live);
                    if self.links[party].is_up() {
                        self.again.rest(party);
                    }
                }
                Arrival::Another { party, dialed } => self.links[party].another(dialed),
                Arrival::Gone { party } => self.links[party].gone(live, self.patience),
            }
        }
        for peer in self.links.parties() {
            if self.links[peer].is_silent(self.patience) {
                self.lose(peer, "it has been silent".to_owned(), true);
            }
            self.links[peer].judge(self.patience);
        }
    }
}

impl Transport for Tcp {
    fn peers(&self) -> Peers<()> {
        self.links.as_ref().map(|_, _| ())
    }

    fn write(&mut self, peer: Party, bytes: &[u8]) -> io::Result<()> {
        self.links[peer].session.write(bytes)
    }

    fn flush(&mut self, peer: Party) -> io::Result<()> {
        let link = &mut self.links[peer];
        link.failure()?;
        match link.session.flush() {
            Err(error) if link.is_up() => {
                self.lose(peer, error.to_string(), false);
                Ok(())
            }
            flushed => flushed,
        }
    }

    fn backlog(&self, peer: Party) -> usize {
        let session = &self.links[peer].session;
        session.backlog() + session.kept().open().saturating_sub(KEEP)
    }

    fn read(&mut self, peer: Party, into: &mut [u8]) -> io::Result<Read> {
        match self.links[peer].read(into)? {
            Ok(read) => Ok(read),
            Err(cause) => {
                self.lose(peer, cause, false);
                Ok(Read::Later)
            }
        }
    }

    fn wait(&mut self, read: Peers<bool>, limit: Duration) -> io::Result<()> {
        let interrupted = self.links.iter().any(|(_, link)| link.is_interrupted());
        let limit = if interrupted { limit.min(LOOK) } else { limit };
        let up = self.links.iter_mut().filter(|(_, link)| link.is_up());
        let (parties, sessions): (SmallVec<[Party; MAX_PARTIES]>, SmallVec<_>) =
            up.map(|(peer, link)| (peer, (&mut link.session, read[peer]))).unzip();
        let moved = wait(sessions, limit)?;
        for (peer, moved) in parties.into_iter().zip(moved) {
            match moved {
                // It would be seen when it is read, which nobody does now.
                Moved::Broken if !read[peer] => {
                    self.lose(peer, "the connection broke".to_owned(), false);
                }
                Moved::Nothing if read[peer] => {}
                Moved::Readable | Moved::Nothing | Moved::Broken => self.links[peer].is_alive(),
            }
        }
        self.tend();
        Ok(())
    }

    fn wipe(&mut self) {
        self.links.iter_mut().for_each(|(_, link)| link.session.wipe());
    }

    fn owed(&self, peer: Party) -> u64 {
        self.links[peer].owed()
    }

    fn receipt(&mut self, peer: Party) -> u64 {
        self.links[peer].receipt()
    }

    fn acknowledged(&mut self, peer: Party, bytes: u64) -> bool {
        self.links[peer].session.acknowledge(bytes)
    }

    fn place(&self, peer: Party) -> u64 {
        self.links[peer].session.kept().end()
    }

    fn has_arrived(&self, peer: Party, place: u64) -> bool {
        self.links[peer].session.kept().has_arrived(place)
    }

    fn is_interrupted(&self, peer: Party) -> bool {
        self.links[peer].is_interrupted()
    }

    fn show(&mut self, live: Arc<Live>) {
        self.live = Some(live);
    }

    fn close(&mut self, limit: Duration) {
        close(self.links.iter_mut().map(|(_, link)| &mut link.session), limit);
        self.again.stop();
    }
}

/// What a look at a socket has found.
#[derive(Clone, Copy)]
enum Moved {
    /// There is something to read, if only the end.
    Readable,
    /// Nothing, or there is room to write.
    Nothing,
    /// The connection is over in both directions.
    Broken,
}

/// Waits until a session that is to be read can be, or one with a backlog can be written.
fn wait(
    mut sessions: SmallVec<[(&mut Session, bool); MAX_PARTIES]>,
    limit: Duration,
) -> io::Result<SmallVec<[Moved; MAX_PARTIES]>> {
    let mut polls: SmallVec<[PollFd<'_>; MAX_PARTIES]> = SmallVec::new();
    for (session, read) in &sessions {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, *read);
        flags.set(PollFlags::OUT, session.backlog() > 0);
        polls.push(PollFd::from_borrowed_fd(session.socket.as_fd(), flags));
    }
    // Longer than any time-out, if it does not fit.
    let seconds = limit.as_secs().try_into().unwrap_or(i64::from(u32::MAX));
    let limit = Timespec { tv_sec: seconds, tv_nsec: limit.subsec_nanos().into() };
    match poll(&mut polls, Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let moved = |poll: &PollFd<'_>| match poll.revents().difference(PollFlags::OUT) {
        flags if flags.intersects(PollFlags::ERR | PollFlags::HUP) => Moved::Broken,
        flags if flags.is_empty() => Moved::Nothing,
        _ => Moved::Readable,
    };
    let moved: SmallVec<[Moved; MAX_PARTIES]> = polls.iter().map(moved).collect();
    drop(polls);
    for ((session, _), moved) in sessions.iter_mut().zip(&moved) {
        // An error on the socket shows when it is read.
        session.readable |= !matches!(moved, Moved::Nothing);
    }
    Ok(moved)
}

/// Ends sessions so that the other ends get everything that was written: a socket that is closed while something is unread
/// resets the connection, and what it had sent may be lost. Each session is given up after `limit`.
pub(super) fn close<'a>(sessions: impl IntoIterator<Item = &'a mut Session>, limit: Duration) {
    let mut sessions: Vec<_> = sessions.into_iter().filter(|session| !session.is_broken()).collect();
    for session in &mut sessions {
        session.close();
        // A session that cannot be written any more need not be closed in order.
        let _ = session.flush();
    }
    let mut scrap = vec![0; 64 << 10];
    for session in &mut sessions {
        let end = Instant::now() + limit;
        while is_open(session, &mut scrap) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || wait(smallvec![(&mut **session, true)], left).is_err() {
                break;
            }
        }
    }
}

/// Writes what is left, throws away what arrives; whether there may be more of either.
fn is_open(session: &mut Session, scrap: &mut [u8]) -> bool {
    if session.flush().is_err() {
        return false;
    }
    if session.backlog() == 0 {
        // Fails if the other end is gone, which the read finds out as well.
        let _ = session.socket.shutdown(Shutdown::Write);
    }
    loop {
        match session.read(scrap) {
            Ok(Read::Bytes(_)) => {}
            Ok(Read::Later) => return true,
            Ok(Read::End) | Err(_) => return session.backlog() > 0,
        }
    }
}
