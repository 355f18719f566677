//! One link over the connections that carry it: what becomes of it when a connection breaks, and when another one is there.
//!
//! A connection is given up when reading or writing fails, when it ends without a word, when nothing has come over it for longer than a living
//! party is silent, and when the other end has proved that it has given it up. Then the link is *interrupted*: what is written
//! waits, nothing is read. It goes on where it was when the other end is there again, from what each end has received. The time for that runs
//! from the loss, or from the last byte if the connection just went silent, and does not begin anew before something comes.
//!
//! What cannot be bridged is an error of the link: time is up, the other end is another process now, or it claims what cannot be. So is a process that has
//! ended, as far as that can be seen from here, unless somebody has said how long to wait: then it is only told.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::again::{Again, Guest};
use super::error::Who;
use super::live::Live;
use super::proof::Secret;
use super::session::Session;
use super::transport::Read;

/// For how long a process that has begun anew may knock while the one before it, if there still is one, does not come back.
const RIVAL: Duration = Duration::from_secs(5);
/// A process that has not knocked for so long is gone.
const KNOCK: Duration = Duration::from_secs(3);

/// How long a link is waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Until it is given up.
    pub(super) link: Duration,
    /// Without a byte, until the connection is taken for dead.
    pub(super) quiet: Duration,
    /// Whether it is waited for so long even if the process at its other end seems to have ended.
    pub(super) insists: bool,
}

/// A session, and the state of what carries it.
pub(super) struct Link {
    pub(super) who: Who,
    pub(super) session: Session,
    pub(super) secret: Secret,
    /// Whether this party dials.
    pub(super) dials: bool,
    state: State,
    /// When it was known last that the connection is not silent.
    alive: Instant,
    /// Since when the link is interrupted, or back without anything having come.
    since: Option<Instant>,
    /// The last attempt of the other end that was accepted.
    attempt: u64,
    /// How many bytes the other end was told that have come.
    told: u64,
    /// When another process of the party knocked last.
    rival: Option<Instant>,
}

enum State {
    /// Bytes can pass.
    Up,
    /// They cannot, for this reason; and whether it is silence.
    Interrupted { cause: String, silent: bool },
    /// The other end has ended the session in order.
    Over,
    /// It cannot be bridged.
    Failed(io::ErrorKind, String),
}

