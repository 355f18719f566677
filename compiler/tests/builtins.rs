//! The functions of the language: what the documentation names, and what they do to models.

use std::collections::{BTreeMap, BTreeSet};

use tern_compiler::diagnostics::{Code, Origin, SourceMap};
use tern_compiler::ir::{Op, Optimise, Protocol, Rounding};
use tern_compiler::lower::{SUBJECTS, tests_of};
use tern_compiler::{Compilation, Entry, Request, Settings, compile};

const SETTINGS: Settings = Settings {
    protocol: Protocol::Rep3,
    ring: 64,
    frac: 16,
    total: 32,
    rounding: Rounding::Probabilistic,
    optimise: Optimise::Balanced,
};

fn run(text: &str, beside: &[(&str, &str)]) -> Compilation {
    let mut sources = SourceMap::new();
    let file = sources.add("main.mpc", text, Origin::User);
    let resolve = |name: &str| {
        let (name, text) = beside.iter().find(|(n, _)| *n == name)?;
        Some((format!("{name}.mpc"), Ok(text.to_string())))
    };
    let entry = if tests_of(text).is_empty() { Entry::Main } else { Entry::Test(0) };
    let request = Request {
        name: "main",
        file,
        entry,
        settings: SETTINGS,
        args: BTreeMap::new(),
        resolve: &resolve,
        print_after: None,
    };
    compile(request, sources)
}

fn codes(text: &str, beside: &[(&str, &str)]) -> Vec<Code> {
    run(text, beside).diagnostics.iter().map(|d| d.code).collect()
}

/// docs/language.md lists them between `Functions of the language:` and the next full stop, `a::{b, c}` standing for two.
#[test]
fn the_language_page_names_every_function() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/language.md")).unwrap();
    let list = page.split_once("Functions of the language: ").unwrap().1.split_once(". ").unwrap().0;
    let mut named = BTreeSet::new();
    for part in list.split('`').skip(1).step_by(2) {
        match part.split_once("::{") {
            Some((module, names)) => {
                let names = names.trim_end_matches('}').split(", ");
                named.extend(names.map(|name| format!("{module}::{name}")));
            }
            None => named.extend(part.split_whitespace().map(str::to_string)),
        }
    }
    let known: BTreeSet<String> =
        SUBJECTS.iter().flat_map(|(_, list)| *list).map(|f| f.name.to_string()).collect();
    assert_eq!(named, known);
}

/// Each function has an example in its comment, which compiles.
#[test]
fn every_function_has_an_example_that_compiles() {
    for function in SUBJECTS.iter().flat_map(|(_, list)| *list) {
        let example = function.doc.split_once("Example: `").and_then(|(_, rest)| rest.rsplit_once("`."));
        let (example, _) = example.unwrap_or_else(|| panic!("{} has no example", function.name));
        assert!(example.contains(&format!("{}(", function.name)), "{example}");
        let name = function.name;
        let (outside, inside) = match name {
            "arg" => (example.to_string(), String::new()),
            "batches" | "fields" | "parameters" | "metric" | "debug" => (String::new(), example.to_string()),
            _ => (String::new(), format!("let e = {example}")),
        };
        let program = format!(
            "input x: fix[4, 6] from party 0\ninput v: fix[6] from party 0\ninput n: int[4] from party 0\n\
             model Net {{ w: fix[6] = zeros() }}\n{outside}\nfn main() {{\n    var p = Net()\n    \
             let loss = sum(square(p.w * v))\n    {inside}\n}}\n"
        );
        assert_eq!(codes(&program, &[]), [], "{example}");
    }
}

/// Element-wise functions go through a model field by field, also those that the library has for secrets.
#[test]
fn functions_of_tensors_go_through_models() {
    for call in ["square(p)", "max(p, 0)", "min(1, p)", "abs(p)", "max(p, p)", "sqrt(p)", "math::sqrt(p)"] {
        let text = format!(
            "use math\nuse math::sqrt\nmodel Pair {{ w: fix[3, 2] = 0.5, b: fix[2] = 0.25 }}\n\
             fn main() {{\n    let p = Pair()\n    let q = {call}\n    output q = q to party 0\n}}\n"
        );
        let compilation = run(&text, &[]);
        assert_eq!(compilation.diagnostics, [], "{call}");
        let program = compilation.ir.unwrap();
        assert_eq!(program.outputs.len(), 2, "{call}");
    }
}

/// A function of the user's that has the name of one of the language is the user's, also on public values.
#[test]
fn names_of_the_user_come_first() {
    let text = "fn sqrt(x: num) -> num {\n    x + 1\n}\nfn main() {\n    metric(\"x\", sqrt(4))\n}\n";
    let program = run(text, &[]).ir.unwrap();
    let constants = program.body.insts.iter().filter_map(|inst| match &inst.op {
        Op::Const(constant) => constant.as_splat().map(ToString::to_string),
        _ => None,
    });
    assert_eq!(constants.collect::<Vec<_>>(), ["5"]);
}

/// The library means its own modules, whatever files there are beside the program.
#[test]
fn a_file_beside_the_program_does_not_replace_the_library() {
    let own = ("math", "fn twice(x: fix[..s]) -> fix[..s] {\n    2 * x\n}\n");
    let text = "use math::twice\nuse nn::softmax\ninput x: fix[4, 3] from party 0\nfn main() {\n    \
                output y = softmax(twice(x)) / x to party 0\n}\n";
    assert_eq!(codes(text, &[own]), []);
    assert_eq!(codes(&text.replace("twice", "relu"), &[own]), [Code::N001]);
}

