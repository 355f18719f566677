//! The surroundings of a run on the command line: files in, files and events out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tern_bytecode::Program;
use tern_bytecode::program::{Element, Input, Place};
use tern_tools::say;
use tern_vm::data::shares::ShareFile;
use tern_vm::data::{self, Array, Encoded, InputSpec, Ratio, Source};
use tern_vm::machine::{Elements, ElementsMut, Host, HostError, RunId, Trip};
use tern_vm::net::Party;
use tern_vm::ring::{Ring, Z64, Z128, Z192, Z256};

use crate::embedded;
use crate::events::Events;
use crate::results;
use crate::shares;
use crate::stop::Stop;

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
    /// Data of an input: NAME=FILE, of an archive NAME=FILE.npz:TENSOR, of some rows `NAME=FILE[START:END]`. What the
    /// file does not say follows after commas: header=yes|no, index=yes|no (a first column to leave out),
    /// separator=comma|semicolon|tab|bar|blanks, decimal=point|comma, transpose=0312 (its axes in this order). May be
    /// given several times.
    #[arg(long = "input", value_name = "NAME=FILE[ROWS][,OPTION=VALUE]…")]
    inputs: Vec<String>,
    /// A directory (or npz file) in which inputs are found by name; MNIST's own file names are known.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Where results go.
#[derive(Args, Clone, Serialize, Deserialize)]
pub(crate) struct Outputs {
    /// Where outputs and metrics go: NAME.npz, metrics.jsonl.
    #[arg(long, visible_alias = "output", default_value = "tern-out")]
    pub(crate) out: PathBuf,
    /// The format of outputs.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// A file of named tensors.
#[derive(Clone, Copy, Default, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Format {
    /// NumPy's archive.
    #[default]
    Npz,
    /// The format of many model hubs; in single precision if no value of the file loses anything by it.
    Safetensors,
    /// The same, rounded to single precision, for readers that take nothing else.
    SafetensorsF32,
}

impl Format {
    fn suffix(self) -> &'static str {
        match self {
            Format::Npz => "npz",
            Format::Safetensors | Format::SafetensorsF32 => "safetensors",
        }
    }
}

impl Format {
    /// The tensors of a file in single precision, if that is how it holds them.
    fn narrow(self, arrays: &[(String, Array)]) -> Option<Vec<(String, Array)>> {
        let rounded = match self {
            Format::Npz => return None,
            Format::Safetensors => false,
            Format::SafetensorsF32 => true,
        };
        // One type for a file of doubles: readers of models expect it.
        let single = |(name, array): &(String, Array)| {
            let doubles = array.dtype() == data::Dtype::F64;
            let array = if doubles { array.single(rounded)? } else { array.clone() };
            Some((name.clone(), array))
        };
        arrays.iter().map(single).collect()
    }
}

impl Outputs {
    /// Everything to one directory.
    pub(crate) fn to_directory(out: PathBuf) -> Outputs {
        Outputs { out, format: Format::default() }
    }
}

impl Files {
    /// All inputs by their names in a directory.
    pub(crate) fn of_directory(data: PathBuf) -> Files {
        Files { inputs: Vec::new(), data: Some(data) }
    }

    /// The files that provide a program's inputs, as far as there are any.
    pub(crate) fn used(&self, program: &Program) -> anyhow::Result<Vec<PathBuf>> {
        let named = self.named(program, None)?;
        let mut files = Vec::new();
        for (name, _) in by_name(program) {
            let source = match (named.get(name), &self.data) {
                (Some(file), _) => Some(parse(name, file)?),
                (None, Some(directory)) => find(directory, name)?,
                (None, None) => None,
            };
            files.extend(source.map(|source| source.path));
        }
        Ok(files)
    }

