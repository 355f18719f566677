//! What goes wrong between parties: one line that names the party and the cause.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::frame::FrameError;
use super::identity::Fingerprint;
use super::line::is_exhausted;
use super::party::Party;

/// A party as a message names it: its index, and its name if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The party.
    pub party: Party,
    /// Its name in the hosts file; empty between threads of one process.
    pub name: Arc<str>,
}

impl From<Party> for Who {
    fn from(party: Party) -> Self {
        Self { party, name: "".into() }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.name {
            "" => write!(f, "{}", self.party),
            name => write!(f, "{} ({name})", self.party),
        }
    }
}

/// A failure of the links between the parties. Fields that all variants share: `who` is the party concerned.
#[derive(Debug, Error)]
#[allow(missing_docs)] // the fields are what the message says they are
pub enum NetError {
    // Before there is a connection.
    /// The address to listen on is taken.
    #[error("cannot listen on {address}: the port is in use")]
    PortInUse { address: String },
    /// The address to listen on cannot be used for another reason.
    #[error("cannot listen on {address}: {cause}")]
    Listen { address: String, cause: io::Error },
    /// The key in hand belongs to no party or to another one.
    #[error(
        "the certificate given, {given}, is not the one of {who} in the hosts file, {listed}{}",
        is_of(.owner)
    )]
    NotOurs { who: Who, given: Fingerprint, listed: Fingerprint, owner: Option<Box<Who>> },
    /// The system has no room for another connection.
    #[error("this process cannot open another connection: {cause}; allow it more open files (ulimit -n)")]
    Exhausted { cause: io::Error },
    /// The local key or certificate cannot be used.
    #[error("the key and certificate given cannot be used: {0}")]
    Unusable(rustls::Error),
    /// Nobody answers at the address of the party.
    #[error("{who} is unreachable at {address}: {cause} (waited {})", seconds(.waited))]
    Unreachable { who: Who, address: String, cause: String, waited: Duration },
    /// The party, which is the one to connect, did not.
    #[error("{who} did not connect (waited {}){}", seconds(.waited), after(.hint))]
    NeverCame { who: Who, waited: Duration, hint: Option<String> },
    /// Whoever answers at the party's address is somebody else.
    #[error(
        "{who} is not who it should be: at {address} there is the certificate {found}, expected {expected}{}",
        is_of(.owner)
    )]
    WrongCertificate {
        who: Who,
        address: String,
        found: Fingerprint,
        expected: Fingerprint,
        owner: Option<Box<Who>>,
    },
    /// The hosts files of the two parties do not fit each other.
    #[error("{who} has another hosts file: {difference}")]
    HostsDiffer { who: Who, difference: String },
    /// Another process of this party is there already.
    #[error(
        "{who} is running twice: {at} has met another process with its key; this one has waited {} and ends",
        seconds(.waited)
    )]
    Twice { who: Who, at: Who, waited: Duration },
    /// Both other parties are here and do not have each other.
    #[error("{who} and {other} have not found each other{} (waited {})", two_of(.other, .twice), seconds(.waited))]
    Unmet { who: Who, other: Who, twice: bool, waited: Duration },
    /// The party's certificate is the right one but cannot be accepted.
    #[error("the certificate of {who} is not acceptable: {cause}")]
    BadCertificate { who: Who, cause: String },
    /// The party ended the handshake with an alert.
    #[error("{who} turned us away: {alert}")]
    TurnedAway { who: Who, alert: String },
    /// What answers does not speak TLS.
    #[error("what answers for {who} at {address} does not speak TLS")]
    NotTls { who: Who, address: String },
    /// The handshake failed in another way.
    #[error("the handshake with {who} failed: {cause}")]
    Handshake { who: Who, cause: String },

    // Once connected.
    /// Nothing came from the party for longer than the time-out; `witness` says the same.
    #[error("{who} has been silent for {}{}", seconds(.waited), to_another(.witness))]
    Stalled { who: Who, waited: Duration, witness: Option<Who> },
    /// This party does not hear it, or not any more, and another one does.
    #[error(
        "{cause}, but {witness} hears it: the connection between {who} and this party is cut; look for a \
         firewall or a router between the two that drops connections"
    )]
    Cut { who: Who, witness: Who, cause: String },
    /// Two other parties have lost each other.
    #[error(
        "the connection between {one} and {other} is cut: this party hears both, {one} says that {cause}; \
         look for a firewall or a router between the two that drops connections"
    )]
    CutBetween { one: Who, other: Who, cause: String },
    /// No other party can be heard.
    #[error("{cause}, and {other} is silent too: is this party cut off from the network?")]
    Alone { who: Who, other: Who, cause: String },
    /// The connection broke without a word.
    #[error("{who} is gone: {cause}")]
    Died { who: Who, cause: String },
    /// The party finished its run although more was expected of it.
    #[error("{who} finished before the end of this run")]
    Left { who: Who },
    /// The party says that the run has failed, or that it `declines` to begin.
    #[error("{origin} ended the run: {reason}{}", as_told_by(.who, .origin))]
    Aborted { who: Who, origin: Who, suspect: Option<Party>, declines: bool, reason: String },

    // Messages that are not what the schedule says.
    /// A message ends too early.
    #[error("{who} sent a truncated message in round {round}: {got} bytes, {expected} expected")]
    Truncated { who: Who, round: u64, got: usize, expected: usize },
    /// A message has more bytes than it should have.
    #[error("{who} sent an oversized message in round {round}: at least {got} bytes, {expected} expected")]
    Oversized { who: Who, round: u64, got: usize, expected: usize },
    /// A message belongs to another round.
    #[error("{who} is out of step: it sent a message of round {got} in round {expected}")]
    OutOfStep { who: Who, got: u64, expected: u64 },
    /// A header that no party writes.
    #[error("{who} sent what cannot be understood: {cause}")]
    Malformed { who: Who, cause: FrameError },
    /// A message whose length is not fixed in advance is too long.
    #[error("{who} sent a message of {got} bytes where at most {limit} are allowed")]
    TooLong { who: Who, got: u64, limit: usize },
    /// The public seed that the party computed differs from ours, or it opened another value than it committed to.
    #[error("{who} does not agree on the common seed: {cause}")]
    Seed { who: Who, cause: &'static str },

    // Our own doing.
    /// This party sent or asked for more, or less, than it declared for the round.
    #[error("round {round}, {direction} {who}: {given} bytes where {declared} were declared")]
    Undeclared { who: Who, round: u64, direction: Direction, given: usize, declared: usize },
    /// Whoever gave the command wants an end.
    #[error("the run was cancelled")]
    Stopped,
    /// The operating system gives no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Entropy(String),
    /// The operating system refuses something else.
    #[error("{what}: {cause}")]
    System { what: &'static str, cause: io::Error },
}

impl NetError {
    /// What the system refuses to do for links: for want of files if that is why.
    pub(super) fn of_system(what: &'static str, cause: io::Error) -> Self {
        match is_exhausted(&cause) {
            true => Self::Exhausted { cause },
            false => Self::System { what, cause },
        }
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From this party.
    To,
    /// To this party.
    From,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::To => "to",
            Self::From => "from",
        })
    }
}

fn seconds(time: &Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn is_of(owner: &Option<Box<Who>>) -> String {
    owner.as_ref().map_or(String::new(), |owner| {
        format!("; it is the one of {owner}: compare the order of the parties and their addresses in all hosts files")
    })
}

fn two_of(party: &Who, twice: &bool) -> String {
    if *twice {
        format!(": {party} is running twice, and each of us has met another process of it")
    } else {
        String::new()
    }
}

fn after(hint: &Option<String>) -> String {
    hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"))
}

fn to_another(witness: &Option<Who>) -> String {
    witness.as_ref().map_or(String::new(), |witness| format!(", to {witness} too"))
}

fn as_told_by(who: &Who, origin: &Who) -> String {
    if who == origin { String::new() } else { format!(" (as {who} reports)") }
}
