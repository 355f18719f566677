//! Small programs in `cases/` that came out wrong once, on numbers at the ends of their ranges. What is right stands in their first lines.

use crate::shell::Shell;

/// The metrics that an emulation printed, by name.
fn metric(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).to_string()
}

fn shell(files: &[&str]) -> Shell {
    let shell = Shell::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/cases");
    for file in files {
        shell.write(file, std::fs::read(folder.join(file)).expect("the case is there"));
    }
    shell
}

#[test]
fn the_first_of_two_equal_maxima() {
    let mut shell = shell(&["argmax_ties.mpc"]);
    let text = shell.succeeds("emulate argmax_ties.mpc --seed 1");
    assert_eq!(metric(&text, "argmax"), "1.00000");
}

#[test]
fn numbers_far_apart_compare_right_and_their_difference_is_named() {
    let mut shell = shell(&["compare_far.mpc", "far.npy"]);
    let text = shell.succeeds("emulate compare_far.mpc --input x=far.npy --seed 1");
    for (name, right) in
        [("x > y", "1.00000"), ("max", "20000.00000"), ("min", "-20000.00000"), ("argmax", "0.00000")]
    {
        assert_eq!(metric(&text, name), right);
    }
    let said: Vec<&str> = shell.transcript.lines().filter(|line| line.contains("compare_far.mpc:")).collect();
    assert!(
        !said.is_empty() && said.iter().all(|line| line.contains("compare_far.mpc:9")),
        "{}",
        shell.transcript
    );
    assert!(shell.transcript.contains("40000, fix holds what is below 32768"));
    // What it proposes helps.
    assert!(shell.transcript.contains("--fixed 16,33"), "{}", shell.transcript);
    shell.transcript.clear();
    let text = shell.succeeds("emulate compare_far.mpc --input x=far.npy --seed 1 --fixed 16,33 --ranges");
    assert_eq!(metric(&text, "abs(x - y)"), "40000.00000");
    assert!(!shell.transcript.contains("left"), "{}", shell.transcript);
}

#[test]
fn the_lowest_number_is_refused_and_the_help_works() {
    let mut shell = shell(&["lowest_input.mpc", "lowest.npy"]);
    shell.refuses("emulate lowest_input.mpc --input x=lowest.npy --seed 1");
    assert!(
        shell.transcript.contains("-32768") && shell.transcript.contains("--fixed 16,33"),
        "{}",
        shell.transcript
    );
    let text = shell.succeeds("emulate lowest_input.mpc --input x=lowest.npy --seed 1 --fixed 16,33");
    assert!(metric(&text, "relu").starts_with("0.00000"), "{text}");
}

#[test]
fn whole_numbers_beyond_the_precision_are_told_one_that_holds_them() {
    let mut shell = Shell::new();
    shell.write("whole.mpc", "input n: int[2] from party 0\nfn main() { metric(\"n\", reveal(n)) }\n");
    shell.write("n.csv", "5\n-4000000000\n");
    shell.refuses("emulate whole.mpc --input n=n.csv --fixed 8,20");
    assert!(shell.transcript.contains("int holds what is below 2^19"), "{}", shell.transcript);
    assert!(shell.transcript.contains("--fixed 8,33"), "{}", shell.transcript);
    let text = shell.succeeds("emulate whole.mpc --input n=n.csv --fixed 8,33");
    assert_eq!(metric(&text, "n"), "5.00000 -4000000000.00000");
}

#[test]
fn one_row_has_no_deviation() {
    let mut shell = shell(&["one_row.mpc", "row.npy"]);
    shell.refuses("emulate one_row.mpc --input x=row.npy --seed 1");
    assert!(shell.transcript.contains("a single row of x cannot be standardised"), "{}", shell.transcript);
}

#[test]
fn the_help_about_a_secret_index_works() {
    let mut shell = shell(&["index_hint.mpc"]);
    shell.refuses("check index_hint.mpc");
    let help =
        shell.transcript.lines().find_map(|line| line.split_once("select: ")).expect("a help").1.to_string();
    let program = String::from_utf8(shell.read("index_hint.mpc"))
        .expect("text")
        .replace("t[i]))", &format!("{help}))"));
    shell.write("helped.mpc", program);
    let text = shell.succeeds("emulate helped.mpc --seed 1");
    assert_eq!(metric(&text, "t[i]"), "50.00000");
}

