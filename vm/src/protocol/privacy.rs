//! What one party sees of a whole program tells it nothing: all messages that it receives together, with its own keys fixed and the keys that it lacks drawn
//! anew each time, are uniform and alike whether the secrets are the smallest or the largest. The same instruction stands twice, on the secret and on
//! a number that stays the same, and runs twice in a loop, so a mask that is used again would show as two messages that go together; and planes
//! of bits end within a byte, or not. The views of single operations are in each protocol's own `privacy`.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tern_bytecode::cost;
use tern_bytecode::program::{
    Buffer, Dim, Element, Header, Input, Line, Place, Preparation, Protocol, Rounding,
};
use tern_bytecode::{Instr, Kind, Program, Reg, Route, View};

use super::party::{Setting, groups, run_shares};
use super::uniform;
use crate::machine::{Elements, ElementsMut, Host, HostError, Options, Trip};
use crate::net::keys::Keys;
use crate::net::memory::{Message, mesh_with_tap};
use crate::net::{Links, Party};
use crate::ring::{Ring, Z52};

/// The ring of the default precision, whose elements do not end where bytes do.
pub(super) type R = Z52;

/// Elements of every tensor: planes of bits are then whole bytes, or not.
const SIZES: [u32; 2] = [8, 5];
/// Runs with one secret, of which each is a network of threads: one for each of 256 cells. What a fault tells, it tells in every run.
const TRIALS: u32 = uniform::FEW;
const STALL: Duration = Duration::from_secs(60);

/// A program in the making, on so many elements.
pub(super) struct Build(pub(super) Program, u32);

impl Build {
    pub(super) fn new(protocol: Protocol, n: u32) -> Build {
        let (rounding, name) = (Rounding::Probabilistic, "whole".into());
        let header = Header { name, protocol, ring: R::BITS, frac: 16, total: 32, rounding, args: vec![] };
        Build(Program { files: vec!["whole.mpc".into()], ..Program::empty(header) }, n)
    }

    /// A register of `places` rows, or of one without that axis.
    pub(super) fn reg(&mut self, kind: Kind, places: Option<u32>) -> Reg {
        // planes of bits begin with words
        let stride = if kind == Kind::Bit { self.1.next_multiple_of(64) } else { self.1 };
        self.0.buffers.push(Buffer { kind, len: u64::from(places.unwrap_or(1) * stride) });
        let row = Dim { size: self.1, stride: 1 };
        let plane = places.map(|size| Dim { size, stride: i64::from(stride) });
        let dims = plane.into_iter().chain([row]).collect();
        self.0.views.push(View { buffer: self.0.buffers.len() as u32 - 1, offset: 0, dims });
        Reg(self.0.views.len() as u32 - 1)
    }

    /// A public whole number.
    pub(super) fn counter(&mut self) -> Reg {
        self.0.buffers.push(Buffer { kind: Kind::Int, len: 1 });
        self.0.views.push(View { buffer: self.0.buffers.len() as u32 - 1, offset: 0, dims: vec![] });
        Reg(self.0.views.len() as u32 - 1)
    }

    pub(super) fn push(&mut self, instr: Instr) {
        self.0.code.push(instr);
        self.0.lines.push(Line { file: 0, line: self.0.code.len() as u32 });
    }

    /// An instruction with all its rounds.
    pub(super) fn op(&mut self, instr: Instr) {
        self.push(instr);
        for _ in 0..cost::rounds(&self.0, &instr) {
            self.push(Instr::Send {});
            self.push(Instr::Receive {});
        }
    }

    pub(super) fn input(&mut self, owner: Party) -> Reg {
        let dst = self.reg(Kind::Shared, None);
        let input = self.0.inputs.len() as u32;
        self.0.inputs.push(Input {
            name: format!("x{input}"),
            field: String::new(),
            from: Place::Party(owner.index() as u8),
            element: Element::Int,
            shape: vec![self.1],
            frac: 0,
            prepare: Preparation::default(),
        });
        self.op(Instr::Input { dst, input, route: Route(0) });
        dst
    }

    /// An instruction with a result of a kind, on one operand and then on another.
    fn twice(
        &mut self,
        (kind, places): (Kind, Option<u32>),
        operands: [Reg; 2],
        make: impl Fn(Reg, Reg) -> Instr,
    ) -> [Reg; 2] {
        operands.map(|a| {
            let dst = self.reg(kind, places);
            self.op(make(dst, a));
            dst
        })
    }
}

