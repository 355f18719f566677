//! One party's part of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tern_bytecode::Program;
use tern_vm::machine::place;
use tern_vm::net::{Endpoint, Hosts, NetError, Party, Setup, Traffic, connect_at};
use tern_vm::{Dealt, DealtError, Fault, Options, PartyError, Report, RunError, run_dealt};

use super::measured::{LineShare, Share};
use crate::events::{Events, peak_memory};
use crate::file_host::{FileHost, Results};
use crate::inputs::{InputError, Inputs};
use crate::outputs::Outputs;
use crate::stop::Stop;

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
    /// Asks it to end.
    pub stop: Stop,
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
    /// Meets the others and runs the program on this party's own data; returns when everybody's outputs are where they belong: what
    /// it has measured, and the outputs that stayed in memory.
    ///
    /// # Errors
    /// Whatever keeps the parties apart or ends the run; [`describe`] says it in one line, [`blame`] whose fault it is.
    pub fn play(self, inputs: Inputs, events: &mut Events<'_>) -> anyhow::Result<(Share, Results)> {
        let dealt = match self.dealt() {
            Ok(dealt) => dealt,
            Err(error) => {
                // The others wait for this party.
                let error = error.into();
                let _ = self.excuse(&error, events);
                return Err(error);
            }
        };
        let Part { program, setup, .. } = self;
        let mut links = connect_at(setup, self.endpoint, &mut |waiting| events.waiting(waiting))?;
        events.met();
        links.until(self.stop.flag());
        let options = Options { seed: self.seed, threads: self.threads, ..Options::default() };
        let mut host = FileHost::new(program, Some(setup.me), inputs, self.outputs, events).until(self.stop);
        let report = run_dealt(program, &mut links, &mut host, &options, dealt)?;
        Ok((share(setup.me, program, &report, links.traffic()), host.into_results()))
    }

    fn dealt(&self) -> Result<Option<Dealt>, DealtError> {
        let open = |folder: &PathBuf| Dealt::open(folder, self.program, self.setup.me);
        self.dealt.as_ref().map(open).transpose()
    }

    /// Tells the others that this party cannot take part: which data are wrong, not what is in them.
    ///
    /// # Errors
    /// If they cannot be told.
    pub fn excuse(self, error: &anyhow::Error, events: &mut Events<'_>) -> Result<(), NetError> {
        let names = error.downcast_ref::<InputError>().map(|failed| failed.names.join(", "));
        let reason = match (names, error.downcast_ref::<DealtError>()) {
            (Some(names), _) => format!("it has no usable data for {names}"),
            (None, Some(_)) => "it cannot use what it was dealt".to_string(),
            (None, None) => "it cannot begin".to_string(),
        };
        connect_at(self.setup, self.endpoint, &mut |waiting| events.waiting(waiting))?.abort(&reason);
        Ok(())
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
    let fault = error.downcast_ref::<RunError>().map(|error| &error.fault);
    let party = match fault {
        Some(Fault::Protocol(cause)) => cause.downcast_ref::<PartyError>(),
        _ => None,
    };
    let net = match party {
        Some(PartyError::Net(net)) => Some(net),
        Some(PartyError::Differs { .. } | PartyError::Shares { .. } | PartyError::Disagreement { .. }) => {
            return Blame::Other;
        }
        Some(PartyError::Parties { .. } | PartyError::Dealt(_)) => return Blame::Own,
        None => error.downcast_ref::<NetError>(),
    };
    match net {
        Some(NetError::Aborted { .. }) => Blame::Told,
        Some(NetError::Stopped) => Blame::Own,
        Some(_) => Blame::Other,
        None => Blame::Own,
    }
}
