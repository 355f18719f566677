//! The surroundings of a run on the command line: files in, files and events out.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tern_bytecode::Program;
use tern_bytecode::program::{Element, Input, Place};
use tern_vm::data::{self, Array, Encoded, InputSpec, Ratio, Source};
use tern_vm::machine::{Elements, ElementsMut, Host, HostError, Trip};
use tern_vm::net::Party;
use tern_vm::ring::{Ring, Z64, Z128, Z192, Z256};

use crate::events::Events;
use crate::shares;

/// The digits that come with the program, so that its first command needs no download.
const DIGITS: &[u8] = include_bytes!("../../programs/digits/digits.npz");

/// MNIST's own file names for the inputs of the MNIST programs.
const MNIST: &[(&str, &str)] = &[
    ("train_x", "train-images-idx3-ubyte"),
    ("train_y", "train-labels-idx1-ubyte"),
    ("test_x", "t10k-images-idx3-ubyte"),
    ("test_y", "t10k-labels-idx1-ubyte"),
];

/// Where data are.
#[derive(Args, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Files {
    /// Data of an input: NAME=FILE, NAME=FILE.npz:MEMBER. May be given several times.
    #[arg(long = "input", value_name = "NAME=FILE")]
    inputs: Vec<String>,
    /// A directory (or npz file) in which inputs are found by name; MNIST's own file names are known.
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Files {
    /// All inputs by their names in a directory.
    pub(crate) fn of_directory(data: PathBuf) -> Files {
        Files { inputs: Vec::new(), data: Some(data) }
    }

    /// The files by input, of inputs that the program has; `only` says whose.
    fn named(&self, program: &Program, only: Option<Party>) -> anyhow::Result<BTreeMap<&str, &str>> {
        let mut files = BTreeMap::new();
        for text in &self.inputs {
            let Some((name, file)) = text.split_once('=') else { bail!("--input {text}: write NAME=FILE") };
            let Some(input) = program.inputs.iter().find(|i| i.name == name) else {
                let known: Vec<&str> = program.inputs.iter().map(|i| i.name.as_str()).collect();
                bail!(
                    "the program has no input {name}; it uses {}",
                    if known.is_empty() { "none".into() } else { known.join(", ") }
                );
            };
            if let Some(me) = only.filter(|me| !provides(*me, input)) {
                bail!("input {name} comes from {}, this is {me}", tern_bytecode::disasm::place(input.from));
            }
            if files.insert(name, file).is_some() {
                bail!("--input {name} is given twice");
            }
        }
        Ok(files)
    }

    /// The part that one party of a local run needs.
    pub(crate) fn of(&self, program: &Program, party: Party) -> anyhow::Result<Files> {
        let named = self.named(program, None)?;
        let own = program.inputs.iter().filter(|input| provides(party, input));
        let own: std::collections::BTreeSet<&str> = own.map(|input| input.name.as_str()).collect();
        let inputs = named.iter().filter(|(name, _)| own.contains(*name));
        let shared = |name: &str| program.inputs.iter().any(|i| i.name == name && i.from == Place::Shares);
        let of_party = |name: &str, file: &str| {
            if shared(name) { shares::file_of(file, party) } else { file.to_string() }
        };
        Ok(Files {
            inputs: inputs.map(|(name, file)| format!("{name}={}", of_party(name, file))).collect(),
            data: self.data.clone(),
        })
    }
}

/// Whether a party has a part in an input.
fn provides(party: Party, input: &Input) -> bool {
    match input.from {
        Place::Party(from) => usize::from(from) == party.index(),
        Place::Shares => true,
    }
}

/// The data of a program's inputs, of those that this party provides.
pub(crate) type Inputs = Vec<Option<Provided>>;

/// The data of an input.
pub(crate) enum Provided {
    /// Numbers in the clear.
    Clear(Box<Encoded>),
    /// The words of a party's two summands.
    Shares(Vec<u64>),
}

/// Inputs from files, outputs to files.
pub(crate) struct FileHost<'a> {
    program: &'a Program,
    /// Who this is, unless it is the emulator.
    me: Option<Party>,
    inputs: Inputs,
    outputs: BTreeMap<String, Vec<(String, Array)>>,
    /// Whether the run is to end.
    stop: Arc<AtomicBool>,
    pub(crate) events: &'a mut Events,
}

/// Inputs that cannot be provided.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub(crate) struct InputError {
    /// Their names: what other parties may know.
    pub(crate) names: Vec<String>,
    /// What is wrong with each: for the owner of the data.
    problems: Vec<String>,
}

