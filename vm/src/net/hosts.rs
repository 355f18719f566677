//! The hosts file: who the parties are. It is the same file at all of them.
//!
//! ```toml
//! [[party]]
//! name = "alice"
//! address = "alice.example.org:7000"
//! fingerprint = "sha256:…"
//! clients = "alice.example.org:7100"  # where those reach it who run none of the servers, if there are any
//! # as many of these as the protocol takes, in the order of the parties' indices
//!
//! [clients.hospital]  # somebody who runs none of the servers, as programs call them
//! fingerprint = "sha256:…"
//!
//! [timeouts]      # optional, in seconds
//! connect = 60    # how long to wait for the others to start
//! stall = 60      # how long a party may be silent
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tern_bytecode::Protocol;
use tern_bytecode::validate::names::is_word;
use thiserror::Error;
use toml::Spanned;

use super::error::Who;
use super::identity::Fingerprint;
use super::party::Party;

/// The default of both time-outs.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The parties, by index, and how long they wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// The parties in order.
    pub parties: Vec<Host>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Those who run none of the servers and give or get shares: their certificates, by name.
    pub clients: BTreeMap<String, Fingerprint>,
}

/// One party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What messages call it.
    pub name: String,
    /// Where it listens: a host name or an IP address, a colon and a port.
    pub address: String,
    /// The fingerprint of its certificate.
    pub fingerprint: Fingerprint,
    /// Where clients reach it.
    pub clients: Option<String>,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the other parties to start.
    pub connect: Duration,
    /// For any sign of life from a party whose bytes are needed.
    pub stall: Duration,
    /// For a link whose connection has broken to be there again; if it is not given, as long as for a sign of life, and no longer than it takes to see
    /// that the process at its other end has ended.
    pub link: Option<Duration>,
}

impl Timeouts {
    /// How long a link may be interrupted.
    pub fn link(&self) -> Duration {
        self.link.unwrap_or(self.stall)
    }
}

/// Why a hosts file cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs)] // the fields are what the message says they are
pub enum HostsError {
    /// It cannot be read.
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: std::io::Error },
    /// Its content is wrong.
    #[error("{file}:{line}:{column}: {message}")]
    Content { file: String, line: usize, column: usize, message: String },
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: TIMEOUT, stall: TIMEOUT, link: None }
    }
}

