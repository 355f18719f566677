//! Runs that are interrupted at random and go on: with nearest rounding and one seed they give the very results of undisturbed ones, and count
//! what was announced, in the emulator and among parties in threads. Of the last point, directories are put into every state that a crash may leave.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tern_bytecode::{Program, Protocol};
use tern_compiler::diagnostics::SourceMap;
use tern_compiler::emit::emit;
use tern_compiler::ir::{Rounding, Settings};
use tern_tests::parties::{Interruptions, emulated, emulated_again, iterations, shared_again};
use tern_tests::programs::{has_loop, program};
use tern_tests::run::{Values, compiled, settings};
use tern_vm::machine::{Checkpoints, Elements, ElementsMut, Every, Host, HostError, Trip};
use tern_vm::{Options, emulate};

/// Programs with loops that are interrupted.
const WANTED: usize = 60;

#[test]
fn three_parties_go_on_where_they_were() {
    go_on(Protocol::Rep3);
}

#[test]
fn four_parties_go_on_where_they_were() {
    go_on(Protocol::Rep4);
}

fn go_on(protocol: Protocol) {
    let (mut agreed, mut resumed) = (0, 0);
    for seed in 0..100_000 {
        let Some((program, setting)) = program(seed, protocol).filter(|(program, _)| has_loop(&program.body))
        else {
            continue;
        };
        let code = emit(&program, &SourceMap::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
        let inputs: Values = setting.inputs.into_iter().map(|(name, tensor)| (name, tensor.data)).collect();
        let Some(expected) = emulated(&code, &inputs, seed) else { continue };
        let name = format!("seed {seed}\n{program}");
        let directory = tempfile::tempdir().expect("a directory");
        // numbers that the seed gives, whatever runs beside
        let iterations = iterations(&code, &inputs, seed);
        // one more is the end, where results are written
        let at = |i: u64| 1 + (seed * 7 + i * 5) % (iterations + 1);
        let who = |i: u64| (seed + i) as usize % protocol.model().parties;
        let ends = [(who(0), at(0)), (who(1), at(1)), (who(2), at(2))];
        let every = Every::Iterations(1 + seed % 2);
        let how = Interruptions {
            ends: &ends,
            directory: &directory.path().join("parties"),
            every,
            crashes: Some(seed),
        };
        let (found, went_on) = shared_again(&code, &inputs, (seed, &name), &how);
        assert_eq!(found, expected, "{name}");
        let alone = Interruptions { directory: &directory.path().join("emulator"), ..how };
        assert_eq!(emulated_again(&code, &inputs, (seed, &name), &alone).0, expected, "{name}");
        assert!(is_empty(directory.path()), "what is over leaves nothing behind");
        (agreed, resumed) = (agreed + 1, resumed + went_on);
        if agreed == WANTED {
            break;
        }
    }
    println!("{protocol:?}: {agreed} programs, {resumed} attempts went on from a point");
    assert!(agreed == WANTED && resumed > WANTED / 2);
}

/// Parties keep points with inputs in them of which words follow from keys, and which they do not store; what goes on has other keys.
#[test]
fn data_sets_go_on_too() {
    for protocol in [Protocol::Rep3, Protocol::Rep4] {
        for owner in 0..3 {
            let text = DATA.replace("party 0", &format!("party {owner}"));
            let code = compiled(&text, Settings { protocol, ..settings(16, Rounding::Nearest) });
            let code = code.program.expect("it compiles");
            let data = (0..24).map(|i| f64::from(i) / 8.0 - 1.0).collect();
            let inputs = Values::from([("x".to_string(), data)]);
            let expected = emulated(&code, &inputs, 1).expect("a result");
            let directory = tempfile::tempdir().expect("a directory");
            let how = Interruptions {
                ends: &[(0, 2), (1, 4), (2, 6)],
                directory: directory.path(),
                every: Every::Iterations(1),
                crashes: None,
            };
            let (found, went_on) = shared_again(&code, &inputs, (1, &text), &how);
            assert_eq!((found, went_on), (expected, 3), "{protocol:?}, {text}");
        }
    }
}

const DATA: &str = "
input x: fix[12, 2] from party 0
fn main() {
    var y = zeros([2])
    for i in 0..2 {
        for rows in batches(12, 3) {
            y = y * 0.5 + sum(x[rows], axis=0)
        }
    }
    output y = y to party 1
}
";

/// Whether there are no files.
fn is_empty(directory: &Path) -> bool {
    let mut entries = fs::read_dir(directory).expect("a directory").flatten();
    entries.all(|entry| entry.path().is_dir() && is_empty(&entry.path()))
}

const LOOP: &str = "
input x: fix[4] from party 0
fn main() {
    var y = x
    var big = zeros([1000])
    for i in 0..9 {
        big = big * 0.5 + sum(y)
        y = y * 0.5 + big[0] * 0.01
        metric(\"first\", reveal(y[0]))
    }
    output y = y to party 1
}
";

/// A host that ends in the middle.
struct Ending(u64);

impl Host for Ending {
    fn input(&mut self, _: usize, _: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        elements.words.fill(1 << 16);
        Ok(())
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}

    fn tick(&mut self, _: &[Trip]) -> std::ops::ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    }
}

fn program_of(text: &str) -> Program {
    compiled(text, settings(16, Rounding::Nearest)).program.expect("it compiles")
}

/// Runs in the emulator until it is ended, and gives the message.
fn run(program: &Program, directory: &Path, seed: u64, resume: bool, end: u64) -> String {
    let checkpoints = Checkpoints::new(directory.to_path_buf(), Every::Iterations(1), resume);
    let options = Options { seed: Some(seed), checkpoints: Some(checkpoints), ..Options::default() };
    match emulate(program, &mut Ending(end), &options) {
        Ok(_) => "it came to its end".to_string(),
        Err(error) => error.to_string().replace(&directory.display().to_string(), "DIR"),
    }
}

#[test]
fn what_is_not_of_this_run_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let (directory, program) = (directory.path(), program_of(LOOP));
    let told = run(&program, directory, 1, true, 9);
    assert_eq!(told, "there is nothing in DIR to go on from\n   = help: without --resume the run begins");
    assert!(run(&program, directory, 1, false, 5).contains("the run was cancelled"));
    let other = program_of(&LOOP.replace("0.5", "0.25"));
    let told = run(&other, directory, 1, false, 9);
    assert!(
        told.starts_with("DIR/emulator.000000000004.checkpoint is of another run: there bytecode = "),
        "{told}"
    );
    let told = run(&program, directory, 2, false, 9);
    assert!(told.contains("is of another run: there seed = 1, here 2"), "{told}");
    assert!(told.ends_with("= help: give this run a directory of its own, or empty that one"), "{told}");
    assert_eq!(run(&program, directory, 1, true, 9), "it came to its end");
    assert!(is_empty(directory));
}

