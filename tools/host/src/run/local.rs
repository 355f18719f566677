//! A run of local processes: a program that calls [`take_part`] for each party, over TLS on the loopback interface, with keys that are thrown away.
//!
//! The leader, which the user started, compiles once and tells each party over its standard input what to do. A party makes its own key,
//! opens a port, and says both on its standard output; with the addresses and fingerprints of all, the parties meet as any
//! others do. From then on a party writes events, the last of which is `share` (what it has measured) or `failed`. Its standard input stays open for as long as the
//! leader lives: a party whose input ends, ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_vm::net::{Endpoint, Host, Hosts, Identity, NetworkModel, Party, Setup, Timeouts};

use super::measured::Share;
use super::party::{Blame, Part, blame, describe};
use crate::events::{Aborted, Event, Events, JsonLines};
use crate::files::Files;
use crate::guard::guard_memory;
use crate::inputs::read_inputs;
use crate::keeping::{Attempts, Keeping};
use crate::memory;
use crate::outputs::Outputs;
use crate::stop::Stop;

/// When one party has failed, how long the others have to say why they fail too.
const GRACE: Duration = Duration::from_secs(3);
/// Between two looks at whether the run is to end.
const LOOK: Duration = Duration::from_millis(100);
/// How long the keys are valid.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What the leader tells a party first; the bytecode follows.
#[derive(Serialize, Deserialize)]
struct Assignment {
    party: Party,
    program_bytes: usize,
    files: Files,
    outputs: Outputs,
    seed: Option<u64>,
    threads: usize,
    network: Option<NetworkModel>,
    dealt: Option<PathBuf>,
    keeping: Option<Keeping>,
}

/// How a party can be met: what it says first.
#[derive(Clone, Serialize, Deserialize)]
struct Introduction {
    address: String,
    fingerprint: String,
}

/// What the leader tells all parties when it has heard from all.
#[derive(Serialize, Deserialize)]
struct Circle {
    parties: Vec<Introduction>,
    timeout: Duration,
}

/// A run of local parties, as many as the program's protocol has.
pub struct Job<'a> {
    /// What they run.
    pub program: &'a Program,
    /// The data of all of them.
    pub files: &'a Files,
    /// Where outputs go.
    pub outputs: &'a Outputs,
    /// Where all randomness comes from; for tests: nothing stays secret.
    pub seed: Option<u64>,
    /// Threads of each party.
    pub threads: usize,
    /// A network to simulate.
    pub network: Option<NetworkModel>,
    /// The folder with what the parties were dealt ahead of time: then no dealer is started.
    pub dealt: Option<PathBuf>,
    /// How long the parties wait for each other.
    pub timeout: Duration,
    /// Whether checkpoints are kept, and parties that are gone are started again.
    pub keeping: Option<&'a Keeping>,
    /// Asks it to end: the parties then end too.
    pub stop: Stop,
}

impl Job<'_> {
    /// How many processes there are.
    fn parties(&self) -> usize {
        let model = self.program.header.protocol.model();
        if self.dealt.is_some() { model.owners } else { model.parties }
    }

    /// Runs the parties: what they have measured, which is nothing if the run had come to its end before, when its processes were killed. `party` makes the command of a process that calls [`take_part`] with its standard input
    /// and output.
    ///
    /// # Errors
    /// What has gone wrong, with the party that it went wrong at, a line each.
    pub fn run(&self, party: &dyn Fn() -> Command, events: &mut Events<'_>) -> anyhow::Result<Vec<Share>> {
        memory::check(self.program, self.parties() as u64)?;
        let mut attempts = Attempts::new(self.keeping);
        loop {
            let mut leader = Leader::start(self, party)?;
            let outcome = leader.introduce(self.timeout).and_then(|()| leader.follow(events));
            let Err(error) = outcome else { return outcome };
            if !leader.lost || !attempts.another(leader.points > 0) {
                let aborted = leader.aborted.take().or_else(|| leader.begun.then(Aborted::default));
                aborted.into_iter().for_each(|aborted| events.emit(Event::Aborted { aborted }));
                return Err(error);
            }
            // Those that are left end with their leader: keys and addresses of the next are new.
            drop(leader);
            events.warn(format!(
                "{error}; all parties are started again, and go on from their last checkpoint"
            ));
        }
    }
}

/// What happens to a party.
enum News {
    /// It has written an event.
    Event(Event),
    /// It has written something else.
    Noise,
    /// Its standard output has ended.
    End,
}

