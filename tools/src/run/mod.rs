//! `tern run`: a program on secret shares.
//!
//! | module | what it holds |
//! |---|---|
//! | `party` | one party's part of a run, wherever the others are |
//! | `local` | a process for each party on this machine, and the one view of them |
//! | `measured` | what a run has cost |

mod local;
mod measured;
mod party;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use tern_tools::say;
use tern_vm::net::{Hosts, Identity, NetworkModel, Party, Setup, TIMEOUT, Timeouts};

use crate::SourceArgs;
use crate::compile::{Loaded, load};
use crate::cores::{cores, cores_each};
use crate::emulated;
use crate::events::{Audience, Events, start};
use crate::guard::guard_memory;
use crate::host::{Files, Outputs};
use crate::memory;
use crate::results::{self, Directory};

pub(crate) use local::{Job, local_party};
use measured::Measured;
pub(crate) use measured::{LineShare, Spent};

/// What to run, as whom, on which data.
#[derive(Args, Clone)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    outputs: Outputs,
    /// Fix all randomness, the same at all parties. For tests: nothing stays secret.
    #[arg(long)]
    seed: Option<u64>,
    /// Take --seed among real parties too, although nothing stays secret then.
    #[arg(long, requires = "seed")]
    insecure: bool,
    /// Threads of this party; by default all cores, which local parties share.
    #[arg(long)]
    threads: Option<usize>,
    /// Simulate a network, the same at all parties: lan, wan or rtt=40ms,bw=352Mbit.
    #[arg(long)]
    network: Option<NetworkModel>,
    /// Events as JSON lines on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    party: OptionalParty,
}