impl<'a> FileHost<'a> {
    /// Hands out `inputs`, which [`read_inputs`] gave for the same party.
    pub(crate) fn new(
        program: &'a Program,
        me: Option<Party>,
        inputs: Inputs,
        events: &'a mut Events,
    ) -> FileHost<'a> {
        FileHost { program, me, inputs, outputs: BTreeMap::new(), stop: Arc::default(), events }
    }

    /// Ends the run at the next iteration after `stop` has become true.
    pub(crate) fn until(self, stop: Arc<AtomicBool>) -> FileHost<'a> {
        FileHost { stop, ..self }
    }

    /// Writes every output as an npz file of its name.
    pub(crate) fn write_outputs(&mut self, directory: &Path) -> anyhow::Result<()> {
        for (name, arrays) in std::mem::take(&mut self.outputs) {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
            let path = directory.join(format!("{name}.npz"));
            data::write_atomically(&path, |file| {
                data::write_npz(file, arrays.iter().map(|(n, a)| (n.as_str(), a)))
            })
            .with_context(|| format!("cannot write {}", path.display()))?;
            let event = json!({"event": "output", "name": name, "file": path.display().to_string()});
            self.events.emit(&event, Some(&format!("{name}: {}", path.display())));
        }
        Ok(())
    }
}

/// Reads and checks every input before anything runs; of one party its own ones, if it is given.
///
/// # Errors
/// An [`InputError`], or file names that make no sense.
pub(crate) fn read_inputs(program: &Program, files: &Files, only: Option<Party>) -> anyhow::Result<Inputs> {
    let named = files.named(program, only)?;
    let mut inputs = Vec::new();
    let mut failed = InputError { names: Vec::new(), problems: Vec::new() };
    for input in &program.inputs {
        if only.is_some_and(|me| !provides(me, input)) {
            inputs.push(None);
            continue;
        }
        let file = named.get(input.name.as_str()).copied();
        let provided = if only.is_some() && input.from == Place::Shares {
            load_shares(program, input, file).map(Provided::Shares)
        } else {
            load(program, input, file, files.data.as_deref()).map(|encoded| Provided::Clear(encoded.into()))
        };
        match provided {
            Ok(provided) => inputs.push(Some(provided)),
            Err(error) => {
                failed.names.push(input.name.clone());
                failed.problems.push(format!("{error:#}"));
                inputs.push(None);
            }
        }
    }
    if failed.names.is_empty() { Ok(inputs) } else { Err(failed.into()) }
}

fn load(
    program: &Program,
    input: &Input,
    file: Option<&str>,
    data: Option<&Path>,
) -> anyhow::Result<Encoded> {
    let party = match input.from {
        Place::Party(i) => usize::from(i),
        Place::Shares => 0,
    };
    let spec = InputSpec {
        name: if input.field.is_empty() { input.name.clone() } else { input.field.clone() },
        shape: input.shape.iter().map(|s| *s as usize).collect(),
        element: match input.element {
            Element::Fix => data::Element::Fix,
            Element::Int => data::Element::Int,
            Element::Bool => data::Element::Bool,
        },
        party,
        options: data::Options {
            one_hot: input.prepare.one_hot,
            scale: input.prepare.scale.and_then(|(n, d)| Ratio::new(n.into(), d.into())),
            standardise: input.prepare.standardise,
            range: input.prepare.range,
        },
    };
    let source = match file {
        Some(file) => Some(member(Source::parse(file), input)),
        None => data.and_then(|directory| find(directory, &input.name)),
    };
    let prepared = match source {
        Some(source) => data::load(&spec, &source).map_err(message)?,
        None if program.header.name == "digits" && data.is_none() => {
            let source =
                Source { path: PathBuf::from("the embedded digits"), member: Some(input.name.clone()) };
            data::load_bytes(&spec, DIGITS, &source).map_err(message)?
        }
        None => {
            let (name, from) = (&input.name, tern_bytecode::disasm::place(input.from));
            let looked = data.map(|data| {
                let fact = if data.exists() { "has no file of that name" } else { "does not exist" };
                format!("{} {fact}, ", data.display())
            });
            bail!(
                "error[D001]: there is no file for {name}\n   {}{name} is declared {} from {from}\n   = help: --input {name}=FILE",
                looked.unwrap_or_default(),
                spec.type_text(),
            )
        }
    };
    prepared.encode(input.frac, program.header.total).map_err(message)
}

