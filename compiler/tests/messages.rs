//! The rendered messages of every class of error: a program per file in `messages/`, and beside it what the compiler says of it.
//! `UPDATE_EXPECT=1 cargo test -p tern-compiler --test messages` writes the expectations anew.

use std::collections::BTreeMap;
use std::path::Path;

use expect_test::expect_file;
use tern_compiler::diagnostics::{Code, Look, Origin, SourceMap, render_all};
use tern_compiler::ir::{Optimise, Protocol, Rounding};
use tern_compiler::lower::modules::Resolver;
use tern_compiler::{Compilation, Entry, Request, Settings, compile};

const SETTINGS: Settings = Settings {
    protocol: Protocol::Rep3,
    ring: 64,
    frac: 16,
    total: 32,
    rounding: Rounding::Probabilistic,
    optimise: Optimise::Balanced,
};

fn run(name: &str, text: &str, args: &[(&str, &str)]) -> Compilation {
    run_beside(name, text, args, &|_| None)
}

fn run_beside(name: &str, text: &str, args: &[(&str, &str)], resolve: &Resolver<'_>) -> Compilation {
    let mut sources = SourceMap::new();
    let file = sources.add(format!("{name}.mpc"), text, Origin::User);
    let args: BTreeMap<String, String> = args.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let request =
        Request { name, file, entry: Entry::Main, settings: SETTINGS, args, resolve, print_after: None };
    compile(request, sources)
}

#[test]
fn every_program_gets_its_messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.is_dir() || p.extension().is_some_and(|e| e == "mpc"));
    files.sort();
    assert!(files.len() >= 8);
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // A folder is a program of several files.
        let main = if path.is_dir() { path.join("main.mpc") } else { path.clone() };
        let beside = |module: &str| {
            let file = path.join(module).with_extension("mpc");
            Some((format!("{module}.mpc"), Ok(std::fs::read_to_string(file).ok()?)))
        };
        let compilation = run_beside(&name, &std::fs::read_to_string(&main).unwrap(), &[], &beside);
        assert!(compilation.program.is_none(), "{name} compiles");
        let text = render_all(&compilation.diagnostics, &compilation.sources, Look::PLAIN);
        expect_file![path.with_extension("txt")].assert_eq(&text);
    }
}

#[test]
fn arguments_are_checked() {
    let program = "const EPOCHS = arg(15)\nconst METHOD = arg(\"sgd\", \"adam\")\nfn main() {\n    metric(METHOD, EPOCHS)\n}\n";
    let given = [("EPOCHS", "many"), ("METHOD", "rmsprop"), ("EPOCH", "3")];
    let compilation = run("arguments", program, &given);
    let text = render_all(&compilation.diagnostics, &compilation.sources, Look::PLAIN);
    expect_file!["messages/arguments.txt"].assert_eq(&text);
}

/// What a program may not ask of a dealer.
#[test]
fn a_dealer_has_no_data_and_learns_nothing() {
    let inputs = "input x: fix[3] from party 0\n";
    let programs = [
        ("owner", "input y: fix[3] from party 2\nfn main() {\n    output z = y to party 0\n}\n".to_string()),
        ("receiver", format!("{inputs}fn main() {{\n    output z = x to party 2\n}}\n")),
        (
            "branch",
            format!(
                "{inputs}fn main() {{\n    var y = x\n    if reveal(sum(x)) > 1 {{\n        y = x * x\n    }}\n    output z = y to party 1\n}}\n"
            ),
        ),
        (
            "end",
            format!(
                "{inputs}fn main() {{\n    var y = x\n    for i in 0..9 {{\n        y = y * x\n        if reveal(sum(y)) < 1 {{\n            break\n        }}\n    }}\n    output z = y to party 1\n}}\n"
            ),
        ),
    ];
    let mut text = String::new();
    for (name, program) in programs {
        let mut sources = SourceMap::new();
        let file = sources.add(format!("{name}.mpc"), program.as_str(), Origin::User);
        let settings = Settings { protocol: Protocol::Dealer, ..SETTINGS };
        let args = BTreeMap::new();
        let request =
            Request { name, file, entry: Entry::Main, settings, args, resolve: &|_| None, print_after: None };
        let compilation = compile(request, sources);
        assert!(compilation.program.is_none(), "{name} compiles");
        text += &render_all(&compilation.diagnostics, &compilation.sources, Look::PLAIN);
    }
    expect_file!["messages/dealer.txt"].assert_eq(&text);
}

/// What is proposed instead of a secret index compiles as it stands.
#[test]
fn the_selection_instead_of_a_secret_index_compiles() {
    for (x, i) in [("5", ""), ("5, 3", ""), ("5", "4"), ("5, 3", "4")] {
        let program = format!(
            "input x: fix[{x}] from party 0\ninput i: int[{i}] from party 1\nfn main() {{\n    output y = x[i] to party 2\n}}\n"
        );
        let program = program.replace("int[]", "int");
        let refused = run("index", &program, &[]).diagnostics;
        let helps = refused.iter().flat_map(|d| &d.helps).filter_map(|help| help.split_once("select: "));
        let [(_, help)] = helps.collect::<Vec<_>>()[..] else { panic!("{refused:?}") };
        let followed = run("index", &program.replace("x[i]", help), &[]);
        let text = render_all(&followed.diagnostics, &followed.sources, Look::PLAIN);
        assert!(followed.program.is_some(), "{help}\n{text}");
        let output = &followed.program.expect("compiled").outputs[0];
        let shape: Vec<u32> = [i, &x[1..]].concat().split(", ").filter_map(|n| n.parse().ok()).collect();
        assert_eq!(output.shape, shape, "{help}");
    }
}

/// One mistake, one message: the fields that could not be read are not missed.
#[test]
fn a_model_that_cannot_be_read_is_one_mistake() {
    let program = "model Net { w: fix[3, 2]  b: fix[2] }\ninput p: Net from party 0\ninput x: fix[4, 3] from party 1\n\
                   fn main() {\n    output y = x @ p.w + p.b to party 0\n}\n";
    let codes = |program: &str| -> Vec<Code> {
        run("model", program, &[]).diagnostics.iter().map(|d| d.code).collect()
    };
    assert_eq!(codes(program), [Code::P001]);
    // As an input, a model needs no initial values.
    assert_eq!(codes(&program.replace("  b:", ", b:")), []);
}

/// Codes without a golden message, and why.
const UNCOVERED: [(Code, &str); 2] =
    [(Code::L006, "the file would have 2 MiB"), (Code::B002, "every program that leads to it is mended")];

#[test]
fn every_code_has_a_golden_message() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut shown = String::new();
    for folder in ["messages", "syntax/errors"] {
        for entry in std::fs::read_dir(tests.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "txt") {
                shown += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let is_shown = |code: &Code| shown.contains(&format!("[{code}]: "));
    let excused: Vec<Code> = UNCOVERED.iter().map(|(code, _)| *code).collect();
    let missing: Vec<&Code> = Code::ALL.iter().filter(|c| !is_shown(c) && !excused.contains(c)).collect();
    assert!(missing.is_empty(), "no program in tests/messages is rejected with {missing:?}");
    let needless: Vec<&Code> = excused.iter().filter(|c| is_shown(c)).collect();
    assert!(needless.is_empty(), "{needless:?} have golden messages after all");
}
