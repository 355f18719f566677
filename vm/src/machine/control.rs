//! Loops, branches and rounds.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tern_bytecode::validate::Nesting;
use tern_bytecode::{Instr, Kind, Program, Reg};

use super::checkpoint::{Checkpoints, Keeper, Restored, State};
use super::context::{Address, Context};
use super::error::{Fault, RunError};
use super::host::{Host, RunId, Trip};
use super::limits::available;
use super::memory::Memory;
use super::public;
use super::range::{RangeMonitor, Watch};
use super::report::{Report, Tally};
use super::seed::Seeds;
use crate::par::Threads;
use crate::prg::Key;
use crate::protocol::{Backend, Running, Terms, dispatch};
use crate::ring::Ring;

/// How to run a program.
#[derive(Debug, Clone)]
pub struct Options {
    /// Fixes all randomness, for tests: what is computed by three parties is then no longer secret. None draws fresh keys.
    pub seed: Option<u64>,
    /// Threads that kernels may use; 0 counts as 1.
    pub threads: usize,
    /// How closely to watch the ranges of values (emulator).
    pub ranges: Watch,
    /// Whether to measure the time of every instruction.
    pub profile: bool,
    /// Whether points of the run are kept on disk, and gone on from.
    pub checkpoints: Option<Checkpoints>,
    /// Bytes that the program may take; by default as many as the machine, or this process's control group, has.
    pub memory_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        let memory_limit = available().bytes;
        Self {
            seed: None,
            threads: 1,
            ranges: Watch::Nothing,
            profile: false,
            checkpoints: None,
            memory_limit,
        }
    }
}

/// Runs a program to its end.
///
/// `memory` is [`Memory::public`] or, for a back-end without secrets, [`Memory::clear`]. `public_seed` is the
/// origin of the randomness that everybody knows.
///
/// # Errors
/// The first fault, with its instruction and source line. The program is validated first.
pub fn run<B: Backend>(
    program: &Program,
    backend: &mut B,
    memory: impl FnOnce(&Program, u64) -> Result<Memory<B::Element>, Fault>,
    public_seed: &[u8; 32],
    host: &mut dyn Host,
    options: &Options,
) -> Result<Report, RunError> {
    tern_bytecode::validate(program)?;
    let backend_bits = <B::Element as Ring>::BITS;
    if program.header.ring != backend_bits {
        return Err(Fault::Ring { program: program.header.ring, backend: backend_bits }.into());
    }
    let threads = Threads::new(options.threads)?;
    let mut machine = Machine {
        nesting: Nesting::of(program)?,
        public: program.code.iter().map(|instr| is_public(program, instr)).collect(),
        ranges: RangeMonitor::new(program, options.ranges),
        tally: Tally::new(program, options.profile),
        memory: memory(program, options.memory_limit)?,
        program,
        backend,
        key: &Seeds::public_key(public_seed),
        threads: &threads,
        host,
        trips: Vec::new(),
        keeper: None,
    };
    let at = machine.begin(Seeds::run_id(public_seed), options)?;
    machine.run(at)?;
    let ranges = machine.ranges.map(RangeMonitor::report);
    let report = machine.tally.report(program, machine.memory.bytes(), ranges);
    machine.host.finish().map_err(Fault::Finish)?;
    Ok(report)
}

struct Machine<'a, B: Backend> {
    program: &'a Program,
    nesting: Nesting,
    /// Whether all registers of an instruction are public, so that the machine executes it.
    public: Vec<bool>,
    backend: &'a mut B,
    memory: Memory<B::Element>,
    /// The key of public streams.
    key: &'a Key,
    threads: &'a Threads,
    host: &'a mut dyn Host,
    ranges: Option<RangeMonitor<'a>>,
    tally: Tally,
    /// The loops in progress, outermost first.
    trips: Vec<Trip>,
    /// Keeps points of the run.
    keeper: Option<Keeper>,
}

