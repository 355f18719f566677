//! The two links of a party, as protocols use them: [`Rounds`] behind a lock, and a second thread that shows signs of life.
//!
//! The party's own thread does all the work of the links while it is in a call of [`Links`]. Between calls it computes, for longer than the
//! others' patience if a kernel or a file is large. Then the *pulse* has the links: several times per second it takes in what has come,
//! answers it, and sends a heartbeat when one is due. It finds the lock taken whenever the party's own thread is at work, and then has nothing to do.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::error::{NetError, Who};
use super::live::Live;
use super::party::{Party, Peers};
use super::rounds::Rounds;
pub use super::rounds::{Counted, Traffic};
use super::transport::Transport;

/// Between two looks of the pulse.
const LOOK: Duration = Duration::from_millis(100);

/// How long [`Distress`] waits for whoever is at work on the links.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells the other parties why this one ends, from a thread that does not own its [`Links`].
#[derive(Clone)]
pub struct Distress {
    rounds: Arc<Mutex<Rounds>>,
}

impl Distress {
    /// The reason reaches the others unless a thread is in a call of the links and stays there: then they see a connection that is closed.
    pub fn tell(&self, reason: &str) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.rounds.try_lock() {
                Ok(mut rounds) => return rounds.abort(reason, false),
                Err(TryLockError::Poisoned(rounds)) => return rounds.into_inner().abort(reason, false),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK / 10),
            }
        }
    }
}

/// The links of one party to its neighbours.
pub struct Links {
    me: Party,
    who: Peers<Who>,
    rounds: Arc<Mutex<Rounds>>,
    pulse: Option<Pulse>,
}

impl Links {
    /// Links over a transport whose streams are at their beginning.
    pub fn new(me: Party, who: Peers<Who>, transport: Box<dyn Transport>, stall: Duration) -> Self {
        let rounds = Rounds::new(me, who.clone(), transport, stall);
        Self { me, who, rounds: Arc::new(Mutex::new(rounds)), pulse: None }
    }