impl Hosts {
    /// Reads a hosts file.
    ///
    /// # Errors
    /// A file that cannot be read, and what [`Hosts::parse`] says.
    pub fn load(path: &Path) -> Result<Self, HostsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| HostsError::File { path: path.to_owned(), cause })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the content of a hosts file; `file` is its name in errors.
    ///
    /// # Errors
    /// With line and column: bad TOML, unknown keys, a number of parties that no protocol takes, two with the same name, address or fingerprint, an address without
    /// a port, a malformed fingerprint, a client whose name no program can have, a time-out outside of 1 second to a day.
    pub fn parse(text: &str, file: &str) -> Result<Self, HostsError> {
        let place = |at: usize, message: String| {
            let before = text.get(..at).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            HostsError::Content { file: file.to_owned(), line, column, message }
        };
        let raw: RawHosts = toml::from_str(text)
            .map_err(|error| place(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
        raw.check().map_err(|(at, message)| place(at, message))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.parties.len()
    }

    /// One of the parties.
    pub fn host(&self, party: Party) -> &Host {
        &self.parties[party.index()]
    }

    /// How messages name a party.
    pub fn who(&self, party: Party) -> Who {
        Who { party, name: self.host(party).name.as_str().into() }
    }

    /// The client with this certificate.
    pub fn client(&self, fingerprint: Fingerprint) -> Option<&str> {
        self.clients.iter().find(|(_, listed)| **listed == fingerprint).map(|(name, _)| name.as_str())
    }

    /// The party with this certificate.
    pub fn find(&self, fingerprint: Fingerprint) -> Option<Party> {
        Party::all(self.parties.len()).find(|&party| self.host(party).fingerprint == fingerprint)
    }
}

/// The file itself.
impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Host { name, address, fingerprint, clients } in &self.parties {
            writeln!(f, "[[party]]\nname = {}\naddress = {}", quoted(name), quoted(address))?;
            writeln!(f, "fingerprint = \"{fingerprint}\"")?;
            if let Some(address) = clients {
                writeln!(f, "clients = {}", quoted(address))?;
            }
            writeln!(f)?;
        }
        for (name, fingerprint) in &self.clients {
            writeln!(f, "[clients.{name}]\nfingerprint = \"{fingerprint}\"\n")?;
        }
        let Timeouts { connect, stall, link: _ } = self.timeouts;
        writeln!(f, "[timeouts]\nconnect = {}\nstall = {}", connect.as_secs_f64(), stall.as_secs_f64())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHosts {
    party: Spanned<Vec<RawHost>>,
    #[serde(default)]
    clients: BTreeMap<Spanned<String>, RawClient>,
    #[serde(default)]
    timeouts: RawTimeouts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClient {
    fingerprint: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHost {
    name: Spanned<String>,
    address: Spanned<String>,
    fingerprint: Spanned<String>,
    clients: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTimeouts {
    connect: Option<Spanned<f64>>,
    stall: Option<Spanned<f64>>,
}

/// An error and the byte at which it is.
type At = (usize, String);

impl RawHosts {
    fn check(self) -> Result<Hosts, At> {
        let at = self.party.span().start;
        let hosts = self.party.into_inner();
        for (index, host) in hosts.iter().enumerate() {
            let earlier = &hosts[..index];
            distinct(&host.name, earlier.iter().map(|host| &host.name), "name")?;
            distinct(&host.address, earlier.iter().map(|host| &host.address), "address")?;
            distinct(&host.fingerprint, earlier.iter().map(|host| &host.fingerprint), "fingerprint")?;
        }
        let mut known: Vec<&Spanned<String>> = hosts.iter().map(|host| &host.fingerprint).collect();
        let mut clients = BTreeMap::new();
        for (name, client) in &self.clients {
            distinct(&client.fingerprint, known.iter().copied(), "fingerprint")?;
            known.push(&client.fingerprint);
            clients.insert(name.get_ref().clone(), client.check(name)?);
        }
        let parties = hosts.into_iter().map(RawHost::check).collect::<Result<Vec<_>, At>>()?;
        let counts: BTreeSet<usize> = Protocol::ALL.iter().map(|protocol| protocol.model().parties).collect();
        if !counts.contains(&parties.len()) {
            let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
            let found = parties.len();
            return Err((at, format!("there must be {} parties, not {found}", counts.join(" or "))));
        }
        let (connect, stall) = (timeout(self.timeouts.connect)?, timeout(self.timeouts.stall)?);
        let timeouts = Timeouts { connect, stall, link: None };
        Ok(Hosts { parties, timeouts, clients })
    }
}

impl RawHost {
    fn check(self) -> Result<Host, At> {
        let name = self.name.get_ref();
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            return Err((self.name.span().start, "a name has 1 to 64 characters".to_owned()));
        }
        check_address(&self.address)?;
        self.clients.as_ref().map_or(Ok(()), check_address)?;
        let fingerprint = parsed(&self.fingerprint)?;
        let clients = self.clients.map(Spanned::into_inner);
        Ok(Host { name: self.name.into_inner(), address: self.address.into_inner(), fingerprint, clients })
    }
}

impl RawClient {
    fn check(&self, name: &Spanned<String>) -> Result<Fingerprint, At> {
        if name.get_ref().len() > 64 || !is_word(name.get_ref()) {
            let message = "the name of a client is a word of up to 64 letters, digits and `_`".to_owned();
            return Err((name.span().start, message));
        }
        parsed(&self.fingerprint)
    }
}

fn check_address(address: &Spanned<String>) -> Result<(), At> {
    let text = address.get_ref();
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.and_then(|(_, port)| port.parse().ok()).is_none_or(|port: u16| port == 0) {
        return Err((address.span().start, format!("`{text}` is not an address: write host:port")));
    }
    Ok(())
}

fn parsed(fingerprint: &Spanned<String>) -> Result<Fingerprint, At> {
    fingerprint.get_ref().parse().map_err(|error| (fingerprint.span().start, format!("{error}")))
}

fn distinct<'a>(
    value: &Spanned<String>,
    mut earlier: impl Iterator<Item = &'a Spanned<String>>,
    what: &str,
) -> Result<(), At> {
    if earlier.any(|other| other.get_ref() == value.get_ref()) {
        return Err((value.span().start, format!("two have the {what} `{}`", value.get_ref())));
    }
    Ok(())
}

fn timeout(seconds: Option<Spanned<f64>>) -> Result<Duration, At> {
    let Some(seconds) = seconds else { return Ok(TIMEOUT) };
    if !(1.0..=86_400.0).contains(seconds.get_ref()) {
        return Err((seconds.span().start, "a time-out is 1 to 86400 seconds".to_owned()));
    }
    Ok(Duration::from_secs_f64(seconds.into_inner()))
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => write!(out, "\\u{:04X}", u32::from(c)).expect("a String takes all text"),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> String {
        let party = |name, digit: &str| {
            let print = digit.repeat(64);
            format!(
                "[[party]]\nname = \"{name}\"\naddress = \"{name}.example.org:7000\"\nfingerprint = \"sha256:{print}\"\n"
            )
        };
        [party("alice", "a"), party("bob", "b"), party("carol", "c")].concat()
    }

    fn message(text: &str) -> String {
        Hosts::parse(text, "hosts.toml").expect_err(text).to_string()
    }

    #[test]
    fn three_parties_and_default_timeouts() {
        let hosts = Hosts::parse(&example(), "hosts.toml").unwrap();
        assert_eq!(hosts.host(Party::P1).name, "bob");
        assert_eq!(hosts.find(Fingerprint([0xcc; 32])), Some(Party::P2));
        assert_eq!(hosts.find(Fingerprint([0xdd; 32])), None);
        assert_eq!(hosts.timeouts, Timeouts::default());
        assert_eq!(hosts.who(Party::P0).to_string(), "party 0 (alice)");
    }

    #[test]
    fn errors_have_a_place() {
        let example = example();
        assert_eq!(
            message(&example.replace("bob.example.org:7000", "bob.example.org")),
            "hosts.toml:7:11: `bob.example.org` is not an address: write host:port"
        );
        assert_eq!(
            message(&example.replace("sha256:bbb", "sha256:bbx")),
            "hosts.toml:8:15: a fingerprint is `sha256:` and 64 hexadecimal digits"
        );
        assert_eq!(
            message(&example.replace("name = \"carol\"", "name = \"bob\"")),
            "hosts.toml:10:8: two have the name `bob`"
        );
        assert_eq!(
            message(&format!("{example}[timeouts]\nstall = 0\n")),
            "hosts.toml:14:9: a time-out is 1 to 86400 seconds"
        );
        let client = |name: &str, digit: &str| {
            format!("{example}[clients.{name}]\nfingerprint = \"sha256:{}\"\n", digit.repeat(64))
        };
        assert_eq!(Hosts::parse(&client("hospital", "d"), "hosts.toml").unwrap().clients.len(), 1);
        assert_eq!(
            message(&client("the-hospital", "d")),
            "hosts.toml:13:10: the name of a client is a word of up to 64 letters, digits and `_`"
        );
        assert!(message(&client("hospital", "a")).contains("have the fingerprint `sha256:aaa"));
        assert!(message(&example.replace("name =", "nome =")).starts_with("hosts.toml:2:1: unknown field"));
        assert!(message(&example[..example.len() / 2]).contains("hosts.toml:"));
        assert!(message("").contains("missing field `party`"));
        assert!(message("party = []").contains("parties, not 0"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            names in prop::collection::hash_set("[^\\p{C}]{1,16}", 3..=4), connect in 1..86_400u32, stall in 1..86_400u32,
            clients in 0..3u8
        ) {
            let parties = names.into_iter().enumerate().map(|(index, name)| Host {
                name,
                address: format!("127.0.0.1:700{index}"),
                fingerprint: Fingerprint([index as u8; 32]),
                clients: (index != 1).then(|| format!("127.0.0.1:710{index}")),
            }).collect();
            let clients = (0..clients).map(|i| (format!("client_{i}"), Fingerprint([0x80 | i; 32]))).collect();
            let seconds = |time: u32| Duration::from_secs(time.into());
            let hosts = Hosts { parties, timeouts: Timeouts { connect: seconds(connect), stall: seconds(stall), link: None }, clients };
            prop_assert_eq!(Hosts::parse(&hosts.to_string(), "hosts.toml").unwrap(), hosts);
        }

        #[test]
        fn any_text_is_a_hosts_file_or_an_error(text in "(\\[\\[party\\]\\]|name|address|=|\"|\\n|\\PC){0,20}") {
            let _ = Hosts::parse(&text, "hosts.toml");
        }
    }
}
