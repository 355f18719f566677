//! Rounds of messages whose sizes are known in advance, over the links of a party.
//!
//! A program's schedule fixes, for every round, how many bytes each party sends to each other party. The engine announces the sizes
//! with [`Rounds::begin`], gives outgoing bytes piece by piece with [`Rounds::send`], and takes incoming bytes piece by piece with
//! [`Rounds::receive`]; a round is over when everything that was announced has moved. [`Rounds::exchange`] is all of it in one call.
//! What the calls mean is documented where they are public, at [`Links`](super::Links).
//!
//! **Streaming.** Small pieces are gathered until the message is complete or fills a record; large ones leave at once, as fast as the
//! socket takes them. When the queue of a link is full, `send` waits, and meanwhile the reader drains both links: into the caller's
//! buffer if one is waiting, else into a buffer of this module that never exceeds the announced size of the round.
//!
//! **Why this cannot deadlock.** Take a party in the earliest round that any party is in. Whoever it sends to is in the same round, for nobody
//! leaves a round without this party's message; and a party drains what is sent to it in its own round whenever it waits, for reading or
//! for writing. So the earliest party's messages move, and so do those it waits for. Bytes of a later round stay in the socket: nobody reads ahead.
//!
//! **Portions.** The link to a party that only ever sends to this one, or only ever hears from it, can leave the rounds ([`Rounds::detach`]). What
//! travels on it goes in *portions*, counted by themselves: the sender need not know in which round the other is, and may be as far ahead as sockets and queues
//! hold. Nobody answers, so nobody waits for an answer: the sender waits for room alone, the receiver for a sender that waits for nobody else.
//!
//! **Counting.** [`Traffic`] is kept where bytes pass to the transport. It knows sizes only, nothing of instructions, so that comparing it
//! with the compiler's figures means something.
//!
//! **Failing.** Any error ends the use of the links: the caller reports it with [`Rounds::abort`], which tells the other parties why. A party that
//! waits sends a heartbeat every quarter of the time-out; while it computes, a second thread calls [`Rounds::look`], which also lets bytes flow.
//! Whom to blame for silence is the business of [`inquest`](super::inquest).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tern_bytecode::model::MAX_PARTIES;

use super::error::{Direction, NetError, Who};
use super::frame::{self, Frame, FrameError, HEADER, Report};
use super::incoming::{Fault, Incoming, Phase};
use super::live::Live;
use super::outgoing::Outgoing;
use super::party::{Party, Peers};
use super::transport::{Read, Transport};

/// A link whose queue is longer than this takes no further chunk.
const QUEUE: usize = 256 << 10;
/// How long a closing party waits for what the others still say.
const LINGER: Duration = Duration::from_secs(1);
/// Behind so many bytes a party says that it has them, with what it sends anyway.
const SOON: u64 = 256 << 10;
/// Behind so many it says so when it has read all that was there, and behind the most in between.
const AT_ONCE: u64 = 1 << 20;
const AT_MOST: u64 = 4 << 20;
/// Whoever hears nothing for longer than this, or a quarter of the time-out, hears a heartbeat.
const BEAT: Duration = Duration::from_millis(2500);
/// How long a party that knows that all have finished waits for whoever may not know that it does.
const LAST: Duration = Duration::from_secs(10);
/// How long a wait goes on before it is looked whether to give up.
const GLANCE: Duration = Duration::from_millis(300);

/// What has moved over the links of one party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of payload handed to the transport.
    pub sent: Peers<u64>,
    /// Bytes of payload taken from the transport.
    pub received: Peers<u64>,
    /// Rounds begun.
    pub rounds: u64,
    /// Bytes of headers sent before the payload. Encryption adds about 22 bytes per 16 KiB, which are not in here.
    pub headers: Peers<u64>,
    /// Time spent waiting for the other parties.
    pub waited: Duration,
}

