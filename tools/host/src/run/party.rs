//! One party's part of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tern_bytecode::Program;
use tern_vm::machine::{Ending, Speed, place};
use tern_vm::net::{Endpoint, Hosts, Links, Live, NetError, Party, Setup, Traffic, connect_at};
use tern_vm::{Dealt, DealtError, Fault, Options, PartyError, Report, RunError, run_dealt};

use super::measured::{LineShare, Share};
use super::pace::{Forecast, Pace};
use crate::clients;
use crate::events::{Event, Events, peak_memory};
use crate::file_host::{FileHost, Results};
use crate::files::Files;
use crate::inputs::{InputError, Inputs, Tensors, provide_inputs};
use crate::keeping::{Attempts, Keeping, is_passing};
use crate::memory::{self, TooLittle};
use crate::outputs::Outputs;
use crate::results::{self, Directory};
use crate::stop::Stop;

/// Before the parties meet again: others must have noticed too.
const BREATH: Duration = Duration::from_millis(500);

/// What a party does, and where.
pub struct Part<'a> {
    /// What it runs, the same at all of them.
    pub program: &'a Program,
    /// Who the parties are, and which this is.
    pub setup: Setup<'a>,
    /// Where it is dialed; party 0 is not.
    pub endpoint: Option<Endpoint>,
    /// Where all randomness comes from; for tests: nothing stays secret.
    pub seed: Option<u64>,
    /// Threads of its kernels.
    pub threads: usize,
    /// Where its outputs go; without it they stay in memory.
    pub outputs: Option<&'a Outputs>,
    /// The folder with what it was dealt ahead of time; without it the dealer, if the protocol has one, is among the parties.
    pub dealt: Option<PathBuf>,
    /// Whether checkpoints are kept.
    pub keeping: Option<&'a Keeping>,
    /// Asks it to end.
    pub stop: Stop,
    /// Shows what its links do.
    pub live: Arc<Live>,
}

/// The data of one of the real parties, and its room for results.
pub struct Own<'a> {
    /// Data in memory.
    pub tensors: Tensors,
    /// Data in files, and where clients leave theirs.
    pub files: &'a Files,
    /// How long clients are waited for that owe an input.
    pub patience: Duration,
    /// Where results go, unless they stay in memory.
    pub directory: Option<&'a Directory>,
}

/// Whose fault it is that a run has failed, as far as this party knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// It failed here.
    Own,
    /// Another party, as seen from here.
    Other,
    /// Another party said so.
    Told,
}

/// Opens the port of a party that is dialed.
///
/// # Errors
/// A port that cannot be used.
pub fn listen(hosts: &Hosts, me: Party) -> Result<Option<Endpoint>, NetError> {
    match me {
        Party::P0 => Ok(None),
        _ => Endpoint::bind(&hosts.host(me).address).map(Some),
    }
}

