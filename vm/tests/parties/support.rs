//! Small programs by hand, run by the emulator and by the parties of a protocol.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use tern_bytecode::cost;
use tern_bytecode::model::Forms;
use tern_bytecode::program::{
    Buffer, Dim, Element, Header, Input, Line, Output, Place, Preparation, Protocol, Rounding,
};
use tern_bytecode::{Instr, Kind, Program, Reg, Route, View};
use tern_vm::machine::{Elements, ElementsMut, HostError, Trip};
use tern_vm::net::{Links, Party, memory};
use tern_vm::ring::Ring;
use tern_vm::{Host, Options, Report, emulate, run_party};

/// Longer than any round takes on a busy machine.
pub const STALL: Duration = Duration::from_secs(60);

/// A program in the making.
pub struct Build {
    pub program: Program,
}

impl Build {
    pub fn new(protocol: Protocol, ring: u32, rounding: Rounding) -> Self {
        let header =
            Header { name: "test".into(), protocol, ring, frac: 16, total: 32, rounding, args: vec![] };
        Self { program: Program { files: vec!["test.mpc".into()], ..Program::empty(header) } }
    }

    /// A register with a buffer of its own, row-major.
    pub fn reg(&mut self, kind: Kind, shape: &[u32]) -> Reg {
        let len: u64 = shape.iter().map(|n| u64::from(*n)).product();
        let len = if kind == Kind::Bit { len.next_multiple_of(64) } else { len };
        self.program.buffers.push(Buffer { kind, len });
        let mut dims: Vec<(u32, i64)> = Vec::new();
        let mut stride = 1;
        for &size in shape.iter().rev() {
            dims.insert(0, (size, stride));
            stride *= i64::from(size);
        }
        self.view(self.program.buffers.len() as u32 - 1, 0, &dims)
    }

    /// Another view of a register's buffer.
    pub fn alias(&mut self, of: Reg, offset: u64, dims: &[(u32, i64)]) -> Reg {
        let buffer = self.program.views[of.0 as usize].buffer;
        self.view(buffer, offset, dims)
    }

    fn view(&mut self, buffer: u32, offset: u64, dims: &[(u32, i64)]) -> Reg {
        let dims = dims.iter().map(|&(size, stride)| Dim { size, stride }).collect();
        self.program.views.push(View { buffer, offset, dims });
        Reg(self.program.views.len() as u32 - 1)
    }

    pub fn shape(&self, reg: Reg) -> Vec<u32> {
        self.program.views[reg.0 as usize].shape()
    }

    /// Appends an instruction without its rounds.
    pub fn push(&mut self, instr: Instr) {
        self.program.lines.push(Line { file: 0, line: self.program.code.len() as u32 + 1 });
        self.program.code.push(instr);
    }

    pub fn rounds(&mut self, rounds: u32) {
        for _ in 0..rounds {
            self.push(Instr::Send {});
            self.push(Instr::Receive {});
        }
    }

    /// Appends an instruction with all its rounds, in the forms that the protocol computes with: what is written for replicated values
    /// becomes openings under masks where there are such.
    pub fn op(&mut self, mut instr: Instr) {
        let routes = self.program.header.protocol.model().routes;
        if let Some(route) = instr.route_mut() {
            route.0 %= routes; // tests name routes of the protocol that has most
        }
        match self.program.header.protocol.model().forms {
            Forms::Replicated => self.plainly(instr),
            Forms::Opened => self.opened(instr),
        }
    }

    fn plainly(&mut self, instr: Instr) {
        self.push(instr);
        self.rounds(cost::rounds(&self.program, &instr));
    }

    fn opened(&mut self, instr: Instr) {
        match instr {
            Instr::Reshare { dst, a, .. } => self.open(dst, a),
            Instr::Truncate { dst, a, bits, .. } => {
                let a = if self.kind(a) == Kind::Additive { self.opened_like(a) } else { a };
                let (width, more, mask) = (self.program.header.ring, 0, self.mask());
                self.and_open(dst, |dst| Instr::TruncateOpened { dst, a, bits, width, more, mask });
            }
            Instr::Word { dst, a, route } => self.and_open(dst, |dst| Instr::Word { dst, a, route }),
            Instr::Compose { dst, a, route } => self.and_open(dst, |dst| Instr::Compose { dst, a, route }),
            Instr::Select { dst, keep, bit, a, route } => {
                self.and_open(dst, |dst| Instr::Select { dst, keep, bit, a, route });
            }
            Instr::SelectAgain { dst, half, bit, a, bits, route } => {
                self.and_open(dst, |dst| Instr::SelectAgain { dst, half, bit, a, bits, route });
            }
            _ => self.plainly(instr),
        }
    }