#[test]
fn a_thousand_classes_compile_and_cost_what_they_should() {
    let mut shell = shell(&["many_classes.mpc"]);
    let mut bits = |classes: u32| -> f64 {
        let text = shell.succeeds(&format!("cost many_classes.mpc --arg N={classes} --json"));
        let report: serde_json::Value = serde_json::from_str(&text).expect("one object");
        report["bits"].as_f64().expect("a number") / f64::from(classes)
    };
    let (hundred, thousand) = (bits(100), bits(1000));
    assert!(thousand <= 1.5 * hundred, "{thousand} bits a class, {hundred} of a hundred"); // ln 1000 / ln 100
}

/// Public numbers that no secret can be: the line is named, in the emulator and by the parties.
#[test]
fn public_numbers_that_do_not_fit_end_the_run() {
    for (wrong, said) in [
        ("1 / (n - 2)", "the public number inf is beyond fix"),
        ("(n - 2) / (n - 2)", "the public number NaN is beyond fix"),
        ("n * 20000", "the public number 40000 is beyond fix"),
    ] {
        let mut shell = Shell::new();
        let program = format!(
            "input x: fix from party 0\nfn main() {{\n    let n = reveal(x)\n    let wrong = {wrong}\n    metric(\"sum\", reveal(x + wrong))\n}}\n"
        );
        shell.write("public.mpc", program);
        shell.write("x.csv", "2\n");
        for command in ["emulate", "run"] {
            shell.refuses(&format!("{command} public.mpc --input x=x.csv --seed 1"));
            assert!(shell.transcript.contains(&format!("public.mpc:5: {said}")), "{}", shell.transcript);
            shell.transcript.clear();
        }
    }
}

/// What is said of ranges: the line, by how much, how often, since when, inside what, and what to do; all of it with `--ranges`.
#[test]
fn what_the_emulator_says_of_ranges() {
    let mut shell = Shell::new();
    shell.write(
        "wide.mpc",
        "use math::reciprocal_within\ninput x: fix[2] from party 0\nfn main() {\n    var y = x\n    for i in 0..4 {\n        y = 100 * y\n    }\n    \
         metric(\"y\", reveal(y))\n    metric(\"r\", reveal(reciprocal_within(x, 1, 2)))\n    metric(\"s\", reveal(assume(x, 0, 1)))\n}\n",
    );
    shell.write("x.csv", "1.5\n2.5\n");
    shell.succeeds("emulate wide.mpc --input x=x.csv --seed 1 --rounding nearest");
    shell.refuses("emulate wide.mpc --input x=x.csv --seed 1 --rounding nearest --ranges");
    expect_test::expect_file!["golden/range_paragraph.txt"].assert_eq(&shell.transcript);
}

/// A run says that its program was never emulated, until it was; other arguments and precisions are other programs.
#[test]
fn a_run_says_that_its_program_was_never_emulated() {
    let mut shell = Shell::new();
    shell.write(
        "small.mpc",
        "const TIMES = arg(2)\ninput x: fix[2] from party 0\nfn main() { metric(\"y\", reveal(TIMES * x)) }\n",
    );
    shell.write("x.csv", "1.5\n20000\n");
    let never = "this program was never emulated here";
    let said = |shell: &mut Shell, command: &str| {
        shell.transcript.clear();
        shell.succeeds(&format!("{command} small.mpc --input x=x.csv --seed 1 --arg TIMES=1"));
        shell.transcript.clone()
    };
    assert!(said(&mut shell, "run").contains(never));
    said(&mut shell, "emulate");
    assert!(!said(&mut shell, "run").contains("note:"));
    shell.transcript.clear();
    shell.succeeds("run small.mpc --input x=x.csv --seed 1 --arg TIMES=1 --fixed 20");
    shell.succeeds("emulate small.mpc --input x=x.csv --seed 1 --arg TIMES=3");
    assert!(shell.transcript.contains(never), "{}", shell.transcript);
    shell.transcript.clear();
    shell.succeeds("run small.mpc --input x=x.csv --seed 1 --arg TIMES=3");
    assert!(shell.transcript.contains("1 source line left its range"), "{}", shell.transcript);
}