    /// The files by input, of inputs that the program has; `only` says whose.
    fn named(&self, program: &Program, only: Option<Party>) -> anyhow::Result<BTreeMap<&str, &str>> {
        let mut files = BTreeMap::new();
        for text in &self.inputs {
            let Some((name, file)) = text.split_once('=') else { bail!("--input {text}: write NAME=FILE") };
            let Some(input) = program.inputs.iter().find(|i| i.name == name) else {
                let known: Vec<&str> = by_name(program).into_iter().map(|(name, _)| name).collect();
                bail!(
                    "--input {name}: the program uses no input of that name, it uses {}\n   = help: an input that is declared and not used, or only in what is left out, needs no data",
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
        let own: BTreeSet<&str> = own.map(|input| input.name.as_str()).collect();
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
    /// From a file of shares.
    Shares {
        /// The set that the file belongs to.
        set: String,
        /// The words of this party's two summands.
        words: Vec<u64>,
    },
}

/// An output that has been computed, field by field.
enum Kept {
    /// In the clear.
    Clear(Vec<(String, Array)>),
    /// This party's shares of it.
    Shares(ShareFile),
}

/// Inputs from files, outputs to files.
pub(crate) struct FileHost<'a> {
    program: &'a Program,
    /// Who this is, unless it is the emulator.
    me: Option<Party>,
    inputs: Inputs,
    /// By name.
    outputs: BTreeMap<String, Kept>,
    /// The run, once it has begun.
    run: Option<RunId>,
    /// Where they go.
    to: &'a Outputs,
    stop: Stop,
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
    /// How many parties the program's protocol has.
    pub(crate) fn parties(&self) -> usize {
        self.program.header.protocol.model().parties
    }

    /// Hands out `inputs`, which [`read_inputs`] gave for the same party.
    pub(crate) fn new(
        program: &'a Program,
        me: Option<Party>,
        inputs: Inputs,
        to: &'a Outputs,
        events: &'a mut Events,
    ) -> FileHost<'a> {
        let (outputs, stop) = (BTreeMap::new(), Stop::default());
        FileHost { program, me, inputs, outputs, run: None, to, stop, events }
    }

    /// Ends the run soon after it is asked to.
    pub(crate) fn until(self, stop: Stop) -> FileHost<'a> {
        FileHost { stop, ..self }
    }

    /// Outputs that this party would have, in branches that were not taken.
    fn left_out(&self) -> BTreeSet<String> {
        let here = |to: Place| match (to, self.me) {
            (Place::Party(to), Some(me)) => usize::from(to) == me.index(),
            (Place::Shares, _) | (_, None) => true,
        };
        let declared = self.program.outputs.iter().filter(|output| here(output.to));
        declared.map(|output| output.name.clone()).filter(|name| !self.outputs.contains_key(name)).collect()
    }

    /// Writes an output as a file of its name, and says where it is.
    fn write(&mut self, name: &str, kept: &Kept) -> std::io::Result<()> {
        let Outputs { out, format } = self.to;
        let file = match (kept, self.me) {
            (Kept::Shares(_), Some(me)) => shares::file_name(name, me),
            (Kept::Shares(_) | Kept::Clear(_), _) => format!("{name}.{}", format.suffix()),
        };
        let written = results::write(out, &file, |file| match kept {
            Kept::Shares(shares) => shares.write(file),
            Kept::Clear(arrays) => {
                let narrowed = format.narrow(arrays);
                let tensors = narrowed.as_ref().unwrap_or(arrays).iter().map(|(n, a)| (n.as_str(), a));
                match format {
                    Format::Npz => data::write_npz(file, tensors),
                    Format::Safetensors | Format::SafetensorsF32 => data::write_safetensors(file, tensors),
                }
            }
        })?;
        let path = written.path.display();
        let event = json!({"event": "output", "name": name, "file": path.to_string()});
        self.events.emit(&event, Some(&format!("{name}: {path}")));
        if let Some(cause) = written.instead {
            let place = out.join(&file);
            self.events
                .lose(format!("{} could not be written ({cause}), {name} is in {path}", place.display()));
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
    let mut inputs: Inputs = program.inputs.iter().map(|_| None).collect();
    let mut failed = InputError { names: Vec::new(), problems: Vec::new() };
    for (name, fields) in by_name(program) {
        let first = &program.inputs[fields[0]];
        if only.is_some_and(|me| !provides(me, first)) {
            continue;
        }
        let wanted = Wanted { program, name, fields: &fields };
        let file = named.get(name).copied();
        let provided = match (first.from, only) {
            (Place::Shares, Some(me)) => wanted.shares(me, file, files.data.as_deref()),
            (Place::Shares | Place::Party(_), _) => wanted.load(file, files.data.as_deref()),
        };
        match provided {
            Ok(provided) => fields.iter().zip(provided).for_each(|(i, data)| inputs[*i] = Some(data)),
            Err(error) => {
                failed.names.push(name.to_string());
                failed.problems.push(format!("{error:#}"));
            }
        }
    }
    if failed.names.is_empty() { Ok(inputs) } else { Err(failed.into()) }
}

/// The inputs that one declaration has made, by its name and in the order of the program: a model has one per field.
fn by_name(program: &Program) -> Vec<(&str, Vec<usize>)> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    for (i, input) in program.inputs.iter().enumerate() {
        match groups.iter_mut().find(|(name, _)| *name == input.name) {
            Some((_, fields)) => fields.push(i),
            None => groups.push((&input.name, vec![i])),
        }
    }
    groups
}

/// A declared input.
struct Wanted<'a> {
    program: &'a Program,
    name: &'a str,
    /// Its places among the program's inputs.
    fields: &'a [usize],
}

impl Wanted<'_> {
    /// Its data in the clear.
    fn load(&self, file: Option<&str>, data: Option<&Path>) -> anyhow::Result<Vec<Provided>> {
        let specs: Vec<InputSpec> = self.inputs().map(spec).collect();
        let source = match file {
            Some(file) => Some(parse(self.name, file)?),
            None => data.map(|directory| find(directory, self.name)).transpose()?.flatten(),
        };
        let prepared = match (source, self.is_model()) {
            (Some(source), true) => {
                let (tensors, unused) = data::load_model(self.name, &specs, &source).map_err(message)?;
                for tensor in unused {
                    say::errln(format_args!("note: {} {tensor}", source.path.display()));
                }
                tensors
            }
            (Some(source), false) => vec![data::load(&specs[0], &source).map_err(message)?],
            (None, false) if data.is_none() && embedded::belong_to(self.program) => {
                vec![embedded::load(&specs[0]).map_err(message)?]
            }
            (None, _) => bail!(self.no_file(&specs[0], data)),
        };
        let encode = |prepared: data::Prepared| {
            let encoded =
                prepared.encode(self.program.header.frac, self.program.header.total).map_err(message)?;
            Ok(Provided::Clear(encoded.into()))
        };
        prepared.into_iter().map(encode).collect()
    }