/// [`Traffic`] as it is kept: by party, of which one's own is 0.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Counted {
    sent: [u64; MAX_PARTIES],
    received: [u64; MAX_PARTIES],
    headers: [u64; MAX_PARTIES],
    rounds: u64,
    waited: Duration,
}

impl Counted {
    /// Rounds begun.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds
    }
}

impl From<Traffic> for Counted {
    fn from(traffic: Traffic) -> Self {
        let all = |peers: &Peers<u64>| {
            std::array::from_fn(|i| Party::from_index(i).and_then(|p| peers.get(p)).copied().unwrap_or(0))
        };
        Self {
            sent: all(&traffic.sent),
            received: all(&traffic.received),
            headers: all(&traffic.headers),
            rounds: traffic.rounds,
            waited: traffic.waited,
        }
    }
}

/// All links, for one thread at a time.
pub(super) struct Rounds {
    pub(super) me: Party,
    pub(super) who: Peers<Who>,
    pub(super) transport: Box<dyn Transport>,
    /// Silence for this long while something is awaited is a failure.
    pub(super) stall: Duration,
    /// The number of the round in progress; rounds of the set-up count too, so that headers differ.
    round: u64,
    outgoing: Peers<Outgoing>,
    pub(super) incoming: Peers<Incoming>,
    traffic: Traffic,
    /// By party whose link has left the rounds: the number of its last portion.
    portions: Peers<Option<u64>>,
    /// Whether the round in progress is one of the program's.
    counted: bool,
    /// Whether anything has arrived since the last look.
    heard: Peers<bool>,
    /// When something arrived last.
    pub(super) last_heard: Peers<Instant>,
    /// The failure that a neighbour reported.
    pub(super) reported: Option<Report>,
    /// The neighbour that is silent or gone, here or for the other neighbour.
    pub(super) suspect: Option<Party>,
    /// Whether a neighbour has said that it has lost the other one.
    pub(super) accuses: Peers<bool>,
    /// A failure that was found between two calls.
    found: Option<NetError>,
    /// Whether the streams are closed.
    over: bool,
    /// Whether whoever waits here is to give up.
    pub(super) stop: Option<Arc<AtomicBool>>,
    /// When it gives up anyway.
    until: Option<Instant>,
    /// Who watches what has moved.
    pub(super) live: Option<Arc<Live>>,
}

/// Where arriving bytes go: the rest of a caller's buffer for each party. Empty: they are kept until asked for.
///
/// Invariant: a buffer is offered only when nothing that arrived earlier is still kept.
type Sinks<'a> = Peers<&'a mut [u8]>;

/// Since when a blocked call has seen nothing from each party.
type Patience = Peers<Option<Instant>>;

