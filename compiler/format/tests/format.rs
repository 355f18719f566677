//! The formatter: what it makes of texts, and what it must never do to one.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tern_compiler::diagnostics::FileId;
use tern_compiler::syntax::{Token, tokens};
use tern_format::{Unformatted, format};

const FILE: FileId = FileId(0);

fn styled(text: &str) -> String {
    format(text, FILE).unwrap_or_else(|reason| panic!("{reason:?}\n{text}"))
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&styled(text));
}

/// All `.mpc` files of the project, with their paths.
fn programs() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["programs", "stdlib", "compiler/tests/syntax/programs"];
    let entries =
        folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).expect("a folder of programs"));
    let paths = entries.map(|entry| entry.expect("a file").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "mpc")).collect();
    paths.sort();
    assert!(paths.len() > 12, "{paths:?}");
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("a text"))).collect()
}

/// Tokens with the ends of statements.
fn meaning(text: &str) -> Vec<Token<'_>> {
    tokens(text, FILE)
        .unwrap_or_else(|e| panic!("{e:?}\n{text}"))
        .into_iter()
        .map(|(_, token, _)| token)
        .collect()
}

/// Comments, found without the formatter or the compiler: no text has more than one line.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(comment_of).map(str::trim_end).collect()
}

fn comment_of(line: &str) -> Option<&str> {
    let mut quoted = false;
    line.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (!quoted && line[at..].starts_with("//")).then_some(&line[at..])
    })
}

/// What holds of every text that parses.
fn holds(text: &str) {
    let out = styled(text);
    assert_eq!(meaning(text), meaning(&out), "{text}");
    assert_eq!(comments(text), comments(&out), "{text}");
    assert_eq!(styled(&out), out, "not settled after one time:\n{text}");
    assert!(out.lines().all(|line| line.trim_end() == line), "{out}");
    assert!(!out.contains("\n\n\n") && !out.starts_with('\n') && !out.ends_with("\n\n"), "{out}");
}

#[test]
fn the_programs_and_the_library_are_formatted() {
    for (path, text) in programs().iter().filter(|(path, _)| !path.to_string_lossy().contains("syntax")) {
        assert!(styled(text) == *text, "tern fmt {}", path.display());
    }
}

#[test]
fn every_program_keeps_its_meaning() {
    programs().iter().for_each(|(_, text)| holds(text));
}

#[test]
fn spaces() {
    check(
        "use nn :: { dense,relu }\nconst A=arg( 3 )\nfn f (x :fix< f > [ ..s,2*n ],const k:int=2)->fix[..s]{x[ .. ,0 .. k]*-x[...,1..] +2 ** -f}\n\
         fn main(){\nlet (a,b)=f( secret(  [1,2] ),k =3 )\n(if!a&b{1}else{-1})*3/4\n}",
        &expect![[r#"
            use nn::{dense, relu}
            const A = arg(3)
            fn f(x: fix<f>[..s, 2*n], const k: int = 2) -> fix[..s] { x[.., 0 .. k] * -x[..., 1..] + 2 ** -f }
            fn main() {
                let (a, b) = f(secret([1, 2]), k=3)
                (if !a & b { 1 } else { -1 }) * 3/4
            }
        "#]],
    );
}

#[test]
fn lines_go_in_by_what_is_open() {
    check(
        "// top\n\n\n\nfn f(a: int,\nb: int)\n-> int {\n\n// first\nlet x = g(\n1,\n[2,\n3]\n)\nlet y =\n1 +\n2\nfor i in 0..3\n{\nif a == 1 { b }\nelse {\n2\n}\n\n}\n// end\n\n}\n\n\n",
        &expect![[r#"
            // top

            fn f(a: int,
                    b: int)
                -> int {
                // first
                let x = g(
                    1,
                    [2,
                        3]
                )
                let y =
                    1 +
                    2
                for i in 0..3
                {
                    if a == 1 { b }
                    else {
                        2
                    }
                }
                // end
            }
        "#]],
    );
}

#[test]
fn columns_are_the_authors() {
    check(
        "model M {\na:       fix[2]  = zeros()   // one\nlonger:  fix     = ones() // two\nb: int\n}\nconst A = 1\nconst LONG = 2\n\nconst B  = 1\nconst LONGER = 2\n",
        &expect![[r#"
            model M {
                a:      fix[2] = zeros() // one
                longer: fix    = ones()  // two
                b: int
            }
            const A = 1
            const LONG = 2

            const B = 1
            const LONGER = 2
        "#]],
    );
}

#[test]
fn what_does_not_parse_stays_as_it_is() {
    assert!(
        matches!(format("fn main( {", FILE), Err(Unformatted::Mistakes(messages)) if !messages.is_empty())
    );
    assert_eq!(styled(""), "");
    assert_eq!(styled("\u{feff}\r\n \t\n"), "");
    assert_eq!(styled("// only\r\n"), "// only\n");
}

/// Small numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The program with other blanks, line ends and comments.
fn scattered(text: &str, seed: u64) -> String {
    let mut dice = Dice(seed);
    let (mut out, mut end, mut open) = (String::new(), 0, Vec::new());
    for (start, token, behind) in tokens(text, FILE).expect("a program") {
        let gap = &text[end..(start as usize).max(end)];
        let broken = gap.contains('\n') || token == Token::Newline;
        let may_break = open.last() == Some(&true) && dice.roll(12) == 0;
        if broken && token != Token::Newline {
            // comments and line ends as they are, but for empty lines and indentation
            out.push_str(gap.trim_end_matches(' '));
        }
        if may_break {
            out.push_str(&" // by the way /// \"\n".repeat(dice.roll(3) as usize));
            out.push('\n');
        }
        let glued = gap.is_empty() && !out.ends_with('\n');
        out.push_str(&" ".repeat((dice.roll(4) + u64::from(!glued)) as usize));
        out.push_str(&text[start as usize..behind as usize]);
        match token {
            Token::LeftParen | Token::LeftBracket => open.push(true),
            Token::LeftBrace => open.push(false),
            Token::RightParen | Token::RightBracket | Token::RightBrace => drop(open.pop()),
            _ => {}
        }
        end = behind as usize;
    }
    out + &text[end..]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_layout_keeps_its_meaning(seed: u64) {
        let programs = programs();
        let (_, text) = &programs[(seed % programs.len() as u64) as usize];
        let text = scattered(text, seed);
        prop_assert!(tokens(&text, FILE).is_ok(), "the test made nonsense:\n{}", text);
        holds(&text);
    }
}
