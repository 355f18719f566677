//! A run of local processes: this program once more for each party, over TLS on the loopback interface, with keys that are thrown away.
//!
//! The leader, which the user started, compiles once and tells each party over its standard input what to do. A party makes its own key,
//! opens a port, and says both on its standard output; with the addresses and fingerprints of all, the parties meet as any
//! others do. From then on a party writes events, the last of which is `share` (what it has measured) or `failed`. Its standard input stays open for as long as the
//! leader lives: a party whose input ends, ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tern_bytecode::Program;
use tern_vm::net::{Endpoint, Host, Hosts, Identity, NetworkModel, Party, Setup, Timeouts};

use super::measured::Share;
use super::party::{Blame, Part, blame, describe};
use crate::events::{Audience, Events};
use crate::guard::guard_memory;
use crate::host::{Files, Outputs};
use crate::memory;

/// When one party has failed, how long the others have to say why they fail too.
const GRACE: Duration = Duration::from_secs(3);
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
pub(crate) struct Job<'a> {
    pub(crate) program: &'a Program,
    pub(crate) files: &'a Files,
    /// Where outputs go.
    pub(crate) outputs: &'a Outputs,
    pub(crate) seed: Option<u64>,
    /// Threads of each party.
    pub(crate) threads: usize,
    pub(crate) network: Option<NetworkModel>,
    /// How long the parties wait for each other.
    pub(crate) timeout: Duration,
}

impl Job<'_> {
    /// Runs the parties: what they have measured.
    pub(crate) fn run(&self, events: &mut Events) -> anyhow::Result<Vec<Share>> {
        memory::check(self.program, self.program.header.protocol.model().parties as u64)?;
        let mut leader = Leader::start(self)?;
        leader.introduce(self.timeout)?;
        leader.follow(events)
    }
}

/// What happens to a party.
enum News {
    /// It has written an event.
    Event(Value),
    /// Its standard output has ended.
    End,
}

/// The leader's side of a local run.
struct Leader {
    parties: Vec<LocalParty>,
    news: Receiver<(usize, News)>,
    failures: Vec<(Blame, usize, String)>,
}

/// A party's process. It does not outlive this value.
struct LocalParty {
    process: Child,
    input: ChildStdin,
    share: Option<Share>,
    ended: bool,
}

impl Leader {
    /// Starts the parties and gives each its own part of the work.
    fn start(job: &Job<'_>) -> anyhow::Result<Leader> {
        let program = tern_bytecode::encode(job.program);
        let (sender, news) = channel();
        let mut leader = Leader { parties: Vec::new(), news, failures: Vec::new() };
        for party in Party::all(job.program.header.protocol.model().parties) {
            let assignment = Assignment {
                party,
                program_bytes: program.len(),
                files: job.files.of(job.program, party)?,
                outputs: job.outputs.clone(),
                seed: job.seed,
                threads: job.threads,
                network: job.network,
            };
            let assignment = serde_json::to_string(&assignment).context("paths of local runs are UTF-8")?;
            leader.parties.push(LocalParty::start(party, sender.clone())?);
            // A party that is gone already says so where its events are read.
            let _ = leader.parties[party.index()].tell(&assignment, &program);
        }
        Ok(leader)
    }

