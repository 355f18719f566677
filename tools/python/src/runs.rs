//! A program on shares: local processes, or this process as one of the real parties; and those who run no server.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};
use tern_host::clients::{self, Client, Played, Said, Secret, Store};
use tern_host::cores::{cores, cores_each};
use tern_host::guard::guard_memory;
use tern_host::inputs::Tensor;
use tern_host::results::{self, Directory};
use tern_host::run::{Job, Measured, Own, Part, Seat, Share, listen};
use tern_host::shares::open_files;
use tern_host::sharing::Owned;
use tern_host::{Event, Events, Files, Loaded, Outputs, Results, Sink, Stop};
use tern_vm::data::{write_npy, write_npz};
use tern_vm::net::{NetworkModel, Party, TIMEOUT};

use crate::arrays::array;
use crate::attend::{Heard, attend};
use crate::given::Given;
use crate::kept::{Kept, keeping, over, time};
use crate::program::{Program, outputs};

/// Runs a program among local processes, each of which `command` starts, with results in the directory `out`: what was measured, as JSON.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the package gives them names")]
pub(crate) fn run(
    py: Python<'_>,
    program: &Program,
    inputs: &Bound<'_, PyDict>,
    data: Option<PathBuf>,
    out: PathBuf,
    seed: Option<u64>,
    threads: Option<usize>,
    network: Option<String>,
    dealt: Option<PathBuf>,
    kept: Option<Kept>,
    command: Vec<String>,
    listener: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let given = Given::of(inputs, data, None)?;
    let (loaded, stop) = (program.0.clone(), Stop::default());
    let asked = stop.clone();
    let work = move |heard| {
        let program = &loaded.program;
        let parties = program.header.protocol.model().parties;
        check_dealt(&loaded, dealt.as_deref())?;
        // Only its owner can enter it, and it goes when the run is over.
        let folder =
            tempfile::Builder::new().prefix("tern-inputs-").tempdir().context("a directory for inputs")?;
        let files = filed(given, folder.path())?;
        let network = network.as_deref().map(str::parse::<NetworkModel>).transpose()?;
        let keeping = keeping(kept)?;
        let to = Outputs::to_directory(out);
        let directory = Directory::claim(&to.out)?;
        let all = Party::all(parties).map(|party| results::size(program, Some(party)));
        directory.try_out(all.fold(0, u64::saturating_add))?;
        let mut events = Events::new(heard, Some(&to.out));
        directory.warning().into_iter().for_each(|warning| events.warn(warning));
        let played = Played::give(program, &files, &mut events)?;
        let threads = threads.unwrap_or_else(|| cores_each(parties));
        let job = Job {
            program,
            files: played.files(),
            outputs: &to,
            seed,
            threads,
            network,
            dealt,
            timeout: TIMEOUT,
            keeping: keeping.as_ref(),
            stop: asked,
        };
        let shares = job.run(&|| started(&command), &mut events)?;
        played.take(program, &to, &mut events)?;
        let report = report(&loaded, shares, &mut events, seed, network);
        events.close()?;
        keeping.iter().for_each(|keeping| Party::all(parties).for_each(|party| keeping.forget(party)));
        Ok(report)
    };
    attend(py, &stop, listener, work).map(|report: Value| report.to_string())
}

/// What the process of a local party does; ends with whether the run came to its end.
#[pyfunction]
pub(crate) fn take_part(py: Python<'_>) -> bool {
    crate::scarce::tell_the_leader_when_refused();
    py.detach(|| {
        let input = std::io::BufReader::new(std::io::stdin());
        tern_host::run::take_part(input, std::io::stdout(), || std::process::exit(1))
    })
}

