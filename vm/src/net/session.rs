//! A TLS session on a socket that never blocks.
//!
//! **Why the unbuffered interface of rustls.** Measured in one thread, AES-128-GCM in records of 16 KiB: `Connection`, over its own
//! buffers, encrypts 2.6 GB/s and decrypts 2.1 GB/s, since it reads 4 KiB at a time and keeps a vector per record; tokio-rustls is the same plus a task
//! per link. `UnbufferedConnection` on the buffers of this module does 6.3 and 6.7 GB/s. (That was with ring; aws-lc-rs encrypts 1.7 times as fast
//! in the same run.) So tokio drives the handshake, and the engine's
//! thread then reads and writes the bare socket.

use std::io::{self, Read as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ClientConfig, Error, ServerConfig};
use zeroize::Zeroize;

use super::identity::Fingerprint;
use super::kept::Kept;
use super::transport::Read;

/// The most that is read from a socket at once.
const READ: usize = 128 << 10;
/// The most that is encrypted at once.
const SEAL: usize = 64 << 10;
/// The payload of a record.
const RECORD: usize = 16 << 10;
/// More than a record adds to its payload.
const OVERHEAD: usize = 64;
/// Room for handshake messages that leave with a record, such as an update of the keys.
const SLACK: usize = 1 << 10;
/// The most that is decrypted before anybody asks for it.
const AHEAD: usize = 64 << 10;
/// The most that is taken from a socket that has broken; the rest is sent again.
const SALVAGE: u64 = 8 << 20;

/// Encryption and decryption between buffers, without a socket.
pub(super) struct Codec {
    end: End,
    /// Read from the socket and not decrypted.
    pub(super) incoming: Buffer,
    /// Bytes that were read from the socket since the beginning.
    pub(super) received: u64,
    /// Encrypted, and not known to be at the other end.
    pub(super) outgoing: Box<Kept>,
    /// Decrypted and not taken.
    plain: Buffer,
    /// Whether the other end has closed the session.
    closed: bool,
    /// Whether the other end has broken the protocol.
    failed: bool,
}

enum End {
    Dialing(Box<UnbufferedClientConnection>),
    Listening(Box<UnbufferedServerConnection>),
}

impl Codec {
    pub(super) fn dialing(config: Arc<ClientConfig>) -> Result<Self, Error> {
        // The name is not sent and not checked: the certificate is.
        let name = ServerName::try_from("tern.invalid").map_err(|error| Error::General(error.to_string()))?;
        UnbufferedClientConnection::new(config, name).map(|end| Self::new(End::Dialing(Box::new(end))))
    }

    pub(super) fn listening(config: Arc<ServerConfig>) -> Result<Self, Error> {
        UnbufferedServerConnection::new(config).map(|end| Self::new(End::Listening(Box::new(end))))
    }

    fn new(end: End) -> Self {
        let [incoming, plain] = [Buffer::default(), Buffer::default()];
        let outgoing = Box::default();
        Self { end, incoming, received: 0, outgoing, plain, closed: false, failed: false }
    }

    /// The certificate at the other end, once the handshake is over.
    pub(super) fn peer(&self) -> Option<Fingerprint> {
        let certificates = match &self.end {
            End::Dialing(end) => end.peer_certificates(),
            End::Listening(end) => end.peer_certificates(),
        };
        certificates?.first().map(Fingerprint::of)
    }

