//! Speed of three parties in three threads of this process, one thread each: single operations on long vectors, and network A.
//!
//! `cargo bench -p tern-vm --bench protocols [tls] [NAME…]` prints, for the operations whose names contain one of the given, wall-clock time and the
//! mean of the parties' time on the processor (Linux); per element, or per run of a matrix product or batch. With `tls` the links are those of a real run
//! on the loopback interface, else in memory.

use std::collections::BTreeMap;
use std::env;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind, Program, cost};
use tern_vm::machine::{Elements, ElementsMut, HostError, Measured, Trip};
use tern_vm::net::{Host as Peer, Hosts, Identity, Links, Party, Setup, Timeouts, connect, memory};
use tern_vm::{Host, Options, run_party};

use self::training::{Build, training};

mod training;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Elements of a vector.
const N: u32 = 100_000;
/// Runs that are not measured.
const WARM_UP: u32 = 3;

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let (tls, names): (Vec<_>, Vec<_>) = args.into_iter().partition(|arg| arg == "tls");
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    println!("{:44} {:>12} {:>16} {:>12}", "", "wall", "on processor", "bits");
    for (ring, frac) in [(64, 16), (128, 32)] {
        for (name, body) in OPERATIONS {
            let name = format!("{name}, f = {frac}");
            if wanted(&name) {
                let matrices = name.starts_with("matrix");
                let program = repeated(ring, frac, *body, if matrices { 40 } else { 60 });
                let (unit, per) = if matrices { ("ms", 1e3) } else { ("ns", 1e9 / f64::from(N)) };
                print(&name, &program, &tls, unit, per);
            }
        }
        for rounding in [Rounding::Probabilistic, Rounding::Nearest] {
            let name = format!("batch of network A, {rounding:?}, f = {frac}").to_lowercase();
            if wanted(&name) {
                print(&name, &training(ring, frac, rounding), &tls, "ms", 1e3);
            }
        }
    }
}

type Body = fn(&mut Build);

const OPERATIONS: &[(&str, Body)] = &[
    ("product and truncation", |b| {
        let (x, y) = (b.input(&[N]), b.input(&[N]));
        let (product, dst) = (b.reg(Kind::Additive, &[N]), b.reg(Kind::Shared, &[N]));
        begin(b);
        b.op(Instr::Mul { dst: product, a: x, b: y });
        b.op(Instr::Truncate { dst, a: product, bits: b.0.header.frac, route: b.route() });
    }),
    ("product", |b| {
        let (x, y) = (b.input(&[N]), b.input(&[N]));
        let (product, dst) = (b.reg(Kind::Additive, &[N]), b.reg(Kind::Shared, &[N]));
        begin(b);
        b.op(Instr::Mul { dst: product, a: x, b: y });
        b.op(Instr::Reshare { dst, a: product, route: b.route() });
    }),
    ("sign", |b| {
        let (x, dst) = (b.input(&[N]), b.reg(Kind::Bit, &[N]));
        begin(b);
        b.op(Instr::Sign { dst, a: x, width: b.0.header.total, route: b.route() });
    }),
    ("comparison", |b| {
        let (x, bit, dst) = (b.input(&[N]), b.reg(Kind::Bit, &[1, N]), b.reg(Kind::Shared, &[N]));
        let buffer = b.0.views[bit.0 as usize].buffer;
        let flat = b.view(buffer, b.0.views[x.0 as usize].dims.clone());
        begin(b);
        b.op(Instr::Sign { dst: flat, a: x, width: b.0.header.total, route: b.route() });
        b.op(Instr::Word { dst, a: bit, route: b.route() });
    }),
    ("relu", |b| {
        let (x, bit, dst) = (b.input(&[N]), b.reg(Kind::Bit, &[N]), b.reg(Kind::Shared, &[N]));
        begin(b);
        b.op(Instr::Sign { dst: bit, a: x, width: b.0.header.total, route: b.route() });
        b.op(Instr::Not { dst: bit, a: bit });
        b.op(Instr::Select { dst, keep: None, bit, a: x, route: b.route() });
    }),
    ("bits", |b| {
        let n = N.next_multiple_of(64);
        let (x, dst) = (b.input(&[n]), b.reg(Kind::Bit, &[b.0.header.total, n]));
        begin(b);
        b.op(Instr::Bits { dst, a: x, low: 0, high: b.0.header.total, route: b.route() });
    }),
    ("word of 8 bits", |b| {
        let n = N.next_multiple_of(64);
        let (bits, dst) = (b.reg(Kind::Bit, &[8, n]), b.reg(Kind::Shared, &[n]));
        begin(b);
        b.op(Instr::Word { dst, a: bits, route: b.route() });
    }),
    ("matrix product and truncation, 128 x 784 x 128", |b| {
        let (x, y) = (b.input(&[128, 784]), b.input(&[784, 128]));
        begin(b);
        b.matmul(x, y, b.0.header.frac);
    }),
];

fn begin(b: &mut Build) {
    let counter = b.reg(Kind::Int, &[]);
    b.op(Instr::Loop { counter, trips: 0 });
}

/// The program whose loop has this body.
fn repeated(ring: u32, frac: u32, body: Body, times: u32) -> Program {
    let mut b = Build::new(ring, frac, Rounding::Probabilistic);
    body(&mut b);
    b.op(Instr::End {});
    let mut program = b.finish();
    for instr in &mut program.code {
        if let Instr::Loop { trips, .. } = instr {
            *trips = times;
        }
    }
    program
}