impl Link {
    pub(super) fn new(who: Who, dials: bool, session: Session, secret: Secret) -> Self {
        let (state, alive) = (State::Up, Instant::now());
        Self { who, session, secret, dials, state, alive, since: None, attempt: 0, told: 0, rival: None }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    pub(super) fn is_interrupted(&self) -> bool {
        matches!(self.state, State::Interrupted { .. })
    }

    /// Bytes that have come and that the other end was not told of.
    pub(super) fn owed(&self) -> u64 {
        self.session.received() - self.told
    }

    pub(super) fn receipt(&mut self) -> u64 {
        self.told = self.session.received();
        self.told
    }

    pub(super) fn failure(&self) -> io::Result<()> {
        match &self.state {
            State::Failed(kind, why) => Err(io::Error::new(*kind, why.clone())),
            State::Up | State::Interrupted { .. } | State::Over => Ok(()),
        }
    }

    /// Reads what is there; why the connection is of no use any more, if it has turned out so.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Result<Read, String>> {
        match self.session.read(into) {
            Ok(Read::Bytes(count)) => {
                self.since = self.since.filter(|_| !self.is_up());
                self.is_alive();
                Ok(Ok(Read::Bytes(count)))
            }
            Ok(Read::Later) => self.failure().map(|()| Ok(Read::Later)),
            Ok(Read::End) => {
                self.state = State::Over;
                Ok(Ok(Read::End))
            }
            // What the encryption rejects is no matter of the connection.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(error),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// Something may have come, or nobody would know.
    pub(super) fn is_alive(&mut self) {
        self.alive = Instant::now();
    }

    /// Whether nothing has come for so long that the connection must be dead.
    pub(super) fn is_silent(&self, patience: Patience) -> bool {
        self.is_up() && self.alive.elapsed() >= patience.quiet
    }

    /// Gives up the connection.
    pub(super) fn lose(&mut self, cause: String, silent: bool) -> Loss {
        if !self.is_up() {
            return Loss::Known;
        }
        if self.session.give_up() {
            self.state = State::Over;
            return Loss::Known;
        }
        self.since.get_or_insert(if silent { self.alive } else { Instant::now() });
        self.state = State::Interrupted { cause, silent };
        Loss::New
    }

    /// Says that it was lost, and dials if that is the task of this end, or else looks whether the other end can do that.
    pub(super) fn mourn(&self, again: &Again, live: Option<&Live>, patience: Patience) {
        if self.dials {
            again.dial(self.who.party, self.session.received());
        } else {
            again.watch(self.who.party);
        }
        if let (State::Interrupted { cause, .. }, Some(live)) = (&self.state, live) {
            live.interrupted();
            let (who, span) = (&self.who, span(patience.link));
            live.tell(&format!("link to {who} lost, connecting again (for up to {span}): {cause}"));
        }
    }

    /// The party that was dialed is there, and has received so much.
    pub(super) fn back(&mut self, socket: TcpStream, received: u64, live: Option<&Live>) {
        if self.is_interrupted() {
            self.go_on(socket, received, live);
        }
    }

    /// The party that dials has given up the connection, which may be alive here, and waits at another one.
    pub(super) fn admit(&mut self, guest: Guest, live: Option<&Live>) {
        let overtaken = guest.claim.attempt <= self.attempt;
        if overtaken || !(self.is_up() || self.is_interrupted()) {
            return;
        }
        self.attempt = guest.claim.attempt;
        let received = guest.claim.received;
        // If it is gone already it will come again.
        if let Ok(socket) = guest.accept(&self.secret, self.session.received()) {
            self.go_on(socket, received, live);
        }
    }

    fn go_on(&mut self, socket: TcpStream, received: u64, live: Option<&Live>) {
        if !self.session.go_on(socket, received) {
            let wrong = "it asks for bytes that it said it had, or that were not sent";
            self.state = State::Failed(io::ErrorKind::InvalidData, wrong.to_owned());
            return;
        }
        self.state = State::Up;
        self.is_alive();
        if let Some(live) = live {
            let who = &self.who;
            live.tell(&match self.since {
                Some(since) => {
                    format!("link to {who} is back after {:.1} s", since.elapsed().as_secs_f64())
                }
                None => format!("link to {who} is back: the other end had lost it"),
            });
        }
    }

    /// Another process of the party has been seen: at the party's own address, or knocking here.
    pub(super) fn another(&mut self, dialed: bool) {
        if dialed && self.is_interrupted() {
            // At the address where the party was met there is no room for two.
            self.fail("it has been started again");
        }
        self.rival = Some(Instant::now());
    }

    /// Nobody listens any more where the party did.
    pub(super) fn gone(&mut self, live: Option<&Live>, patience: Patience) {
        let State::Interrupted { silent, .. } = &mut self.state else { return };
        if !patience.insists {
            *silent = false; // more is known than that
            self.fail("nobody listens at its address any more: its process has ended");
        } else if let Some(live) = live {
            let (who, span) = (&self.who, span(patience.link));
            live.tell(&format!(
                "{who} has gone: nobody listens at its address any more; waiting for it for up to {span}"
            ));
        }
    }

    /// Looks whether it is still worth waiting.
    pub(super) fn judge(&mut self, patience: Patience) {
        let (State::Interrupted { .. }, Some(since)) = (&self.state, self.since) else { return };
        let waited = since.elapsed();
        let replaced = self.rival.is_some_and(|knocked| knocked.elapsed() < KNOCK);
        if replaced && waited >= RIVAL {
            self.fail("it has been started again");
        } else if waited >= patience.link {
            self.fail(&format!("and the link was not back within {}", span(patience.link)));
        }
    }

    fn fail(&mut self, why: &str) {
        if let State::Interrupted { cause, silent } = &self.state {
            let kind = if *silent { io::ErrorKind::TimedOut } else { io::ErrorKind::ConnectionAborted };
            self.state = State::Failed(kind, format!("{cause}, {why}"));
        }
    }
}

/// Whether a connection was in use until it was given up.
#[derive(PartialEq, Eq)]
pub(super) enum Loss {
    New,
    Known,
}

/// A time as people say it.
fn span(time: Duration) -> String {
    match (time.as_secs(), time.subsec_nanos()) {
        (seconds, 0) if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        (seconds, 0) => format!("{seconds} s"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}