    /// What both ends have agreed to speak, once the handshake is over.
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        match &self.end {
            End::Dialing(end) => end.alpn_protocol(),
            End::Listening(end) => end.alpn_protocol(),
        }
    }

    /// `count` bytes were read from the socket into the space of `incoming`.
    pub(super) fn read(&mut self, count: usize) {
        self.incoming.commit(count);
        self.received += count as u64;
    }

    /// Goes as far with the handshake as what was read allows; whether it is over. If it fails, an alert for the other end
    /// is in `outgoing`.
    pub(super) fn handshake(&mut self) -> Result<bool, Error> {
        loop {
            match self.step_keeping(Task::Open)? {
                Step::Again => {}
                Step::Done => return Ok(!self.is_handshaking()),
                Step::Closed => return Err(Error::HandshakeNotComplete),
            }
        }
    }

    /// Encrypts into `outgoing`.
    pub(super) fn seal(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for bytes in bytes.chunks(SEAL) {
            loop {
                match self.step_keeping(Task::Seal(bytes))? {
                    Step::Again => {}
                    Step::Done => break,
                    Step::Closed => return Err(general(io::Error::from(io::ErrorKind::BrokenPipe))),
                }
            }
        }
        Ok(())
    }

    /// Tells the other end that nothing will follow.
    pub(super) fn close(&mut self) {
        while let Ok(Step::Again) = self.step_keeping(Task::Close) {}
    }

    /// Decrypts from `incoming`, as much as is there and fits.
    pub(super) fn open(&mut self, into: &mut [u8]) -> Result<Read, Error> {
        let mut done = self.plain.take(into);
        let mut surplus = std::mem::take(&mut self.plain);
        let mut result = Ok(Step::Again);
        while done < into.len() && matches!(result, Ok(Step::Again)) {
            result = self.step(Task::Open, &mut |payload| {
                let (now, later) = payload.split_at(payload.len().min(into.len() - done));
                into[done..done + now.len()].copy_from_slice(now);
                done += now.len();
                surplus.push(later);
            });
        }
        self.plain = surplus;
        match result? {
            _ if done > 0 => Ok(Read::Bytes(done)),
            _ if self.closed => Ok(Read::End),
            Step::Again | Step::Done | Step::Closed => Ok(Read::Later),
        }
    }

    /// Decrypts from `incoming` and keeps it, up to a limit; all that is kept so far.
    fn open_ahead(&mut self) -> Result<&[u8], Error> {
        while self.plain.filled().len() < AHEAD {
            match self.step_keeping(Task::Open)? {
                Step::Again => {}
                Step::Done | Step::Closed => break,
            }
        }
        Ok(self.plain.filled())
    }

    fn is_handshaking(&self) -> bool {
        match &self.end {
            End::Dialing(end) => end.is_handshaking(),
            End::Listening(end) => end.is_handshaking(),
        }
    }

    fn has_output(&self) -> bool {
        match &self.end {
            End::Dialing(end) => end.wants_write(),
            End::Listening(end) => end.wants_write(),
        }
    }

    /// A step that keeps what it decrypts. Whatever the task, complete records are decrypted first: data can follow the
    /// handshake closely, and the connection remembers places in `incoming`, so it must see all of it each time.
    fn step_keeping(&mut self, task: Task) -> Result<Step, Error> {
        let mut plain = std::mem::take(&mut self.plain);
        let step = self.step(task, &mut |payload| plain.push(payload));
        self.plain = plain;
        step
    }

    fn step(&mut self, task: Task, deliver: &mut dyn FnMut(&[u8])) -> Result<Step, Error> {
        if self.failed {
            return Err(Error::General("the session has failed".to_owned()));
        }
        let step = self.advance(task, deliver);
        self.closed |= matches!(step, Ok(Step::Closed));
        if step.is_err() {
            // What is ready to be sent ends with an alert. The connection must not see its input again after that.
            self.failed = true;
            while self.has_output() && self.advance(Task::Open, &mut |_| {}).is_ok() {}
        }
        step
    }

    fn advance(&mut self, task: Task, deliver: &mut dyn FnMut(&[u8])) -> Result<Step, Error> {
        let (incoming, outgoing) = (&mut self.incoming, &mut self.outgoing);
        match &mut self.end {
            End::Dialing(end) => advance(&mut **end, incoming, outgoing, task, deliver),
            End::Listening(end) => advance(&mut **end, incoming, outgoing, task, deliver),
        }
    }
}

/// What a step is to do besides what the protocol asks for.
#[derive(Clone, Copy)]
enum Task<'a> {
    /// Decrypt.
    Open,
    /// Encrypt these bytes.
    Seal(&'a [u8]),
    /// Close the session.
    Close,
}