/// Takes part in a run as one of the real parties: its outputs in the clear, if there is no directory for them, and what it has measured as JSON.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the package gives them names")]
pub(crate) fn party<'py>(
    py: Python<'py>,
    program: &Program,
    party: usize,
    hosts: PathBuf,
    key: Option<PathBuf>,
    inputs: &Bound<'py, PyDict>,
    data: Option<PathBuf>,
    store: Option<PathBuf>,
    wait_for_clients: String,
    out: Option<PathBuf>,
    seed: Option<u64>,
    threads: Option<usize>,
    timeout: Option<u64>,
    dealt: Option<PathBuf>,
    wait: Option<String>,
    kept: Option<Kept>,
    listener: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyDict>, String)> {
    let mut given = Given::of(inputs, data, None)?;
    let (loaded, stop) = (program.0.clone(), Stop::default());
    let asked = stop.clone();
    let work = move |heard| {
        let program = &loaded.program;
        check_dealt(&loaded, dealt.as_deref())?;
        guard_memory()?;
        let patience = time("wait_for_clients", Some(wait_for_clients))?.unwrap_or_default();
        let (link, keeping) = (time("wait", wait)?, keeping(kept)?);
        let mut seat = Seat::take(&hosts, party, key.as_deref(), timeout.map(Duration::from_secs))?;
        seat.fit(program, dealt.is_some(), link, store.as_ref().map(|_| patience))?;
        let store = store.map(|directory| Store::open(&directory, program)).transpose()?;
        given.files.store.clone_from(&store);
        let to = out.map(|out| Outputs { store, ..Outputs::to_directory(out) });
        if let (None, Some(output)) = (&to, program.outputs.iter().find(|output| output.to.is_shared())) {
            bail!("{} goes out in shares, which need a place\n   = help: out=DIRECTORY", output.name);
        }
        let directory = to.as_ref().map(|to| Directory::claim(&to.out)).transpose()?;
        let mut events = Events::new(heard, to.as_ref().map(|to| to.out.as_path()));
        let part = Part {
            program,
            setup: seat.setup(None),
            endpoint: listen(&seat.hosts, seat.me)?,
            seed,
            threads: threads.unwrap_or_else(cores),
            outputs: to.as_ref(),
            dealt,
            keeping: keeping.as_ref(),
            stop: asked,
            live: Arc::default(),
        };
        let own =
            Own { tensors: given.tensors, files: &given.files, patience, directory: directory.as_ref() };
        let inputs = match part.inputs(own, &mut events) {
            Ok(inputs) => inputs,
            Err(error) => {
                part.decline(&error, &mut events);
                return Err(error);
            }
        };
        let (share, results) = part.play(inputs, &mut events)?;
        let report = report(&loaded, share.into_iter().collect(), &mut events, seed, None);
        events.close()?;
        keeping.iter().for_each(|keeping| keeping.forget(seat.me));
        Ok((results, report))
    };
    let (results, report) = attend(py, &stop, listener, work)?;
    Ok((outputs(py, &program.0, results)?, report.to_string()))
}

/// Serves the clients of a program as one of its servers, until somebody asks it to end; what happens is told in notes and warnings.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the package gives them names")]
pub(crate) fn serve(
    py: Python<'_>,
    program: &Program,
    party: usize,
    hosts: PathBuf,
    key: Option<PathBuf>,
    store: PathBuf,
    timeout: Option<u64>,
    listener: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let (loaded, stop) = (program.0.clone(), Stop::default());
    let asked = stop.clone();
    let work = move |heard: Heard| {
        guard_memory()?;
        let seat = Seat::take(&hosts, party, key.as_deref(), timeout.map(Duration::from_secs))?;
        let store = Store::open(&store, &loaded.program)?;
        let heard = Mutex::new(heard);
        clients::serve(&loaded.program, &seat, &store, &asked, &|said| {
            let event = match said {
                Said::Open(address) => Event::Note { message: format!("serving clients at {address}") },
                Said::Done(message) => Event::Note { message },
                Said::Refused(text) => Event::Warning { message: format!("refused: {text}") },
            };
            heard.lock().unwrap_or_else(PoisonError::into_inner).event(&event);
        })
    };
    attend(py, &stop, listener, work)
}

/// Shares an input among the servers, a file for each: their paths.
#[pyfunction]
pub(crate) fn share(
    py: Python<'_>,
    program: &Program,
    inputs: &Bound<'_, PyDict>,
    out: PathBuf,
    listener: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<PathBuf>> {
    let (given, loaded) = (Given::of(inputs, None, None)?, program.0.clone());
    let work = move |mut heard| {
        let owned = owned(&loaded, given, &mut heard)?;
        let written = owned.iter().map(|owned| owned.write(&out)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(written.concat())
    };
    attend(py, &Stop::default(), listener, work)
}

/// Opens a value from files of shares: its name, its tensors, and whether they are those of a model.
#[pyfunction]
pub(crate) fn open<'py>(py: Python<'py>, files: Vec<PathBuf>) -> PyResult<(String, Bound<'py, PyDict>)> {
    let opened = attend(py, &Stop::default(), None, move |_| open_files(&files))?;
    let tensors = PyDict::new(py);
    for (name, tensor) in opened.tensors {
        tensors.set_item(name, array(py, tensor)?)?;
    }
    Ok((opened.name, tensors))
}

/// Sends inputs to the servers as a client: for every server that has them all, the bytes that it was sent.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the package gives them names")]
pub(crate) fn send(
    py: Python<'_>,
    program: &Program,
    client: String,
    hosts: PathBuf,
    key: Option<PathBuf>,
    wait: String,
    inputs: &Bound<'_, PyDict>,
    replace: bool,
    listener: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<(String, u64)>> {
    let (given, loaded, stop) = (Given::of(inputs, None, None)?, program.0.clone(), Stop::default());
    let asked = stop.clone();
    let work = move |mut heard| {
        let owned = owned(&loaded, given, &mut heard)?;
        let client = taken(&loaded, &hosts, &client, key.as_deref(), &wait, asked)?;
        let beside = key.as_deref().unwrap_or(&hosts);
        let (mut sent, mut failed) = (Vec::new(), Vec::new());
        for owned in &owned {
            let name = owned.name();
            let secret = Secret::keep(beside.with_file_name(format!(".{}.{name}.sending", client.name)))?;
            let before = failed.len();
            for (party, outcome) in clients::send(&client, owned, &secret, replace, &|_| ())? {
                match outcome {
                    Ok(bytes) => sent.push((client.hosts.who(party).to_string(), bytes)),
                    Err(error) => failed.push(format!("{name}: {error:#}")),
                }
            }
            if failed.len() == before {
                secret.forget()?;
            }
        }
        if failed.is_empty() {
            Ok(sent)
        } else {
            bail!("{}\n   = help: the same call goes on where it was", failed.join("\n"))
        }
    };
    attend(py, &stop, listener, work)
}

/// Receives a result from the servers as a client: its tensors by name; of one in a loop all, by `NAME.0000`, ….
#[pyfunction]
pub(crate) fn receive<'py>(
    py: Python<'py>,
    program: &Program,
    client: String,
    hosts: PathBuf,
    key: Option<PathBuf>,
    wait: String,
    name: String,
) -> PyResult<Bound<'py, PyDict>> {
    let (loaded, stop) = (program.0.clone(), Stop::default());
    let (asked, result) = (stop.clone(), name);
    let work = move |_| {
        let client = taken(&loaded, &hosts, &client, key.as_deref(), &wait, asked)?;
        let mut results = Results::new();
        clients::receive(&client, &result, &|_| (), &mut |called, tensors| {
            // Of those of a loop, the last one is there under the plain name too.
            results.insert(result.clone(), tensors.to_vec());
            results.insert(called.to_string(), tensors.to_vec());
            Ok(())
        })?;
        Ok(results)
    };
    let results = attend(py, &stop, None, work)?;
    outputs(py, &program.0, results)
}