/// The leader's side of a local run.
struct Leader {
    parties: Vec<LocalParty>,
    news: Receiver<(usize, News)>,
    failures: Vec<(Blame, usize, String)>,
    /// Whether the run has begun.
    begun: bool,
    /// Whether a party has ended without a word.
    lost: bool,
    /// Checkpoints that were kept.
    points: u64,
    /// Asks the run to end.
    stop: Stop,
    /// What the parties say of a run that was aborted.
    aborted: Option<Aborted>,
}

/// A party's process. It does not outlive this value.
struct LocalParty {
    process: Child,
    input: ChildStdin,
    share: Option<Share>,
    /// Whether the run had come to its end before.
    over: bool,
    ended: bool,
}

impl Leader {
    /// Starts the parties and gives each its own part of the work.
    fn start(job: &Job<'_>, command: &dyn Fn() -> Command) -> anyhow::Result<Leader> {
        let program = tern_bytecode::encode(job.program);
        let (sender, news) = channel();
        let (parties, failures) = (Vec::new(), Vec::new());
        let stop = job.stop.clone();
        let aborted = None;
        let mut leader =
            Leader { parties, news, failures, begun: false, lost: false, points: 0, stop, aborted };
        for party in Party::all(job.parties()) {
            let assignment = Assignment {
                party,
                program_bytes: program.len(),
                files: job.files.of(job.program, party)?,
                outputs: job.outputs.clone(),
                seed: job.seed,
                threads: job.threads,
                network: job.network,
                dealt: job.dealt.clone(),
                keeping: job.keeping.cloned(),
            };
            let assignment = serde_json::to_string(&assignment).context("paths of local runs are UTF-8")?;
            leader.parties.push(LocalParty::start(party, command(), sender.clone())?);
            // A party that is gone already says so where its events are read.
            let _ = leader.parties[party.index()].tell(&assignment, &program);
        }
        Ok(leader)
    }

    /// Makes the parties known to each other.
    fn introduce(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let mut met: Vec<Option<Introduction>> = vec![None; self.parties.len()];
        while met.iter().any(Option::is_none) {
            match self.hear(None)? {
                Some((party, News::Event(Event::Ready { address, fingerprint }))) => {
                    met[party] = Some(Introduction { address, fingerprint });
                }
                Some((party, News::Event(Event::Failed { message, .. }))) => {
                    bail!("party {party}: {message}")
                }
                Some((party, News::Event(_) | News::Noise)) => bail!("party {party}: no introduction"),
                Some((party, News::End)) => {
                    self.lost = true;
                    bail!("party {party} {}", self.parties[party].how_it_ended())
                }
                None => bail!("the local parties are gone"),
            }
        }
        let parties = met.into_iter().flatten().collect();
        let circle = serde_json::to_string(&Circle { parties, timeout })?;
        for party in &mut self.parties {
            let _ = party.tell(&circle, &[]);
        }
        Ok(())
    }

    /// Follows the run to its end: what the parties have measured, or what went wrong.
    fn follow(&mut self, events: &mut Events<'_>) -> anyhow::Result<Vec<Share>> {
        let mut deadline = None;
        while self.parties.iter().any(|party| !party.ended) {
            match self.hear(deadline)? {
                Some((party, News::Event(event))) => self.note(party, event, events)?,
                // A party that writes something else is not one of this version; how it ends says the rest.
                Some((_, News::Noise)) => {}
                Some((party, News::End)) => self.note_end(party),
                None => break,
            }
            if deadline.is_none() && !self.failures.is_empty() {
                deadline = Some(Instant::now() + GRACE);
            }
        }
        self.verdict()
    }

