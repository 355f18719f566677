//! The surroundings of a run: data in, results and events out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tern_bytecode::program::{Output, Place};
use tern_bytecode::rings::limbs;
use tern_bytecode::validate::Nesting;
use tern_bytecode::{Instr, Program};
use tern_vm::data::shares::ShareFile;
use tern_vm::data::{Array, Encoded};
use tern_vm::machine::{Elements, ElementsMut, Host, HostError, Point, RunError, RunId, Trip};
use tern_vm::net::Party;
use tern_vm::ring::{Ring, Z64, Z128, Z192, Z256};

use crate::events::{Aborted, Event, Events, metric_event};
use crate::inputs::{Inputs, Provided};
use crate::outputs::{Format, Outputs};
use crate::results;
use crate::shares;
use crate::stop::Stop;

/// An output that has been computed, field by field.
#[derive(Clone)]
enum Kept {
    /// In the clear.
    Clear(Vec<(String, Array)>),
    /// This party's shares of it.
    Shares(ShareFile),
}

/// What a checkpoint has of a host: enough to have everything again that it had.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Saved {
    /// Outputs that are written at the end, by index, in the order in which they came.
    outputs: Vec<(usize, Vec<u64>)>,
    /// Of those that are written at once, how many there are.
    counts: BTreeMap<String, u64>,
    /// What was reported.
    metrics: Vec<Reported>,
}

/// Values under a name, with the counters of the loops around.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reported {
    name: String,
    values: Vec<f64>,
    iteration: Vec<u32>,
}

/// The outputs of a program that are within loops.
pub(crate) fn in_loops(program: &Program) -> BTreeSet<usize> {
    let in_loop = |(in_loop, instr): (bool, &Instr)| match *instr {
        Instr::Output { output, .. } if in_loop => Some(output as usize),
        _ => None,
    };
    placed(program).filter_map(in_loop).collect()
}

/// Inputs that are taken once: by one instruction, in no loop.
fn taken_once(program: &Program) -> BTreeSet<usize> {
    let (mut once, mut again) = (BTreeSet::new(), BTreeSet::new());
    for (in_loop, instr) in placed(program) {
        if let Instr::Input { input, .. } = *instr
            && (in_loop || !once.insert(input as usize))
        {
            again.insert(input as usize);
        }
    }
    &once - &again
}

/// All instructions, each with whether it stands in a loop.
fn placed(program: &Program) -> impl Iterator<Item = (bool, &Instr)> {
    let mut open = Vec::new();
    program.code.iter().map(move |instr| {
        match *instr {
            Instr::Loop { .. } => open.push(true),
            Instr::If { .. } => open.push(false),
            Instr::End {} => drop(open.pop()),
            _ => {}
        }
        (open.contains(&true), instr)
    })
}

/// Results of outputs in the clear: by output, its tensors by name.
pub type Results = BTreeMap<String, Vec<(String, Array)>>;

