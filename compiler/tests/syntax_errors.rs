//! What is said about programs that are wrong: beside every `tests/syntax/errors/*.mpc` lies the text of its messages.
//! `UPDATE_EXPECT=1` rewrites them.

use expect_test::{expect, expect_file};
use std::fs;
use std::path::Path;
use tern_compiler::diagnostics::{Code, Diagnostic, Look, Origin, SourceMap, Span, render, render_all};
use tern_compiler::syntax::parse;

fn messages(name: &str, text: &str) -> (Vec<Diagnostic>, String) {
    let mut sources = SourceMap::new();
    let file = sources.add(name, text, Origin::User);
    let messages = parse(text, file).1;
    let rendered = render_all(&messages, &sources, Look::PLAIN);
    (messages, rendered)
}

#[test]
fn messages_are_as_written_beside_the_programs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syntax/errors");
    let mut programs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    programs.retain(|path| path.extension().is_some_and(|extension| extension == "mpc"));
    assert!(programs.len() > 5);
    let mut seen = Vec::new();
    for path in programs {
        let text = fs::read_to_string(&path).unwrap();
        let (messages, rendered) = messages(path.file_name().unwrap().to_str().unwrap(), &text);
        seen.extend(messages.iter().map(|message| message.code));
        expect_file![path.with_extension("txt")].assert_eq(&rendered);
    }
    for code in Code::ALL.iter().filter(|code| code.name().starts_with(['L', 'P'])) {
        assert!(seen.contains(code) || *code == Code::L006, "{code} has no program"); // L006 takes 2 MiB
    }
}

#[test]
fn a_file_has_a_largest_size() {
    let text = "// a comment of sixty-four characters, many times over, is a file\n".repeat(1 << 16);
    assert_eq!(messages("a.mpc", &text[..tern_compiler::syntax::MAX_SOURCE]).0, []);
    let (found, _) = messages("a.mpc", &text[..=tern_compiler::syntax::MAX_SOURCE]);
    assert_eq!(found.iter().map(|m| m.code).collect::<Vec<_>>(), [Code::L006]);
}

#[test]
fn several_places_in_two_files() {
    let mut sources = SourceMap::new();
    let user_text =
        "input x: fix[128, 784] from party 0\n\n\n\n\n\nfn main() {\n\tif max(x) > 4.0 {\n\t}\n}\n";
    let user = sources.add("train.mpc", user_text, Origin::User);
    let library = sources.add("math.mpc", "/// é\nfn max(x: fix[..s]) -> fix {\n    x\n}\n", Origin::Library);
    let at = |file, text: &str, what: &str| {
        let start = text.find(what).unwrap() as u32;
        Span::new(file, start, start + what.len() as u32)
    };
    let message = Diagnostic::error(Code::P001, "this condition is secret")
        .label(at(user, user_text, "fix[128, 784]"), "secret from here")
        .at(at(user, user_text, "max(x) > 4.0"), "secret bool")
        .label(Span::new(library, 10, 13), "in this function")
        .why("every party would see which branch ran,\nand so learn this bit of x")
        .note("a fact")
        .help("y = where(max(x) > 4.0, a, b)");
    expect![[r#"
        error[P001]: this condition is secret
           ,-[train.mpc:8:5]
         8 |     if max(x) > 4.0 {
           |        ^^^^^^^^^^^^
           |              `-- secret bool
           `----
           ,-[train.mpc:1:10]
         1 | input x: fix[128, 784] from party 0
           |          ^^^^^^^^^^^^^
           |                `-- secret from here
           `----
           ,-[math.mpc:2:4]
         2 | fn max(x: fix[..s]) -> fix {
           |    ^^^
           |     `-- in this function
           `----
           = why: every party would see which branch ran,
                  and so learn this bit of x
           = note: a fact
           = help: y = where(max(x) > 4.0, a, b)
    "#]]
    .assert_eq(&render(&message, &sources, Look::PLAIN));
    let unicode = Look { unicode: true, ..Look::PLAIN };
    expect![[r#"
        error[P001]: this condition is secret
           ╭─[train.mpc:8:5]
         8 │     if max(x) > 4.0 {
           ·        ──────┬─────
           ·              ╰── secret bool
           ╰────
           ╭─[train.mpc:1:10]
         1 │ input x: fix[128, 784] from party 0
           ·          ──────┬──────
           ·                ╰── secret from here
           ╰────
           ╭─[math.mpc:2:4]
         2 │ fn max(x: fix[..s]) -> fix {
           ·    ─┬─
           ·     ╰── in this function
           ╰────
           = why: every party would see which branch ran,
                  and so learn this bit of x
           = note: a fact
           = help: y = where(max(x) > 4.0, a, b)
    "#]]
    .assert_eq(&render(&message, &sources, unicode));
}

#[test]
fn without_a_place() {
    let message = Diagnostic::warning(Code::P001, "OPTIMIZER is one of sgd, adam, amsgrad, not \"rmsprop\"");
    expect![[r#"
        warning[P001]: OPTIMIZER is one of sgd, adam, amsgrad, not "rmsprop"
    "#]]
    .assert_eq(&render(&message, &SourceMap::new(), Look::PLAIN));
    assert!(render(&message, &SourceMap::new(), Look { color: true, ..Look::PLAIN }).contains("\u{1b}["));
}

#[test]
fn what_a_terminal_would_obey_is_not_passed_on() {
    let (_, rendered) = messages("a.mpc", "const A = \u{1b}[2J + \u{202e}1\nconst B = \u{7}");
    assert!(!rendered.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{rendered}");
}

#[test]
fn depth_is_bounded() {
    let sum = |terms: usize| format!("const A = {}", vec!["a"; terms].join(" + "));
    let nested = |depth: usize| format!("const A = {}a{}", "(".repeat(depth), ")".repeat(depth));
    let codes = |text: &str| messages("a.mpc", text).0.iter().map(|message| message.code).collect::<Vec<_>>();
    assert_eq!(codes(&sum(129)), []);
    assert_eq!(codes(&sum(130)), [Code::P004]);
    assert_eq!(codes(&nested(128)), []);
    assert_eq!(codes(&nested(129)), [Code::P004]);
    for piece in
        ["(", "[", "{", "-", "!", "a**", "a.", "if a {", "fn f() {", "if a {} else ", "f(", "a[", "[-(-"]
    {
        let text = format!("fn main() {{ {}", piece.repeat(100_000));
        assert!(codes(&text).contains(&Code::P004), "{piece}");
    }
    let wide = format!("const A = [{}]", "-f(a + b), ".repeat(50_000));
    assert_eq!(codes(&wide), []);
    let long = format!("fn main() {{\n{}}}", "if a { b.c = -d + e }\n".repeat(20_000));
    assert_eq!(codes(&long), []);
}