    /// What happens next, if something does before the deadline.
    ///
    /// # Errors
    /// If the run was asked to end.
    fn hear(&self, deadline: Option<Instant>) -> anyhow::Result<Option<(usize, News)>> {
        loop {
            if self.stop.is_over() {
                bail!("the run was stopped");
            }
            let left = deadline.map_or(LOOK, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.news.recv_timeout(left.min(LOOK)) {
                Ok(news) => return Ok(Some(news)),
                Err(RecvTimeoutError::Timeout) if left > LOOK || deadline.is_none() => {}
                Err(_) => return Ok(None),
            }
        }
    }

    fn note(&mut self, party: usize, event: Event, events: &mut Events<'_>) -> anyhow::Result<()> {
        match event {
            // All parties compute as soon as one does.
            Event::Begun {} if self.begun => {}
            Event::Begun {} => {
                self.begun = true;
                events.begin()?;
            }
            Event::Share { share } => self.parties[party].share = Some(share),
            Event::Over {} => self.parties[party].over = true,
            Event::Aborted { aborted } => self.add_aborted(party, aborted),
            Event::Failed { blame, message } => {
                // The first that it says.
                if !self.has_reported(party) {
                    self.failures.push((blame, party, message));
                }
            }
            // What is published is the same at all parties; what goes to one of them is not.
            Event::Metric { .. } | Event::Progress { .. } | Event::Resumed { .. } if party != 0 => {}
            Event::Checkpoint { .. } | Event::Forecast { .. } if party != 0 => {}
            Event::Checkpoint { .. } => {
                self.points += 1;
                events.emit(event);
            }
            Event::Warning { message } => events.warn(format!("party {party}: {message}")),
            Event::Loss { message } => events.lose(format!("party {party}: {message}")),
            // Who waits for whom during the start is of no interest on one machine.
            Event::Waiting { .. } | Event::Met {} | Event::Ready { .. } => {}
            Event::Metric { .. }
            | Event::Progress { .. }
            | Event::Resumed { .. }
            | Event::Forecast { .. }
            | Event::Note { .. }
            | Event::Output { .. }
            | Event::Debug { .. } => events.emit(event),
        }
        Ok(())
    }

    /// All parties were in the same place; each has results of its own.
    fn add_aborted(&mut self, party: usize, theirs: Aborted) {
        let aborted = self.aborted.get_or_insert_with(|| Aborted { outputs: Vec::new(), ..theirs.clone() });
        aborted.outputs.extend(theirs.outputs);
        if party == 0 {
            (aborted.loops, aborted.place) = (theirs.loops, theirs.place);
        }
    }

    fn note_end(&mut self, party: usize) {
        let how = self.parties[party].how_it_ended();
        let ended = &self.parties[party];
        if ended.share.is_none() && !ended.over && !self.has_reported(party) {
            self.failures.push((Blame::Own, party, how));
            self.lost = true;
        }
    }

    fn has_reported(&self, party: usize) -> bool {
        self.failures.iter().any(|(_, other, _)| *other == party)
    }

    /// The shares if all is well, else the failures that explain the others.
    fn verdict(&mut self) -> anyhow::Result<Vec<Share>> {
        let shares: Vec<Share> = self.parties.iter().filter_map(|party| party.share.clone()).collect();
        let Some(least) = self.failures.iter().map(|(blame, ..)| *blame).min() else {
            let over = |party: &LocalParty| party.over || party.share.is_some();
            return if shares.len() == self.parties.len() {
                Ok(shares)
            } else if self.parties.iter().all(over) {
                Ok(Vec::new())
            } else {
                Err(anyhow!("the local parties are gone"))
            };
        };
        let mut causes: Vec<_> = self.failures.iter().filter(|(blame, ..)| *blame == least).collect();
        match least {
            // All that failed on their own are named, in their order whoever wrote first.
            Blame::Own => causes.sort_by_key(|(_, party, _)| *party),
            // Of those who saw another fail, the first.
            Blame::Other | Blame::Told => causes.truncate(1),
        }
        let lines: Vec<String> =
            causes.iter().map(|(_, party, message)| format!("party {party}: {message}")).collect();
        Err(anyhow!("{}", lines.join("\n")))
    }
}

impl LocalParty {
    fn start(party: Party, mut command: Command, news: Sender<(usize, News)>) -> anyhow::Result<LocalParty> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start a process for {party}"))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("{party} has no standard input or output");
        };
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let news_of = serde_json::from_str(&line).map_or(News::Noise, News::Event);
                if news.send((party.index(), news_of)).is_err() {
                    return;
                }
            }
            // Nobody listens when the run is over.
            let _ = news.send((party.index(), News::End));
        });
        Ok(LocalParty { process, input, share: None, over: false, ended: false })
    }

    /// A line of JSON, then bytes.
    fn tell(&mut self, json: &str, bytes: &[u8]) -> std::io::Result<()> {
        writeln!(self.input, "{json}")?;
        self.input.write_all(bytes)?;
        self.input.flush()
    }

    /// Waits for a process whose output has ended.
    fn how_it_ended(&mut self) -> String {
        self.ended = true;
        match self.process.wait() {
            Ok(status) => format!("ended early ({status})"),
            Err(error) => format!("is gone: {error}"),
        }
    }
}

