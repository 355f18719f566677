//! A run that goes on from a checkpoint has new keys: no group's is one of before, files of points hold none, and what is done again travels under other
//! masks, to the last word. A run that is given the keys of before shows that the comparison sees it: it sends all of it once more.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tern_bytecode::program::Protocol;
use tern_bytecode::{Instr, Kind, Program, Route};

use super::party::{Setting, agreed, groups, run_shares};
use super::privacy::{Build, R};
use crate::machine::{Checkpoints, Elements, ElementsMut, Every, Host, HostError, Options, Seeds, Trip};
use crate::net::keys::Keys;
use crate::net::memory::{Message, mesh_with_tap};
use crate::net::{Links, Party};
use crate::ring::Ring;

/// Elements of every tensor: planes of bits are then words enough to be compared.
const N: u32 = 2048;
/// Iterations, and the one at which points are copied.
const TRIPS: u32 = 6;
const COPIED: u32 = 4;
/// Messages of fewer bytes are the parties' words about points and ends, which are the same each time, and tags of all that has travelled, which begin anew.
const SHORT: usize = 200;
const STALL: Duration = Duration::from_secs(60);

/// A loop with products, truncations, comparisons and words of bits, each iteration on the result of the one before.
fn program(protocol: Protocol) -> Program {
    let mut b = Build::new(protocol, N);
    let route = Route(1);
    let [z, y] = [Party::P0, Party::P1].map(|owner| b.input(owner));
    let product = b.reg(Kind::Additive, None);
    let [sign, both] = [0; 2].map(|_| b.reg(Kind::Bit, None));
    let word = b.reg(Kind::Shared, None);
    let counter = b.counter();
    b.push(Instr::Loop { counter, trips: TRIPS });
    b.op(Instr::Mul { dst: product, a: z, b: y });
    b.op(Instr::Truncate { dst: z, a: product, bits: 16, route });
    b.op(Instr::Sign { dst: sign, a: z, width: R::BITS, route });
    b.op(Instr::And { dst: both, a: sign, b: sign, route });
    b.op(Instr::Select { dst: word, keep: None, bit: both, a: z, route });
    b.push(Instr::End {});
    b.0
}

/// Copies the points of its party in the middle of the run, as they are then.
struct Copying<'a> {
    points: &'a Path,
    to: &'a [&'a Path],
}

