//! Whether a process has ended, as far as its address tells.
//!
//! Where nobody listens, the system refuses a connection at once; what is cut off, asleep or switched off does not answer at all. So refusals for a while,
//! and nothing else in between, say that a process that listened there has ended. They can also come from a tunnel or a router that is
//! started again: whoever is told to wait goes on waiting.

use std::io;
use std::time::{Duration, Instant};

/// How long an address refuses until it is said.
const WHILE: Duration = Duration::from_secs(5);

/// Refusals in a row.
#[derive(Default)]
pub(super) struct Refusals {
    since: Option<Instant>,
    told: bool,
}

impl Refusals {
    /// Takes how an attempt has ended; whether it is to be told now that nobody listens there, which is once for refusals in a row.
    pub(super) fn tell(&mut self, refused: bool) -> bool {
        self.tell_at(refused, Instant::now())
    }

    fn tell_at(&mut self, refused: bool, now: Instant) -> bool {
        if !refused {
            *self = Self::default();
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let due = !self.told && now.duration_since(since) >= WHILE;
        self.told |= due;
        due
    }
}

/// Whether nobody listens there.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_a_row_are_told_once() {
        let (begin, mut refusals) = (Instant::now(), Refusals::default());
        let mut told = |second: u64, refused| refusals.tell_at(refused, begin + Duration::from_secs(second));
        assert!(!told(0, true) && !told(4, true) && told(5, true) && !told(6, true));
        // an answer, or none in time
        assert!(!told(7, false) && !told(8, true) && !told(12, true) && told(13, true));
    }

    #[test]
    fn only_a_refusal_is_one() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(is_refusal(&std::net::TcpStream::connect(free).unwrap_err()));
        assert!(!is_refusal(&io::ErrorKind::TimedOut.into()));
        assert!(!is_refusal(&io::ErrorKind::HostUnreachable.into()));
    }
}
