//! `tern run`: a program on secret shares.

mod measured;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tern_host::clients::{Played, Store};
use tern_host::cores::{cores, cores_each};
use tern_host::guard::guard_memory;
use tern_host::results::{self, Directory};
use tern_host::run::{Job, Measured, Own, Part, Seat, describe, listen, take_part};
use tern_host::{Event, Events, Loaded, Sink};
use tern_vm::machine::checkpoint::duration;
use tern_vm::net::{NetworkModel, Party, TIMEOUT};

use crate::SourceArgs;
use crate::args::{FileArgs, KeepArgs, OutputArgs, WaitArgs};
use crate::compile::load_sized;
use crate::screen::{Audience, Screen, start};
use crate::watch::{WatchArgs, log};
use crate::{emulated, scarce, stop};

/// What to run, as whom, on which data.
#[derive(Args, Clone)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    keep: KeepArgs,
    #[command(flatten)]
    waits: WaitArgs,
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
    /// Use what `tern deal` has written to this directory, in place of a dealer. It serves for one run.
    #[arg(long, value_name = "DIR")]
    dealt: Option<PathBuf>,
    /// Take inputs of clients from here and leave their results here, where `tern serve` has them.
    #[arg(long, value_name = "DIR", requires = "party")]
    store: Option<PathBuf>,
    /// How long clients are waited for that owe an input.
    #[arg(long, value_name = "TIME", requires = "store", default_value = "10min", value_parser = duration)]
    wait_for_clients: Duration,
    /// Events as JSON lines on standard output.
    #[arg(long)]
    json: bool,
    /// Leave a page for a browser beside the results, run.html: the source beside rounds, bits and time, and a graph by function.
    #[arg(long)]
    html: bool,
    #[command(flatten)]
    party: OptionalParty,
    #[command(flatten)]
    watch: WatchArgs,
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

/// `tern run`.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load_sized(&args.source, &args.files.files())? else { return Ok(ExitCode::FAILURE) };
    args.watch.log().into_iter().for_each(log::begin);
    if let Some(message) = emulated::note(&loaded.program) {
        Screen::new(args.audience()).event(&Event::Note { message });
    }
    if let (Some(_), None) = (&args.dealt, loaded.program.header.protocol.model().dealer) {
        let protocol = loaded.program.header.protocol.name();
        bail!("--dealt: {protocol} has no dealer\n   = help: compile with --protocol dealer");
    }
    let OptionalParty { party: Some(party), hosts: Some(hosts), key, timeout } = args.party.clone() else {
        return local_parties(args, &loaded);
    };
    if let (Some(seed), false) = (args.seed, args.insecure) {
        bail!(
            "--seed {seed}: every party could compute all random values, and with them all secrets\n   = help: leave it out, or add --insecure if nothing here is secret"
        );
    }
    let mut seat = PartyArgs { party, hosts, key, timeout }.seat()?;
    let clients = args.store.as_ref().map(|_| args.wait_for_clients);
    seat.fit(&loaded.program, args.dealt.is_some(), args.waits.link(), clients)?;
    one_party(args, &loaded, &seat)
}

impl RunArgs {
    /// Says what the run has cost, in the ways that were asked for.
    fn tell(&self, measured: &Measured, screen: &Screen, loaded: &Loaded) -> anyhow::Result<()> {
        measured::tell(measured, screen, loaded);
        if self.html {
            measured::leave_page(measured, loaded, &self.outputs.outputs().out)?;
        }
        Ok(())
    }

    /// Who follows the run.
    fn audience(&self) -> Audience {
        if self.watch.log().is_some() { Audience::Log } else { Audience::of(self.json) }
    }
}

/// What shows a run, which begins with what it is.
fn screen(args: &RunArgs, loaded: &Loaded, directory: &Directory) -> Screen {
    let screen = Screen::new(args.audience());
    screen.emit(&start(&loaded.program, args.seed), None);
    directory.warning().into_iter().for_each(|warning| screen.warn(warning));
    if let Some(seed) = args.seed {
        screen.warn(&format!("all randomness comes from the seed {seed}: nothing of this run is secret"));
    }
    screen
}

/// The command of a process that is a party of a local run: this program once more.
pub(crate) fn local_command() -> anyhow::Result<impl Fn() -> Command> {
    let program = std::env::current_exe().context("where this program is")?;
    Ok(move || {
        let mut command = Command::new(&program);
        command.arg("local-party");
        command
    })
}

