//! Rounds of messages whose sizes are known in advance, over both links of a party.
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

use super::error::{Direction, NetError, Who};
use super::frame::{self, Frame, HEADER};
use super::incoming::{Fault, Incoming, Phase};
use super::outgoing::Outgoing;
use super::party::{Pair, Party, Side};
use super::transport::{Read, Transport};

/// A link whose queue is longer than this takes no further chunk.
const QUEUE: usize = 256 << 10;
/// How long a closing party waits for what the others still say.
const LINGER: Duration = Duration::from_secs(1);
/// How long a wait goes on before it is looked whether to give up.
const GLANCE: Duration = Duration::from_millis(300);

/// What has moved over the links of one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of payload handed to the transport.
    pub sent: Pair<u64>,
    /// Bytes of payload taken from the transport.
    pub received: Pair<u64>,
    /// Rounds begun.
    pub rounds: u64,
    /// Bytes of headers sent before the payload. Encryption adds about 22 bytes per 16 KiB, which are not in here.
    pub headers: Pair<u64>,
    /// Time spent waiting for the other parties.
    pub waited: Duration,
}

/// Both links, for one thread at a time.
pub(super) struct Rounds {
    pub(super) me: Party,
    pub(super) who: Pair<Who>,
    pub(super) transport: Box<dyn Transport>,
    /// Silence for this long while something is awaited is a failure.
    pub(super) stall: Duration,
    /// The number of the round in progress; rounds of the set-up count too, so that headers differ.
    round: u64,
    outgoing: Pair<Outgoing>,
    pub(super) incoming: Pair<Incoming>,
    traffic: Traffic,
    /// Whether the round in progress is one of the program's.
    counted: bool,
    /// Whether anything has arrived since the last look.
    heard: Pair<bool>,
    /// When something arrived last.
    pub(super) last_heard: Pair<Instant>,
    /// The failure that a neighbour reported.
    pub(super) reported: Option<(Party, String)>,
    /// The neighbour that is silent or gone, here or for the other neighbour.
    pub(super) suspect: Option<Side>,
    /// Whether a neighbour has said that it has lost the other one.
    pub(super) accuses: Pair<bool>,
    /// A failure that was found between two calls.
    found: Option<NetError>,
    /// Whether the streams are closed.
    over: bool,
    /// Whether whoever waits here is to give up.
    pub(super) stop: Option<Arc<AtomicBool>>,
}

/// Where arriving bytes go: the rest of a caller's buffer for each side. Empty: they are kept until asked for.
///
/// Invariant: a buffer is offered only when nothing that arrived earlier is still kept.
type Sinks<'a> = Pair<&'a mut [u8]>;

/// Since when a blocked call has seen nothing from each side.
type Patience = Pair<Option<Instant>>;