fn print(name: &str, program: &Program, tls: &[String], unit: &str, per: f64) {
    let parties = program.header.protocol.model().parties;
    let parties =
        measure(program, if tls.is_empty() { memory::mesh(parties, DAY) } else { over_tls(parties) });
    let mean = |of: fn(&Timer) -> f64| {
        parties.iter().map(|(timer, _)| of(timer)).sum::<f64>() / parties.len() as f64
    };
    let (wall, busy) = (mean(Timer::wall) * per, mean(Timer::busy) * per);
    let body = program.code.iter().skip_while(|instr| !matches!(instr, Instr::Loop { .. }));
    let bits: u64 =
        body.flat_map(|instr| cost::traffic(program, instr)).map(|links| 8 * cost::total(&links)).sum();
    let bits = if unit == "ns" { bits as f64 / f64::from(N) } else { bits as f64 };
    println!("{name:44} {wall:9.2} {unit} {busy:13.2} {unit} {bits:12.0}");
    if unit == "ms" {
        breakdown(program, &parties[0].1, parties[0].0.trips);
    }
}

/// Where party 0's time goes, by kind of instruction.
fn breakdown(program: &Program, measured: &Measured, trips: u32) {
    let mut times = BTreeMap::new();
    for (i, instr) in program.code.iter().enumerate() {
        let time: &mut [f64; 2] = times.entry(instr.name()).or_default();
        time[0] += measured.compute[i].as_secs_f64();
        time[1] += measured.waited[i].as_secs_f64();
    }
    let mut times: Vec<_> = times.into_iter().filter(|(_, [work, wait])| work + wait > 0.0).collect();
    times.sort_by(|(_, a), (_, b)| (b[0] + b[1]).total_cmp(&(a[0] + a[1])));
    for (name, time) in times.into_iter().take(8) {
        let [work, wait] = time.map(|seconds| 1e3 * seconds / f64::from(trips));
        println!(
            "    {name:40} {work:9.3} ms {:>16}",
            if wait > 0.0 { format!("+ {wait:.3} waiting") } else { String::new() }
        );
    }
}

/// Runs the program with small numbers for inputs.
fn measure(program: &Program, links: Vec<Links>) -> Vec<(Timer, Measured)> {
    thread::scope(|scope| {
        let party = |mut links: Links| {
            scope.spawn(move || {
                let mut timer = Timer::default();
                let report = run_party(program, &mut links, &mut timer, &Options::default());
                let report = report.unwrap_or_else(|error| panic!("{}: {error}", links.me()));
                (timer, report.measured.expect("parties measure"))
            })
        };
        let parties: Vec<_> = links.into_iter().map(party).collect();
        parties.into_iter().map(|party| party.join().expect("a party")).collect()
    })
}

fn over_tls(parties: usize) -> Vec<Links> {
    let everybody: Vec<Party> = Party::all(parties).collect();
    let identities: Vec<Identity> =
        everybody.iter().map(|_| Identity::generate("bench", DAY).expect("a key")).collect();
    let listeners: Vec<TcpListener> =
        everybody.iter().map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let peer = |party: &Party| Peer {
        name: format!("p{}", party.index()),
        address: listeners[party.index()].local_addr().expect("an address").to_string(),
        fingerprint: identities[party.index()].fingerprint(),
        clients: None,
    };
    let parties = everybody.iter().map(peer).collect();
    drop(listeners);
    let hosts = &Hosts { parties, timeouts: Timeouts::default(), clients: Default::default() };
    let identities = &identities;
    thread::scope(|scope| {
        let party = |me: Party| {
            scope.spawn(move || {
                let setup = Setup { hosts, me, identity: &identities[me.index()], network: None };
                connect(setup, &mut |_| {}).expect("the set-up")
            })
        };
        let parties: Vec<_> = everybody.iter().copied().map(party).collect();
        parties.into_iter().map(|party| party.join().expect("a party")).collect()
    })
}

/// The outside of a party: small numbers for inputs, and the times between the first and the last measured iteration.
#[derive(Default)]
struct Timer {
    first: Option<(Instant, Duration)>,
    last: Option<(Instant, Duration)>,
    runs: u32,
    trips: u32,
}

impl Timer {
    fn wall(&self) -> f64 {
        let (first, last) = self.first.zip(self.last).expect("the loop runs");
        (last.0 - first.0).as_secs_f64() / f64::from(self.runs)
    }

    fn busy(&self) -> f64 {
        let (first, last) = self.first.zip(self.last).expect("the loop runs");
        last.1.saturating_sub(first.1).as_secs_f64() / f64::from(self.runs)
    }
}

impl Host for Timer {
    fn input(&mut self, input: usize, _: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let (small, limbs) = (if input < 2 { 1 << 16 } else { 1 << 13 }, elements.limbs);
        for (i, element) in elements.words.chunks_mut(limbs).enumerate() {
            let mixed = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            element[0] = mixed % small;
        }
        Ok(())
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}

    /// Stops a long program after some batches.
    fn tick(&mut self, loops: &[Trip]) -> ControlFlow<()> {
        let Some(trip) = loops.first() else { return ControlFlow::Continue(()) };
        let now = (Instant::now(), on_processor());
        self.trips = trip.trips;
        if trip.now == WARM_UP {
            self.first = Some(now);
        }
        if trip.now > WARM_UP {
            (self.last, self.runs) = (Some(now), trip.now - WARM_UP);
        }
        ControlFlow::Continue(())
    }
}

/// How long this thread has been running on a processor; zero where that is not known.
fn on_processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