/// Every interactive instruction that opens nothing, on inputs of two parties, of which one stays the same.
fn program(protocol: Protocol, owners: [Party; 2], n: u32) -> Program {
    let mut b = Build::new(protocol, n);
    let (route, shared, bit) = (Route(1), (Kind::Shared, None), (Kind::Bit, None));
    let both = owners.map(|owner| b.input(owner));
    let products = both.map(|a| {
        let dst = b.reg(Kind::Additive, None);
        b.op(Instr::Mul { dst, a, b: both[1] });
        dst
    });
    b.twice(shared, products, |dst, a| Instr::Reshare { dst, a, route });
    let z = b.twice(shared, products, |dst, a| Instr::Truncate { dst, a, bits: 16, route });
    let counter = b.counter();
    b.push(Instr::Loop { counter, trips: 2 });
    b.twice(shared, z, |dst, a| Instr::Truncate { dst, a, bits: 16, route });
    b.push(Instr::End {});
    let signs = b.twice(bit, both, |dst, a| Instr::Sign { dst, a, width: R::BITS, route });
    b.twice(bit, signs, |dst, a| Instr::And { dst, a, b: signs[1], route });
    let (low, high) = (R::BITS - 4, R::BITS);
    let bits = b.twice((Kind::Bit, Some(4)), both, |dst, a| Instr::Bits { dst, a, low, high, route });
    b.twice(shared, bits, |dst, a| Instr::Word { dst, a, route });
    b.twice(shared, bits, |dst, a| Instr::Compose { dst, a, route });
    let (half, kept) = (b.reg(Kind::Half, None), b.reg(Kind::Shared, None));
    b.op(Instr::Select { dst: kept, keep: Some(half), bit: signs[0], a: both[0], route });
    b.twice(shared, both, |dst, a| Instr::SelectAgain { dst, half, bit: signs[0], a, bits: 0, route });
    b.twice((Kind::Additive, None), both, |dst, a| Instr::Select {
        dst,
        keep: None,
        bit: signs[1],
        a,
        route,
    });
    b.0
}

/// The first input is one number, the other always the same.
struct Inputs(R);

impl Host for Inputs {
    fn input(&mut self, input: usize, _: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let number = if input == 0 { self.0 } else { R::from_u64(0x5eed << 20) };
        elements.of::<R>().ok_or("of another ring")?.fill(number);
        Ok(())
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}
}

/// What `receiver` receives in one run, and where its messages end. `trial` fixes the keys that it does not have.
fn view(program: &Program, receiver: Party, secret: R, trial: u32) -> (Vec<u8>, Vec<usize>) {
    let protocol = program.header.protocol;
    let groups = groups(protocol);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let tap = move |message: &mut Message| {
        if message.to == receiver {
            noted.lock().unwrap().push((message.round, message.from.index(), message.payload.clone()));
        }
    };
    let key = |group: usize| -> [u8; 16] {
        let known = groups[group].contains(&receiver);
        let from = [group as u32, if known { 0 } else { trial + 1 }].map(u32::to_le_bytes).concat();
        std::array::from_fn(|i| blake3::hash(&from).as_bytes()[i])
    };
    let party = |mut links: Links| {
        let has = |group: usize| groups[group].contains(&links.me()).then(|| key(group));
        let keys = Keys { common: (0..groups.len()).map(has).collect(), public: [7; 32] };
        let options = Options { seed: None, threads: 1, memory_limit: u64::MAX, ..Options::default() };
        let setting = Setting { keys: &keys, groups: &groups, options: &options, dealt: None };
        let mut host = Inputs(secret);
        run_shares(program, &mut links, &mut host, setting)
            .unwrap_or_else(|error| panic!("{}: {error}", links.me()));
    };
    thread::scope(|scope| {
        for links in mesh_with_tap(protocol.model().parties, STALL, Arc::new(tap)) {
            scope.spawn(|| party(links));
        }
    });
    let mut messages = std::mem::take(&mut *seen.lock().unwrap());
    messages.sort_by_key(|(round, from, _)| (*round, *from));
    let mut all = Vec::new();
    let ends = messages.iter().map(|(.., payload)| {
        all.extend_from_slice(payload);
        all.len()
    });
    let ends = ends.collect();
    (all, ends)
}

#[test]
fn programs_tell_nothing() {
    // what a dealer's parties see stands beside that protocol: there, values are opened under masks
    for protocol in [Protocol::Rep3, Protocol::Rep4] {
        SIZES.into_iter().for_each(|n| tells_nothing(protocol, n));
    }
}

fn tells_nothing(protocol: Protocol, n: u32) {
    for receiver in Party::all(protocol.model().parties) {
        let mut others = Party::all(protocol.model().parties).filter(|party| *party != receiver);
        let owners = [others.next().expect("another"), others.next().expect("a third")];
        let program = program(protocol, owners, n);
        tern_bytecode::validate(&program).unwrap();
        let (_, ends) = view(&program, receiver, R::ZERO, 0);
        assert!(ends.len() > 20, "{receiver} receives {} messages", ends.len());
        let samples = [R::MIN, R::MAX]
            .map(|secret| (0..TRIALS).map(|trial| view(&program, receiver, secret, trial).0).collect());
        uniform::check_joint(&samples, &ends)
            .unwrap_or_else(|fault| panic!("{}, {n} elements, {receiver}: {fault}", protocol.name()));
    }
}
