//! The data of a program's inputs: from files, or from tensors in memory. Everything that can be wrong with them is found before
//! the program runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use tern_bytecode::Program;
use tern_bytecode::program::{Element, Input, Place};
use tern_vm::data::shares::Stored;
use tern_vm::data::{self, Array, Encoded, InputSpec, Message, Mismatch, Ratio, Source};
use tern_vm::net::Party;

use crate::embedded;
use crate::events::{Event, Sink};
use crate::files::{Files, find, parse};
use crate::shares;

/// The data of a program's inputs, of those that this party provides.
pub type Inputs = Vec<Option<Provided>>;

/// The data of an input.
#[derive(Debug, Clone)]
pub enum Provided {
    /// Numbers in the clear.
    Clear(Box<Encoded>),
    /// From a file of shares.
    Shares {
        /// The set that the file belongs to.
        set: String,
        /// The file, whose words are read when they are needed.
        file: Arc<Stored>,
        /// Which of its tensors it is.
        tensor: usize,
    },
}

/// Inputs that cannot be provided.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct InputError {
    /// Their names: what other parties may know.
    pub names: Vec<String>,
    /// What is wrong with each: for the owner of the data.
    problems: Vec<String>,
    /// The parts of these messages, of those that have any.
    messages: Vec<Option<Message>>,
}

impl InputError {
    /// Each input with what is wrong with it, as a text and, of data that were found, in its parts.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &str, Option<&Message>)> {
        let texts = self.problems.iter().map(String::as_str);
        let all = self.names.iter().map(String::as_str).zip(texts).zip(&self.messages);
        all.map(|((name, text), message)| (name, text, message.as_ref()))
    }
}

/// Data of an input in memory.
#[derive(Clone, Debug)]
pub enum Tensor {
    /// Of a tensor.
    One(Array),
    /// Of a model: by the names of its fields, and perhaps of others.
    Model(BTreeMap<String, Array>),
}

/// Data in memory, by input.
pub type Tensors = BTreeMap<String, Tensor>;

/// Whether a party has a part in an input; a dealer has no shares.
pub(crate) fn provides(program: &Program, party: Party, input: &Input) -> bool {
    match input.from {
        Place::Party(from) => usize::from(from) == party.index(),
        Place::Shares | Place::Client(_) => program.header.protocol.model().computes(party.index()),
    }
}

/// Reads and checks every input before anything runs; of one party its own ones, if it is given.
///
/// # Errors
/// An [`InputError`], or file names that make no sense.
pub fn read_inputs(
    program: &Program,
    files: &Files,
    only: Option<Party>,
    sink: &mut dyn Sink,
) -> anyhow::Result<Inputs> {
    provide_inputs(program, Tensors::new(), files, only, sink)
}

/// The same, where some of the data are in memory; what a program declares of the values (scale, one-hot, …) is done to them as it is to those of
/// a file.
///
/// # Errors
/// As [`read_inputs`]; data of an input that the program does not have.
pub fn provide_inputs(
    program: &Program,
    mut tensors: Tensors,
    files: &Files,
    only: Option<Party>,
    sink: &mut dyn Sink,
) -> anyhow::Result<Inputs> {
    let named = files.named(program, only)?;
    for name in tensors.keys() {
        check_owner(program, name, only)?;
    }
    let mut inputs: Inputs = program.inputs.iter().map(|_| None).collect();
    let mut failed = InputError { names: Vec::new(), problems: Vec::new(), messages: Vec::new() };
    for (name, fields) in by_name(program) {
        let first = &program.inputs[fields[0]];
        if only.is_some_and(|me| !provides(program, me, first)) {
            continue;
        }
        let wanted = Wanted { program, name, fields };
        let file = named.get(name).copied();
        let provided = match (tensors.remove(name), first.from, only) {
            (Some(tensor), _, _) => wanted.take(tensor, sink),
            (None, Place::Shares | Place::Client(_), Some(me)) => wanted.shares(me, file, files),
            (None, _, _) => wanted.load(file, files.data.as_deref(), sink),
        };
        match provided {
            Ok(provided) => {
                wanted.fields.iter().zip(provided).for_each(|(i, data)| inputs[*i] = Some(data));
            }
            Err(error) => {
                failed.names.push(name.to_string());
                failed.problems.push(format!("{error:#}"));
                failed.messages.push(error.downcast().ok());
            }
        }
    }
    if failed.names.is_empty() { Ok(inputs) } else { Err(failed.into()) }
}