#[test]
fn a_damaged_point_is_none_and_the_last_one_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (directory, program) = (directory.path(), program_of(LOOP));
    run(&program, directory, 1, false, 6);
    let [old, new] = [4, 5].map(|point| directory.join(format!("emulator.{point:012}.checkpoint")));
    let bytes = fs::read(&new).expect("the last point");
    // each of its bytes counts, and it is as long as it is
    for at in (0..bytes.len()).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(&new, damaged).expect("the last point");
        fs::copy(&old, directory.join("kept")).expect("a copy");
        fs::remove_file(&old).expect("the older point");
        let told = run(&program, directory, 1, false, 9);
        assert!(told.starts_with("DIR/emulator.000000000005.checkpoint is damaged: "), "{at}: {told}");
        fs::rename(directory.join("kept"), &old).expect("the older point");
    }
    fs::write(&new, &bytes[..bytes.len() / 2]).expect("the last point");
    // the older one serves: five iterations are left, of which the first has begun
    assert!(run(&program, directory, 1, true, 6).starts_with("it came to its end"));
}

#[test]
fn only_the_owner_reads_a_point_and_it_is_no_larger_than_what_lives() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let program = program_of(LOOP);
    run(&program, directory.path(), 1, false, 6);
    let files: Vec<_> = fs::read_dir(directory.path()).expect("a directory").flatten().collect();
    assert_eq!(files.len(), 2, "the last two points are kept");
    for file in files {
        let metadata = file.metadata().expect("a file");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        // y and big; what else there is amounts to little
        let live = 8 * (1000 + 4);
        let length = metadata.len();
        let heads = tern_bytecode::live::at_heads(&program).expect("blocks that match");
        assert!(
            (live..live + 2000).contains(&length),
            "{length}: {heads:?}\n{:?}\n{:?}\n{:?}",
            program.buffers,
            program.views,
            program.code
        );
    }
}

#[test]
fn a_full_disk_is_told_and_the_run_goes_on() {
    struct Told(Vec<String>);
    impl Host for Told {
        fn input(&mut self, _: usize, _: u64, _: ElementsMut<'_>) -> Result<(), HostError> {
            Ok(())
        }
        fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
            Ok(())
        }
        fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}
        fn point(&mut self, point: &tern_vm::machine::Point) {
            self.0.extend(point.outcome.as_ref().err().cloned());
        }
        /// What stands in the way of the third point.
        fn tick(&mut self, loops: &[Trip]) -> std::ops::ControlFlow<()> {
            let file =
                Path::new(DIRECTORY).join(format!(".emulator.{:012}.pending.{}.part", 3, std::process::id()));
            if loops[0].now == 2 {
                fs::create_dir_all(file.join("x")).expect("a directory");
            }
            std::ops::ControlFlow::Continue(())
        }
    }
    const DIRECTORY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/full");
    let _ = fs::remove_dir_all(DIRECTORY);
    let program = program_of(LOOP);
    let checkpoints = Checkpoints::new(DIRECTORY.into(), Every::Iterations(1), false);
    let options = Options { seed: Some(1), checkpoints: Some(checkpoints), ..Options::default() };
    let mut host = Told(Vec::new());
    emulate(&program, &mut host, &options).expect("the run goes on");
    assert_eq!(host.0.len(), 1, "{:?}", host.0);
}

#[test]
fn by_the_clock_all_parties_keep_the_same_points() {
    let program = program_of(LOOP);
    let inputs = Values::from([("x".to_string(), vec![1.0, 2.0, 3.0, 4.0])]);
    let expected = emulated(&program, &inputs, 3).expect("it keeps its ranges");
    let directory = tempfile::tempdir().expect("a directory");
    let every = Every::Time(Duration::from_millis(1));
    let how = Interruptions { ends: &[(1, 8), (0, 4)], directory: directory.path(), every, crashes: None };
    assert_eq!(shared_again(&program, &inputs, (3, "by the clock"), &how).0, expected);
}