    /// An instruction that leaves shares, and their opening if that is what is asked for.
    fn and_open(&mut self, dst: Reg, make: impl FnOnce(Reg) -> Instr) {
        if self.kind(dst) == Kind::Additive {
            return self.plainly(make(dst));
        }
        let shape = self.shape(dst);
        let shares = self.reg(Kind::Additive, &shape);
        self.plainly(make(shares));
        self.open(dst, shares);
    }

    fn opened_like(&mut self, a: Reg) -> Reg {
        let shape = self.shape(a);
        let dst = self.reg(Kind::Shared, &shape);
        self.open(dst, a);
        dst
    }

    /// Opens under a mask of its own.
    fn open(&mut self, dst: Reg, a: Reg) {
        let (width, mask) = (self.program.header.ring, self.mask());
        self.plainly(Instr::Open { dst, a, width, mask });
    }

    /// A mask that no other instruction has.
    pub fn mask(&self) -> u32 {
        self.program.code.iter().filter(|instr| instr.mask().is_some()).count() as u32
    }

    /// A new input register of one party.
    pub fn input(&mut self, shape: &[u32], from: u8, route: Route) -> Reg {
        let dst = self.reg(Kind::Shared, shape);
        self.program.inputs.push(Input {
            name: format!("x{}", self.program.inputs.len()),
            field: String::new(),
            from: Place::Party(from % self.owners()),
            element: Element::Int,
            shape: shape.to_vec(),
            frac: 0,
            prepare: Preparation::default(),
        });
        self.op(Instr::Input { dst, input: self.program.inputs.len() as u32 - 1, route });
        dst
    }

    fn owners(&self) -> u8 {
        self.program.header.protocol.model().owners as u8
    }

    /// Sends a register to a place.
    pub fn output_to(&mut self, a: Reg, to: Place, route: Route) {
        let to = if let Place::Party(to) = to { Place::Party(to % self.owners()) } else { to };
        let shape = self.shape(a);
        self.program.outputs.push(Output {
            name: format!("y{}", self.program.outputs.len()),
            field: String::new(),
            to,
            element: Element::Int,
            shape,
            frac: 0,
        });
        self.op(Instr::Output { a, output: self.program.outputs.len() as u32 - 1, route });
    }

    /// Sends a register of any secret kind to party 1.
    pub fn output(&mut self, a: Reg, route: Route) {
        let (kind, shape) = (self.kind(a), self.shape(a));
        let shared = match kind {
            Kind::Shared => a,
            Kind::Additive => {
                let dst = self.reg(Kind::Shared, &shape);
                self.op(Instr::Reshare { dst, a, route });
                dst
            }
            Kind::Plain => {
                let dst = self.reg(Kind::Shared, &shape);
                self.op(Instr::Promote { dst, a });
                dst
            }
            Kind::Int => {
                let plain = self.reg(Kind::Plain, &shape);
                self.op(Instr::Encode { dst: plain, a, frac: 0 });
                return self.output(plain, route);
            }
            Kind::Bit => {
                let open = self.reg(Kind::Int, &shape);
                self.op(Instr::RevealBits { dst: open, a, route });
                return self.output(open, route);
            }
            Kind::Half | Kind::Real => unreachable!("not looked at"),
        };
        self.output_to(shared, Place::Party(1), route);
    }

    fn kind(&self, reg: Reg) -> Kind {
        let buffer = self.program.views[reg.0 as usize].buffer;
        self.program.buffers[buffer as usize].kind
    }
}

/// A host that has all inputs and keeps all outputs.
#[derive(Debug, Default)]
pub struct Memo<R> {
    pub inputs: Vec<Vec<R>>,
    pub outputs: HashMap<usize, Vec<R>>,
}

impl<R: Ring> Host for Memo<R> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let values = self.inputs.get(input).ok_or("not given")?;
        let out = elements.of::<R>().ok_or("of another ring")?;
        let values = values.get(start as usize..start as usize + out.len()).ok_or("too short")?;
        out.copy_from_slice(values);
        Ok(())
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        let values: Vec<R> = elements.words.chunks(elements.limbs).map(R::from_limbs).collect();
        self.outputs.insert(output, values);
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}
}