/// The data of one input in the clear, whoever it comes from: for its owner, who shares it.
///
/// # Errors
/// As [`read_inputs`]; an input that the program does not have.
pub fn read_input(
    program: &Program,
    name: &str,
    file: &str,
    sink: &mut dyn Sink,
) -> anyhow::Result<Vec<Encoded>> {
    let files = Files { inputs: vec![format!("{name}={file}")], ..Files::default() };
    let named = files.named(program, None)?;
    let wanted = Wanted::of(program, name)?;
    clear(name, wanted.load(named.get(name).copied(), None, sink)?)
}

/// The same of data in memory.
///
/// # Errors
/// As [`read_input`].
pub fn take_input(
    program: &Program,
    name: &str,
    tensor: Tensor,
    sink: &mut dyn Sink,
) -> anyhow::Result<Vec<Encoded>> {
    check_owner(program, name, None)?;
    clear(name, Wanted::of(program, name)?.take(tensor, sink)?)
}

/// Data in the clear.
fn clear(name: &str, provided: Vec<Provided>) -> anyhow::Result<Vec<Encoded>> {
    let clear = |provided| match provided {
        Provided::Clear(encoded) => Ok(*encoded),
        Provided::Shares { .. } => bail!("{name} is shared already"),
    };
    provided.into_iter().map(clear).collect()
}

/// The same from tensors in memory, by the names of the declarations; a field of a model is called `NAME.FIELD`. What a program declares of the
/// values (scale, one-hot, …) is done to them here as it is to those of a file.
///
/// # Errors
/// A tensor that does not fit its declaration, or is missing, or belongs to none.
pub fn inputs_of_arrays(program: &Program, arrays: &BTreeMap<String, Array>) -> anyhow::Result<Inputs> {
    let name = |input: &Input| match input.field.as_str() {
        "" => input.name.clone(),
        field => format!("{}.{field}", input.name),
    };
    let known: Vec<String> = program.inputs.iter().map(name).collect();
    if let Some(other) = arrays.keys().find(|given| !known.contains(given)) {
        bail!("the program uses no input {other}, it uses {}", known.join(", "));
    }
    let provide = |(input, name): (&Input, &String)| {
        let Some(array) = arrays.get(name) else { bail!("there are no data for {name}") };
        let source = Source::file(format!("the tensor given for {name}"));
        let prepared = data::prepare(&spec(input), array.clone(), &source).map_err(message)?;
        encoded(program, prepared).map(Some)
    };
    program.inputs.iter().zip(&known).map(provide).collect()
}

/// Whether there is such an input, and this party may give it in the clear.
fn check_owner(program: &Program, name: &str, only: Option<Party>) -> anyhow::Result<()> {
    let Some(input) = program.inputs.iter().find(|input| input.name == name) else {
        let known: Vec<&str> = by_name(program).into_iter().map(|(name, _)| name).collect();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        bail!(
            "the program uses no input {name}, it uses {known}\n   = help: an input that is declared and not used, or only in what is left out, needs no data"
        );
    };
    match only {
        Some(me) if input.from != Place::Party(me.index() as u8) => bail!(
            "input {name} comes from {}, this is {me}",
            tern_bytecode::disasm::place(program, input.from)
        ),
        _ => Ok(()),
    }
}

/// The inputs that one declaration has made, by its name and in the order of the program: a model has one per field.
pub(crate) fn by_name(program: &Program) -> Vec<(&str, Vec<usize>)> {
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
    fields: Vec<usize>,
}