impl Rounds {
    pub(super) fn new(me: Party, who: Pair<Who>, transport: Box<dyn Transport>, stall: Duration) -> Self {
        let now = Instant::now();
        Self {
            me,
            who,
            transport,
            stall,
            round: 0,
            outgoing: Pair::from_fn(|_| Outgoing::new()),
            incoming: Pair::from_fn(|_| Incoming::new()),
            traffic: Traffic::default(),
            counted: false,
            heard: Pair::default(),
            last_heard: Pair::new(now, now),
            reported: None,
            suspect: None,
            accuses: Pair::default(),
            found: None,
            over: false,
            stop: None,
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub(super) fn begin(&mut self, send: Pair<usize>, receive: Pair<usize>) -> Result<(), NetError> {
        self.begin_round(send, receive, true)
    }

    pub(super) fn send(&mut self, side: Side, bytes: &[u8]) -> Result<(), NetError> {
        self.send_draining(side, bytes, &mut Sinks::default())
    }

    pub(super) fn receive(&mut self, side: Side, into: &mut [u8]) -> Result<(), NetError> {
        let mut sinks = Sinks::default();
        sinks[side] = into;
        self.offer(&mut sinks)?;
        self.fill(sinks)
    }

    pub(super) fn receive_both(&mut self, next: &mut [u8], prev: &mut [u8]) -> Result<(), NetError> {
        let mut sinks = Pair::new(next, prev);
        self.offer(&mut sinks)?;
        self.fill(sinks)
    }

    pub(super) fn exchange(&mut self, send: Pair<&[&[u8]]>, into: Pair<&mut [u8]>) -> Result<(), NetError> {
        self.exchange_counted(send, into, true)
    }

    pub(super) fn poll(&mut self) -> Result<(), NetError> {
        self.wait(Duration::ZERO)?;
        self.pump(&mut Sinks::default())?;
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

    pub(super) fn ready(&self, side: Side) -> usize {
        self.incoming[side].ready()
    }

    pub(super) fn swap(&mut self, ours: &[u8], limit: usize) -> Result<Pair<Vec<u8>>, NetError> {
        let length = (ours.len() as u64).to_le_bytes();
        let mut lengths = Pair::new([0; 8], [0; 8]);
        self.trade(Pair::new(&length, &length), Pair::new(&mut lengths.next, &mut lengths.prev))?;
        let length = |side| {
            let got = u64::from_le_bytes(lengths[side]);
            usize::try_from(got).ok().filter(|&got| got <= limit).ok_or_else(|| NetError::TooLong {
                who: self.who[side].clone(),
                got,
                limit,
            })
        };
        let mut theirs = Pair::new(vec![0; length(Side::Next)?], vec![0; length(Side::Prev)?]);
        self.trade(Pair::new(ours, ours), Pair::new(&mut theirs.next, &mut theirs.prev))?;
        Ok(theirs)
    }

    pub(super) fn trade(&mut self, send: Pair<&[u8]>, into: Pair<&mut [u8]>) -> Result<(), NetError> {
        self.exchange_counted(Pair::new(&[send.next], &[send.prev]), into, false)
    }

    pub(super) fn wipe(&mut self) {
        for side in Side::BOTH {
            self.outgoing[side].wipe();
            self.incoming[side].wipe();
        }
        self.transport.wipe();
    }

    pub(super) fn finish(&mut self) -> Result<(), NetError> {
        self.check_over()?;
        self.announce_end(Frame::Finished, Phase::Finished)?;
        self.announce_end(Frame::Goodbye, Phase::Left)?;
        self.over = true;
        self.transport.close(LINGER);
        Ok(())
    }

    pub(super) fn abort(&mut self, reason: &str) {
        let (origin, reason) = self.reported.take().unwrap_or_else(|| (self.me, reason.to_owned()));
        for side in Side::BOTH {
            // A neighbour that cannot be reached any more need not be told.
            let _ = self.transport.write(side, &frame::abort(origin, None, &reason));
        }
        self.over = true;
        self.transport.close(LINGER);
    }
}

/// A round, from beginning to end.
impl Rounds {
    fn begin_round(
        &mut self,
        send: Pair<usize>,
        receive: Pair<usize>,
        counted: bool,
    ) -> Result<(), NetError> {
        self.check_over()?;
        self.round += 1;
        self.counted = counted;
        self.traffic.rounds += u64::from(counted);
        for side in Side::BOTH {
            self.outgoing[side].announce(self.round, send[side]);
            let announced = self.incoming[side].announce(self.round, receive[side]);
            announced.map_err(|fault| self.fault(side, fault))?;
        }
        Ok(())
    }

    fn exchange_counted(
        &mut self,
        send: Pair<&[&[u8]]>,
        into: Pair<&mut [u8]>,
        counted: bool,
    ) -> Result<(), NetError> {
        let sizes = send.map(|pieces| pieces.iter().map(|piece| piece.len()).sum());
        self.begin_round(sizes, into.as_ref().map(|into| into.len()), counted)?;
        let mut sinks = into;
        self.offer(&mut sinks)?;
        for side in Side::BOTH {
            for piece in send[side] {
                self.send_draining(side, piece, &mut sinks)?;
            }
        }
        self.fill(sinks)
    }

    /// Sends a frame and waits until both neighbours have reached the phase that it announces.
    fn announce_end(&mut self, frame: Frame, phase: Phase) -> Result<(), NetError> {
        for side in Side::BOTH {
            self.tell(side, frame)?;
        }
        let mut patience = Patience::default();
        loop {
            self.pump(&mut Sinks::default())?;
            for side in Side::BOTH {
                if let Some(got) = self.incoming[side].parked() {
                    return Err(NetError::OutOfStep {
                        who: self.who[side].clone(),
                        got,
                        expected: self.round,
                    });
                }
            }
            let waiting =
                Pair::from_fn(|side| self.incoming[side].phase() < phase || self.transport.backlog(side) > 0);
            if waiting == Pair::new(false, false) {
                return Ok(());
            }
            self.block(waiting, &mut patience)?;
        }
    }

    /// Fails unless everything that was announced for the round in progress has moved.
    fn check_over(&self) -> Result<(), NetError> {
        for side in Side::BOTH {
            let (outgoing, incoming) = (&self.outgoing[side], &self.incoming[side]);
            if outgoing.given() != outgoing.announced() {
                return Err(self.undeclared(side, Direction::To, outgoing.given(), outgoing.announced()));
            }
            if incoming.taken() != incoming.announced() {
                return Err(self.undeclared(side, Direction::From, incoming.taken(), incoming.announced()));
            }
        }
        Ok(())
    }
}

/// Sending.
impl Rounds {
    fn send_draining(&mut self, side: Side, bytes: &[u8], sinks: &mut Sinks) -> Result<(), NetError> {
        let (given, announced) = (self.outgoing[side].given(), self.outgoing[side].announced());
        if bytes.len() > announced - given {
            let given = given.saturating_add(bytes.len());
            return Err(self.undeclared(side, Direction::To, given, announced));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            self.make_room(side, sinks)?;
            let Some(chunk) = self.outgoing[side].gather(&mut rest) else { continue };
            let payload = chunk.payload() as u64;
            let mut written = self.transport.write(side, chunk.head);
            if written.is_ok() && !chunk.tail.is_empty() {
                written = self.transport.write(side, chunk.tail);
            }
            if self.counted {
                self.traffic.sent[side] += payload;
                self.traffic.headers[side] += HEADER as u64;
            }
            self.written(side, written)?;
        }
        Ok(())
    }

    /// Waits until the queue of a link is short enough for another chunk.
    fn make_room(&mut self, side: Side, sinks: &mut Sinks) -> Result<(), NetError> {
        if self.incoming[side].phase() != Phase::Running {
            return Err(NetError::Left { who: self.who[side].clone() });
        }
        let mut patience = Patience::default();
        while self.transport.backlog(side) > QUEUE {
            self.pump(sinks)?;
            if self.transport.backlog(side) > QUEUE {
                let on = Pair::from_fn(|other| other == side);
                self.block(on, &mut patience)?;
            }
        }
        Ok(())
    }

    /// Writes a frame that is not data.
    fn tell(&mut self, side: Side, frame: Frame) -> Result<(), NetError> {
        let written = self.transport.write(side, &frame.encode());
        self.written(side, written)
    }

    fn written(&mut self, side: Side, written: io::Result<()>) -> Result<(), NetError> {
        self.outgoing[side].wrote = true;
        let flushed = written.and_then(|()| self.transport.flush(side));
        flushed.map_err(|error| self.lost(side, error))
    }

    /// A heartbeat to each side that has heard nothing from here for a quarter of the time-out.
    fn beat(&mut self, now: Instant) -> Result<(), NetError> {
        for side in Side::BOTH {
            let outgoing = &mut self.outgoing[side];
            if std::mem::take(&mut outgoing.wrote) {
                outgoing.last = now;
            }
            let due = now.duration_since(outgoing.last) >= self.stall / 4;
            if due && self.incoming[side].phase() != Phase::Ended && self.transport.backlog(side) == 0 {
                self.tell(side, Frame::Heartbeat)?;
            }
        }
        Ok(())
    }
}

/// Receiving.
impl Rounds {
    /// Offers the caller's buffers for the next bytes from both sides.
    fn offer(&mut self, sinks: &mut Sinks) -> Result<(), NetError> {
        for side in Side::BOTH {
            let incoming = &mut self.incoming[side];
            let (taken, announced) = (incoming.taken(), incoming.announced());
            if sinks[side].len() > announced - taken {
                let taken = taken.saturating_add(sinks[side].len());
                return Err(self.undeclared(side, Direction::From, taken, announced));
            }
            incoming.take(&mut sinks[side]);
        }
        Ok(())
    }

    /// Waits until the buffers on offer are full.
    fn fill(&mut self, mut sinks: Sinks) -> Result<(), NetError> {
        let mut patience = Patience::default();
        loop {
            self.pump(&mut sinks)?;
            let waiting = sinks.as_ref().map(|sink| !sink.is_empty());
            if waiting == Pair::new(false, false) {
                return Ok(());
            }
            self.block(waiting, &mut patience)?;
        }
    }

    /// Moves what can move without waiting, in both directions.
    fn pump(&mut self, sinks: &mut Sinks) -> Result<(), NetError> {
        for side in Side::BOTH {
            self.transport.flush(side).map_err(|error| self.lost(side, error))?;
            self.drain(side, &mut sinks[side])?;
        }
        Ok(())
    }

    /// Takes in what has arrived from one side, as far as it belongs to this round.
    pub(super) fn drain(&mut self, side: Side, sink: &mut &mut [u8]) -> Result<(), NetError> {
        while let Some(space) = self.incoming[side].space(sink) {
            match self.transport.read(side, space) {
                Ok(Read::Bytes(count)) => {
                    self.heard[side] = true;
                    self.last_heard[side] = Instant::now();
                    let payload = self.incoming[side].filled(count, sink);
                    let payload = payload.map_err(|fault| self.fault(side, fault))?;
                    if self.counted {
                        self.traffic.received[side] += payload as u64;
                    }
                }
                Ok(Read::Later) => return Ok(()),
                Ok(Read::End) if self.incoming[side].end() => break,
                Ok(Read::End) => return Err(self.gone(side, "it closed the connection without a word")),
                // What the encryption rejects is neither silence nor an end.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(self.died(side, &error.to_string()));
                }
                Err(error) => return Err(self.gone(side, &error.to_string())),
            }
        }
        if self.incoming[side].phase() != Phase::Running && !sink.is_empty() {
            return Err(NetError::Left { who: self.who[side].clone() });
        }
        Ok(())
    }
}

/// Waiting.
impl Rounds {
    /// Waits until one of the links moves. Fails if a side that this party cannot go `on` without has been silent for too long.
    fn block(&mut self, on: Pair<bool>, patience: &mut Patience) -> Result<(), NetError> {
        if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(NetError::Stopped);
        }
        let now = Instant::now();
        let mut limit = (self.stall / 8).min(GLANCE);
        for side in Side::BOTH {
            if std::mem::take(&mut self.heard[side]) {
                patience[side] = None;
            }
            if on[side] {
                let waited = now.duration_since(*patience[side].get_or_insert(now));
                if waited >= self.stall {
                    let stalled = NetError::Stalled { who: self.who[side].clone(), waited, witness: None };
                    return Err(self.inquire(side, stalled));
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
        let listening = self.incoming.as_ref().map(Incoming::is_listening);
        let waited = self.transport.wait(listening, limit);
        waited.map_err(|cause| NetError::System { what: "cannot wait for the other parties", cause })
    }
}

/// Errors that name the neighbour.
impl Rounds {
    fn undeclared(&self, side: Side, direction: Direction, given: usize, declared: usize) -> NetError {
        NetError::Undeclared { who: self.who[side].clone(), round: self.round, direction, given, declared }
    }

    fn died(&self, side: Side, cause: &str) -> NetError {
        NetError::Died { who: self.who[side].clone(), cause: cause.to_owned() }
    }

    /// The connection has ended before the run.
    fn gone(&mut self, side: Side, cause: &str) -> NetError {
        let died = self.died(side, cause);
        self.inquire(side, died)
    }

    /// Writing to a side has failed. If it had time to say why it went, that is the error.
    fn lost(&mut self, side: Side, error: io::Error) -> NetError {
        match self.drain(side, &mut &mut [][..]) {
            Err(last_words @ NetError::Aborted { .. }) => last_words,
            Ok(()) | Err(_) if self.incoming[side].phase() != Phase::Running => {
                NetError::Left { who: self.who[side].clone() }
            }
            Err(last) => last,
            Ok(()) => self.gone(side, &error.to_string()),
        }
    }

    fn fault(&mut self, side: Side, fault: Fault) -> NetError {
        let who = self.who[side].clone();
        match fault {
            Fault::OutOfStep { got, expected } => NetError::OutOfStep { who, got, expected },
            Fault::Truncated { round, got, expected } => NetError::Truncated { who, round, got, expected },
            Fault::Oversized { round, got, expected } => NetError::Oversized { who, round, got, expected },
            Fault::Malformed(cause) => NetError::Malformed { who, cause },
            Fault::Aborted(abort) => self.told(side, abort),
        }
    }
}
