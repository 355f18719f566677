//! The experiments of the paper, made short: made-up images, few of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tern_vm::data::{Array, write_npy};

use crate::shell::{Shell, repository};

/// A folder with 256 images that look like nothing.
fn shell() -> Shell {
    let shell = Shell::new();
    shell.make_folder("mnist");
    let save = |name: &str, shape: &[usize], values: Vec<u8>| {
        let mut bytes = Vec::new();
        write_npy(&mut bytes, &Array::new(shape, values)).unwrap();
        shell.write(&format!("mnist/{name}.npy"), bytes);
    };
    for part in ["train", "test"] {
        save(&format!("{part}_x"), &[256, 28, 28], (0..256 * 784).map(|i| (i * i % 251) as u8).collect());
        save(&format!("{part}_y"), &[256], (0..256).map(|i| (i * i % 10) as u8).collect());
    }
    shell
}

fn reproduce(what: &str, options: &str) -> String {
    let programs = repository("programs");
    format!(
        "reproduce {what} --programs {programs} --data mnist --samples 256 --test 256 --threads 1 {options}"
    )
}

/// The directories of runs.
fn runs(shell: &Shell) -> Vec<PathBuf> {
    let entries = fs::read_dir(shell.path("reproduction/runs")).unwrap();
    let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    runs
}

fn csv(shell: &Shell, name: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(shell.read(&format!("reproduction/{name}.csv"))).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_string).collect()).collect()
}

#[test]
fn operations_with_their_costs_and_errors() {
    let mut shell = Shell::new();
    let command = "reproduce table1 --samples 640 --only comparison --only division";
    let first = shell.succeeds(command);
    assert!(first.contains("comparison f=16\n") && first.contains("division (nearest) f=32\n"), "{first}");
    let again = shell.succeeds(command);
    assert!(!again.contains("comparison f=16\n"), "finished runs are run again:\n{again}");
    let table = |text: &str| text[text.find("Operations").unwrap()..].to_string();
    assert_eq!(table(&first), table(&again));
    let rows = csv(&shell, "table1");
    assert_eq!(rows.len(), 1 + 6);
    let column = |name: &str| rows[0].iter().position(|head| head == name).unwrap();
    let comparison = rows.iter().find(|row| row[0] == "comparison" && row[1] == "32").unwrap();
    // protocols of a comparison with an arithmetic result, see the cost model
    assert_eq!(comparison[column("bits")], "656");
    assert_eq!(comparison[column("largest error")], "0");
    assert_eq!(comparison[column("paper bits")], "1369");
    for division in rows.iter().filter(|row| row[0] == "division") {
        let error: f64 = division[column("largest error")].parse().unwrap();
        let unit = if division[1] == "16" { 2f64.powi(-16) } else { 2f64.powi(-32) };
        // quotients are up to 60, and 2^-(f - 4) exact
        assert!(error > 0.0 && error < 60.0 * 16.0 * unit + 16.0 * unit, "{division:?}");
    }
}

#[test]
fn tables_of_another_protocol() {
    let mut shell = shell();
    let mut rows = |what: &str, protocol: &str| {
        let options = "--batches 1 --epochs 0 --only comparison --only A";
        let out = shell.succeeds(&reproduce(what, &format!("--protocol {protocol} {options}")));
        let suffix = if protocol == "rep3" { String::new() } else { format!("-{protocol}") };
        assert_eq!(out.contains("four processes"), protocol == "rep4", "{out}");
        assert_eq!(out.contains(", --protocol"), protocol != "rep3", "{out}");
        csv(&shell, &format!("{what}{suffix}"))
    };
    let [three, four, dealer] = ["rep3", "rep4", "dealer"].map(|protocol| rows("table1", protocol));
    let bits = |rows: &[Vec<String>]| {
        let column = rows[0].iter().position(|head| head == "bits").unwrap();
        let comparison = rows.iter().find(|row| row[0] == "comparison" && row[1] == "32").unwrap();
        comparison[column].parse::<f64>().unwrap()
    };
    assert_eq!(bits(&four), 2.0 * bits(&three));
    assert!(bits(&dealer) < bits(&three));
    let [three, four] = ["rep3", "rep4"].map(|protocol| rows("table2", protocol));
    let traffic = |rows: &[Vec<String>], row: usize| {
        let column = rows[0].iter().position(|head| head == "MB/batch").unwrap();
        rows[row][column].parse::<f64>().unwrap()
    };
    assert_eq!((three.len(), four.len()), (3, 3), "A with both precisions: {four:?}");
    for row in 1..3 {
        // three parties divide what later selections select on the way
        let times = traffic(&four, row) / traffic(&three, row);
        assert!((1.99..=2.02).contains(&times), "{times}");
    }
}