pub fn seeded(seed: u64) -> Options {
    Options { seed: Some(seed), ..Options::default() }
}

/// The emulator's outputs.
pub fn emulated<R: Ring>(program: &Program, inputs: &[Vec<R>], seed: u64) -> HashMap<usize, Vec<R>> {
    let mut host = Memo { inputs: inputs.to_vec(), ..Memo::default() };
    emulate(program, &mut host, &seeded(seed)).unwrap_or_else(|error| panic!("{error}"));
    host.outputs
}

/// The parties' outputs, over links in memory.
pub fn shared<R: Ring>(program: &Program, inputs: &[Vec<R>], options: &Options) -> HashMap<usize, Vec<R>> {
    let hosts = over(mesh(program), program, inputs, options);
    hosts.into_iter().flat_map(|host| host.outputs).collect()
}

/// Links between the parties of a program's protocol.
pub fn mesh(program: &Program) -> Vec<Links> {
    memory::mesh(program.header.protocol.model().parties, STALL)
}

/// Runs parties that are given all inputs.
pub fn over<R: Ring>(
    links: Vec<Links>,
    program: &Program,
    inputs: &[Vec<R>],
    options: &Options,
) -> Vec<Memo<R>> {
    let hosts = links.iter().map(|_| Memo { inputs: inputs.to_vec(), ..Memo::default() }).collect();
    over_each(links, program, hosts, options)
}

/// Runs each party in a thread, and compares what they sent with the cost model.
pub fn over_each<R: Ring>(
    links: Vec<Links>,
    program: &Program,
    hosts: Vec<Memo<R>>,
    options: &Options,
) -> Vec<Memo<R>> {
    assert_eq!(links.len(), hosts.len());
    thread::scope(|scope| {
        let parties: Vec<_> = links
            .into_iter()
            .zip(hosts)
            .map(|(mut links, mut host)| {
                scope.spawn(move || {
                    let report = run_party(program, &mut links, &mut host, options)
                        .unwrap_or_else(|error| panic!("{}: {error}", links.me()));
                    check_traffic(program, &links, &report);
                    host
                })
            })
            .collect();
        parties.into_iter().map(|party| party.join().expect("a party's thread")).collect()
    })
}

/// What one party's links and its engine counted against what the cost model says.
pub fn check_traffic(program: &Program, links: &Links, report: &Report) {
    check_instructions(program, links.me(), report);
    let (me, traffic) = (links.me(), links.traffic());
    let computes = program.header.protocol.model().computes(me.index());
    assert_eq!(traffic.rounds, if computes { report.rounds } else { 0 }, "rounds of {me}");
    let announced = |from: Party, to: Party| {
        [report.links, report.dealt].map(|links| links[from.index()][to.index()]).iter().sum::<u64>()
    };
    for other in links.peers() {
        assert_eq!(traffic.sent[other], announced(me, other), "{me} to {other}");
        assert_eq!(traffic.received[other], announced(other, me), "{other} to {me}");
        assert!(computes || traffic.received[other] == 0, "a dealer receives nothing");
    }
}

/// The same by instruction.
fn check_instructions(program: &Program, me: Party, report: &Report) {
    let measured = report.measured.as_ref().expect("parties measure");
    for (at, instr) in program.code.iter().enumerate() {
        let dealt: u64 = cost::dealt(program, instr)[me.index()].iter().sum();
        let sent: u64 = cost::traffic(program, instr).iter().flat_map(|links| links[me.index()]).sum();
        let sent = sent + dealt;
        let times = report.executions[at];
        assert_eq!(measured.sent[at], times * sent, "bytes of {} at {at}", instr.name());
        let ends_round = matches!(instr, Instr::Receive {});
        let counts = ends_round && program.header.protocol.model().computes(me.index());
        assert_eq!(measured.rounds[at], if counts { times } else { 0 }, "rounds at {at}");
    }
    let waited: Duration = measured.waited.iter().sum();
    assert!(waited <= measured.traffic.waited, "{waited:?} of {:?}", measured.traffic.waited);
    let spent: Duration = measured.compute.iter().sum::<Duration>() + waited;
    assert!(spent <= report.elapsed, "{spent:?} of {:?}", report.elapsed);
}