/// Inputs in memory, outputs to files or to memory.
pub struct FileHost<'a, 'e> {
    program: &'a Program,
    /// Who this is, unless it is the emulator.
    me: Option<Party>,
    inputs: Inputs,
    /// Those that nobody asks for again when they have been taken.
    once: BTreeSet<usize>,
    /// By name.
    outputs: BTreeMap<String, Kept>,
    /// The run, once it has begun.
    run: Option<RunId>,
    /// Whether its results have been written.
    is_over: bool,
    /// Outputs that stand in loops: each time they are executed they are a result of their own.
    in_loops: BTreeSet<usize>,
    /// How many there are of each so far.
    counts: BTreeMap<String, u64>,
    /// Those that stay in memory.
    many: Vec<(String, Kept)>,
    /// What goes into checkpoints, if any are kept.
    kept: Option<Saved>,
    /// The last point that is on disk, and where points are.
    points: u64,
    directory: Option<PathBuf>,
    /// The loops in progress, as far as is known.
    loops: Vec<Trip>,
    /// Files of results that this run has written.
    written: BTreeSet<String>,
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
        let (run, kept, points) = (None, None, 0);
        let (in_loops, counts, many) = (in_loops(program), BTreeMap::new(), Vec::new());
        FileHost {
            program,
            me,
            inputs,
            once: taken_once(program),
            outputs,
            run,
            in_loops,
            counts,
            many,
            kept,
            points,
            directory: None,
            loops: Vec::new(),
            written: BTreeSet::new(),
            is_over: false,
            to,
            stop,
            events,
        }
    }

    /// Remembers what checkpoints need, which are in this directory.
    pub fn keeping(mut self, directory: &Path) -> FileHost<'a, 'e> {
        self.kept = Some(Saved::default());
        self.directory = Some(directory.to_path_buf());
        self
    }

    /// The run has failed: says where, and what there is of it, unless it had not begun.
    pub fn aborted(&mut self, error: Option<&RunError>) {
        if self.run.is_none() {
            return;
        }
        let at = error.and_then(|error| error.at);
        let nesting = Nesting::of(self.program).ok();
        let is_within = |trip: &&Trip| {
            let end = nesting.as_ref().and_then(|nesting| nesting.close.get(&trip.at));
            at.zip(end).is_none_or(|(at, end)| (trip.at..=*end).contains(&at))
        };
        let place = error.and_then(|error| error.place.as_ref()).map(|(file, line)| format!("{file}:{line}"));
        let checkpoint = self
            .directory
            .as_ref()
            .map(|directory| (directory.display().to_string(), Some(self.points).filter(|point| *point > 0)));
        let aborted = Aborted {
            loops: self.loops.iter().filter(is_within).map(|trip| [trip.now, trip.trips]).collect(),
            place,
            outputs: self.written.iter().cloned().collect(),
            metrics: self.events.logged(),
            checkpoint,
        };
        self.events.emit(Event::Aborted { aborted });
    }

    /// The last point of the run that is on disk, 0 if none is.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// Where events go.
    pub fn events(&mut self) -> &mut Events<'e> {
        self.events
    }

    /// Ends the run soon after it is asked to.
    pub fn until(mut self, stop: Stop) -> FileHost<'a, 'e> {
        self.stop = stop;
        self
    }

    /// Outputs in the clear that are still in memory.
    pub fn into_results(mut self) -> Results {
        let mut outputs = std::mem::take(&mut self.outputs);
        for (numbered, kept) in std::mem::take(&mut self.many) {
            // The last one is there under the plain name too.
            let plain = numbered.rsplit_once('.').map_or(numbered.as_str(), |(plain, _)| plain);
            outputs.insert(plain.to_string(), kept.clone());
            outputs.insert(numbered, kept);
        }
        let clear = |(name, kept)| match kept {
            Kept::Clear(arrays) => Some((name, arrays)),
            Kept::Shares(_) => None,
        };
        outputs.into_iter().filter_map(clear).collect()
    }

    /// What the program puts out here.
    fn declared(&self) -> impl Iterator<Item = &Output> {
        let (me, model) = (self.me, self.program.header.protocol.model());
        let here = move |output: &&Output| match (output.to, me) {
            (Place::Party(to), Some(me)) => usize::from(to) == me.index(),
            (Place::Shares | Place::Client(_), Some(me)) => model.computes(me.index()),
            (_, None) => true,
        };
        self.program.outputs.iter().filter(here)
    }

    /// Outputs that this party would have, in branches that were not taken.
    fn left_out(&self) -> BTreeSet<String> {
        let names = self.declared().map(|output| output.name.clone());
        names.filter(|name| !self.outputs.contains_key(name) && !self.counts.contains_key(name)).collect()
    }

    /// Results of an earlier run that stand where this run, which has failed, would have put its own.
    fn stale(&self) -> BTreeSet<String> {
        let Some(to) = self.to else { return BTreeSet::new() };
        let before = self.declared().filter(|output| !self.counts.contains_key(&output.name));
        let paths = before.map(|output| self.path(to, &output.name, &output.name));
        paths.filter(|path| path.exists()).map(|path| path.display().to_string()).collect()
    }

    /// Results of iterations that this run has not come to, which an earlier one has.
    fn left_over(&self) -> Vec<String> {
        let Some(to) = self.to else { return Vec::new() };
        let mut found = Vec::new();
        let repeated: BTreeSet<&str> =
            self.in_loops.iter().map(|i| self.program.outputs[*i].name.as_str()).collect();
        // What another party of a local run writes is its own.
        let here = self.declared().map(|output| output.name.as_str());
        let names: BTreeSet<&str> = here.filter(|name| repeated.contains(name)).collect();
        for name in names {
            let count = self.counts.get(name).copied().unwrap_or_default();
            // They are numbered without gaps, unless somebody has taken some away.
            let path = |number| self.path(to, name, &numbered(name, number));
            let there = (count..).map(path).take_while(|path| path.exists());
            found.extend(there.map(|path| path.display().to_string()));
        }
        found.retain(|path| !self.written.contains(path));
        found
    }

    /// Says which files are of an earlier run.
    fn tell_left_over(&mut self) {
        let found = self.left_over();
        let more = found.len().saturating_sub(1);
        let Some(first) = found.first() else { return };
        self.events.warn(match more {
            0 => format!("{first} is of an earlier run, not of this one"),
            _ => format!("{first} and {more} more behind it are of an earlier run, not of this one"),
        });
    }

    /// The name of an output's file.
    fn file(&self, name: &str, is_shares: bool, format: &Format) -> String {
        match self.me {
            Some(me) if is_shares => shares::file_name(name, me),
            _ => format!("{name}.{}", format.suffix()),
        }
    }

    /// The file of an output, declared under the first name, that is called by the second one.
    fn path(&self, to: &Outputs, declared: &str, name: &str) -> PathBuf {
        let mut outputs = self.program.outputs.iter().filter(|output| output.name == declared);
        let is_shares = outputs.any(|output| output.to.is_shared());
        self.directory(to, declared).join(self.file(name, is_shares, &to.format))
    }

    /// Where an output goes: to its client's part of the store, if there is one.
    fn directory(&self, to: &Outputs, name: &str) -> PathBuf {
        let declared = self.program.outputs.iter().find(|output| output.name == name);
        let client = declared.filter(|_| self.me.is_some()).and_then(|output| self.program.client(output.to));
        match (&to.store, client) {
            (Some(store), Some(client)) => store.results(client),
            _ => to.out.clone(),
        }
    }

    /// The run goes on: results of iterations before are there.
    fn recall_written(&mut self) {
        let Some(to) = self.to else { return };
        let of = |(name, count): (&String, &u64)| {
            let path = |number| self.path(to, name, &numbered(name, number)).display().to_string();
            (0..*count).map(path).collect::<Vec<_>>()
        };
        let written: Vec<String> = self.counts.iter().flat_map(of).collect();
        self.written.extend(written);
    }

    /// Takes an output, and writes it if it is one of many.
    fn put_out(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        let declared = &self.program.outputs[output];
        let field = if declared.field.is_empty() { &declared.name } else { &declared.field };
        if let (Some(me), Some(run), true) = (self.me, self.run, declared.to.is_shared()) {
            let empty = || Kept::Shares(shares::empty(self.program, &declared.name, me, run));
            if let Kept::Shares(file) = self.outputs.entry(declared.name.clone()).or_insert_with(empty) {
                shares::add(file, declared, elements);
            }
            return self.written_in_loops(&declared.name);
        }
        let shape = declared.shape.iter().map(|s| *s as usize).collect();
        let array = results::array(declared.element, declared.frac, shape, elements);
        let empty = || Kept::Clear(Vec::new());
        if let Kept::Clear(arrays) = self.outputs.entry(declared.name.clone()).or_insert_with(empty) {
            arrays.push((field.clone(), array));
        }
        self.written_in_loops(&declared.name)
    }

    /// Writes a result of one iteration when all its fields are there: under its number, and the last one under the plain name too.
    fn written_in_loops(&mut self, name: &str) -> Result<(), HostError> {
        let program = self.program;
        let same = || program.outputs.iter().enumerate().filter(|(_, output)| output.name == name);
        let all = same().count();
        if !same().any(|(i, _)| self.in_loops.contains(&i)) {
            return Ok(());
        }
        let complete = self.outputs.get(name).is_some_and(|kept| match kept {
            Kept::Clear(arrays) => arrays.len() == all,
            Kept::Shares(file) => file.words.len() == all,
        });
        let Some(kept) = complete.then(|| self.outputs.remove(name)).flatten() else { return Ok(()) };
        let count = self.counts.entry(name.to_string()).or_default();
        let number = *count;
        *count += 1;
        let numbered = numbered(name, number);
        let Some(to) = self.to else {
            self.many.push((numbered, kept));
            return Ok(());
        };
        let cannot = |error| format!("{numbered} cannot be written to {}: {error}", to.out.display());
        let file = self.write(to, (name, &numbered), &kept).map_err(cannot)?;
        let plain = self.path(to, name, name);
        if let Err(error) = results::link(&file, &plain) {
            self.events.warn(format!("{} is not {}: {error}", plain.display(), file.display()));
        }
        Ok(())
    }

    /// Writes an output, declared under the first name, as a file of the second one, and says where it is.
    fn write(
        &mut self,
        to: &Outputs,
        (declared, name): (&str, &str),
        kept: &Kept,
    ) -> std::io::Result<PathBuf> {
        let (out, format) = (self.directory(to, declared), to.format);
        let file = self.file(name, matches!(kept, Kept::Shares(_)), &to.format);
        let written = results::write(&out, &file, |file| match kept {
            Kept::Shares(shares) => shares.write(file),
            Kept::Clear(arrays) => format.write(file, arrays),
        })?;
        let path = written.path.display();
        self.written.insert(path.to_string());
        self.events.emit(Event::Output { name: name.into(), file: path.to_string() });
        if let Some(cause) = written.instead {
            let place = out.join(&file);
            self.events
                .lose(format!("{} could not be written ({cause}), {name} is in {path}", place.display()));
        }
        Ok(written.path)
    }
}

