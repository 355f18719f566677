//! The transport between machines: TLS sessions on sockets that one thread polls.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use smallvec::{SmallVec, smallvec};
use tern_bytecode::model::MAX_PARTIES;

use super::party::{Party, Peers};
use super::session::Session;
use super::transport::{Read, Transport};

/// The sessions with the other parties.
pub(super) struct Tcp {
    sessions: Peers<Session>,
}

impl Tcp {
    pub(super) fn new(sessions: Peers<Session>) -> Self {
        Self { sessions }
    }
}

impl Transport for Tcp {
    fn peers(&self) -> Peers<()> {
        self.sessions.as_ref().map(|_, _| ())
    }

    fn write(&mut self, peer: Party, bytes: &[u8]) -> io::Result<()> {
        self.sessions[peer].write(bytes)
    }

    fn flush(&mut self, peer: Party) -> io::Result<()> {
        self.sessions[peer].flush()
    }

    fn backlog(&self, peer: Party) -> usize {
        self.sessions[peer].backlog()
    }

    fn read(&mut self, peer: Party, into: &mut [u8]) -> io::Result<Read> {
        self.sessions[peer].read(into)
    }

    fn wait(&mut self, read: Peers<bool>, limit: Duration) -> io::Result<()> {
        let sessions = self.sessions.iter_mut().map(|(peer, session)| (session, read[peer])).collect();
        wait(sessions, limit)
    }

    fn wipe(&mut self) {
        self.sessions.iter_mut().for_each(|(_, session)| session.wipe());
    }

    fn close(&mut self, limit: Duration) {
        close(self.sessions.iter_mut().map(|(_, session)| session), limit);
    }
}

/// Waits until a session that is to be read can be, or one with a backlog can be written.
fn wait(mut sessions: SmallVec<[(&mut Session, bool); MAX_PARTIES]>, limit: Duration) -> io::Result<()> {
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
    // An error on the socket shows when it is read.
    let readable = |poll: &PollFd<'_>| !poll.revents().difference(PollFlags::OUT).is_empty();
    let readable: SmallVec<[bool; MAX_PARTIES]> = polls.iter().map(readable).collect();
    drop(polls);
    for ((session, _), readable) in sessions.iter_mut().zip(readable) {
        session.readable |= readable;
    }
    Ok(())
}

/// Ends sessions so that the other ends get everything that was written: a socket that is closed while something is unread
/// resets the connection, and what it had sent may be lost. Each session is given up after `limit`.
pub(super) fn close<'a>(sessions: impl IntoIterator<Item = &'a mut Session>, limit: Duration) {
    let mut sessions: Vec<_> = sessions.into_iter().collect();
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