fn taken<'a>(
    loaded: &'a Loaded,
    hosts: &Path,
    name: &str,
    key: Option<&Path>,
    wait: &str,
    stop: Stop,
) -> anyhow::Result<Client<'a>> {
    guard_memory()?;
    let mut client = Client::take(&loaded.program, hosts, name, key)?;
    client.wait = time("wait", Some(wait.to_string()))?.unwrap_or_default();
    client.stop = stop;
    Ok(client)
}

/// Inputs that their owner shares.
fn owned<'a>(loaded: &'a Loaded, given: Given, sink: &mut dyn Sink) -> anyhow::Result<Vec<Owned<'a>>> {
    let mut all = Vec::new();
    for (name, tensor) in given.tensors {
        all.push(Owned::take(&loaded.program, &name, tensor, sink)?);
    }
    for text in &given.files.inputs {
        let (name, file) = text.split_once('=').context("inputs have names")?;
        all.push(Owned::read(&loaded.program, name, file, sink)?);
    }
    Ok(all)
}

fn check_dealt(loaded: &Loaded, dealt: Option<&Path>) -> anyhow::Result<()> {
    let protocol = loaded.program.header.protocol;
    if dealt.is_some() && protocol.model().dealer.is_none() {
        bail!("{} has no dealer\n   = help: compile(…, protocol=\"dealer\")", protocol.name());
    }
    Ok(())
}

/// The process of a party.
fn started(command: &[String]) -> Command {
    let (first, rest) = command.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let mut command = Command::new(first);
    command.args(rest);
    command
}

/// Inputs in memory as files, since every party reads its own.
fn filed(given: Given, folder: &Path) -> anyhow::Result<Files> {
    let Given { tensors, mut files } = given;
    for (index, (name, tensor)) in tensors.into_iter().enumerate() {
        let suffix = if matches!(tensor, Tensor::One(_)) { "npy" } else { "npz" };
        let path = folder.join(format!("{index}.{suffix}"));
        let mut file =
            BufWriter::new(File::create(&path).with_context(|| format!("cannot write {}", path.display()))?);
        match &tensor {
            Tensor::One(array) => write_npy(&mut file, array),
            Tensor::Model(arrays) => {
                write_npz(&mut file, arrays.iter().map(|(name, array)| (name.as_str(), array)))
            }
        }
        .and_then(|()| std::io::Write::flush(&mut file))
        .with_context(|| format!("cannot write {}", path.display()))?;
        files.inputs.push(format!("{name}={}", path.display()));
    }
    Ok(files)
}

/// What was measured, and whether it is what was announced; nothing, if the run had come to its end before.
fn report(
    loaded: &Loaded,
    shares: Vec<Share>,
    events: &mut Events<'_>,
    seed: Option<u64>,
    network: Option<NetworkModel>,
) -> Value {
    if shares.is_empty() {
        return over(events);
    }
    let measured = Measured::new(shares, events.metrics(), seed, network);
    let mut report = measured.to_json(&loaded.program);
    report["as_announced"] = json!(measured.is_as_announced(&loaded.program));
    loaded.add_lines(&mut report);
    report
}