impl Host for Copying<'_> {
    fn input(&mut self, input: usize, _: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let number = R::from_u64(0x5eed << (20 + input));
        elements.of::<R>().ok_or("of another ring")?.fill(number);
        Ok(())
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}

    fn tick(&mut self, loops: &[Trip]) -> ControlFlow<()> {
        let files = || fs::read_dir(self.points).unwrap().flatten();
        for to in self.to.iter().filter(|_| loops[0].now == COPIED) {
            let to = to.join(self.points.file_name().unwrap());
            fs::create_dir_all(&to).unwrap();
            for file in files() {
                fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
        ControlFlow::Continue(())
    }
}

/// What an attempt was: of each party its keys and the point that it went on from; what was sent on each directed link once all had agreed.
struct Attempt {
    keys: Vec<Keys>,
    point: Option<u64>,
    sent: Vec<Vec<Message>>,
}

/// Parties in threads with their points in this folder, with keys that they agree on, or given ones.
fn attempt(program: &Program, folder: &Path, given: Option<&[Keys]>, copies: &[&Path]) -> Attempt {
    let protocol = program.header.protocol;
    let parties = protocol.model().parties;
    let sent = Arc::new(Mutex::new(vec![Vec::new(); parties * parties]));
    let noted = sent.clone();
    let tap = move |message: &mut Message| {
        noted.lock().unwrap()[message.from.index() * parties + message.to.index()].push(message.clone());
    };
    let party = |mut links: Links| {
        let me = links.me().index();
        let points = folder.join(me.to_string());
        let checkpoints = Some(Checkpoints::new(points.clone(), Every::Iterations(1), false));
        let options = Options { threads: 1, memory_limit: u64::MAX, checkpoints, ..Options::default() };
        let mut host = Copying { points: &points, to: copies };
        let (keys, options) = agreed(program, &mut links, &mut host, &options, None).unwrap();
        // what was said until now is the same each time
        sent.lock().unwrap().iter_mut().skip(me * parties).take(parties).for_each(Vec::clear);
        let keys = given.map_or(keys, |given| given[me].clone());
        let groups = groups(protocol);
        let setting = Setting { keys: &keys, groups: &groups, options: &options, dealt: None };
        run_shares(program, &mut links, &mut host, setting).unwrap_or_else(|error| panic!("{me}: {error}"));
        let start = options.checkpoints.and_then(|checkpoints| checkpoints.start);
        (keys, start.map(|start| start.point))
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let links = mesh_with_tap(parties, STALL, Arc::new(tap)).into_iter();
        let threads: Vec<_> = links.map(|links| scope.spawn(|| party(links))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (keys, points): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    assert!(points.iter().all(|point| *point == points[0]), "{points:?}");
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    Attempt { keys, point: points[0], sent }
}

impl Attempt {
    /// All keys, each once for each group; its members have the same.
    fn all_keys(&self) -> Vec<Vec<u8>> {
        let groups = self.keys[0].common.len();
        let of = |group: usize| {
            let known: BTreeSet<[u8; 16]> = self.keys.iter().filter_map(|keys| keys.common[group]).collect();
            assert_eq!(known.len(), 1, "the members of group {group} have a key in common");
            known.into_iter().next().unwrap().to_vec()
        };
        assert!(self.keys.iter().all(|keys| keys.public == self.keys[0].public));
        (0..groups).map(of).chain([self.keys[0].public.to_vec()]).collect()
    }

    /// The words of long messages of two attempts, paired from the end on, where both do the same.
    fn words<'a>(&'a self, other: &'a Attempt) -> Vec<[&'a [u8]; 2]> {
        let links = self.sent.iter().zip(&other.sent);
        let messages = links.flat_map(|(one, two)| one.iter().rev().zip(two.iter().rev()));
        let long = messages.filter(|(one, two)| {
            one.payload.len().min(two.payload.len()) >= SHORT && one.payload.len() == two.payload.len()
        });
        let words = |(one, two): (&'a Message, &'a Message)| {
            one.payload.chunks_exact(8).zip(two.payload.chunks_exact(8)).map(|(one, two)| [one, two])
        };
        long.flat_map(words).collect()
    }
}

fn is_in_a_file(folder: &Path, bytes: &[u8]) -> bool {
    let directories = fs::read_dir(folder).unwrap().flatten();
    let mut files = directories.flat_map(|directory| fs::read_dir(directory.path()).unwrap().flatten());
    files.any(|file| fs::read(file.path()).unwrap().windows(bytes.len()).any(|window| window == bytes))
}

#[test]
fn what_is_done_again_is_masked_anew() {
    for protocol in [Protocol::Rep3, Protocol::Rep4] {
        let program = program(protocol);
        tern_bytecode::validate(&program).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [begun, again, once_more, same] =
            ["begun", "again", "more", "same"].map(|name| folder.path().join(name));
        let first = attempt(&program, &begun, None, &[&again, &once_more, &same]);
        assert_eq!(first.point, None);
        // what is on disk says which run it is of, and no key
        assert!(is_in_a_file(&again, &Seeds::run_id(&first.keys[0].public).0));
        assert!(!first.all_keys().iter().any(|key| is_in_a_file(&again, key)));

        let resumed = [&again, &once_more].map(|points| attempt(&program, points, None, &[]));
        let control = attempt(&program, &same, Some(&first.keys), &[]);
        for attempt in resumed.iter().chain([&control]) {
            assert!(attempt.point.is_some_and(|point| (2..=u64::from(COPIED) + 1).contains(&point)));
            assert_eq!(attempt.point, control.point);
        }
        let keys: Vec<_> =
            [&first, &resumed[0], &resumed[1]].into_iter().flat_map(Attempt::all_keys).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "a key is there twice");

        // with the keys of before everything travels once more as it was; with new ones no word of it does
        let repeated = first.words(&control);
        assert!(repeated.len() > 3 * N as usize, "{}: {} words", protocol.name(), repeated.len());
        assert!(repeated.iter().all(|[one, two]| one == two));
        for (one, two) in [(&first, &resumed[0]), (&first, &resumed[1]), (&resumed[0], &resumed[1])] {
            let words = one.words(two);
            assert_eq!(words.len(), repeated.len());
            let same = words.iter().filter(|[one, two]| one == two).count();
            assert_eq!(same, 0, "{}: {same} words of {} travel once more", protocol.name(), words.len());
        }
    }
}