    /// A party's shares of it.
    fn shares(&self, me: Party, file: Option<&str>, data: Option<&Path>) -> anyhow::Result<Vec<Provided>> {
        let name = self.name;
        let found = file.map(PathBuf::from).or_else(|| shares::find(data?, name, me));
        let Some(path) = found else {
            let file = shares::file_name(name, me);
            bail!(
                "{name} has no shares\n   = help: --input {name}={file}, or --data and the directory of that file"
            )
        };
        let inputs: Vec<&Input> = self.inputs().collect();
        let (set, words) = shares::read(self.program, &inputs, me, &path)?;
        Ok(words.into_iter().map(|words| Provided::Shares { set: set.clone(), words }).collect())
    }

    fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.fields.iter().map(|i| &self.program.inputs[*i])
    }

    fn is_model(&self) -> bool {
        self.inputs().any(|input| !input.field.is_empty())
    }

    fn no_file(&self, spec: &InputSpec, data: Option<&Path>) -> String {
        let (name, from) =
            (self.name, tern_bytecode::disasm::place(self.program.inputs[self.fields[0]].from));
        let looked = data.map(|data| {
            let fact = if data.exists() { "has no file of that name" } else { "does not exist" };
            format!("{} {fact}, ", data.display())
        });
        let declared = if self.is_model() { "a model".to_string() } else { spec.type_text() };
        format!(
            "error[D001]: there is no file for {name}\n   {}{name} is declared {declared} from {from}\n   = help: --input {name}=FILE",
            looked.unwrap_or_default(),
        )
    }
}

/// An input as the readers of files know it; a field of a model by the field's name.
fn spec(input: &Input) -> InputSpec {
    InputSpec {
        name: if input.field.is_empty() { input.name.clone() } else { input.field.clone() },
        shape: input.shape.iter().map(|s| *s as usize).collect(),
        element: match input.element {
            Element::Fix => data::Element::Fix,
            Element::Int => data::Element::Int,
            Element::Bool => data::Element::Bool,
        },
        party: match input.from {
            Place::Party(i) => usize::from(i),
            Place::Shares => 0,
        },
        options: data::Options {
            one_hot: input.prepare.one_hot,
            scale: input.prepare.scale.and_then(|(n, d)| Ratio::new(n.into(), d.into())),
            standardise: input.prepare.standardise,
            range: input.prepare.range,
            first_rows: input.prepare.first_rows,
        },
    }
}