impl<B: Backend> Machine<'_, B> {
    /// The first instruction, of the program or behind the point that the run goes on from.
    fn begin(&mut self, run: RunId, options: &Options) -> Result<u32, RunError> {
        let Some(checkpoints) = &options.checkpoints else {
            self.host.begin(run).map_err(Fault::Begin)?;
            return Ok(0);
        };
        let me = self.backend.engine().map(|engine| engine.links().me());
        let terms = Terms::of(self.program, options);
        let keeper = self.keeper.insert(Keeper::new(self.program, checkpoints, terms, me, run)?);
        let run = keeper.run();
        let restored = match &checkpoints.start {
            Some(start) => Some(restore(&start.file, keeper, &mut self.memory, self.backend)?),
            None => None,
        };
        self.host.begin(run).map_err(Fault::Begin)?;
        if let Some(start) = &checkpoints.start {
            self.host.goes_on(start.point, start.lost);
        }
        restored.map_or(Ok(0), |restored| self.go_on(&restored))
    }

    /// Takes back what is no register: the instruction to go on with.
    fn go_on(&mut self, restored: &Restored) -> Result<u32, RunError> {
        let state = &restored.state;
        let ranges = self.ranges.as_mut().map_or(Some(()), |ranges| ranges.restore(&state.ranges));
        let tally = self.tally.restore(state);
        let engine = self.backend.engine().map_or(Some(()), |engine| engine.resume(&state.progress));
        ranges.and(tally).and(engine).ok_or_else(|| Fault::from(restored.is_strange()))?;
        self.host.restore(&state.host).map_err(Fault::Restore)?;
        self.trips.clone_from(&state.trips);
        Ok(self.trips.last().map_or(0, |trip| trip.at + 1))
    }

    fn run(&mut self, mut at: u32) -> Result<(), RunError> {
        while let Some(instr) = self.program.code.get(at as usize) {
            if self.host.is_stopped() {
                return Err(RunError::from(Fault::Cancelled).located(self.program, at));
            }
            let started = self.tally.start();
            let next = self.step(at, instr).map_err(|error| error.located(self.program, at))?;
            self.tally.executed(at, started);
            at = next;
        }
        Ok(())
    }

    /// Executes one instruction; the index of the next one.
    fn step(&mut self, at: u32, instr: &Instr) -> Result<u32, RunError> {
        match *instr {
            Instr::Loop { counter, trips } => self.enter(at, counter, trips),
            Instr::BreakIf { cond } => {
                let stop = self.memory.scalar::<i64>(cond) != 0;
                if stop {
                    self.trips.pop();
                }
                // the loop's `end` comes right after
                Ok(if stop { at + 2 } else { at + 1 })
            }
            Instr::If { cond } => {
                let holds = self.memory.scalar::<i64>(cond) != 0;
                Ok(if holds { at + 1 } else { self.nesting.close[&at] + 1 })
            }
            Instr::Else {} => Ok(self.nesting.close[&at] + 1),
            Instr::End {} => self.end(at),
            Instr::Send {} => self.execute(at, |backend, context| backend.send(context)),
            Instr::Receive {} => self.execute(at, |backend, context| backend.receive(context)),
            _ if self.backend.skips(at) => Ok(at + 1),
            _ if self.public[at as usize] => self.execute(at, |_, context| public::execute(context, instr)),
            _ => self.execute(at, |backend, context| {
                backend.before(context, instr)?;
                dispatch(backend, context, instr).map(drop)
            }),
        }
    }

    fn execute(
        &mut self,
        at: u32,
        work: impl FnOnce(&mut B, &mut Context<'_, B::Element>) -> Result<(), RunError>,
    ) -> Result<u32, RunError> {
        if let Some(ranges) = &mut self.ranges {
            ranges.before(at, &self.trips, &self.memory, self.threads);
        }
        let iteration = self.trips.last().map_or(0, |trip| trip.iteration);
        let mut context = Context {
            program: self.program,
            memory: &mut self.memory,
            threads: self.threads,
            host: self.host,
            public: self.key,
            address: Address { instruction: at, iteration },
            loops: &self.trips,
        };
        work(self.backend, &mut context)?;
        if let Some(ranges) = &mut self.ranges {
            ranges.after(at, &self.trips, &self.memory, self.threads);
        }
        Ok(at + 1)
    }

    /// Begins a loop, or jumps over it.
    fn enter(&mut self, at: u32, counter: Reg, trips: u32) -> Result<u32, RunError> {
        if trips == 0 {
            return Ok(self.nesting.close[&at] + 1);
        }
        let outer = self.trips.last().map_or(0, |trip| trip.iteration);
        let first = outer.checked_mul(u64::from(trips)).ok_or(Fault::TooManyIterations)?;
        first.checked_add(u64::from(trips)).ok_or(Fault::TooManyIterations)?;
        self.trips.push(Trip { at, now: 0, trips, iteration: first });
        self.begin_iteration(at, counter, 0)?;
        Ok(at + 1)
    }

    /// Ends a branch or an iteration: the index of the next instruction.
    fn end(&mut self, at: u32) -> Result<u32, RunError> {
        let Some(&open) = self.nesting.open.get(&at) else { return Ok(at + 1) };
        let Instr::Loop { counter, .. } = self.program.code[open as usize] else { return Ok(at + 1) };
        let trip = self.trips.last_mut().expect("an end of a loop is reached within the loop: validated");
        trip.now += 1;
        trip.iteration += 1;
        let (now, trips) = (trip.now, trip.trips);
        if now == trips {
            self.trips.pop();
            return Ok(at + 1);
        }
        self.begin_iteration(at, counter, now)?;
        Ok(open + 1)
    }

    /// Begins an iteration, within the instruction `at`.
    fn begin_iteration(&mut self, at: u32, counter: Reg, now: u32) -> Result<(), RunError> {
        let view = self.memory.write::<i64>(counter);
        view.data[view.layout.offset] = i64::from(now);
        match self.host.tick(&self.trips) {
            ControlFlow::Continue(()) => self.keep(at),
            ControlFlow::Break(()) => Err(Fault::Cancelled.into()),
        }
    }

    /// Keeps a point if one is due, within the instruction `at`.
    fn keep(&mut self, at: u32) -> Result<(), RunError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let early = self.host.wants_point();
        if !keeper.is_due(self.backend.engine().map(Running::links), early)? {
            return Ok(());
        }
        let Some(trip) = self.trips.last() else { return Ok(()) };
        // What has travelled so far is as it should be, or it is not kept.
        self.backend.settle(Address { instruction: trip.at, iteration: trip.iteration })?;
        let mut state = State {
            trips: self.trips.clone(),
            executions: Vec::new(),
            times: Vec::new(),
            elapsed: Duration::ZERO,
            ranges: self.ranges.as_ref().map_or(Vec::new(), RangeMonitor::save),
            progress: self.backend.engine().map_or(Vec::new(), |engine| engine.progress()),
            host: self.host.save(),
        };
        self.tally.save(at, &mut state);
        let mut point = keeper.keep(&state, &self.memory, self.backend.registers());
        keeper.settle(&mut point, self.backend.engine().map(Running::links))?;
        self.host.point(&point);
        Ok(())
    }
}

/// Takes back the registers of a point.
fn restore<B: Backend>(
    file: &Path,
    keeper: &Keeper,
    memory: &mut Memory<B::Element>,
    backend: &mut B,
) -> Result<Restored, Fault> {
    let mut restored = Restored::open(file)?;
    let Some(trip) = restored.state.trips.last().copied() else {
        return Err(restored.is_strange().into());
    };
    restored.registers(keeper.live(trip.at), memory, backend.registers_mut())?;
    Ok(restored)
}

/// Whether everybody can execute the instruction alone. `debug` shows values in the emulator only, so it is the back-end's.
fn is_public(program: &Program, instr: &Instr) -> bool {
    let public = |reg: Reg| {
        let buffer = program.views[reg.0 as usize].buffer;
        matches!(program.buffers[buffer as usize].kind, Kind::Plain | Kind::Real | Kind::Int)
    };
    !matches!(instr, Instr::Debug { .. }) && instr.registers().all(|(reg, _)| public(reg))
}