/// The hidden command behind a party of a local run.
pub(crate) fn local_party() -> ExitCode {
    scarce::tell_the_leader_when_refused();
    let input = std::io::BufReader::new(std::io::stdin());
    match take_part(input, std::io::stdout(), || std::process::exit(1)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Local processes, one for each party.
fn local_parties(args: &RunArgs, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let outputs = args.outputs.outputs();
    let directory = Directory::claim(&outputs.out)?;
    let parties = loaded.program.header.protocol.model().parties;
    let all = Party::all(parties).map(|party| results::size(&loaded.program, Some(party)));
    directory.try_out(all.fold(0, u64::saturating_add))?;
    let screen = screen(args, loaded, &directory);
    let mut events = Events::new(screen.clone(), Some(&outputs.out));
    let keeping = args.keep.keeping(Some(&args.waits));
    let clients = Played::give(&loaded.program, &args.files.files(), &mut events)?;
    let job = Job {
        program: &loaded.program,
        files: clients.files(),
        outputs: &outputs,
        seed: args.seed,
        threads: args.threads.unwrap_or_else(|| cores_each(parties)),
        network: args.network,
        dealt: args.dealt.clone(),
        timeout: args.party.timeout.map_or(TIMEOUT, Duration::from_secs),
        keeping: keeping.as_ref(),
        // with the command the parties end by themselves
        stop: Default::default(),
    };
    let outcome = job.run(&local_command()?, &mut events);
    screen.finish();
    let outcome = outcome?;
    clients.take(&loaded.program, &outputs, &mut events)?;
    if outcome.is_empty() {
        measured::over(&screen, &outputs.out);
    } else {
        let measured = Measured::new(outcome, events.metrics(), args.seed, args.network);
        args.tell(&measured, &screen, loaded)?;
    }
    let closed = screen.close(&mut events);
    keeping.iter().for_each(|keeping| Party::all(parties).for_each(|party| keeping.forget(party)));
    closed.map(|()| ExitCode::SUCCESS)
}

/// One of the real parties.
fn one_party(args: &RunArgs, loaded: &Loaded, seat: &Seat) -> anyhow::Result<ExitCode> {
    let mut outputs = args.outputs.outputs();
    let mut files = args.files.files();
    if let Some(directory) = &args.store {
        let store = Store::open(directory, &loaded.program)?;
        (outputs.store, files.store) = (Some(store.clone()), Some(store));
    }
    // Not told to the others if it is taken: it is this very party that may be running there.
    let directory = Directory::claim(&outputs.out)?;
    let keeping = args.keep.keeping(Some(&args.waits));
    let mut part = Part {
        program: &loaded.program,
        setup: seat.setup(args.network),
        endpoint: listen(&seat.hosts, seat.me)?,
        seed: args.seed,
        threads: args.threads.unwrap_or_else(cores),
        outputs: Some(&outputs),
        dealt: args.dealt.clone(),
        keeping: keeping.as_ref(),
        stop: Default::default(),
        live: Arc::default(),
    };
    let screen = screen(args, loaded, &directory);
    let voice = screen.voice();
    part.live.on_links(move |line| voice.say(line));
    let watched = args.watch.begin(&loaded.program, seat.me, part.live.clone(), screen.clone())?;
    let mut events = Events::new(watched, Some(&outputs.out));
    part.stop = stop::on_signals()?;
    let own = Own {
        tensors: Default::default(),
        files: &files,
        patience: args.wait_for_clients,
        directory: Some(&directory),
    };
    let inputs = match part.inputs(own, &mut events) {
        Ok(inputs) => inputs,
        Err(error) => {
            // At once: the others may not be there yet, and they wait for each other.
            screen.fail(&format!("{error:#}"));
            scarce::excusing();
            part.decline(&error, &mut events);
            return Ok(ExitCode::FAILURE);
        }
    };
    let outcome = part.play(inputs, &mut events);
    screen.finish();
    let share = match outcome {
        Ok((share, _)) => share,
        Err(error) => {
            if scarce::says_why() {
                screen.fail(&describe(&error));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    match share {
        Some(share) => {
            let measured = Measured::new(vec![share], events.metrics(), args.seed, args.network);
            args.tell(&measured, &screen, loaded)?;
        }
        None => measured::over(&screen, &outputs.out),
    }
    let closed = screen.close(&mut events);
    keeping.iter().for_each(|keeping| keeping.forget(seat.me));
    closed.map(|()| ExitCode::SUCCESS)
}

impl PartyArgs {
    /// Reads the hosts file and the key.
    pub(crate) fn seat(&self) -> anyhow::Result<Seat> {
        guard_memory()?;
        Seat::take(&self.hosts, self.party, self.key.as_deref(), self.timeout.map(Duration::from_secs))
    }
}
