//! One connection during the set-up, on which tasks wait for bytes.

use std::io;
use std::time::{Duration, Instant};

use rustls::{AlertDescription, Error as TlsError};
use tern_bytecode::model::MAX_PARTIES;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::again::random;
use super::frame::{Frame, HEADER};
use super::greeting::{GREETING, Greeting};
use super::proof::{self, CLAIM, RANDOM, Secret};
use super::session::{Codec, Session};
use super::tls;
use super::transport::Read;

/// Echoes after a handshake.
const TRIPS: u64 = 3;
/// Bytes before each record of TLS; the last two are its length.
const RECORD_HEADER: usize = 5;
/// How long whoever is turned away has to read why.
const LINGER: Duration = Duration::from_secs(1);

/// A neighbour that is there.
pub(super) struct Reached {
    pub(super) session: Session,
    /// What the two processes at its ends know.
    pub(super) secret: Secret,
    /// The fastest of a few round trips.
    pub(super) rtt: Duration,
    /// Which process it is.
    pub(super) instance: u64,
    /// By party: which process of each of the others it has met, as it says.
    pub(super) met: [Option<u64>; MAX_PARTIES],
    /// By party: which ones it was told that this party has met.
    pub(super) told: [Option<u64>; MAX_PARTIES],
}

/// Why a handshake or what follows it failed.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("closed")]
    Closed,
    /// It would go on with a link of another process.
    #[error("it looks for a process that was here before")]
    Disowned,
    /// The other end has another hosts file, in which this is different.
    #[error("{0}")]
    Hosts(String),
}

/// A connection on which the set-up waits for bytes.
pub(super) struct Line {
    stream: TcpStream,
    pub(super) codec: Codec,
    /// What this end and the other one have added to their secret.
    random: [[u8; RANDOM]; 2],
}