#[derive(Clone, Copy)]
enum Step {
    /// Something was done; there may be more to do.
    Again,
    /// The task is done, as far as what was read allows.
    Done,
    /// The other end has closed the session.
    Closed,
}

/// What the two kinds of connection share.
trait Records {
    type Data;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Records for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Records for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

/// Lets the connection advance by one state.
fn advance<R: Records>(
    records: &mut R,
    incoming: &mut Buffer,
    outgoing: &mut Kept,
    task: Task,
    deliver: &mut dyn FnMut(&[u8]),
) -> Result<Step, Error> {
    let UnbufferedStatus { discard, state } = records.process(incoming.filled_mut());
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            while let Some(record) = traffic.next_record() {
                deliver(record?.payload);
            }
            Ok(Step::Again)
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            outgoing.append(RECORD + SLACK, |space| data.encode(space).map_err(general))?;
            Ok(Step::Again)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            match task {
                Task::Open => {}
                Task::Seal(bytes) => {
                    let space = bytes.len() + bytes.len().div_ceil(RECORD) * OVERHEAD + SLACK;
                    outgoing.append(space, |space| traffic.encrypt(bytes, space).map_err(general))?;
                }
                Task::Close => {
                    outgoing.append(SLACK, |space| traffic.queue_close_notify(space).map_err(general))?;
                }
            }
            Ok(Step::Done)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Done),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::Closed),
        // Early data is not enabled, and rustls may add states that this version does not know.
        Ok(state) => Err(Error::General(format!("unexpected state {state:?}"))),
        Err(error) => Err(error),
    };
    incoming.consume(discard);
    step
}

fn general(error: impl std::error::Error) -> Error {
    Error::General(error.to_string())
}

/// A session and the socket that carries it now.
pub(super) struct Session {
    pub(super) socket: TcpStream,
    codec: Codec,
    /// Whether the socket may have something to read: not since it last had less than there was room for.
    pub(super) readable: bool,
    /// Whether the socket is of no use any more.
    broken: bool,
}

impl Session {
    /// `socket` does not block, and the handshake on it is over.
    pub(super) fn new(socket: TcpStream, codec: Codec) -> Self {
        Self { socket, codec, readable: true, broken: false }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.codec.seal(bytes).map_err(invalid)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.codec.outgoing.unsent() > 0 && !self.broken {
            match self.codec.outgoing.write_to(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Encrypted bytes that the socket has not taken.
    pub(super) fn backlog(&self) -> usize {
        self.codec.outgoing.unsent()
    }

    /// Encrypted bytes that were not acknowledged.
    pub(super) fn kept(&self) -> &Kept {
        &self.codec.outgoing
    }

    /// The other end says that it has everything before this place of the stream. False if that cannot be.
    #[must_use]
    pub(super) fn acknowledge(&mut self, place: u64) -> bool {
        self.codec.outgoing.acknowledge(place)
    }

    /// Encrypted bytes that have come since the beginning.
    pub(super) fn received(&self) -> u64 {
        self.codec.received
    }

    /// Whether the socket has been given up.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Gives up the socket, and takes what it still has first, up to a limit. Whether the other end has closed the session in order.
    pub(super) fn give_up(&mut self) -> bool {
        let end = self.codec.received + SALVAGE;
        self.readable = true;
        while self.codec.received < end && matches!(self.refill(), Ok(Read::Bytes(_))) {}
        (self.readable, self.broken) = (false, true);
        // It is of no use any more, whatever this says.
        let _ = self.socket.shutdown(Shutdown::Both);
        self.codec.open_ahead().is_ok() && self.codec.closed
    }

    /// Goes on over another socket, from what each end has received: the other one everything before `place`. False if that cannot be.
    #[must_use]
    pub(super) fn go_on(&mut self, socket: TcpStream, place: u64) -> bool {
        if !self.codec.outgoing.rewind(place) {
            return false;
        }
        (self.socket, self.readable, self.broken) = (socket, true, false);
        true
    }

    /// The end of the stream without a word is an error.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Read> {
        loop {
            match self.codec.open(into).map_err(invalid)? {
                Read::Later => {}
                read @ (Read::Bytes(_) | Read::End) => return Ok(read),
            }
            match self.refill()? {
                Read::Bytes(_) => {}
                Read::Later => return Ok(Read::Later),
                Read::End => {
                    let silent = "it closed the connection without a word";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, silent));
                }
            }
        }
    }

