//! Figures of runs' metrics.

use expect_test::expect_file;

use crate::shell::Shell;

fn metrics(loss: &[f64], accuracy: &[f64]) -> String {
    let line = |name: &str, i: usize, value: f64| {
        format!("{{\"event\":\"metric\",\"name\":\"{name}\",\"value\":{value},\"iteration\":[{i}]}}\n")
    };
    let epochs = loss.iter().zip(accuracy).enumerate();
    epochs.map(|(i, (l, a))| line("loss", i, *l) + &line("accuracy", i, *a)).collect()
}

#[test]
fn two_runs_in_one_figure() {
    let mut shell = Shell::new();
    shell.make_folder("sgd");
    shell.write("sgd/metrics.jsonl", metrics(&[0.6, 0.3, 0.21, 0.18], &[0.91, 0.942, 0.956, 0.961]));
    shell.write("adam.jsonl", metrics(&[0.4, 0.22, 0.19], &[0.932, 0.955, 0.96]));
    let out = shell.succeeds("plot sgd/metrics.jsonl 0.001=adam.jsonl -o out.svg --title Optimizers");
    assert_eq!(out, "out.svg\n");
    let svg = String::from_utf8(shell.read("out.svg")).unwrap();
    expect_file!["golden/plot.svg"].assert_eq(&svg);
    for text in ["Optimizers", "sgd", "0.001", "loss", "accuracy", "epoch"] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn what_a_run_has_written() {
    let mut shell = Shell::new();
    shell.write(
        "run.mpc",
        "fn main() {\n    for i in 0..3 {\n        metric(\"step\", reveal(secret(i * 1.5)))\n    }\n}\n",
    );
    shell.succeeds("emulate run.mpc");
    shell.succeeds("plot tern-out/metrics.jsonl -o steps.svg");
    let svg = String::from_utf8(shell.read("steps.svg")).unwrap();
    assert!(svg.contains("tern-out") && svg.contains("step"), "{svg}");
    assert_eq!(svg.matches("<circle").count(), 3 + 1, "a point per iteration, and the legend's");
}

#[test]
fn what_cannot_be_plotted() {
    let mut shell = Shell::new();
    shell.write("table.csv", "epoch,loss\n1,0.5\n");
    shell.write("empty.jsonl", "");
    shell.write("list.jsonl", "{\"event\":\"metric\",\"name\":\"all\",\"value\":[1,2],\"iteration\":[]}\n");
    for file in ["nowhere.jsonl", "table.csv", "empty.jsonl", "list.jsonl"] {
        shell.refuses(&format!("plot {file} -o out.svg"));
    }
    shell.write("good.jsonl", metrics(&[1.0], &[0.5]));
    shell.refuses("plot good.jsonl -o nowhere/out.svg");
    shell.refuses("plot -o out.svg");
    expect_file!["golden/plot.txt"].assert_eq(&shell.transcript);
}