fn message(error: data::DataError) -> anyhow::Error {
    anyhow::anyhow!("{}", error.message())
}

/// What `--input` says of an input.
fn parse(name: &str, text: &str) -> anyhow::Result<Source> {
    Source::parse(text).with_context(|| format!("--input {name}={text}"))
}

/// The file of a data directory that holds an input, if there is one.
///
/// # Errors
/// Several of them: nobody knows which is meant.
fn find(directory: &Path, name: &str) -> anyhow::Result<Option<Source>> {
    if directory.is_file() {
        return Ok(Some(Source::member(directory, name)));
    }
    let original = MNIST.iter().find(|(n, _)| *n == name).map(|(_, file)| *file);
    let stems = [Some(name), original].into_iter().flatten();
    let suffixes = ["", ".npy", ".npz", ".safetensors", ".csv", ".tsv", ".txt", ".idx"];
    let mut names = stems.flat_map(|stem| suffixes.iter().map(move |suffix| format!("{stem}{suffix}")));
    // A file and what it was packed to, or unpacked from, are the same.
    let present = |name: &String| {
        let plain = directory.join(name);
        [plain.clone(), directory.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
    };
    let Some(first) = names.find_map(|name| present(&name)) else { return Ok(None) };
    match names.find_map(|name| present(&name)) {
        Some(second) => bail!(
            "--data {}: {name} can be {} or {}\n   = help: --input {name}={}",
            directory.display(),
            first.display(),
            second.display(),
            first.display()
        ),
        None => Ok(Some(Source::file(first))),
    }
}

impl Host for FileHost<'_> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let encoded = match self.inputs.get(input).and_then(Option::as_ref) {
            Some(Provided::Clear(encoded)) => encoded,
            Some(Provided::Shares { words, .. }) => return copy(words, start, elements),
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
        if let (Some(me), Some(run), Place::Shares) = (self.me, self.run, declared.to) {
            let empty = || Kept::Shares(shares::empty(self.program, &declared.name, me, run));
            if let Kept::Shares(file) = self.outputs.entry(declared.name.clone()).or_insert_with(empty) {
                shares::add(file, declared, elements);
            }
            return Ok(());
        }
        let values: Vec<f64> = elements.to_f64(declared.frac).collect();
        let shape: Vec<usize> = declared.shape.iter().map(|s| *s as usize).collect();
        let array = match declared.element {
            Element::Fix => Array::new(shape, values),
            Element::Int => Array::new(shape, values.iter().map(|v| *v as i64).collect::<Vec<i64>>()),
            Element::Bool => Array::of_bools(shape, &values.iter().map(|v| *v != 0.0).collect::<Vec<bool>>()),
        };
        let empty = || Kept::Clear(Vec::new());
        if let Kept::Clear(arrays) = self.outputs.entry(declared.name.clone()).or_insert_with(empty) {
            arrays.push((field.clone(), array));
        }
        Ok(())
    }

    fn share_set(&self, input: usize) -> Option<String> {
        match self.inputs.get(input)?.as_ref()? {
            Provided::Shares { set, .. } => Some(set.clone()),
            Provided::Clear(_) => None,
        }
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
        ControlFlow::Continue(())
    }

    fn begin(&mut self, run: RunId) -> Result<(), HostError> {
        self.run = Some(run);
        Ok(self.events.begin()?)
    }

    /// Writes all outputs: those that cannot be written do not keep the others from it.
    fn finish(&mut self) -> Result<(), HostError> {
        self.stop.ignore();
        for name in self.left_out() {
            self.events.warn(&format!("there is no {name}: the program did not come to its output"));
        }
        let mut failed = Vec::new();
        for (name, kept) in std::mem::take(&mut self.outputs) {
            if let Err(error) = self.write(&name, &kept) {
                failed.push(format!("{name} cannot be written to {}: {error}", self.to.out.display()));
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ").into()) }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_asked()
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