    /// Bytes that can be had from [`Session::read`], without taking them, and whether the other end is gone.
    pub(super) fn look_ahead(&mut self) -> io::Result<(&[u8], bool)> {
        self.readable = true; // nobody has polled the socket
        let mut gone = false;
        while self.codec.open_ahead().map_err(invalid)?.len() < AHEAD {
            match self.refill()? {
                Read::Bytes(_) => {}
                Read::Later => break,
                Read::End => {
                    gone = true;
                    break;
                }
            }
        }
        Ok((self.codec.plain.filled(), gone || self.codec.closed))
    }

    /// Announces the end of the session.
    pub(super) fn close(&mut self) {
        self.codec.close();
    }

    /// Overwrites what was decrypted in the buffers.
    pub(super) fn wipe(&mut self) {
        self.codec.plain.wipe();
        self.codec.incoming.wipe();
    }

    fn refill(&mut self) -> io::Result<Read> {
        if !self.readable {
            return Ok(Read::Later);
        }
        let space = self.codec.incoming.space(READ);
        let room = space.len();
        match self.socket.read(space) {
            Ok(0) => Ok(Read::End),
            Ok(count) => {
                self.codec.read(count);
                self.readable = count == room;
                Ok(Read::Bytes(count))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    Ok(Read::Later)
                }
                io::ErrorKind::Interrupted => Ok(Read::Bytes(0)),
                _ => Err(error),
            },
        }
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Bytes that are added at the back and taken from the front.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    front: usize,
    back: usize,
}