fn load_shares(program: &Program, input: &Input, file: Option<&str>) -> anyhow::Result<Vec<u64>> {
    match file {
        Some(file) => shares::read(program, input, &member(Source::parse(file), input)),
        None => {
            bail!("{name} has no shares\n   = help: --input {name}={name}.shares-I.npz", name = input.name)
        }
    }
}

/// A field of a model is the tensor of its name in the file.
fn member(source: Source, input: &Input) -> Source {
    if input.field.is_empty() || source.member.is_some() {
        source
    } else {
        Source { member: Some(input.field.clone()), ..source }
    }
}

fn message(error: data::DataError) -> anyhow::Error {
    anyhow::anyhow!("{}", error.message())
}

/// The file of a data directory that holds an input.
fn find(directory: &Path, name: &str) -> Option<Source> {
    if directory.is_file() {
        return Some(Source { path: directory.to_path_buf(), member: Some(name.to_string()) });
    }
    let original = MNIST.iter().find(|(n, _)| *n == name).map(|(_, file)| *file);
    let stems = [Some(name), original];
    let suffixes = ["", ".npy", ".npz", ".csv", ".idx", ".gz", ".npy.gz", ".csv.gz", ".idx.gz"];
    let mut candidates = stems
        .into_iter()
        .flatten()
        .flat_map(|stem| suffixes.iter().map(move |s| directory.join(format!("{stem}{s}"))));
    candidates.find(|p| p.is_file()).map(|path| Source { path, member: None })
}

impl Host for FileHost<'_> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let encoded = match self.inputs.get(input).and_then(Option::as_ref) {
            Some(Provided::Clear(encoded)) => encoded,
            Some(Provided::Shares(words)) => return copy(words, start, elements),
            None => return Err(HostError::from(format!("input {input} has no data"))),
        };
        match elements.limbs {
            1 => fill::<Z64>(encoded, start, elements),
            2 => fill::<Z128>(encoded, start, elements),
            3 => fill::<Z192>(encoded, start, elements),
            _ => fill::<Z256>(encoded, start, elements),
        }
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        let declared = &self.program.outputs[output];
        let field = if declared.field.is_empty() { &declared.name } else { &declared.field };
        if let (Some(me), Place::Shares) = (self.me, declared.to) {
            let file = self.outputs.entry(shares::file_name(&declared.name, me)).or_default();
            file.push((field.clone(), shares::to_array(declared, elements)));
            return Ok(());
        }
        let values: Vec<f64> = elements.to_f64(declared.frac).collect();
        let shape: Vec<usize> = declared.shape.iter().map(|s| *s as usize).collect();
        let array = match declared.element {
            Element::Fix => Array::new(shape, values),
            Element::Int => Array::new(shape, values.iter().map(|v| *v as i64).collect::<Vec<i64>>()),
            Element::Bool => Array::of_bools(shape, &values.iter().map(|v| *v != 0.0).collect::<Vec<bool>>()),
        };
        self.outputs.entry(declared.name.clone()).or_default().push((field.clone(), array));
        Ok(())
    }

    fn metric(&mut self, name: &str, values: &[f64], loops: &[Trip]) {
        self.events.metric(name, values, loops);
    }

    fn debug(&mut self, label: &str, shape: &[u32], values: &[f64]) {
        let event = json!({"event": "debug", "label": label, "shape": shape, "values": values});
        let shown: Vec<String> = values.iter().take(12).map(|v| format!("{v:.5}")).collect();
        let more = if values.len() > 12 { ", …" } else { "" };
        self.events.emit(&event, Some(&format!("{label} {shape:?} = {}{more}", shown.join(", "))));
    }

    fn tick(&mut self, loops: &[Trip]) -> ControlFlow<()> {
        self.events.tick(loops);
        match self.stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Copies words of shares, from an element on.
fn copy(words: &[u64], start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
    let start = usize::try_from(start).unwrap_or(usize::MAX).saturating_mul(elements.limbs);
    let end = start.saturating_add(elements.words.len());
    let Some(from) = words.get(start..end) else {
        return Err(HostError::from(format!("{end} words are asked for, there are {}", words.len())));
    };
    elements.words.copy_from_slice(from);
    Ok(())
}

fn fill<R: Ring>(encoded: &Encoded, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
    let Some(slice) = elements.of::<R>() else {
        return Err(HostError::from("another ring than the program's".to_string()));
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let end = start.saturating_add(slice.len());
    if end > encoded.len() {
        return Err(HostError::from(format!("{end} elements are asked for, there are {}", encoded.len())));
    }
    encoded.fill(start..end, |i, value| slice[i] = R::from_i128(value));
    Ok(())
}