impl Rounds {
    pub(super) fn new(me: Party, who: Peers<Who>, transport: Box<dyn Transport>, stall: Duration) -> Self {
        let now = Instant::now();
        let peers = who.as_ref().map(|_, _| ());
        let bytes = peers.map(|_, ()| 0);
        let traffic =
            Traffic { sent: bytes, received: bytes, rounds: 0, headers: bytes, waited: Duration::ZERO };
        Self {
            me,
            who,
            transport,
            stall,
            round: 0,
            outgoing: peers.map(|_, ()| Outgoing::new()),
            incoming: peers.map(|_, ()| Incoming::new()),
            traffic,
            portions: peers.map(|_, ()| None),
            counted: false,
            heard: peers.map(|_, ()| false),
            last_heard: peers.map(|_, ()| now),
            reported: None,
            suspect: None,
            accuses: peers.map(|_, ()| false),
            found: None,
            over: false,
            stop: None,
            until: None,
            live: None,
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub(super) fn count_from(&mut self, counted: &Counted) {
        let of = |all: &[u64; MAX_PARTIES]| self.who.as_ref().map(|party, _| all[party.index()]);
        self.traffic = Traffic {
            sent: of(&counted.sent),
            received: of(&counted.received),
            headers: of(&counted.headers),
            rounds: counted.rounds,
            waited: counted.waited,
        };
    }

    pub(super) fn begin(&mut self, send: Peers<usize>, receive: Peers<usize>) -> Result<(), NetError> {
        self.begin_round(send, receive, true)
    }

    pub(super) fn send(&mut self, peer: Party, bytes: &[u8]) -> Result<(), NetError> {
        self.send_draining(peer, bytes, &mut self.no_sinks())
    }

    pub(super) fn receive(&mut self, peer: Party, into: &mut [u8]) -> Result<(), NetError> {
        let mut sinks = self.no_sinks();
        sinks[peer] = into;
        self.offer(&mut sinks)?;
        self.fill(sinks)
    }

    /// The other parties.
    pub(super) fn peers(&self) -> impl Iterator<Item = Party> + use<> {
        self.who.parties()
    }

    /// A buffer of no bytes for each of the others.
    fn no_sinks<'a>(&self) -> Sinks<'a> {
        self.who.as_ref().map(|_, _| &mut [][..])
    }

    /// Nobody has been waited for.
    fn patience(&self) -> Patience {
        self.who.as_ref().map(|_, _| None)
    }

    pub(super) fn exchange(&mut self, send: Peers<&[&[u8]]>, into: Peers<&mut [u8]>) -> Result<(), NetError> {
        self.exchange_counted(send, into, true)
    }

    /// From now on the link to a party takes no part in rounds.
    pub(super) fn detach(&mut self, peer: Party) {
        self.portions[peer].get_or_insert(self.round);
    }

    /// Sends a portion to a party whose link is detached.
    pub(super) fn portion_to(&mut self, peer: Party, bytes: &[u8]) -> Result<(), NetError> {
        let number = self.next_portion(peer);
        self.outgoing[peer].announce(number, bytes.len());
        self.send(peer, bytes)
    }

    /// Fills `into` with a portion from a party whose link is detached, which has as many bytes.
    pub(super) fn portion_from(&mut self, peer: Party, into: &mut [u8]) -> Result<(), NetError> {
        let number = self.next_portion(peer);
        let announced = self.incoming[peer].announce(number, into.len());
        announced.map_err(|fault| self.fault(peer, fault))?;
        self.receive(peer, into)
    }

    /// The number of the next portion: the set-up's rounds come before it.
    fn next_portion(&mut self, peer: Party) -> u64 {
        self.counted = true;
        let number = self.portions[peer].unwrap_or(self.round) + 1;
        self.portions[peer] = Some(number);
        number
    }

    pub(super) fn poll(&mut self) -> Result<(), NetError> {
        self.wait(Duration::ZERO)?;
        self.pump(&mut self.no_sinks())?;
        self.beat(Instant::now())
    }

    /// [`Rounds::poll`] between two calls of the party: a failure waits for the next one.
    pub(super) fn look(&mut self) {
        if !self.over && self.found.is_none() {
            self.found = self.poll().err();
        }
    }

    /// What [`Rounds::look`] has found.
    pub(super) fn found(&mut self) -> Option<NetError> {
        self.found.take()
    }

    pub(super) fn ready(&self, peer: Party) -> usize {
        self.incoming[peer].ready()
    }

    pub(super) fn swap(&mut self, ours: &[u8], limit: usize) -> Result<Peers<Vec<u8>>, NetError> {
        let length = (ours.len() as u64).to_le_bytes();
        let mut lengths = self.who.as_ref().map(|_, _| [0; 8]);
        let same = |bytes| self.who.as_ref().map(|_, _| bytes);
        let ours_to = (same(&length[..]), same(ours));
        self.trade(ours_to.0, lengths.as_mut().map(|_, length| &mut length[..]))?;
        let length = |peer: Party| {
            let got = u64::from_le_bytes(lengths[peer]);
            usize::try_from(got).ok().filter(|&got| got <= limit).ok_or_else(|| NetError::TooLong {
                who: self.who[peer].clone(),
                got,
                limit,
            })
        };
        let mut theirs = self.who.as_ref().map(|_, _| Vec::new());
        for peer in self.peers() {
            theirs[peer] = vec![0; length(peer)?];
        }
        self.trade(ours_to.1, theirs.as_mut().map(|_, theirs| &mut theirs[..]))?;
        Ok(theirs)
    }

    pub(super) fn trade(&mut self, send: Peers<&[u8]>, into: Peers<&mut [u8]>) -> Result<(), NetError> {
        let pieces = send.map(|_, bytes| [bytes]);
        self.exchange_counted(pieces.as_ref().map(|_, pieces| &pieces[..]), into, false)
    }

    pub(super) fn wipe(&mut self) {
        for peer in self.peers() {
            self.outgoing[peer].wipe();
            self.incoming[peer].wipe();
        }
        self.transport.wipe();
    }

    pub(super) fn finish(&mut self) -> Result<(), NetError> {
        self.check_over()?;
        self.announce_end(Frame::Finished, Phase::Finished)?;
        self.announce_end(Frame::Goodbye, Phase::Left)?;
        self.see_off();
        self.over = true;
        self.transport.close(LINGER);
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.until = Some(Instant::now() + LAST);
        if self.finish().is_err() {
            self.over = true;
            self.transport.close(LINGER);
        }
    }

    /// Ends the run: for a reason of this party's, which may decline to begin, or that of whoever has reported one.
    pub(super) fn abort(&mut self, reason: &str, declines: bool) {
        let own = || Report { declines, ..Report::failed(self.me, None, reason) };
        let report = self.reported.take().unwrap_or_else(own);
        for peer in self.peers() {
            // A neighbour that cannot be reached any more need not be told.
            let _ = self.transport.write(peer, &frame::abort(&report));
        }
        self.over = true;
        self.transport.close(LINGER);
    }
}

/// A round, from beginning to end.
impl Rounds {
    fn begin_round(
        &mut self,
        send: Peers<usize>,
        receive: Peers<usize>,
        counted: bool,
    ) -> Result<(), NetError> {
        self.check_over()?;
        self.round += 1;
        self.counted = counted;
        if let Some(live) = &self.live {
            live.show(&self.traffic);
        }
        self.traffic.rounds += u64::from(counted);
        for peer in self.peers().filter(|peer| self.portions[*peer].is_none()).collect::<Vec<Party>>() {
            self.outgoing[peer].announce(self.round, send[peer]);
            let announced = self.incoming[peer].announce(self.round, receive[peer]);
            announced.map_err(|fault| self.fault(peer, fault))?;
        }
        Ok(())
    }

    fn exchange_counted(
        &mut self,
        send: Peers<&[&[u8]]>,
        into: Peers<&mut [u8]>,
        counted: bool,
    ) -> Result<(), NetError> {
        let sizes = send.map(|_, pieces| pieces.iter().map(|piece| piece.len()).sum());
        self.begin_round(sizes, into.as_ref().map(|_, into| into.len()), counted)?;
        let mut sinks = into;
        self.offer(&mut sinks)?;
        for peer in self.peers() {
            for piece in send[peer] {
                self.send_draining(peer, piece, &mut sinks)?;
            }
        }
        self.fill(sinks)
    }

    /// Sends a frame and waits until both neighbours have reached the phase that it announces.
    fn announce_end(&mut self, frame: Frame, phase: Phase) -> Result<(), NetError> {
        for peer in self.peers() {
            self.tell(peer, frame)?;
        }
        let mut patience = self.patience();
        loop {
            self.pump(&mut self.no_sinks())?;
            for peer in self.peers() {
                if let Some(got) = self.incoming[peer].parked() {
                    return Err(NetError::OutOfStep {
                        who: self.who[peer].clone(),
                        got,
                        expected: self.round,
                    });
                }
            }
            let waiting = self.incoming.as_ref();
            let waiting = waiting.map(|peer, link| link.phase() < phase || self.transport.backlog(peer) > 0);
            if none(&waiting) {
                return Ok(());
            }
            self.block(waiting, &mut patience)?;
        }
    }

    /// Everybody has said goodbye. Says that this was heard, and waits until the others say the same: a connection may have broken in the middle of
    /// the word. Nothing that happens here matters to this party any more.
    fn see_off(&mut self) {
        let places = self.who.as_ref().map(|peer, _| self.transport.place(peer));
        let deadline = Instant::now() + self.stall.min(LAST);
        for peer in self.peers() {
            self.acknowledge(peer);
        }
        while Instant::now() < deadline {
            let mut gone = self.who.as_ref().map(|peer, _| self.transport.has_arrived(peer, places[peer]));
            for peer in self.peers() {
                let flushed = self.transport.flush(peer);
                let drained = self.drain(peer, &mut &mut [][..]);
                gone[peer] |= flushed.is_err() || drained.is_err();
                gone[peer] |= self.incoming[peer].phase() == Phase::Ended;
                gone[peer] |= self.transport.has_arrived(peer, places[peer]);
            }
            if gone.iter().all(|(_, gone)| *gone) || self.wait(GLANCE).is_err() {
                return;
            }
        }
    }

    /// Fails unless everything that was announced for the round in progress has moved.
    fn check_over(&self) -> Result<(), NetError> {
        for peer in self.peers() {
            let (outgoing, incoming) = (&self.outgoing[peer], &self.incoming[peer]);
            if outgoing.given() != outgoing.announced() {
                return Err(self.undeclared(peer, Direction::To, outgoing.given(), outgoing.announced()));
            }
            if incoming.taken() != incoming.announced() {
                return Err(self.undeclared(peer, Direction::From, incoming.taken(), incoming.announced()));
            }
        }
        Ok(())
    }
}

/// Sending.
impl Rounds {
    fn send_draining(&mut self, peer: Party, bytes: &[u8], sinks: &mut Sinks) -> Result<(), NetError> {
        let (given, announced) = (self.outgoing[peer].given(), self.outgoing[peer].announced());
        if bytes.len() > announced - given {
            let given = given.saturating_add(bytes.len());
            return Err(self.undeclared(peer, Direction::To, given, announced));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            self.make_room(peer, sinks)?;
            if self.transport.owed(peer) >= SOON {
                self.acknowledge(peer);
            }
            let Some(chunk) = self.outgoing[peer].gather(&mut rest) else { continue };
            let payload = chunk.payload() as u64;
            let mut written = self.transport.write(peer, chunk.head);
            if written.is_ok() && !chunk.tail.is_empty() {
                written = self.transport.write(peer, chunk.tail);
            }
            if self.counted {
                self.traffic.sent[peer] += payload;
                self.traffic.headers[peer] += HEADER as u64;
            }
            self.written(peer, written)?;
        }
        Ok(())
    }

    /// Waits until the queue of a link is short enough for another chunk.
    fn make_room(&mut self, peer: Party, sinks: &mut Sinks) -> Result<(), NetError> {
        if self.incoming[peer].phase() != Phase::Running {
            return Err(NetError::Left { who: self.who[peer].clone() });
        }
        let mut patience = self.patience();
        while self.transport.backlog(peer) > QUEUE {
            self.pump(sinks)?;
            if self.transport.backlog(peer) > QUEUE {
                let on = self.who.as_ref().map(|other, _| other == peer);
                self.block(on, &mut patience)?;
            }
        }
        Ok(())
    }

    /// Writes a frame that is not data.
    fn tell(&mut self, peer: Party, frame: Frame) -> Result<(), NetError> {
        let written = self.transport.write(peer, &frame.encode());
        self.written(peer, written)
    }

    /// Says how many bytes of a party have come, so that it need not keep them. It leaves with what is flushed next.
    fn acknowledge(&mut self, peer: Party) {
        let bytes = self.transport.receipt(peer);
        // What is wrong with the link shows when it is used for more.
        let _ = self.transport.write(peer, &Frame::Received { bytes }.encode());
    }

    fn written(&mut self, peer: Party, written: io::Result<()>) -> Result<(), NetError> {
        self.outgoing[peer].wrote = true;
        let flushed = written.and_then(|()| self.transport.flush(peer));
        flushed.map_err(|error| self.lost(peer, error))
    }

    /// A heartbeat to each party that has heard nothing from here for a while.
    fn beat(&mut self, now: Instant) -> Result<(), NetError> {
        for peer in self.peers() {
            let outgoing = &mut self.outgoing[peer];
            if std::mem::take(&mut outgoing.wrote) {
                outgoing.last = now;
            }
            let due = now.duration_since(outgoing.last) >= (self.stall / 4).min(BEAT);
            if due && self.incoming[peer].phase() != Phase::Ended && self.transport.backlog(peer) == 0 {
                self.tell(peer, Frame::Heartbeat)?;
            }
        }
        Ok(())
    }
}

/// Receiving.
impl Rounds {
    /// Offers the caller's buffers for the next bytes from both sides.
    fn offer(&mut self, sinks: &mut Sinks) -> Result<(), NetError> {
        for peer in self.peers() {
            let incoming = &mut self.incoming[peer];
            let (taken, announced) = (incoming.taken(), incoming.announced());
            if sinks[peer].len() > announced - taken {
                let taken = taken.saturating_add(sinks[peer].len());
                return Err(self.undeclared(peer, Direction::From, taken, announced));
            }
            incoming.take(&mut sinks[peer]);
        }
        Ok(())
    }

    /// Waits until the buffers on offer are full.
    fn fill(&mut self, mut sinks: Sinks) -> Result<(), NetError> {
        let mut patience = self.patience();
        loop {
            self.pump(&mut sinks)?;
            let waiting = sinks.as_ref().map(|_, sink| !sink.is_empty());
            if none(&waiting) {
                return Ok(());
            }
            self.block(waiting, &mut patience)?;
        }
    }

    /// Moves what can move without waiting, in both directions.
    fn pump(&mut self, sinks: &mut Sinks) -> Result<(), NetError> {
        for peer in self.peers() {
            if self.transport.owed(peer) >= AT_ONCE {
                self.acknowledge(peer);
            }
            self.transport.flush(peer).map_err(|error| self.lost(peer, error))?;
            self.drain(peer, &mut sinks[peer])?;
        }
        Ok(())
    }

    /// Takes in what has arrived from one party, as far as it belongs to this round.
    pub(super) fn drain(&mut self, peer: Party, sink: &mut &mut [u8]) -> Result<(), NetError> {
        while let Some(space) = self.incoming[peer].space(sink) {
            match self.transport.read(peer, space) {
                Ok(Read::Bytes(count)) => {
                    self.heard[peer] = true;
                    self.last_heard[peer] = Instant::now();
                    let payload = self.incoming[peer].filled(count, sink);
                    let payload = payload.map_err(|fault| self.fault(peer, fault))?;
                    if self.counted {
                        self.traffic.received[peer] += payload as u64;
                    }
                    if let Some(bytes) = self.incoming[peer].acknowledged()
                        && !self.transport.acknowledged(peer, bytes)
                    {
                        return Err(self.fault(peer, Fault::Malformed(FrameError::Field)));
                    }
                    if self.transport.owed(peer) >= AT_MOST {
                        self.acknowledge(peer);
                    }
                }
                Ok(Read::Later) => return Ok(()),
                Ok(Read::End) if self.incoming[peer].end() => break,
                Ok(Read::End) => {
                    let silent = "it closed the connection without a word";
                    return Err(self.gone(peer, &io::Error::new(io::ErrorKind::UnexpectedEof, silent)));
                }
                // What the encryption rejects is neither silence nor an end.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(self.died(peer, &error.to_string()));
                }
                Err(error) => return Err(self.gone(peer, &error)),
            }
        }
        if self.incoming[peer].phase() != Phase::Running && !sink.is_empty() {
            return Err(NetError::Left { who: self.who[peer].clone() });
        }
        Ok(())
    }
}

/// Waiting.
impl Rounds {
    /// Waits until one of the links moves. Fails if one that this party cannot go `on` without has been silent for too long.
    fn block(&mut self, on: Peers<bool>, patience: &mut Patience) -> Result<(), NetError> {
        let now = Instant::now();
        let stopped = self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
        if stopped || self.until.is_some_and(|until| now >= until) {
            return Err(NetError::Stopped);
        }
        let mut limit = (self.stall / 8).min(GLANCE);
        for peer in self.peers() {
            if std::mem::take(&mut self.heard[peer]) {
                patience[peer] = None;
            }
            if self.transport.is_interrupted(peer) {
                patience[peer] = None; // that has a limit of its own
            }
            if on[peer] {
                let waited = now.duration_since(*patience[peer].get_or_insert(now));
                if waited >= self.stall {
                    let stalled = NetError::Stalled { who: self.who[peer].clone(), waited, witness: None };
                    return Err(self.inquire(peer, stalled));
                }
                limit = limit.min(self.stall - waited);
            }
        }
        self.beat(now)?;
        self.wait(limit)?;
        self.traffic.waited += now.elapsed();
        Ok(())
    }

