//! Weights go to PyTorch and come from it. Where no Python has PyTorch, these tests say so and end.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::shell::{Shell, repository};

/// Nothing but inference with given weights.
const INFERENCE: &str = "use nn::{Dense, dense, relu, correct}
model Net {
    l1: Dense(64, 64)
    l2: Dense(64, 10)
}
input weights: Net from party 2
input test_x: fix[297, 64] from party 0, scale = 1/16
input test_y: fix[297, 10] from party 1, one_hot
fn main() {
    let z = dense(relu(dense(test_x, weights.l1)), weights.l2)
    metric(\"accuracy\", reveal(mean(correct(z, test_y))))
}
";

/// A Python that has PyTorch.
fn python() -> Option<&'static str> {
    python_with("torch, numpy", "PyTorch")
}

/// A Python that has these modules.
fn python_with(modules: &str, named: &str) -> Option<&'static str> {
    let has = |python: &&str| {
        // elsewhere, since a folder here is called torch too
        let probe = Command::new(python).args(["-c", &format!("import {modules}")]).current_dir("/").output();
        probe.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(|python| has(python));
    if found.is_none() {
        println!("skipped: no Python here has {named}");
    }
    found
}

/// Runs a script of tools/torch: the last accuracy that it prints.
fn script(python: &str, name: &str, args: &[&str]) -> f64 {
    let path = repository(&format!("tools/torch/{name}"));
    let output = Command::new(python).arg("-B").arg(path).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let last = text.lines().rev().find_map(|line| line.strip_prefix("accuracy ")).expect("an accuracy");
    last.parse().expect("a number")
}

/// The last accuracy among events.
fn accuracy(events: &str) -> f64 {
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let last = events.rev().find(|event| event["name"] == "accuracy").expect("an accuracy");
    last["value"].as_f64().expect("a number")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("folders of tests are UTF-8")
}

#[test]
fn weights_trained_here_are_as_accurate_in_pytorch() {
    let Some(python) = python() else { return };
    let mut shell = Shell::new();
    for format in ["npz", "safetensors"] {
        let digits = repository("programs/digits.mpc");
        let events =
            shell.succeeds(&format!("emulate {digits} --arg EPOCHS=3 --seed 1 --json --format {format}"));
        let weights = shell.path("tern-out").join(format!("weights.{format}"));
        let there =
            script(python, "evaluate.py", &["digits", text(&weights), &repository("programs/digits")]);
        let here = accuracy(&events);
        // a sample whose two best classes are as good as equal may go either way
        assert!((here - there).abs() < 1.5 / 297.0, "{format}: here {here}, in PyTorch {there}");
        assert!(here > 0.85, "{here}");
    }
}

#[test]
fn weights_trained_in_pytorch_are_as_accurate_here() {
    let Some(python) = python() else { return };
    let mut shell = Shell::new();
    shell.write("inference.mpc", INFERENCE);
    let weights = shell.path("weights.npz");
    let there = script(python, "train.py", &["digits", &repository("programs/digits"), "3", text(&weights)]);
    let data = repository("programs/digits/digits.npz");
    for command in ["emulate", "run"] {
        let here = accuracy(&shell.succeeds(&format!(
            "{command} inference.mpc --input weights=weights.npz --data {data} --seed 1 --json"
        )));
        assert!((here - there).abs() < 1.5 / 297.0, "{command}: here {here}, in PyTorch {there}");
        assert!(here > 0.85, "{here}");
    }
}

/// The gradients of a batch with given weights.
const GRADIENTS: &str = "use cifar10_alexnet::{Net, forward}
use nn::cross_entropy
input weights: Net from party 2
input x: fix[4, 3, 32, 32] from party 0, scale = 1/256
input y: fix[4, 10] from party 1, one_hot
fn main() {
    output g = grad(sum(cross_entropy(forward(weights, x), y)), weights) to party 0
}
";

#[test]
fn gradients_of_alexnet_are_those_of_pytorch() {
    let Some(python) = python() else { return };
    let mut shell = Shell::new();
    shell.write("gradients.mpc", GRADIENTS);
    std::fs::copy(repository("programs/cifar10_alexnet.mpc"), shell.path("cifar10_alexnet.mpc")).unwrap();
    let folder = shell.path("");
    let script = |arguments: &[&str]| {
        let path = repository("tools/torch/gradients.py");
        let output = Command::new(python).arg("-B").arg(path).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    script(&["make", "cifar10_alexnet", text(&folder), "4", "3", "32", "32"]);
    for (fixed, most) in [(16, 2e-3), (32, 1e-7)] {
        shell.succeeds(&format!("emulate gradients.mpc --data . --fixed {fixed} --seed 1"));
        let gradients = folder.join("tern-out/g.npz");
        let errors = script(&["compare", "cifar10_alexnet", text(&folder), text(&gradients)]);
        let largest: f64 = errors.trim_end().rsplit(' ').next().unwrap().parse().expect("a number");
        assert!(largest < most, "f = {fixed}:\n{errors}");
        assert_eq!(errors.lines().count(), 16 + 1, "weights and biases of eight layers:\n{errors}");
    }
}

/// The tests of `tools/python` that need PyTorch: programs of `from_torch` against it, and the page about it. They load the native module that cargo has
/// built for the whole workspace.
#[test]
fn programs_from_modules_compute_what_pytorch_computes() {
    let Some(python) = python_with("torch, numpy, pytest", "PyTorch and pytest") else { return };
    let mut command = Command::new(python);
    command
        .args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg("--ignore")
        .arg(repository("tools/python/tests/package"))
        .arg(repository("tools/python/tests"));
    let output = command.env("TERN", env!("CARGO_BIN_EXE_tern")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{}", text.lines().last().unwrap_or_default());
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