/// Which party this is.
#[derive(Args, Clone)]
struct OptionalParty {
    /// Be this one of the real parties: 0, 1, …. Without it, a local process is started for each.
    #[arg(long, requires = "hosts")]
    party: Option<usize>,
    /// Who the parties are.
    #[arg(long, requires = "party")]
    hosts: Option<PathBuf>,
    /// This party's key, with its certificate beside it; by default NAME.key.pem, in the directory of the hosts file.
    #[arg(long, requires = "party")]
    key: Option<PathBuf>,
    /// Seconds to wait for the others, to start and later for any sign of life; by default what the hosts file says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

/// A party among real ones.
#[derive(Args, Clone)]
pub(crate) struct PartyArgs {
    /// Which of the parties this is: 0, 1, ….
    #[arg(long)]
    party: usize,
    /// Who the parties are.
    #[arg(long)]
    hosts: PathBuf,
    /// This party's key, with its certificate beside it; by default NAME.key.pem, in the directory of the hosts file.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Seconds to wait for the others; by default what the hosts file says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

/// A party's place in the world.
pub(crate) struct Seat {
    pub(crate) hosts: Hosts,
    pub(crate) me: Party,
    pub(crate) identity: Identity,
}

/// `tern run`.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load(&args.source)? else { return Ok(ExitCode::FAILURE) };
    if let Some(note) = emulated::note(&loaded.program) {
        say::errln(format_args!("{note}"));
    }
    let OptionalParty { party: Some(party), hosts: Some(hosts), key, timeout } = args.party.clone() else {
        return local_parties(args, &loaded);
    };
    if let (Some(seed), false) = (args.seed, args.insecure) {
        bail!(
            "--seed {seed}: every party could compute all random values, and with them all secrets\n   = help: leave it out, or add --insecure if nothing here is secret"
        );
    }
    let seat = PartyArgs { party, hosts, key, timeout }.seat()?;
    let protocol = loaded.program.header.protocol;
    let (needed, found) = (protocol.model().parties, seat.hosts.count());
    if needed != found {
        bail!(
            "the program is for {}, which takes {needed} parties; the hosts file lists {found}",
            protocol.name()
        );
    }
    one_party(args, &loaded, &seat)
}

/// The events of a run, which begin with what it is.
fn events(args: &RunArgs, loaded: &Loaded) -> Events {
    let mut events = Events::new(Audience::of(args.json), Some(&args.outputs.out));
    events.emit(&start(&loaded.program, args.seed), None);
    if let Some(seed) = args.seed {
        events.warn(&format!("all randomness comes from the seed {seed}: nothing of this run is secret"));
    }
    events
}

/// Local processes, one for each party.
fn local_parties(args: &RunArgs, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let directory = Directory::claim(&args.outputs.out)?;
    let parties = Party::all(loaded.program.header.protocol.model().parties);
    let all = parties.map(|party| results::size(&loaded.program, Some(party)));
    directory.try_out(all.fold(0, u64::saturating_add))?;
    let mut events = events(args, loaded);
    let job = Job {
        program: &loaded.program,
        files: &args.files,
        outputs: &args.outputs,
        seed: args.seed,
        threads: args.threads.unwrap_or_else(|| cores_each(loaded.program.header.protocol.model().parties)),
        network: args.network,
        timeout: args.party.timeout.map_or(TIMEOUT, Duration::from_secs),
    };
    let outcome = job.run(&mut events);
    events.finish();
    Measured::new(outcome?, events.metrics(), args.seed).tell(&mut events, loaded, args.network);
    events.close()?;
    Ok(ExitCode::SUCCESS)
}

/// One of the real parties.
fn one_party(args: &RunArgs, loaded: &Loaded, seat: &Seat) -> anyhow::Result<ExitCode> {
    // Not told to the others if it is taken: it is this very party that may be running there.
    let directory = Directory::claim(&args.outputs.out)?;
    let part = party::Part {
        program: &loaded.program,
        files: &args.files,
        setup: seat.setup(args.network),
        endpoint: party::listen(&seat.hosts, seat.me)?,
        seed: args.seed,
        threads: args.threads.unwrap_or_else(cores),
        outputs: &args.outputs,
    };
    let mut events = events(args, loaded);
    let room = memory::check(&loaded.program, 1)
        .and_then(|()| directory.try_out(results::size(&loaded.program, Some(seat.me))));
    let inputs = match room.and_then(|()| part.inputs()) {
        Ok(inputs) => inputs,
        Err(error) => {
            // At once: the others may not be there yet, and they wait for each other.
            say::errln(format_args!("error: {error:#}"));
            if let Err(other) = part.excuse(&error, &mut events) {
                say::errln(format_args!("the other parties could not be told: {other}"));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let outcome = part.play(inputs, &mut events);
    events.finish();
    let share = outcome.map_err(|error| anyhow!("{}", party::describe(&error)))?;
    Measured::new(vec![share], events.metrics(), args.seed).tell(&mut events, loaded, args.network);
    events.close()?;
    Ok(ExitCode::SUCCESS)
}

impl PartyArgs {
    /// Reads the hosts file and the key.
    pub(crate) fn seat(&self) -> anyhow::Result<Seat> {
        guard_memory()?;
        let mut hosts = Hosts::load(&self.hosts)?;
        if let Some(seconds) = self.timeout {
            let limit = Duration::from_secs(seconds);
            hosts.timeouts = Timeouts { connect: limit, stall: limit };
        }
        let there = Party::all(hosts.count()).find(|party| party.index() == self.party);
        let Some(me) = there else {
            bail!("there is no party {}: 0 to {}", self.party, hosts.count() - 1);
        };
        let name = &hosts.host(me).name;
        let key = self.key.clone().unwrap_or_else(|| self.hosts.with_file_name(format!("{name}.key.pem")));
        let certificate = certificate_beside(&key)?;
        let identity =
            Identity::load(&key, &certificate).with_context(|| format!("the key of {}", hosts.who(me)))?;
        Ok(Seat { hosts, me, identity })
    }
}

/// `alice.cert.pem` for `alice.key.pem`.
fn certificate_beside(key: &std::path::Path) -> anyhow::Result<PathBuf> {
    let name = key.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(stem) = name.strip_suffix(".key.pem") else {
        bail!("--key {}: its name should end in .key.pem, as keygen makes it", key.display());
    };
    Ok(key.with_file_name(format!("{stem}.cert.pem")))
}

impl Seat {
    pub(crate) fn setup(&self, network: Option<NetworkModel>) -> Setup<'_> {
        Setup { hosts: &self.hosts, me: self.me, identity: &self.identity, network }
    }
}