    fn wait(&mut self, limit: Duration) -> Result<(), NetError> {
        let listening = self.incoming.as_ref().map(|_, link| link.is_listening());
        let waited = self.transport.wait(listening, limit);
        waited.map_err(|cause| NetError::System { what: "cannot wait for the other parties", cause })
    }
}

/// Errors that name the neighbour.
impl Rounds {
    fn undeclared(&self, peer: Party, direction: Direction, given: usize, declared: usize) -> NetError {
        NetError::Undeclared { who: self.who[peer].clone(), round: self.round, direction, given, declared }
    }

    fn died(&self, peer: Party, cause: &str) -> NetError {
        NetError::Died { who: self.who[peer].clone(), cause: cause.to_owned() }
    }

    /// The connection has ended before the run.
    fn gone(&mut self, peer: Party, error: &io::Error) -> NetError {
        let found = match error.kind() {
            io::ErrorKind::TimedOut => {
                let (who, waited) = (self.who[peer].clone(), self.last_heard[peer].elapsed());
                NetError::Stalled { who, waited, witness: None }
            }
            _ => self.died(peer, &error.to_string()),
        };
        self.inquire(peer, found)
    }

    /// Writing to a party has failed. If it had time to say why it went, that is the error.
    fn lost(&mut self, peer: Party, error: io::Error) -> NetError {
        match self.drain(peer, &mut &mut [][..]) {
            Err(last_words @ NetError::Aborted { .. }) => last_words,
            Ok(()) | Err(_) if self.incoming[peer].phase() != Phase::Running => {
                NetError::Left { who: self.who[peer].clone() }
            }
            Err(last) => last,
            Ok(()) => self.gone(peer, &error),
        }
    }

    fn fault(&mut self, peer: Party, fault: Fault) -> NetError {
        let who = self.who[peer].clone();
        match fault {
            Fault::OutOfStep { got, expected } => NetError::OutOfStep { who, got, expected },
            Fault::Truncated { round, got, expected } => NetError::Truncated { who, round, got, expected },
            Fault::Oversized { round, got, expected } => NetError::Oversized { who, round, got, expected },
            Fault::Malformed(cause) => NetError::Malformed { who, cause },
            Fault::Aborted(abort) => self.told(peer, abort),
        }
    }
}

/// Whether nothing is waited for.
fn none(waiting: &Peers<bool>) -> bool {
    waiting.iter().all(|(_, waiting)| !waiting)
}