impl<'a> Wanted<'a> {
    fn of(program: &'a Program, name: &'a str) -> anyhow::Result<Wanted<'a>> {
        let group = by_name(program).into_iter().find(|(other, _)| *other == name);
        let (name, fields) = group.context("it was found before")?;
        Ok(Wanted { program, name, fields })
    }

    /// Its data in the clear.
    fn load(
        &self,
        file: Option<&str>,
        data: Option<&Path>,
        sink: &mut dyn Sink,
    ) -> anyhow::Result<Vec<Provided>> {
        let specs: Vec<InputSpec> = self.inputs().map(spec).collect();
        let source = match file {
            Some(file) => Some(parse(self.name, file)?),
            None => data.map(|directory| find(directory, self.name)).transpose()?.flatten(),
        };
        let prepared = match (source, self.is_model()) {
            (Some(source), true) => {
                let (tensors, unused) = data::load_model(self.name, &specs, &source).map_err(message)?;
                note_unused(&source, &unused, sink);
                tensors
            }
            (Some(source), false) => vec![data::load(&specs[0], &source).map_err(message)?],
            (None, false) if data.is_none() && embedded::belong_to(self.program) => {
                let message = format!("{}: the digits that come with programs/digits.mpc", specs[0].name);
                sink.event(&Event::Note { message });
                vec![embedded::load(&specs[0]).map_err(self::message)?]
            }
            (None, _) => bail!(self.no_file(&specs[0], data)),
        };
        prepared.into_iter().map(|prepared| encoded(self.program, prepared)).collect()
    }

    /// Its data in memory.
    fn take(&self, tensor: Tensor, sink: &mut dyn Sink) -> anyhow::Result<Vec<Provided>> {
        let specs: Vec<InputSpec> = self.inputs().map(spec).collect();
        let source = Source::file(format!("what is given for {}", self.name));
        let prepared = match (tensor, self.is_model()) {
            (Tensor::Model(tensors), true) => {
                let prepared = data::prepare_model(self.name, &specs, tensors, &source).map_err(unfiled)?;
                note_unused(&source, &prepared.1, sink);
                prepared.0
            }
            (Tensor::One(array), false) => {
                vec![data::prepare(&specs[0], array, &source).map_err(unfiled)?]
            }
            (Tensor::One(_), true) => bail!(
                "{} is a model, one array is given\n   = help: give its tensors by name, as a state dictionary",
                self.name
            ),
            (Tensor::Model(_), false) => bail!(
                "{} is declared {}, several tensors are given\n   = help: give one array",
                self.name,
                specs[0].type_text()
            ),
        };
        prepared.into_iter().map(|prepared| encoded(self.program, prepared)).collect()
    }

    /// A party's shares of it.
    fn shares(&self, me: Party, file: Option<&str>, files: &Files) -> anyhow::Result<Vec<Provided>> {
        let name = self.name;
        let client = self.inputs().find_map(|input| self.program.client(input.from));
        let given = || Some(files.store.as_ref()?.input(client?, name, me)).filter(|path| path.is_file());
        let found = file.map(PathBuf::from);
        let found = found.or_else(|| shares::find(files.data.as_deref()?, name, me)).or_else(given);
        let Some(path) = found else {
            let file = shares::file_name(name, me);
            if let (Some(client), Some(_)) = (client, &files.store) {
                bail!(
                    "client {client} has not given {name} to {me}\n   = help: it does so with  tern send … --as {client} --input {name}=FILE  while `tern serve` runs here"
                );
            }
            bail!(
                "{name} has no shares\n   = help: --input {name}={file}, or --data and the directory of that file"
            )
        };
        let inputs: Vec<&Input> = self.inputs().collect();
        let (file, tensors) = shares::read(self.program, &inputs, me, &path)?;
        let set = || file.head.set.clone();
        let provided = |tensor| Provided::Shares { set: set(), file: file.clone(), tensor };
        Ok(tensors.into_iter().map(provided).collect())
    }

    fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.fields.iter().map(|i| &self.program.inputs[*i])
    }

    fn is_model(&self) -> bool {
        self.inputs().any(|input| !input.field.is_empty())
    }

    fn no_file(&self, spec: &InputSpec, data: Option<&Path>) -> String {
        let (name, from) =
            (self.name, tern_bytecode::disasm::place(self.program, self.program.inputs[self.fields[0]].from));
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

/// Says which tensors of a model's file, or of what is in its place, are not used.
fn note_unused(source: &Source, unused: &[Mismatch], sink: &mut dyn Sink) {
    for tensor in unused {
        let message = format!("note: {} {tensor}", source.path.display());
        sink.event(&Event::Note { message });
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
            Place::Shares | Place::Client(_) => 0,
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

/// Fixed-point numbers of the program's precision.
fn encoded(program: &Program, prepared: data::Prepared) -> anyhow::Result<Provided> {
    let encoded = prepared.encode(program.header.frac, program.header.total).map_err(message)?;
    Ok(Provided::Clear(encoded.into()))
}

/// An error that shows as its message, and can be taken apart into its parts.
fn message(error: data::DataError) -> anyhow::Error {
    anyhow::Error::msg(error.message())
}

/// The same of data that are in no file: nothing is to be said about one.
fn unfiled(error: data::DataError) -> anyhow::Error {
    let mut message = error.message();
    message.helps.retain(|help| !help.starts_with("--input"));
    anyhow::Error::msg(message)
}