impl Part<'_> {
    /// Sees whether this machine has room for the run, waits for what clients owe, and reads this party's own data. If that fails the others
    /// should be [told](Part::decline), who wait for this party.
    ///
    /// # Errors
    /// Too little memory or room on the disk; whatever is wrong with the data.
    pub fn inputs(&self, own: Own<'_>, events: &mut Events<'_>) -> anyhow::Result<Inputs> {
        let me = self.setup.me;
        memory::check(self.program, 1)?;
        if let Some(directory) = own.directory {
            directory.try_out(results::size(self.program, Some(me)))?;
        }
        clients::wait(self.program, me, own.files, own.patience, &self.stop, events)?;
        provide_inputs(self.program, own.tensors, own.files, Some(me), events)
    }

    /// Meets the others and runs the program on this party's own data; returns when everybody's outputs are where they belong: what
    /// it has measured, and the outputs that stayed in memory. If checkpoints are kept and a party is gone, it is waited for; one that declines to begin,
    /// only by a process that has a point to go on from. A run that had come
    /// to its end before, when this party was killed, is not begun again, and nothing was measured. When all has been said of the run, it
    /// is to be [forgotten](Keeping::forget).
    ///
    /// # Errors
    /// Whatever keeps the parties apart or ends the run; [`describe`] says it in one line, [`blame`] whose fault it is.
    pub fn play(
        mut self,
        inputs: Inputs,
        events: &mut Events<'_>,
    ) -> anyhow::Result<(Option<Share>, Results)> {
        let mut dealt = match self.dealt() {
            Ok(dealt) => dealt,
            Err(error) => {
                // The others wait for this party.
                let error = error.into();
                let _ = self.excuse(&error, events);
                return Err(error);
            }
        };
        let mut host = FileHost::new(self.program, Some(self.setup.me), inputs, self.outputs, events)
            .until(self.stop.clone());
        if let Some(keeping) = self.keeping {
            host = host.keeping(&keeping.directory);
        }
        let mut attempts = Attempts::new(self.keeping);
        // What was measured, if the run came to its end and not all may know that.
        let mut ended = match self.ending() {
            Some(Ending::Over) => return Ok((None, host.into_results())),
            Some(Ending::Ended) => Some(None),
            None => None,
        };
        let mut told = false;
        loop {
            let before = host.points();
            // With the others an ended run goes on once more.
            let links = match (self.meet(&mut host), ended.take()) {
                // Nobody came to whom it would be news.
                (Err(_), Some(share)) => return Ok((share, host.into_results())),
                (links, _) => links,
            };
            let error = match links.and_then(|links| self.attempt(&mut host, links, dealt.take(), &mut told))
            {
                Ok((share, true)) => return Ok((Some(share), host.into_results())),
                Ok((share, false)) => {
                    ended = Some(Some(share));
                    let wait = self.keeping.map_or(0.0, |keeping| keeping.wait.as_secs_f64());
                    host.events().warn(format!(
                        "the run has come to its end, and all have their results; a party is gone that may not know it, and is waited for {wait} s"
                    ));
                    std::thread::sleep(BREATH);
                    continue;
                }
                Err(error) => error,
            };
            let passes = is_passing(&error, self.setup.me, host.points() > 0) && !self.stop.is_asked();
            let keeping = self.keeping.filter(|_| passes);
            let Some(keeping) = keeping.filter(|_| attempts.another(host.points() > before)) else {
                host.aborted(error.downcast_ref());
                return Err(error);
            };
            let wait = keeping.wait.as_secs_f64();
            host.events().warn(format!(
                "{}; the run goes on from its last checkpoint when all are there again, which is waited for {wait} s",
                describe(&error)
            ));
            std::thread::sleep(BREATH);
        }
    }

    fn options(&self) -> Options {
        let checkpoints = self.keeping.map(Keeping::checkpoints);
        Options { seed: self.seed, threads: self.threads, checkpoints, ..Options::default() }
    }

    /// How far the end of an earlier process's run has come.
    fn ending(&self) -> Option<Ending> {
        self.keeping?.checkpoints().ending(self.program, &self.options(), self.setup.me)
    }

    fn meet(&mut self, host: &mut FileHost<'_, '_>) -> anyhow::Result<Links> {
        let endpoint = match self.endpoint.take() {
            Some(endpoint) => Some(endpoint),
            None => listen(self.setup.hosts, self.setup.me)?,
        };
        let mut hosts = self.setup.hosts.clone();
        if let Some(keeping) = self.keeping {
            hosts.timeouts.connect = hosts.timeouts.connect.max(keeping.wait);
        }
        let setup = Setup { hosts: &hosts, ..self.setup };
        let links = connect_at(setup, endpoint, &mut |waiting| host.events().waiting(waiting))?;
        host.events().met();
        Ok(links)
    }

    /// Runs the program once: what was measured, and whether all know of the end. What it needs is said the first time.
    fn attempt(
        &self,
        host: &mut FileHost<'_, '_>,
        mut links: Links,
        dealt: Option<Dealt>,
        told: &mut bool,
    ) -> anyhow::Result<(Share, bool)> {
        links.until(self.stop.at_once());
        links.show(self.live.clone());
        let pace = Pace::measure(&mut links)?;
        if !std::mem::replace(told, true) {
            let speed = Speed::measure(self.program.header.ring, self.threads)?;
            host.events().emit(Event::Forecast { forecast: Forecast::of(self.program, pace, speed) });
        }
        self.stop.put_off(self.keeping.is_some());
        let outcome = run_dealt(self.program, &mut links, host, &self.options(), dealt);
        self.stop.put_off(false);
        let report = outcome?;
        Ok((share(self.setup.me, self.program, &report, links.traffic()), report.known))
    }

    fn dealt(&self) -> Result<Option<Dealt>, DealtError> {
        let open = |folder: &PathBuf| Dealt::open(folder, self.program, self.setup.me);
        self.dealt.as_ref().map(open).transpose()
    }

    /// Tells the others that this party cannot take part; if they cannot be told, that is a warning.
    pub fn decline(self, error: &anyhow::Error, events: &mut Events<'_>) {
        if let Err(other) = self.excuse(error, events) {
            events.warn(format!("the other parties could not be told: {other}"));
        }
    }

    /// Tells the others why this party does not begin: which data are wrong, not what is in them, and nothing of its files.
    pub(crate) fn excuse(self, error: &anyhow::Error, events: &mut Events<'_>) -> Result<(), NetError> {
        let mut links = connect_at(self.setup, self.endpoint, &mut |waiting| events.waiting(waiting))?;
        links.decline(&excuse_for(error));
        Ok(())
    }
}