impl Buffer {
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[self.front..self.back]
    }

    fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.front..self.back]
    }

    /// At least `count` bytes of room behind what is filled.
    pub(super) fn space(&mut self, count: usize) -> &mut [u8] {
        let filled = self.back - self.front;
        if self.bytes.len() - self.back < count {
            // Moving no more than was taken since the last move costs at most one copy per byte.
            if filled <= self.front {
                self.bytes.copy_within(self.front..self.back, 0);
                (self.front, self.back) = (0, filled);
            }
            if self.bytes.len() - self.back < count {
                self.bytes.resize((self.back + count).next_power_of_two(), 0);
            }
        }
        &mut self.bytes[self.back..]
    }

    /// `count` bytes of the space were filled.
    pub(super) fn commit(&mut self, count: usize) {
        self.back += count;
        debug_assert!(self.back <= self.bytes.len());
    }

    /// `count` bytes from the front are no longer needed.
    pub(super) fn consume(&mut self, count: usize) {
        self.front += count;
        debug_assert!(self.front <= self.back);
        if self.front == self.back {
            (self.front, self.back) = (0, 0);
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
            self.commit(bytes.len());
        }
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.back - self.front);
        into[..count].copy_from_slice(&self.filled()[..count]);
        self.consume(count);
        count
    }

    /// Overwrites everything except what is filled.
    fn wipe(&mut self) {
        self.bytes[..self.front].zeroize();
        self.bytes[self.back..].zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use proptest::prelude::*;
    use rustls::crypto::CryptoProvider;
    use rustls::{CipherSuiteCommon, NamedGroup, SupportedCipherSuite, Tls13CipherSuite};

    use super::super::identity::Identity;
    use super::super::tls;
    use super::*;

    fn identity() -> Identity {
        Identity::generate("test", Duration::from_secs(3600)).unwrap()
    }

    /// The two ends of a session between two new identities.
    fn ends(provider: &Arc<CryptoProvider>) -> [Codec; 2] {
        let (one, other) = (identity(), identity());
        let dialing = tls::dialing(provider.clone(), &one, other.fingerprint(), b"test").unwrap();
        let listening =
            tls::listening(provider.clone(), &other, vec![one.fingerprint()], &[b"test"]).unwrap();
        [Codec::dialing(dialing).unwrap(), Codec::listening(listening).unwrap()]
    }

    /// Lets bytes flow both ways until nothing moves, through `line`, which may change them. Returns whether the handshake is over at both ends.
    fn shake(ends: &mut [Codec; 2], mut line: impl FnMut(&mut [u8])) -> Result<bool, Error> {
        let [dialing, listening] = ends;
        let (mut one, mut other) = (dialing.handshake()?, listening.handshake()?);
        while carry(dialing, listening, &mut line) + carry(listening, dialing, &mut line) > 0 {
            (one, other) = (dialing.handshake()?, listening.handshake()?);
        }
        Ok(one && other)
    }

    fn carry(from: &mut Codec, to: &mut Codec, line: &mut impl FnMut(&mut [u8])) -> usize {
        let mut bytes = Vec::new();
        while from.outgoing.unsent() > 0 {
            from.outgoing.write_to(&mut bytes).expect("vectors take everything");
        }
        line(&mut bytes);
        to.incoming.push(&bytes);
        bytes.len()
    }

    fn open_all(codec: &mut Codec, size: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; size];
        match codec.open(&mut bytes)? {
            Read::Bytes(count) => bytes.truncate(count),
            Read::Later | Read::End => bytes.clear(),
        }
        Ok(bytes)
    }

    #[test]
    fn the_ends_know_each_other_and_bytes_go_through() {
        let mut ends = ends(&tls::provider());
        assert_eq!(shake(&mut ends, |_| {}), Ok(true));
        let [dialing, listening] = &mut ends;
        assert_ne!(dialing.peer(), listening.peer());
        assert!(dialing.peer().is_some() && listening.peer().is_some());
        let message: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
        for _ in 0..3 {
            dialing.seal(&message).unwrap();
            carry(dialing, listening, &mut |_| {});
            // Sealing in between must not lose what has arrived.
            assert_eq!(open_all(listening, 70_000).unwrap(), message[..70_000]);
            listening.seal(b"answer").unwrap();
            carry(listening, dialing, &mut |_| {});
            assert_eq!(open_all(dialing, 100).unwrap(), b"answer");
            assert_eq!(open_all(listening, 200_000).unwrap(), message[70_000..]);
        }
        dialing.close();
        carry(dialing, listening, &mut |_| {});
        assert_eq!(listening.open(&mut [0]), Ok(Read::End));
    }

    /// A party whose key exchange is classical only is refused, whichever end it is.
    #[test]
    fn the_key_exchange_is_hybrid_or_there_is_none() {
        let mut classical = (*tls::provider()).clone();
        classical.kx_groups = rustls::crypto::aws_lc_rs::DEFAULT_KX_GROUPS
            .iter()
            .copied()
            .filter(|group| group.name() != NamedGroup::X25519MLKEM768)
            .collect();
        assert!(!classical.kx_groups.is_empty());
        let (hybrid, classical) = (tls::provider(), Arc::new(classical));
        for [one, other] in [[&hybrid, &classical], [&classical, &hybrid]] {
            let [dialing, _] = ends(one);
            let [_, listening] = ends(other);
            let error = shake(&mut [dialing, listening], |_| {}).unwrap_err();
            assert!(tls::explain(&error).contains("X25519MLKEM768"), "{error}");
        }
        let mut ends = ends(&hybrid);
        assert_eq!(shake(&mut ends, |_| {}), Ok(true));
        for end in &ends {
            let group = match &end.end {
                End::Dialing(end) => end.negotiated_key_exchange_group(),
                End::Listening(end) => end.negotiated_key_exchange_group(),
            };
            assert_eq!(group.unwrap().name(), NamedGroup::X25519MLKEM768);
        }
    }

    /// AES-GCM keys have a limit, which a long training would reach; here it is reached after a hundred records.
    #[test]
    fn keys_are_renewed_before_they_wear_out() {
        let mut provider = (*tls::provider()).clone();
        for suite in &mut provider.cipher_suites {
            if let SupportedCipherSuite::Tls13(tls13) = *suite {
                let common = CipherSuiteCommon { confidentiality_limit: 100, ..tls13.common };
                let worn = Tls13CipherSuite { common, ..*tls13 };
                *suite = SupportedCipherSuite::Tls13(Box::leak(Box::new(worn)));
            }
        }
        let mut ends = ends(&Arc::new(provider));
        assert_eq!(shake(&mut ends, |_| {}), Ok(true));
        let [dialing, listening] = &mut ends;
        for round in 0..2000u32 {
            let message = round.to_le_bytes().repeat(1 + (round as usize % 3) * 8000);
            dialing.seal(&message).unwrap();
            carry(dialing, listening, &mut |_| {});
            assert!(open_all(listening, message.len()).unwrap() == message);
            listening.seal(&message).unwrap();
            carry(listening, dialing, &mut |_| {});
            assert!(open_all(dialing, message.len()).unwrap() == message);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A byte that is changed anywhere in a handshake makes it fail, unless the byte says nothing (such as the version of a plain record);
        /// no call panics afterwards.
        #[test]
        fn a_handshake_with_a_changed_byte_fails(place in 0..5000usize, change in 1u8..) {
            let mut ends = ends(&tls::provider());
            let mut passed = 0;
            let result = shake(&mut ends, |bytes| {
                if let Some(byte) = place.checked_sub(passed).and_then(|place| bytes.get_mut(place)) {
                    *byte ^= change;
                }
                passed += bytes.len();
            });
            let [dialing, listening] = &mut ends;
            if result == Ok(true) {
                dialing.seal(b"a message").unwrap();
                carry(dialing, listening, &mut |_| {});
                prop_assert_eq!(open_all(listening, 100).unwrap(), b"a message");
            }
            for end in &mut ends {
                let _ = end.handshake();
                let _ = end.seal(b"more");
                let _ = end.open(&mut [0; 10]);
                end.close();
            }
        }

        /// The same in a record of data, and for bytes that are no records at all. In TLS 1.3 the type and the version in a record's header,
        /// its bytes 0 to 2, are constants that say nothing (RFC 8446, section 5.2): the true type is inside, sealed with the data. So a change
        /// there is an error or does no harm.
        #[test]
        fn a_changed_record_is_an_error(
            place: prop::sample::Index, change in 1u8.., random in prop::collection::vec(any::<u8>(), 1..100),
        ) {
            let mut ends = ends(&tls::provider());
            prop_assert_eq!(shake(&mut ends, |_| {}), Ok(true));
            let [dialing, listening] = &mut ends;
            let message = b"a message of some bytes";
            dialing.seal(message).unwrap();
            let mut changed = 0;
            carry(dialing, listening, &mut |bytes: &mut [u8]| {
                changed = place.index(bytes.len());
                bytes[changed] ^= change;
            });
            if let Ok(bytes) = open_all(listening, 100) {
                prop_assert!(bytes.is_empty() || changed < 3 && bytes == message, "byte {}", changed);
            }
            dialing.incoming.push(&random);
            let opened = open_all(dialing, 100);
            prop_assert!(!matches!(opened, Ok(bytes) if !bytes.is_empty()));
            for end in ends.iter_mut() {
                let _ = end.seal(b"more");
                let _ = end.open(&mut [0; 10]);
                end.close();
            }
        }

        #[test]
        fn a_buffer_is_a_queue(steps in prop::collection::vec((0..3000usize, 0..3000usize), 0..50)) {
            let (mut buffer, mut model) = (Buffer::default(), VecDeque::new());
            for (step, (push, take)) in steps.into_iter().enumerate() {
                let bytes = vec![step as u8; push];
                buffer.push(&bytes);
                model.extend(&bytes);
                let mut taken = vec![0; take];
                let count = buffer.take(&mut taken);
                let expected: Vec<u8> = model.drain(..take.min(model.len())).collect();
                prop_assert_eq!(&taken[..count], &expected[..]);
                prop_assert!(buffer.filled().iter().eq(&model));
            }
        }
    }
}