impl Drop for FileHost<'_, '_> {
    /// Metrics are those of the run that has begun; results beside them are not.
    fn drop(&mut self) {
        if self.run.is_some() && !self.is_over {
            for file in self.stale() {
                self.events.warn(format!("{file} is of an earlier run, not of this one"));
            }
            // One that is kept may have come further before.
            if self.kept.is_none() {
                self.tell_left_over();
            }
        }
    }
}

impl Host for FileHost<'_, '_> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let encoded = match self.inputs.get(input).and_then(Option::as_ref) {
            Some(Provided::Clear(encoded)) => encoded,
            Some(Provided::Shares { file, tensor, .. }) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX).saturating_mul(elements.limbs);
                return Ok(file.read(*tensor, start, elements.words)?);
            }
            None => return Err(HostError::from(format!("input {input} has no data"))),
        };
        let taken = match elements.limbs {
            1 => fill::<Z64>(encoded, start, elements),
            2 => fill::<Z128>(encoded, start, elements),
            3 => fill::<Z192>(encoded, start, elements),
            _ => fill::<Z256>(encoded, start, elements),
        }?;
        // a run that keeps checkpoints may begin again
        if taken == encoded.len() && self.once.contains(&input) && self.kept.is_none() {
            self.inputs[input] = None;
        }
        Ok(())
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        if let Some(kept) = self.kept.as_mut().filter(|_| !self.in_loops.contains(&output)) {
            kept.outputs.push((output, elements.words.to_vec()));
        }
        self.put_out(output, elements)
    }

    fn share_set(&self, input: usize) -> Option<String> {
        match self.inputs.get(input)?.as_ref()? {
            Provided::Shares { set, .. } => Some(set.clone()),
            Provided::Clear(_) => None,
        }
    }

    fn metric(&mut self, name: &str, values: &[f64], loops: &[Trip]) {
        let iteration: Vec<u32> = loops.iter().map(|trip| trip.now).collect();
        if let Some(kept) = &mut self.kept {
            let (values, iteration) = (values.to_vec(), iteration.clone());
            kept.metrics.push(Reported { name: name.to_string(), values, iteration });
        }
        self.events.metric(name, values, iteration);
    }

    fn save(&mut self) -> Vec<u8> {
        let Some(kept) = &mut self.kept else { return Vec::new() };
        kept.counts.clone_from(&self.counts);
        postcard::to_stdvec(kept).expect("numbers and names")
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), HostError> {
        let saved: Saved = postcard::from_bytes(state)?;
        let limbs = limbs(self.program.header.ring) as usize;
        for (output, words) in &saved.outputs {
            if *output >= self.program.outputs.len() {
                return Err("it has an output that the program has not".into());
            }
            self.put_out(*output, Elements { limbs, words })?;
        }
        self.counts.clone_from(&saved.counts);
        self.recall_written();
        let metrics = saved.metrics.iter().map(|m| metric_event(&m.name, &m.values, m.iteration.clone()));
        self.events.emit(Event::Resumed { metrics: metrics.collect() });
        self.kept = Some(saved);
        Ok(())
    }

    fn goes_on(&mut self, point: u64, lost: Option<u64>) {
        self.points = point;
        let Some(later) = lost else { return };
        self.events.warn(format!(
            "all parties have had the checkpoint of iteration {later}, which one of them has lost: the run goes on from iteration {point}, and what came behind is done again"
        ));
    }

    fn point(&mut self, point: &Point) {
        match &point.outcome {
            Ok(bytes) => {
                self.points = point.number;
                let (number, bytes, seconds) = (point.number, *bytes, point.time.as_secs_f64());
                self.events.emit(Event::Checkpoint { number, bytes, seconds });
            }
            Err(cause) => self.events.warn(format!(
                "no checkpoint could be kept at iteration {}: {cause}; the run goes on, and could go on from an older one",
                point.number
            )),
        }
        if self.stop.wants_point() {
            self.events.note(format!(
                "the run ends here as it was asked to; the same command goes on from iteration {}",
                self.points
            ));
            self.stop.end();
        }
    }

    fn debug(&mut self, label: &str, shape: &[u32], values: &[f64]) {
        self.events.emit(Event::Debug { label: label.into(), shape: shape.into(), values: values.into() });
    }

    fn tick(&mut self, loops: &[Trip]) -> ControlFlow<()> {
        self.loops.clear();
        self.loops.extend_from_slice(loops);
        self.events.tick(loops);
        ControlFlow::Continue(())
    }

    fn begin(&mut self, run: RunId) -> Result<(), HostError> {
        self.run = Some(run);
        // It may have begun before.
        self.is_over = false;
        self.outputs.clear();
        self.counts.clear();
        self.many.clear();
        self.loops.clear();
        self.written.clear();
        self.kept = self.kept.take().map(|_| Saved::default());
        Ok(self.events.begin()?)
    }

    /// Writes all outputs: those that cannot be written do not keep the others from it.
    fn finish(&mut self) -> Result<(), HostError> {
        self.stop.ignore();
        self.is_over = true;
        for name in self.left_out() {
            self.events.warn(format!("there is no {name}: the program did not come to its output"));
        }
        self.tell_left_over();
        let Some(to) = self.to else { return Ok(()) };
        let mut failed = Vec::new();
        for (name, kept) in std::mem::take(&mut self.outputs) {
            if let Err(error) = self.write(to, (&name, &name), &kept) {
                failed.push(format!("{name} cannot be written to {}: {error}", to.out.display()));
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ").into()) }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_over()
    }

    fn wants_point(&self) -> bool {
        self.stop.wants_point()
    }
}

/// What the result of one iteration is called.
pub(crate) fn numbered(name: &str, number: u64) -> String {
    format!("{name}.{number:04}")
}

/// Gives elements from `start` on, and where they end.
fn fill<R: Ring>(encoded: &Encoded, start: u64, elements: ElementsMut<'_>) -> Result<usize, HostError> {
    let Some(slice) = elements.of::<R>() else {
        return Err(HostError::from("another ring than the program's".to_string()));
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let end = start.saturating_add(slice.len());
    if end > encoded.len() {
        return Err(HostError::from(format!("{end} elements are asked for, there are {}", encoded.len())));
    }
    encoded.fill(start..end, |i, value| slice[i] = R::from_i128(value));
    Ok(end)
}
