//! The surroundings of a run: data in, results and events out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use tern_bytecode::Program;
use tern_bytecode::program::{Element, Output, Place};
use tern_vm::data::shares::ShareFile;
use tern_vm::data::{self, Array, Encoded};
use tern_vm::machine::{Elements, ElementsMut, Host, HostError, RunId, Trip};
use tern_vm::net::Party;
use tern_vm::ring::{Ring, Z64, Z128, Z192, Z256};

use crate::events::{Event, Events};
use crate::inputs::{Inputs, Provided};
use crate::outputs::{Format, Outputs};
use crate::results;
use crate::shares;
use crate::stop::Stop;

/// An output that has been computed, field by field.
enum Kept {
    /// In the clear.
    Clear(Vec<(String, Array)>),
    /// This party's shares of it.
    Shares(ShareFile),
}

/// Results of outputs in the clear: by output, its tensors by name.
pub type Results = BTreeMap<String, Vec<(String, Array)>>;

/// Inputs in memory, outputs to files or to memory.
pub struct FileHost<'a, 'e> {
    program: &'a Program,
    /// Who this is, unless it is the emulator.
    me: Option<Party>,
    inputs: Inputs,
    /// By name.
    outputs: BTreeMap<String, Kept>,
    /// The run, once it has begun.
    run: Option<RunId>,
    /// Whether its results have been written.
    is_over: bool,
    /// Where they go.
    to: Option<&'a Outputs>,
    stop: Stop,
    events: &'a mut Events<'e>,
}

impl<'a, 'e> FileHost<'a, 'e> {
    /// Hands out `inputs`, which are those of the same party; in the emulator, nobody's, of all. Without a place for results they are
    /// kept in memory.
    pub fn new(
        program: &'a Program,
        me: Option<Party>,
        inputs: Inputs,
        to: Option<&'a Outputs>,
        events: &'a mut Events<'e>,
    ) -> FileHost<'a, 'e> {
        let (outputs, stop) = (BTreeMap::new(), Stop::default());
        FileHost { program, me, inputs, outputs, run: None, is_over: false, to, stop, events }
    }

    /// Ends the run soon after it is asked to.
    pub fn until(mut self, stop: Stop) -> FileHost<'a, 'e> {
        self.stop = stop;
        self
    }

    /// Outputs in the clear that are still in memory.
    pub fn into_results(mut self) -> Results {
        let clear = |(name, kept)| match kept {
            Kept::Clear(arrays) => Some((name, arrays)),
            Kept::Shares(_) => None,
        };
        std::mem::take(&mut self.outputs).into_iter().filter_map(clear).collect()
    }

    /// What the program puts out here.
    fn declared(&self) -> impl Iterator<Item = &Output> {
        let (me, model) = (self.me, self.program.header.protocol.model());
        let here = move |output: &&Output| match (output.to, me) {
            (Place::Party(to), Some(me)) => usize::from(to) == me.index(),
            (Place::Shares, Some(me)) => model.computes(me.index()),
            (_, None) => true,
        };
        self.program.outputs.iter().filter(here)
    }

    /// Outputs that this party would have, in branches that were not taken.
    fn left_out(&self) -> BTreeSet<String> {
        let names = self.declared().map(|output| output.name.clone());
        names.filter(|name| !self.outputs.contains_key(name)).collect()
    }

    /// Results of an earlier run that stand where this run, which has failed, would have put its own.
    fn stale(&self) -> BTreeSet<String> {
        let Some(Outputs { out, format }) = self.to else { return BTreeSet::new() };
        let file = |output: &Output| self.file(&output.name, output.to == Place::Shares, format);
        let paths = self.declared().map(file).map(|file| out.join(file));
        paths.filter(|path| path.exists()).map(|path| path.display().to_string()).collect()
    }

    /// The name of an output's file.
    fn file(&self, name: &str, is_shares: bool, format: &Format) -> String {
        match self.me {
            Some(me) if is_shares => shares::file_name(name, me),
            _ => format!("{name}.{}", format.suffix()),
        }
    }

    /// Writes an output as a file of its name, and says where it is.
    fn write(&mut self, to: &Outputs, name: &str, kept: &Kept) -> std::io::Result<()> {
        let Outputs { out, format } = to;
        let file = self.file(name, matches!(kept, Kept::Shares(_)), format);
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
        self.events.emit(Event::Output { name: name.into(), file: path.to_string() });
        if let Some(cause) = written.instead {
            let place = out.join(&file);
            self.events
                .lose(format!("{} could not be written ({cause}), {name} is in {path}", place.display()));
        }
        Ok(())
    }
}

impl Drop for FileHost<'_, '_> {
    /// Metrics are those of the run that has begun; results beside them are not.
    fn drop(&mut self) {
        if self.run.is_some() && !self.is_over {
            for file in self.stale() {
                self.events.warn(format!("{file} is of an earlier run, not of this one"));
            }
        }
    }
}

impl Host for FileHost<'_, '_> {
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
        self.events.emit(Event::Debug { label: label.into(), shape: shape.into(), values: values.into() });
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
        self.is_over = true;
        for name in self.left_out() {
            self.events.warn(format!("there is no {name}: the program did not come to its output"));
        }
        let Some(to) = self.to else { return Ok(()) };
        let mut failed = Vec::new();
        for (name, kept) in std::mem::take(&mut self.outputs) {
            if let Err(error) = self.write(to, &name, &kept) {
                failed.push(format!("{name} cannot be written to {}: {error}", to.out.display()));
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