    /// From now on the others get signs of life whatever this thread is busy with.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn keep_alive(&mut self) -> Result<(), NetError> {
        if self.pulse.is_none() {
            let pulse = Pulse::start(self.rounds.clone());
            let pulse =
                pulse.map_err(|cause| NetError::System { what: "no thread for signs of life", cause })?;
            self.pulse = Some(pulse);
        }
        Ok(())
    }

    /// For whoever may have to end this process in the middle of a computation.
    pub fn distress(&self) -> Distress {
        Distress { rounds: self.rounds.clone() }
    }

    /// Gives up waiting soon after `stop` has become true.
    pub fn until(&mut self, stop: Arc<AtomicBool>) {
        self.lock().stop = Some(stop);
    }

    /// Shows at the end of each round what has moved so far.
    pub fn show(&mut self, live: Arc<Live>) {
        let mut rounds = self.lock();
        rounds.transport.show(live.clone());
        rounds.live = Some(live);
    }

    /// The party whose links these are.
    pub fn me(&self) -> Party {
        self.me
    }

    /// One of the others, for messages.
    pub fn who(&self, peer: Party) -> &Who {
        &self.who[peer]
    }

    /// How many parties there are.
    pub fn parties(&self) -> usize {
        1 + self.peers().count()
    }

    /// The other parties.
    pub fn peers(&self) -> impl Iterator<Item = Party> + use<> {
        self.who.parties()
    }

    /// Nothing for each of the others.
    pub(crate) fn each_peer(&self) -> Peers<()> {
        self.who.as_ref().map(|_, _| ())
    }

    /// What has moved since the set-up.
    pub fn traffic(&self) -> Traffic {
        self.lock().traffic()
    }

    /// Goes on counting where a run was that this one continues.
    pub fn count_from(&mut self, counted: &Counted) {
        self.lock().count_from(counted);
    }

    /// Begins the next round, in which so many bytes go to and come from each party. Zero means that there is no message.
    ///
    /// # Errors
    /// [`NetError::Undeclared`] if the round before is not over; the message of the new round may already be known to be wrong.
    pub fn begin(&mut self, send: Peers<usize>, receive: Peers<usize>) -> Result<(), NetError> {
        self.enter()?.begin(send, receive)
    }

    /// Gives the next bytes of this round's message to a party. Returns when they are written or queued.
    ///
    /// # Errors
    /// [`NetError::Undeclared`] for more bytes than announced; whatever else the links say while it waits.
    pub fn send(&mut self, peer: Party, bytes: &[u8]) -> Result<(), NetError> {
        self.enter()?.send(peer, bytes)
    }

    /// Fills `into` with the next bytes of this round's message from a party, and waits for them.
    ///
    /// # Errors
    /// [`NetError::Undeclared`] for more bytes than announced; whatever else the links say while it waits.
    pub fn receive(&mut self, peer: Party, into: &mut [u8]) -> Result<(), NetError> {
        self.enter()?.receive(peer, into)
    }

    /// A whole round: sends the pieces, fills the buffers. Whoever sends nothing to a party gives no pieces for it.
    ///
    /// # Errors
    /// Whatever the links say.
    pub fn exchange(&mut self, send: Peers<&[&[u8]]>, into: Peers<&mut [u8]>) -> Result<(), NetError> {
        self.enter()?.exchange(send, into)
    }

    /// From now on the link to a party takes no part in rounds: one of the two only sends, in portions.
    pub fn detach(&mut self, peer: Party) {
        self.lock().detach(peer);
    }

    /// Sends a portion over a detached link; waits for room alone.
    ///
    /// # Errors
    /// Whatever the links say while it waits.
    pub fn portion_to(&mut self, peer: Party, bytes: &[u8]) -> Result<(), NetError> {
        self.enter()?.portion_to(peer, bytes)
    }

    /// Fills `into` with the next portion from a detached link, and waits for it.
    ///
    /// # Errors
    /// If the portion has another size; whatever the links say while it waits.
    pub fn portion_from(&mut self, peer: Party, into: &mut [u8]) -> Result<(), NetError> {
        self.enter()?.portion_from(peer, into)
    }

    /// Lets bytes flow without waiting: queued ones leave, and those of this round that have arrived are taken in.
    ///
    /// # Errors
    /// Whatever the links say.
    pub fn poll(&mut self) -> Result<(), NetError> {
        self.enter()?.poll()
    }

    /// The number of bytes from a party that [`Links::receive`] gives without waiting, as of the last time that somebody looked.
    pub fn ready(&self, peer: Party) -> usize {
        self.lock().ready(peer)
    }

    /// Swaps byte strings of up to `limit` bytes with both neighbours, outside the program's rounds: not counted.
    ///
    /// # Errors
    /// [`NetError::TooLong`] if a neighbour's is longer; whatever else the links say.
    pub fn swap(&mut self, ours: &[u8], limit: usize) -> Result<Peers<Vec<u8>>, NetError> {
        self.enter()?.swap(ours, limit)
    }

    /// Sends each neighbour its own bytes and fills `into`, outside the program's rounds: not counted.
    ///
    /// # Errors
    /// Whatever the links say.
    pub fn trade(&mut self, send: Peers<&[u8]>, into: Peers<&mut [u8]>) -> Result<(), NetError> {
        self.enter()?.trade(send, into)
    }

    /// Between two rounds: overwrites what is left of their bytes in buffers here and below.
    pub(super) fn wipe(&mut self) {
        self.lock().wipe();
    }

    /// Ends the run in order. Succeeds only when all three parties have reached this point.
    ///
    /// A party that has finished says so, and says goodbye when it has heard that both others have; so whoever hears two goodbyes knows
    /// that everybody has everything.
    ///
    /// # Errors
    /// [`NetError::Undeclared`] if a round is not over; whatever the links say while it waits for the others.
    pub fn finish(&mut self) -> Result<(), NetError> {
        self.enter()?.finish()
    }

    /// [`finish`](Self::finish) of a run of which all are known to know that it is over: whoever does not say so soon is not waited for, since that
    /// changes nothing.
    pub fn leave(&mut self) {
        if let Ok(mut rounds) = self.enter() {
            rounds.leave();
        }
    }

    /// After a failure that all parties see in the same round: sends each of the others what this party knows about it, and gives what they know, of
    /// those that say so within half of the time-out. The links are of no use afterwards but for [`Links::abort`].
    pub fn exchange_evidence(&mut self, ours: Peers<&[u8]>) -> Peers<Option<Vec<u8>>> {
        self.lock().exchange_evidence(ours)
    }

    /// Ends a run that has failed here for `reason`, and tells the others. If it was a neighbour that reported the failure, the
    /// neighbour's reason is passed on instead. The links are of no use afterwards.
    pub fn abort(&mut self, reason: &str) {
        self.pulse = None;
        self.lock().abort(reason, false);
    }

    /// The same of a run in which this party does not take part, for `reason`: nobody need wait for it.
    pub fn decline(&mut self, reason: &str) {
        self.pulse = None;
        self.lock().abort(reason, true);
    }

    /// The lock, and what the pulse has found out.
    fn enter(&self) -> Result<MutexGuard<'_, Rounds>, NetError> {
        let mut rounds = self.lock();
        rounds.found().map_or(Ok(()), Err)?;
        Ok(rounds)
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        lock(&self.rounds)
    }
}

/// A thread that panicked with the lock has ended its run: what it leaves behind can still say so.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The second thread. It ends with this value.
struct Pulse {
    over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    fn start(rounds: Arc<Mutex<Rounds>>) -> io::Result<Self> {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let seen = over.clone();
        let thread = Builder::new().name("pulse".to_owned()).spawn(move || {
            let (over, changed) = &*seen;
            let mut over = lock(over);
            while !*over {
                if let Ok(mut rounds) = rounds.try_lock() {
                    rounds.look();
                }
                over = changed.wait_timeout(over, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            }
        })?;
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        *lock(&self.over.0) = true;
        self.over.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that the run does not say.
            let _ = thread.join();
        }
    }
}
