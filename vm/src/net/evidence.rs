//! When a run has failed for all parties alike: each tells the others what it knows about why, outside the rounds.
//!
//! Whatever else is under way is thrown away from here on. Nobody is waited for beyond half of the time-out, and who
//! is gone or says nothing is left out: one of them may have made the run fail, and if it is the only one that is
//! silent, it does not hold up the others for longer than a moment.

use std::time::{Duration, Instant};

use super::frame;
use super::party::Peers;
use super::rounds::Rounds;

/// Between two looks at all links.
const GLANCE: Duration = Duration::from_millis(100);
/// How long the last one is waited for.
const GRACE: Duration = Duration::from_millis(250);

impl Rounds {
    /// Sends each of the others what this party knows, and gives what they know. Afterwards the links are of no use but for
    /// [`Rounds::abort`].
    pub(super) fn exchange_evidence(&mut self, ours: Peers<&[u8]>) -> Peers<Option<Vec<u8>>> {
        let mut deadline = Instant::now() + self.stall / 2;
        let mut gone = self.who.as_ref().map(|_, _| false);
        for peer in self.peers() {
            let written = self.transport.write(peer, &frame::evidence(ours[peer]));
            gone[peer] = written.and_then(|()| self.transport.flush(peer)).is_err();
            self.incoming[peer].discard();
        }
        // who is lost is not asked after: that would end the run at those who still have something to say
        self.suspect = self.suspect.or(self.peers().next());
        let mut alone = false;
        loop {
            let mut open = gone.as_ref().map(|peer, gone| !gone && self.incoming[peer].evidence().is_none());
            for peer in self.peers().filter(|peer| open[*peer]).collect::<Vec<_>>() {
                let heard = self.drain(peer, &mut &mut [][..]);
                gone[peer] = heard.is_err() || self.transport.flush(peer).is_err();
                open[peer] = !gone[peer] && self.incoming[peer].evidence().is_none();
            }
            if open.iter().filter(|(_, open)| **open).count() == 1 && !alone {
                alone = true;
                deadline = deadline.min(Instant::now() + GRACE);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // whoever has said everything waits for this party's words, so they have left when it says its own
            if open.iter().all(|(_, open)| !open) || left.is_zero() {
                break;
            }
            if self.transport.wait(open, left.min(GLANCE)).is_err() {
                break;
            }
        }
        // what others have said about the end of the run is less than what is found out here
        self.reported = None;
        self.who.as_ref().map(|peer, _| self.incoming[peer].evidence().map(<[u8]>::to_vec))
    }
}