fn excuse_for(error: &anyhow::Error) -> String {
    if let Some(failed) = error.downcast_ref::<InputError>() {
        format!("it has no usable data for {}", failed.names.join(", "))
    } else if error.is::<DealtError>() {
        "it cannot use what it was dealt".into()
    } else if error.is::<TooLittle>() {
        "it has too little memory for the run".into()
    } else {
        "it cannot begin".into()
    }
}

fn share(me: Party, program: &Program, report: &Report, traffic: Traffic) -> Share {
    let mut sent = vec![0; program.header.protocol.model().parties];
    for (party, bytes) in traffic.sent.iter() {
        sent[party.index()] = 8 * bytes;
    }
    Share {
        party: me.index(),
        seconds: report.elapsed.as_secs_f64(),
        waited: traffic.waited.as_secs_f64(),
        rounds: traffic.rounds,
        sent,
        peak_memory: peak_memory(),
        by_line: by_line(program, report),
    }
}

fn by_line(program: &Program, report: &Report) -> Vec<LineShare> {
    let mut lines = BTreeMap::new();
    let Some(measured) = &report.measured else { return Vec::new() };
    for at in 0..measured.sent.len() {
        // By index of the file, as `tern cost` lists them; what belongs to no line has line 0.
        let key = program.lines.get(at).filter(|line| line.line > 0);
        let share = lines.entry(key).or_insert_with(|| {
            let (file, line) = place(program, at as u32).unwrap_or_default();
            LineShare { file, line, ..LineShare::default() }
        });
        share.bits += 8 * measured.sent[at];
        share.rounds += measured.rounds[at];
        share.executions = share.executions.max(report.executions[at]);
        share.compute += measured.compute[at].as_secs_f64();
        share.waited += measured.waited[at].as_secs_f64();
    }
    lines.into_values().collect()
}

/// An error in one line. That of a run already says what its cause says.
pub fn describe(error: &anyhow::Error) -> String {
    match error.downcast_ref::<RunError>() {
        Some(error) => error.to_string(),
        None => format!("{error:#}"),
    }
}

/// Whose fault an error is.
pub fn blame(error: &anyhow::Error) -> Blame {
    match party_error(error) {
        Some(PartyError::Net(_)) | None => {}
        Some(
            PartyError::Differs { .. }
            | PartyError::Shares { .. }
            | PartyError::Points { .. }
            | PartyError::NoCommonPoint { .. }
            | PartyError::Disagreement { .. },
        ) => return Blame::Other,
        Some(
            PartyError::Parties { .. }
            | PartyError::Dealt(_)
            | PartyError::Unkept { .. }
            | PartyError::Checkpoint(_),
        ) => return Blame::Own,
    }
    match net_error(error) {
        Some(NetError::Aborted { .. }) => Blame::Told,
        Some(NetError::Stopped) => Blame::Own,
        Some(_) => Blame::Other,
        None => Blame::Own,
    }
}

fn party_error(error: &anyhow::Error) -> Option<&PartyError> {
    match &error.downcast_ref::<RunError>()?.fault {
        Fault::Protocol(cause) => cause.downcast_ref::<PartyError>(),
        _ => None,
    }
}

/// What the links had to say, if it was they who did.
pub(crate) fn net_error(error: &anyhow::Error) -> Option<&NetError> {
    match party_error(error) {
        Some(PartyError::Net(net)) => Some(net),
        Some(_) => None,
        None => error.downcast_ref::<NetError>(),
    }
}