impl Line {
    pub(super) fn new(stream: TcpStream, codec: Codec) -> Result<Self, Failure> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, codec, random: [[0; RANDOM]; 2] })
    }

    pub(super) async fn handshake(&mut self) -> Result<(), Failure> {
        loop {
            let done = self.codec.handshake();
            let flushed = self.flush().await;
            match done {
                Ok(true) => return flushed,
                Ok(false) => {}
                Err(error) => {
                    self.leave().await;
                    return Err(error.into());
                }
            }
            flushed?;
            self.fetch().await?;
        }
    }

    /// Says who is here, and hears who is there.
    pub(super) async fn greet(&mut self, ours: &Greeting) -> Result<Greeting, Failure> {
        let (mine, mut theirs) = (random()?, [0; RANDOM]);
        self.send(&[&ours.encode()[..], &mine].concat()).await?;
        let mut bytes = [0; GREETING];
        self.hear(&mut bytes).await?;
        self.hear(&mut theirs).await?;
        self.random = [mine, theirs];
        Greeting::decode(&bytes).ok_or_else(|| unexpected("a greeting"))
    }

    /// Echoes, of the end that dialed.
    pub(super) async fn call(mut self, instance: u64) -> Result<Reached, Failure> {
        let mut rtt = Duration::MAX;
        for trip in 0..TRIPS {
            let sent = Instant::now();
            self.send(&Frame::Hello { trip }.encode()).await?;
            self.expect(trip).await?;
            rtt = rtt.min(sent.elapsed());
        }
        self.send(&Frame::Hello { trip: TRIPS }.encode()).await?;
        let [mine, theirs] = self.random;
        self.reached(rtt, instance, Secret::agree(&mine, &theirs))
    }

    /// Echoes, of the end that was dialed.
    pub(super) async fn answer(mut self, instance: u64) -> Result<Reached, Failure> {
        let mut rtt = Duration::MAX;
        self.expect(0).await?;
        for trip in 0..TRIPS {
            let sent = Instant::now();
            self.send(&Frame::Hello { trip }.encode()).await?;
            self.expect(trip + 1).await?;
            rtt = rtt.min(sent.elapsed());
        }
        let [mine, theirs] = self.random;
        self.reached(rtt, instance, Secret::agree(&theirs, &mine))
    }

    /// Gives the other end time to read what it was told before the connection is closed, which may discard it.
    pub(super) async fn leave(&mut self) {
        let _ = timeout(LINGER, async {
            self.stream.shutdown().await?;
            let mut scrap = [0; 1 << 10];
            while self.stream.read(&mut scrap).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }

    /// Tells an end that would go on with a link that this process knows nothing of it.
    pub(super) async fn disown(&mut self) -> Result<(), Failure> {
        self.send(&random()?).await?;
        self.hear(&mut [0; CLAIM]).await?;
        self.send(&proof::another()).await?;
        self.leave().await;
        Ok(())
    }

    /// The socket, which does not block, and the session.
    pub(super) fn into_parts(self) -> io::Result<(std::net::TcpStream, Codec)> {
        Ok((self.stream.into_std()?, self.codec))
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.codec.seal(bytes)?;
        // If the other end is gone, what it said before is read next and is the better error.
        let _ = self.flush().await;
        Ok(())
    }

    /// [`hear`](Self::hear) without taking a byte behind the record that ends it: whatever follows is of another session. Nothing else has arrived.
    pub(super) async fn hear_alone(&mut self, into: &mut [u8]) -> Result<(), Failure> {
        self.hear_by(into, true).await
    }

    pub(super) async fn hear(&mut self, into: &mut [u8]) -> Result<(), Failure> {
        self.hear_by(into, false).await
    }

    /// Hears, record `by_record` or whatever is there.
    async fn hear_by(&mut self, into: &mut [u8], by_record: bool) -> Result<(), Failure> {
        let mut have = 0;
        while have < into.len() {
            match self.codec.open(&mut into[have..])? {
                Read::Bytes(count) => have += count,
                Read::Later if by_record => self.fetch_record().await?,
                Read::Later => self.fetch().await?,
                Read::End => return Err(Failure::Closed),
            }
        }
        Ok(())
    }

    async fn expect(&mut self, trip: u64) -> Result<(), Failure> {
        let mut bytes = [0; HEADER];
        self.hear(&mut bytes).await?;
        match Frame::decode(&bytes) {
            Ok(Frame::Hello { trip: got }) if got == trip => Ok(()),
            Ok(_) | Err(_) => Err(unexpected("the echo")),
        }
    }

    fn reached(self, rtt: Duration, instance: u64, secret: Secret) -> Result<Reached, Failure> {
        let session = Session::new(self.stream.into_std()?, self.codec);
        Ok(Reached { session, secret, rtt, instance, met: [None; MAX_PARTIES], told: [None; MAX_PARTIES] })
    }

    async fn fetch(&mut self) -> Result<(), Failure> {
        let count = self.stream.read(self.codec.incoming.space(16 << 10)).await?;
        self.codec.read(count);
        if count == 0 { Err(Failure::Closed) } else { Ok(()) }
    }

    /// Reads one record, whose header says how long it is.
    async fn fetch_record(&mut self) -> Result<(), Failure> {
        let mut record = vec![0; RECORD_HEADER];
        self.stream.read_exact(&mut record).await?;
        let length = u16::from_be_bytes([record[3], record[4]]);
        record.resize(RECORD_HEADER + usize::from(length), 0);
        self.stream.read_exact(&mut record[RECORD_HEADER..]).await?;
        self.codec.incoming.push(&record);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let outgoing = &mut self.codec.outgoing;
        while !outgoing.next().is_empty() {
            let written = self.stream.write_all(outgoing.next()).await;
            outgoing.sent(outgoing.next().len());
            written?;
        }
        Ok(())
    }
}

fn unexpected(what: &str) -> Failure {
    TlsError::General(format!("not {what} that was expected")).into()
}

/// Why somebody was turned away.
pub(super) fn why(failure: &Failure) -> String {
    match failure {
        Failure::Tls(error) if tls::is_not_tls(error) => "it does not speak TLS".to_owned(),
        Failure::Tls(TlsError::AlertReceived(alert)) => format!("it turned us away: {}", explain(*alert)),
        Failure::Tls(error) => match tls::unknown(error) {
            Some(found) => format!("its certificate {found} is not one of those expected here"),
            None => tls::explain(error),
        },
        Failure::Closed => "it closed the connection during the handshake".to_owned(),
        Failure::Io(error) => error.to_string(),
        failure @ Failure::Disowned => failure.to_string(),
        Failure::Hosts(difference) => format!("it has another hosts file: {difference}"),
    }
}

/// An alert in words that help.
pub(super) fn explain(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::CertificateUnknown => "it expects another certificate; compare the hosts files",
        AlertDescription::CertificateExpired => "our certificate is not valid at this time",
        AlertDescription::NoApplicationProtocol => {
            "it runs another command or version of tern, or simulates another network"
        }
        AlertDescription::HandshakeFailure => {
            "it has no key exchange in common with us (X25519MLKEM768): is it another version of tern?"
        }
        _ => return format!("{alert:?}"),
    };
    text.to_owned()
}

/// Whether the system has no room for another connection.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}