impl Drop for LocalParty {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended by itself meanwhile.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Whether a party of a local run came to its end.
pub type Success = bool;

/// A party of a local run, from beginning to end: what a process does that [`Job::run`] has started. `input` is where its leader
/// speaks, and `output` where it listens; `gone` is called when the leader has ended, and ends the process.
pub fn take_part(
    mut input: impl BufRead + Send + 'static,
    output: impl Write,
    gone: impl FnOnce() + Send + 'static,
) -> Success {
    let mut events = Events::new(JsonLines(output), None);
    let outcome = prepare(&mut input, &mut events).and_then(|prepared| {
        std::thread::spawn(move || leave_with_the_leader(input, gone));
        prepared.play(&mut events)
    });
    let success = outcome.is_ok();
    events.emit(match outcome {
        Ok(Some(share)) => Event::Share { share },
        Ok(None) => Event::Over {},
        Err(error) => Event::Failed { blame: blame(&error), message: describe(&error) },
    });
    success
}

/// A party that knows the others.
struct Prepared {
    assignment: Assignment,
    program: Program,
    identity: Identity,
    endpoint: Endpoint,
    hosts: Hosts,
}

fn prepare(input: &mut impl BufRead, events: &mut Events<'_>) -> anyhow::Result<Prepared> {
    guard_memory()?;
    let assignment: Assignment = hear(input)?;
    let mut bytes = vec![0; assignment.program_bytes];
    input.read_exact(&mut bytes).context("the bytecode from the leader")?;
    let program = tern_bytecode::decode(&bytes)?;
    tern_bytecode::validate(&program)?;
    let identity = Identity::generate("local", DAY)?;
    let endpoint = Endpoint::bind("127.0.0.1:0")?;
    let (address, fingerprint) = (endpoint.address()?.to_string(), identity.fingerprint().to_string());
    events.emit(Event::Ready { address, fingerprint });
    let hosts = hear::<Circle>(input)?.hosts()?;
    Ok(Prepared { assignment, program, identity, endpoint, hosts })
}

impl Prepared {
    fn play(self, events: &mut Events<'_>) -> anyhow::Result<Option<Share>> {
        let Assignment { party: me, files, outputs, seed, threads, network, dealt, keeping, .. } =
            self.assignment;
        // Its leader starts it again.
        let keeping = keeping.map(|keeping| Keeping { retries: 0, wait: Duration::ZERO, ..keeping });
        let part = Part {
            program: &self.program,
            setup: Setup { hosts: &self.hosts, me, identity: &self.identity, network },
            endpoint: (me != Party::P0).then_some(self.endpoint),
            seed,
            threads,
            outputs: Some(&outputs),
            dealt,
            keeping: keeping.as_ref(),
            // It ends with its leader instead.
            stop: Stop::default(),
            live: Arc::default(),
        };
        match read_inputs(&self.program, &files, Some(me), events) {
            Ok(inputs) => part.play(inputs, events).map(|(share, _)| share),
            Err(error) => {
                // The leader hears it at once, and the others before this process ends.
                events.emit(Event::Failed { blame: blame(&error), message: describe(&error) });
                let _ = part.excuse(&error, events);
                Err(error)
            }
        }
    }
}

/// The next line from the leader.
fn hear<T: for<'a> Deserialize<'a>>(input: &mut impl BufRead) -> anyhow::Result<T> {
    let mut line = String::new();
    input.read_line(&mut line).context("the leader's word")?;
    serde_json::from_str(&line).context("this command is for `tern run` itself to start")
}

/// Waits for the end of what the leader says.
fn leave_with_the_leader(mut input: impl Read, gone: impl FnOnce()) {
    let mut scrap = [0; 64];
    while matches!(input.read(&mut scrap), Ok(count) if count > 0) {}
    gone();
}

impl Circle {
    fn hosts(self) -> anyhow::Result<Hosts> {
        let mut parties = Vec::new();
        for Introduction { address, fingerprint } in self.parties {
            parties.push(Host {
                name: String::new(),
                address,
                fingerprint: fingerprint.parse()?,
                clients: None,
            });
        }
        let timeouts = Timeouts { connect: self.timeout, stall: self.timeout, link: None };
        Ok(Hosts { parties, timeouts, clients: BTreeMap::new() })
    }
}
