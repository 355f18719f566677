//! A party's place in the world.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tern_bytecode::Program;
use tern_vm::net::{Hosts, Identity, NetworkModel, Party, Setup, Timeouts};

/// Who the parties are, which this is, and its key.
pub struct Seat {
    /// All of them.
    pub hosts: Hosts,
    /// This one.
    pub me: Party,
    /// Its key and certificate.
    pub identity: Identity,
}

impl Seat {
    /// Reads the hosts file and the key of a party; its certificate is beside the key, which by default is `NAME.key.pem` in the directory of
    /// the hosts file. `timeout` takes the place of what the hosts file says.
    ///
    /// # Errors
    /// Files that cannot be read or do not say what they should; a party that is not in the hosts file.
    pub fn take(
        hosts: &Path,
        party: usize,
        key: Option<&Path>,
        timeout: Option<Duration>,
    ) -> anyhow::Result<Seat> {
        let file = hosts;
        let mut hosts = Hosts::load(file)?;
        if let Some(limit) = timeout {
            hosts.timeouts = Timeouts { connect: limit, stall: limit, link: None };
        }
        let there = Party::all(hosts.count()).find(|other| other.index() == party);
        let Some(me) = there else {
            bail!("there is no party {party}: 0 to {}", hosts.count() - 1);
        };
        let name = &hosts.host(me).name;
        let key = key.map_or_else(|| key_beside(file, name), Path::to_path_buf);
        let certificate = certificate_beside(&key)?;
        let identity =
            Identity::load(&key, &certificate).with_context(|| format!("the key of {}", hosts.who(me)))?;
        Ok(Seat { hosts, me, identity })
    }

    /// Fits it to a run of a program: checks that there are as many parties as it takes, and leaves out a dealer that has `dealt` already. `link` is for
    /// how long a link may be interrupted; with `clients`, those are waited for that long, which need not end at all parties at once.
    ///
    /// # Errors
    /// Another number of parties; a dealer that has dealt already and would take part.
    pub fn fit(
        &mut self,
        program: &Program,
        dealt: bool,
        link: Option<Duration>,
        clients: Option<Duration>,
    ) -> anyhow::Result<()> {
        check_parties(program, &self.hosts)?;
        if dealt {
            let owners = program.header.protocol.model().owners;
            if self.me.index() >= owners {
                bail!("the dealer has dealt already: {} takes no part", self.me);
            }
            self.hosts.parties.truncate(owners);
        }
        let timeouts = &mut self.hosts.timeouts;
        timeouts.link = link;
        timeouts.connect = timeouts.connect.max(clients.unwrap_or_default());
        Ok(())
    }

    /// What is needed to meet the others.
    pub fn setup(&self, network: Option<NetworkModel>) -> Setup<'_> {
        Setup { hosts: &self.hosts, me: self.me, identity: &self.identity, network }
    }
}

/// `alice.key.pem` beside the hosts file.
pub(crate) fn key_beside(hosts: &Path, name: &str) -> PathBuf {
    hosts.with_file_name(format!("{name}.key.pem"))
}

/// Whether a hosts file has as many parties as a program takes.
///
/// # Errors
/// How many there are of either.
pub(crate) fn check_parties(program: &Program, hosts: &Hosts) -> anyhow::Result<()> {
    let protocol = program.header.protocol;
    let (needed, found) = (protocol.model().parties, hosts.count());
    if needed != found {
        let name = protocol.name();
        bail!("the program is for {name}, which takes {needed} parties; the hosts file lists {found}");
    }
    Ok(())
}

/// `alice.cert.pem` for `alice.key.pem`.
pub(crate) fn certificate_beside(key: &Path) -> anyhow::Result<PathBuf> {
    let name = key.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(stem) = name.strip_suffix(".key.pem") else {
        bail!("--key {}: its name should end in .key.pem, as keygen makes it", key.display());
    };
    Ok(key.with_file_name(format!("{stem}.cert.pem")))
}