/// The library's own files can be compiled as programs, beside one another, as `tern test stdlib/math.mpc` does.
#[test]
fn the_library_compiles_as_files_of_a_user() {
    let modules = tern_compiler::lower::modules::LIBRARY;
    for (name, text) in modules {
        for test in 0..tests_of(text).len() {
            let mut sources = SourceMap::new();
            let file = sources.add(format!("{name}.mpc"), *text, Origin::User);
            let resolve = |name: &str| {
                let (_, text) = modules.iter().find(|(n, _)| *n == name)?;
                Some((format!("{name}.mpc"), Ok(text.to_string())))
            };
            let request = Request {
                name,
                file,
                entry: Entry::Test(test),
                settings: SETTINGS,
                args: BTreeMap::new(),
                resolve: &resolve,
                print_after: None,
            };
            assert_eq!(compile(request, sources).diagnostics, [], "test {test} of {name}");
        }
    }
}

/// A size variable is bound by the argument, whatever else has its name.
#[test]
fn size_variables_are_not_captured() {
    let text = |name: &str| {
        format!(
            "const {name} = 5\ninput x: fix[3] from party 0\n\
             fn f(x: fix[{name}]) -> fix[{name}] {{\n    x * {name}\n}}\n\
             fn main() {{\n    output y = f(x) to party 0\n}}\n"
        )
    };
    assert_eq!(codes(&text("n"), &[]), []);
    assert_eq!(codes(&text("N"), &[]), [Code::T002]);
    // An imported constant is one, too.
    let imported = text("N").replace("const N = 5", "use sizes::N");
    assert_eq!(codes(&imported, &[("sizes", "const N = 5\n")]), [Code::T002]);
    // What only a result names is the constant, not what the place of the call asks for.
    let result = "const n = 5\nfn f() -> fix[n] {\n    zeros()\n}\nfn main() {\n    let x: fix[3] = f()\n    metric(\"x\", sum(x))\n}\n";
    assert_eq!(codes(result, &[]), [Code::T002]);
}

/// The way out that reading by a secret index is told is one, word for word.
#[test]
fn the_help_for_secret_indices_works() {
    for (shape, index, code) in [
        ("[5]", "i", "t[i]"),
        ("[5, 3]", "i", "t[i]"),
        ("[5, 3]", "i", "t[i, ..]"),
        ("[5]", "is", "t[is]"),
        ("[5, 3]", "is", "t[is]"),
    ] {
        let text = |read: &str| {
            format!(
                "input t: fix{shape} from party 0\ninput i: int from party 1\ninput is: int[4] from party 1\n\
                 fn main() {{\n    output y = {read} to party 0\n    output k = {index} to party 1\n}}\n"
            )
        };
        let said = run(&text(code), &[]).diagnostics;
        assert_eq!(said.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::S002], "{code}");
        let (_, way_out) = said[0].helps[0].split_once("select: ").unwrap();
        assert_eq!(codes(&text(way_out), &[]), [], "{way_out}");
        let (_, way_out) = said[0].helps[1].split_once("purpose: ").unwrap();
        assert_eq!(codes(&text(&code.replace(index, way_out.trim())), &[]), [], "{way_out}");
    }
}

/// What a model's type was made of is bound as it is, or must be what is written.
#[test]
fn arguments_of_models_are_matched_as_they_are() {
    let text = |param: &str, made: &str, result: &str| {
        format!(
            "const HALF = 1/2\nmodel Inner {{ w: fix = 0 }}\nmodel Outer {{ w: fix = 0 }}\n\
             model Scale(factor) {{ w: fix[2] = 0 }}\nmodel Pair(a, b) {{ w: fix = 0 }}\n\
             fn f(p: {param}) -> fix {{\n    {result}\n}}\n\
             fn main() {{\n    assert f({made}) == 0.5\n}}\n"
        )
    };
    for (param, made, result, expected) in [
        ("Scale(r)", "Scale(0.5)", "r", None),
        ("Scale(r)", "Scale(1/4)", "r * 2", None),
        ("Scale(r)", "Scale(1/4)", "r", Some(Code::T017)),
        ("Scale(HALF)", "Scale(0.5)", "0.5", None),
        ("Scale(HALF)", "Scale(0.25)", "0.5", Some(Code::T003)),
        ("Scale(r)", "Scale(\"plain\")", "if r == \"plain\" { 0.5 } else { 0.25 }", None),
        ("Scale(\"fancy\")", "Scale(\"plain\")", "0.5", Some(Code::T003)),
        ("Scale(Inner)", "Scale(Inner)", "0.5", None),
        ("Scale(Inner)", "Scale(Outer)", "0.5", Some(Code::T003)),
        ("Pair(n, n)", "Pair(2, 2)", "n / 4", None),
        ("Pair(n, n)", "Pair(2, 3)", "n / 4", Some(Code::T002)),
        ("Pair(n)", "Pair(2, 3)", "n / 4", Some(Code::T003)),
    ] {
        let found = codes(&text(param, made, result), &[]);
        assert_eq!(found, Vec::from_iter(expected), "{param} {made} {result}");
    }
}
