//! The surroundings of a run on the command line: files in, files and events out.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;
use tern_bytecode::Program;
use tern_bytecode::program::{Element, Input, Place};
use tern_vm::data::{self, Array, Encoded, InputSpec, Ratio, Source};
use tern_vm::machine::{Elements, ElementsMut, Host, HostError, Trip};
use tern_vm::ring::{Ring, Z64, Z128, Z192, Z256};

use crate::events::Events;

/// The digits that come with the program, so that its first command needs no download.
const DIGITS: &[u8] = include_bytes!("../../programs/digits/digits.npz");

/// MNIST's own file names for the inputs of the MNIST programs.
const MNIST: &[(&str, &str)] = &[
    ("train_x", "train-images-idx3-ubyte"),
    ("train_y", "train-labels-idx1-ubyte"),
    ("test_x", "t10k-images-idx3-ubyte"),
    ("test_y", "t10k-labels-idx1-ubyte"),
];

/// Inputs from files, outputs to files.
pub(crate) struct FileHost<'a> {
    program: &'a Program,
    inputs: Vec<Option<Encoded>>,
    outputs: BTreeMap<String, Vec<(String, Array)>>,
    pub(crate) events: Events,
}

impl<'a> FileHost<'a> {
    /// Reads and checks every input before anything runs.
    pub(crate) fn new(
        program: &'a Program,
        given: &[String],
        data: Option<&Path>,
        events: Events,
    ) -> anyhow::Result<FileHost<'a>> {
        let mut files = BTreeMap::new();
        for text in given {
            let Some((name, file)) = text.split_once('=') else { bail!("--input {text}: write NAME=FILE") };
            if !program.inputs.iter().any(|i| i.name == name) {
                let known: Vec<&str> = program.inputs.iter().map(|i| i.name.as_str()).collect();
                bail!(
                    "the program has no input {name}; it uses {}",
                    if known.is_empty() { "none".into() } else { known.join(", ") }
                );
            }
            files.insert(name.to_string(), file.to_string());
        }
        let mut inputs = Vec::new();
        let mut problems = Vec::new();
        for input in &program.inputs {
            match load(program, input, files.get(&input.name).map(String::as_str), data) {
                Ok(encoded) => inputs.push(Some(encoded)),
                Err(error) => {
                    problems.push(format!("{error:#}"));
                    inputs.push(None);
                }
            }
        }
        if !problems.is_empty() {
            bail!("{}", problems.join("\n"));
        }
        Ok(FileHost { program, inputs, outputs: BTreeMap::new(), events })
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
            let array = data::read_bytes(DIGITS, &source, &input.name).map_err(message)?;
            data::prepare(&spec, array, &source).map_err(message)?
        }
        None => bail!(
            "{} has no data\n   expected {} from {}\n   = help: --input {}=FILE",
            input.name,
            spec.type_text(),
            tern_bytecode::disasm::place(input.from),
            input.name
        ),
    };
    prepared.encode(input.frac, program.header.total).map_err(message)
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
        let Some(encoded) = self.inputs.get(input).and_then(Option::as_ref) else {
            return Err(HostError::from(format!("input {input} has no data")));
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
        let values: Vec<f64> = elements.to_f64(declared.frac).collect();
        let shape: Vec<usize> = declared.shape.iter().map(|s| *s as usize).collect();
        let array = match declared.element {
            Element::Fix => Array::new(shape, values),
            Element::Int => Array::new(shape, values.iter().map(|v| *v as i64).collect::<Vec<i64>>()),
            Element::Bool => Array::of_bools(shape, &values.iter().map(|v| *v != 0.0).collect::<Vec<bool>>()),
        };
        let field = if declared.field.is_empty() { &declared.name } else { &declared.field };
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
        ControlFlow::Continue(())
    }
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