#[test]
fn a_figure_with_its_points_and_what_is_kept_of_it() {
    let mut shell = shell();
    let command = reproduce("figure2", "--epochs 2");
    let first = shell.succeeds(&command);
    assert_eq!(first.matches("training in the emulator, 2 epochs").count(), 6, "{first}");
    let svg = String::from_utf8(shell.read("reproduction/figure2.svg")).unwrap();
    for name in ["f=16 probabilistic", "f=64 nearest", "loss", "accuracy"] {
        assert!(svg.contains(name), "{name}");
    }
    assert_eq!(svg.matches("<circle").count(), 6 * (2 + 2 + 1), "two epochs of two metrics, and the legend");
    assert_eq!(csv(&shell, "figure2").len(), 1 + 6);
    let points = shell.read("reproduction/figure2-points.csv");
    assert_eq!(points.iter().filter(|byte| **byte == b'\n').count(), 1 + 6 * 2);
    assert!(runs(&shell).iter().all(|run| run.join("weights.npz").exists()));
    // one that was interrupted is run again, and gives the same
    let log = runs(&shell)[0].join("metrics.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, &text[..text.len() - 20]).unwrap();
    let again = shell.succeeds(&command);
    assert_eq!(again.matches("training in the emulator").count(), 1, "{again}");
    assert_eq!(shell.read("reproduction/figure2-points.csv"), points);
    // a run serves for a shorter one, and a longer one begins like it
    let shorter = shell.succeeds(&reproduce("figure2", "--epochs 1"));
    assert!(!shorter.contains("training in the emulator"), "{shorter}");
    assert_eq!(csv(&shell, "figure2-points").len(), 1 + 6);
    shell.succeeds(&reproduce("figure2", "--epochs 3 --only f=32"));
    let longer = String::from_utf8(shell.read("reproduction/figure2-points.csv")).unwrap();
    let points = String::from_utf8(points).unwrap();
    assert_eq!(longer.lines().count(), 1 + 2 * 3);
    for line in points.lines().filter(|line| line.starts_with("f=32")) {
        assert!(longer.contains(line), "{line} is not in\n{longer}");
    }
}

#[test]
fn networks_whose_programs_are_missing_are_left_out() {
    let mut shell = shell();
    shell.make_folder("own");
    fs::copy(repository("programs/mnist_a.mpc"), shell.path("own/mnist_a.mpc")).unwrap();
    shell.write("own/mnist_c.mpc", "fn main() {\n    nonsense\n}\n");
    let options =
        "--data mnist --programs own --samples 256 --test 256 --epochs 1 --batches 1 --seeds 2 --threads 1";
    let out = shell.succeeds(&format!("reproduce table2 {options}"));
    for left_out in [
        "B f=16 is left out: there is no own/mnist_b.mpc",
        "C f=32 is left out: own/mnist_c.mpc does not compile",
    ] {
        assert!(out.contains(left_out), "{left_out}:\n{out}");
    }
    let rows = csv(&shell, "table2");
    assert_eq!(rows.len(), 1 + 2, "{rows:?}");
    let column = |name: &str| rows[0].iter().position(|head| head == name).unwrap();
    for (row, paper) in rows[1..].iter().zip(["97.9", "97.7"]) {
        let number = |name: &str| row[column(name)].parse::<f64>().unwrap();
        assert!(number("s/batch") > 0.0 && number("MB/batch") > 1.0);
        // as tern cost says of a batch without the loss
        assert!((20.0..=130.0).contains(&number("rounds/batch")), "{row:?}");
        assert!((0.0..=100.0).contains(&number("accuracy %")));
        assert_eq!(row[column("epochs")], "1 (mean of 2)");
        assert_eq!(row[column("paper %")], paper);
    }
}

#[test]
fn a_run_that_was_killed_is_shown_as_far_as_it_came() {
    let mut shell = shell();
    let command = reproduce("figure4", "--only A --epochs 100000");
    let mut process = Command::new(env!("CARGO_BIN_EXE_tern"));
    process.args(command.split_whitespace()).current_dir(shell.path("")).stdout(Stdio::null());
    let mut process = process.spawn().unwrap();
    let has_epoch = |run: &Path| {
        fs::read_to_string(run.join("running/metrics.jsonl")).is_ok_and(|text| text.lines().count() >= 4)
    };
    let started = Instant::now();
    let runs_of = |shell: &Shell| match shell.path("reproduction/runs").is_dir() {
        true => runs(shell),
        false => Vec::new(),
    };
    while !runs_of(&shell).iter().any(|run| has_epoch(run)) {
        assert!(started.elapsed() < Duration::from_secs(60), "no epoch within a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let out = shell.succeeds(&format!("{command} --kept"));
    assert!(out.contains("network A: not finished"), "{out}");
    let rows = csv(&shell, "figure4");
    let epochs: u32 = rows[1][1].strip_suffix(" of 100000").expect("unfinished").parse().unwrap();
    assert!(epochs >= 1);
    assert!(shell.path("reproduction/figure4.svg").exists());
}

/// Points of a training that is not finished.
fn points(shell: &Shell) -> Vec<u64> {
    let directory = shell.path("reproduction/runs");
    let runs = fs::read_dir(directory).into_iter().flatten().flatten();
    let kept = runs.flat_map(|run| fs::read_dir(run.path().join("running/30-epochs")).into_iter().flatten());
    let names = kept.flatten().filter_map(|file| file.file_name().into_string().ok());
    let number = |name: String| name.strip_suffix(".checkpoint")?.split_once('.')?.1.parse().ok();
    names.filter_map(number).collect()
}

/// Killed twice, each time behind a new checkpoint: a training that began anew would have earlier ones again.
#[test]
fn a_training_that_was_killed_goes_on_where_it_was() {
    let (mut shell, mut undisturbed) = (shell(), shell());
    let training = "--only A --epochs 30";
    let command = reproduce("figure4", &format!("{training} --every 5"));
    let mut last = 0;
    for _ in 0..2 {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tern"));
        process.args(command.split_whitespace()).current_dir(shell.path("")).stdout(Stdio::null());
        let (mut process, started) = (process.spawn().unwrap(), Instant::now());
        while points(&shell).into_iter().max() <= Some(last + 5) {
            assert!(
                points(&shell).iter().all(|point| point + 5 >= last),
                "{:?} after {last}",
                points(&shell)
            );
            assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint within a minute");
            std::thread::sleep(Duration::from_millis(2));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(!runs(&shell)[0].join("metrics.jsonl").exists(), "it was killed in time");
        last = points(&shell).into_iter().max().expect("a checkpoint");
    }
    let other = shell.refused(&reproduce("figure4", &format!("{training} --every 6")));
    assert!(other.contains("there checkpoints = every 5 iterations, here every 6 iterations"), "{other}");

    let out = shell.succeeds(&command);
    let behind = out.split_once("going on from a checkpoint, behind [").expect("it goes on").1;
    let epoch: usize = behind.split([',', ']']).next().unwrap().parse().unwrap();
    assert!(epoch > 0, "{out}");
    undisturbed.succeeds(&reproduce("figure4", training));
    for file in ["metrics.jsonl", "weights.npz"] {
        let [found, expected] =
            [&shell, &undisturbed].map(|shell| fs::read(runs(shell)[0].join(file)).expect(file));
        assert!(found == expected, "{file} is another");
    }
    let file = "reproduction/figure4-points.csv";
    assert_eq!(shell.read(file), undisturbed.read(file));
    assert!(points(&shell).is_empty(), "what is over leaves nothing behind");
}

#[test]
fn what_cannot_be_reproduced() {
    let mut shell = shell();
    shell.refuses("reproduce table3");
    shell.refuses("reproduce figure2 --network e");
    shell.refuses("reproduce figure2 --every 0");
    shell.refuses(&format!("reproduce figure4 --programs {} --data nowhere", repository("programs")));
    let nothing = shell.succeeds("reproduce figure4 --data mnist");
    assert_eq!(nothing.matches("is left out: there is no programs/mnist_").count(), 4, "{nothing}");
    let nothing = shell.succeeds(&reproduce("table1", "--kept --only sigmoid"));
    assert!(nothing.contains("sigmoid f=16: not run"), "{nothing}");
}

/// Values that a step opens, in thousands as published: 12,368 and 17,188 with no reuse, 3,136 and 2,008 with masks reused; and the traffic of
/// either.
#[test]
fn values_that_are_opened_with_and_without_reuse_of_masks() {
    let mut shell = Shell::new();
    let programs = repository("programs");
    let text = shell.succeeds(&format!("reproduce masks --programs {programs} --batches 0"));
    let rows = csv(&shell, "masks");
    assert_eq!(rows.len(), 1 + 5 + 1);
    for row in &rows[1..] {
        // what is counted beside what was published
        let (counted, published) = ([1, 2, 5, 6].map(|i| &row[i]), [7, 8, 9, 10].map(|i| &row[i]));
        assert_eq!(counted, published, "{row:?}");
    }
    assert_eq!(rows[6][7..], ["12368", "17188", "3136", "2008"]);
    let (_, traffic) = text.split_once("Online traffic of a step").unwrap();
    let times = traffic.split_once(" times as much").unwrap().0.rsplit(' ').next().unwrap();
    assert!(times.parse::<f64>().unwrap() >= 4.0, "{traffic}");
}

#[test]
fn a_race_ends_with_the_first_evaluation_that_is_good_enough() {
    let mut shell = shell();
    shell.succeeds(&reproduce("race", "--epochs 1 --target 0"));
    let log = String::from_utf8(shell.read("reproduction/race.txt")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert!(
        lines[0].contains("trained by three processes") && lines[0].contains("recognises 0 % of the test"),
        "{log}"
    );
    let numbers: Vec<f64> = lines[3].split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [epochs, seconds, accuracy] = numbers[..] else { panic!("{log}") };
    assert_eq!(epochs, 0.25, "a step of four:\n{log}");
    assert!(seconds < 600.0 && (0.0..=100.0).contains(&accuracy), "{log}");
    assert!(
        lines[5].starts_with("reached after 0.25 epochs and ") && lines[5].contains(" rounds, "),
        "{log}"
    );
    assert_eq!(lines.len(), 6, "{log}");
    assert!(shell.path("reproduction/race/weights.npz").exists());
    // images that look like nothing are not recognised, in twice the epochs of the rate
    let errors = shell.refused(&reproduce("race", "--epochs 1 --target 1"));
    assert!(errors.contains("at best; more --epochs give it longer"), "{errors}");
    let log = String::from_utf8(shell.read("reproduction/race.txt")).unwrap();
    assert!(log.lines().last().unwrap().starts_with("not reached after 2.00 epochs"), "{log}");
    let errors = shell.refused("reproduce race --programs . --data mnist");
    assert!(errors.contains("there is no race without its program"), "{errors}");
}