    /// Makes the parties known to each other.
    fn introduce(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let mut met: Vec<Option<Introduction>> = vec![None; self.parties.len()];
        while met.iter().any(Option::is_none) {
            match self.news.recv() {
                Ok((party, News::Event(event))) if event["event"] == "ready" => {
                    met[party] = Some(serde_json::from_value(event).context("a local party's introduction")?);
                }
                Ok((party, News::Event(event))) => {
                    bail!("party {party}: {}", event["message"].as_str().unwrap_or("no introduction"))
                }
                Ok((party, News::End)) => bail!("party {party} {}", self.parties[party].how_it_ended()),
                Err(_) => bail!("the local parties are gone"),
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
    fn follow(&mut self, events: &mut Events) -> anyhow::Result<Vec<Share>> {
        let mut deadline = None;
        while self.parties.iter().any(|party| !party.ended) {
            let news = match deadline {
                None => self.news.recv().ok(),
                Some(deadline) => {
                    self.news.recv_timeout(Instant::duration_since(&deadline, Instant::now())).ok()
                }
            };
            match news {
                Some((party, News::Event(event))) => self.note(party, event, events)?,
                Some((party, News::End)) => self.note_end(party),
                None => break,
            }
            if deadline.is_none() && !self.failures.is_empty() {
                deadline = Some(Instant::now() + GRACE);
            }
        }
        self.verdict()
    }

    fn note(&mut self, party: usize, mut event: Value, events: &mut Events) -> anyhow::Result<()> {
        match event["event"].as_str() {
            // All parties compute as soon as one does.
            Some("begun") => events.begin()?,
            Some("share") => self.parties[party].share = serde_json::from_value(event["share"].clone()).ok(),
            Some("failed") => {
                let blame = serde_json::from_value(event["blame"].clone()).unwrap_or(Blame::Own);
                let message = event["message"].as_str().unwrap_or("it failed").to_string();
                self.failures.push((blame, party, message));
            }
            // What is published is the same at all parties; what goes to one of them is not.
            Some("metric" | "progress") if party != 0 => {}
            Some("warning" | "loss") => {
                let message = event["message"].as_str().unwrap_or_default();
                event["message"] = format!("party {party}: {message}").into();
                events.relay(&event);
            }
            _ => events.relay(&event),
        }
        Ok(())
    }

    fn note_end(&mut self, party: usize) {
        let how = self.parties[party].how_it_ended();
        let reported = self.failures.iter().any(|(_, other, _)| *other == party);
        if self.parties[party].share.is_none() && !reported {
            self.failures.push((Blame::Own, party, how));
        }
    }

    /// The shares if all is well, else the failures that explain the others.
    fn verdict(&mut self) -> anyhow::Result<Vec<Share>> {
        let shares: Vec<Share> = self.parties.iter().filter_map(|party| party.share.clone()).collect();
        let Some(least) = self.failures.iter().map(|(blame, ..)| *blame).min() else {
            return if shares.len() == self.parties.len() {
                Ok(shares)
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
    fn start(party: Party, news: Sender<(usize, News)>) -> anyhow::Result<LocalParty> {
        let program = std::env::current_exe().context("where this program is")?;
        let mut process = Command::new(program)
            .arg("local-party")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start a process for {party}"))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("{party} has no standard input or output");
        };
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(json!({"event": "text", "text": line}));
                if news.send((party.index(), News::Event(event))).is_err() {
                    return;
                }
            }
            // Nobody listens when the run is over.
            let _ = news.send((party.index(), News::End));
        });
        Ok(LocalParty { process, input, share: None, ended: false })
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

/// The hidden command behind a party of a local run.
pub(crate) fn local_party() -> anyhow::Result<ExitCode> {
    let mut events = Events::new(Audience::Leader, None);
    match take_part(&mut events) {
        Ok(share) => {
            events.emit(&json!({"event": "share", "share": share}), None);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            failed(&mut events, &error);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn failed(events: &mut Events, error: &anyhow::Error) {
    let event = json!({"event": "failed", "blame": blame(error), "message": describe(error)});
    events.emit(&event, None);
}

fn take_part(events: &mut Events) -> anyhow::Result<Share> {
    guard_memory()?;
    let assignment: Assignment = hear()?;
    let mut bytes = vec![0; assignment.program_bytes];
    std::io::stdin().lock().read_exact(&mut bytes).context("the bytecode from the leader")?;
    let program = tern_bytecode::decode(&bytes)?;
    tern_bytecode::validate(&program)?;
    let me = assignment.party;
    let identity = Identity::generate("local", DAY)?;
    let endpoint = Endpoint::bind("127.0.0.1:0")?;
    let (address, fingerprint) = (endpoint.address()?.to_string(), identity.fingerprint().to_string());
    events.emit(&json!({"event": "ready", "address": address, "fingerprint": fingerprint}), None);
    let hosts = hear::<Circle>()?.hosts()?;
    std::thread::spawn(leave_with_the_leader);
    let part = Part {
        program: &program,
        files: &assignment.files,
        setup: Setup { hosts: &hosts, me, identity: &identity, network: assignment.network },
        endpoint: (me != Party::P0).then_some(endpoint),
        seed: assignment.seed,
        threads: assignment.threads,
        outputs: &assignment.outputs,
    };
    match part.inputs() {
        Ok(inputs) => part.play(inputs, events),
        Err(error) => {
            failed(events, &error);
            // The leader knows already.
            let _ = part.excuse(&error, events);
            std::process::exit(1)
        }
    }
}

/// The next line from the leader.
fn hear<T: for<'a> Deserialize<'a>>() -> anyhow::Result<T> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the leader's word")?;
    serde_json::from_str(&line).context("this command is for `tern run` itself to start")
}

/// Ends this process when its standard input does.
fn leave_with_the_leader() {
    let mut scrap = [0; 64];
    while matches!(std::io::stdin().read(&mut scrap), Ok(count) if count > 0) {}
    std::process::exit(1);
}

impl Circle {
    fn hosts(self) -> anyhow::Result<Hosts> {
        let mut parties = Vec::new();
        for Introduction { address, fingerprint } in self.parties {
            parties.push(Host { name: String::new(), address, fingerprint: fingerprint.parse()? });
        }
        Ok(Hosts { parties, timeouts: Timeouts { connect: self.timeout, stall: self.timeout } })
    }
}
