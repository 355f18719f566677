//! The parser on texts that nobody wrote: it never panics, its trees are bounded and lie within the text, and a small
//! mistake gives few messages.

use proptest::prelude::*;
use std::fs;
use tern_compiler::diagnostics::{Diagnostic, FileId, Look, Origin, SourceMap, render_all};
use tern_compiler::syntax::ast::{BinaryOp, File, Item, UnaryOp};
use tern_compiler::syntax::{MAX_HEIGHT, parse};

#[path = "syntax/show.rs"]
mod show;
use show::show;

/// Parses, renders what was found, and checks what must hold for any text.
fn check(text: &str) -> (File, Vec<Diagnostic>) {
    let mut sources = SourceMap::new();
    let file = sources.add("any.mpc", text, Origin::User);
    let (tree, messages) = parse(text, file);
    for message in &messages {
        for label in &message.labels {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(text.get(start..end).is_some(), "{label:?}");
        }
    }
    for pair in messages.windows(2) {
        assert!(pair[0].place() <= pair[1].place());
    }
    for item in &tree.items {
        let span = item.span();
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?}");
    }
    let broken = tree.items.iter().any(|item| matches!(item, Item::Error(_)));
    assert!(!broken || !messages.is_empty());
    assert!(nesting(&format!("{tree:?}")) <= 16 * MAX_HEIGHT);
    let rendered = render_all(&messages, &sources, Look::PLAIN);
    assert_eq!(rendered.is_empty(), messages.is_empty());
    render_all(&messages, &sources, Look { color: true, unicode: true, width: 20 });
    (tree, messages)
}

/// The depth of brackets in a tree's debug form, which is at most a few times its height.
fn nesting(text: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'{' | b'[' => depth += 1,
            b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

fn programs() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/syntax/programs");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// Everything that a token can look like, and some things that it cannot.
const PIECES: &[&str] = &[
    "_", "assert", "bool", "break", "buffer", "const", "else", "false", "fix", "fn", "for", "from", "grad",
    "if", "in", "input", "int", "let", "model", "num", "output", "party", "public", "require", "return",
    "secret", "shares", "str", "test", "to", "true", "unroll", "use", "var", "while", "(", ")", "[", "]",
    "{", "}", "=", "+=", "-=", "*=", "/=", "==", "!=", "<", "<=", ">", ">=", "<<", ">>", "+", "-", "*", "**",
    "/", "@", "!", "&", "|", "^", "->", ":", "::", ",", ".", "..", "...", "\n", "\n", "\n", "a", "b1", "Net",
    "1", "0.5", "1e-3", "1e999", "2x", ".5", "\"t\"", "\"", "'", "&&", ";", "%", "#", "// c", "/// d\n", "é",
    "“", "\u{202e}", "\u{feff}", "\r\n", "\t", "\0",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn any_tokens(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..120), tight in any::<bool>()) {
        check(&pieces.join(if tight { "" } else { " " }));
    }

    #[test]
    fn tokens_in_a_function(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let (tree, _) = check(&format!("fn a() {{\n{}\n}}\nfn z() {{ }}\n", pieces.join(" ")));
        prop_assert!(!tree.items.is_empty());
    }

    #[test]
    fn a_program_with_pieces_exchanged(
        program in prop::sample::select(programs()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(PIECES)), 1..8),
    ) {
        let mut text = program;
        for (at, removed, piece) in edits {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.ceil_char_boundary((start + removed).min(text.len()));
            text.replace_range(start..end, piece);
        }
        check(&text);
    }

    #[test]
    fn minimal_parentheses_are_read_as_meant(tree in tree()) {
        let text = format!("const A = {}", tree.minimal(0));
        let (file, messages) = check(&text);
        prop_assert!(messages.is_empty(), "{text}: {messages:?}");
        let Item::Const(item) = &file.items[0] else { panic!() };
        prop_assert_eq!(show(&item.value), tree.full(), "{}", text);
    }
}

/// Cut anywhere, a program's messages show a place in it.
#[test]
fn a_program_that_ends_too_early_is_shown_where() {
    for program in programs() {
        for at in (0..program.len()).filter(|at| program.is_char_boundary(*at)).step_by(3) {
            let text = &program[..at];
            let mut sources = SourceMap::new();
            let file = sources.add("cut.mpc", text, Origin::User);
            for message in parse(text, file).1 {
                let shown = tern_compiler::diagnostics::render(&message, &sources, Look::PLAIN);
                let place = message.place().unwrap();
                let line = sources.get(file).unwrap().line(place.start) as usize;
                assert!(shown.contains('^') && line <= text.lines().count().max(1), "{text}\n{shown}");
            }
        }
    }
}

/// The inputs that fuzzing found to reach different code.
#[test]
fn kept_inputs_of_the_fuzzer() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/parser");
    let paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() > 100);
    for path in paths {
        check(&String::from_utf8_lossy(&fs::read(path).unwrap()));
    }
}

/// Leaves out one word or sign at a time: nearly always one message says so, and never many.
#[test]
fn a_word_too_few_gives_one_message() {
    let mut programs_with = [0_usize; 4];
    for program in programs() {
        for (start, word) in words(&program).into_iter().step_by(5) {
            let mut text = program.clone();
            text.replace_range(start..start + word.len(), "");
            let (_, messages) = parse(&text, FileId(0));
            assert!(messages.len() < 4, "without {word:?} at {start}: {messages:#?}");
            programs_with[messages.len()] += 1;
        }
    }
    let [none, one, two, three] = programs_with;
    assert!(none + one > 1000 && 100 * (two + three) < none + one, "{programs_with:?}");
}

/// Words and signs of a program, with their offsets; comments left out.
fn words(program: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut offset = 0;
    for line in program.split_inclusive('\n') {
        let code = line.split("//").next().unwrap_or("");
        let mut rest = code;
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = match is_word(first) {
                true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                false => first.len_utf8(),
            };
            if !first.is_whitespace() {
                words.push((offset + code.len() - rest.len(), &rest[..length]));
            }
            rest = &rest[length..];
        }
        offset += line.len();
    }
    words
}

/// An expression of which only the operators matter.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(&'static str),
    Unary(UnaryOp, Box<Tree>),
    Binary(BinaryOp, Box<Tree>, Box<Tree>),
}

/// How tightly an operator binds, from the language's description: `|`, `^`, `&`, comparisons, shifts, sums, products,
/// signs, powers.
fn tightness(op: BinaryOp) -> u8 {
    match op.symbol() {
        "|" => 1,
        "^" => 2,
        "&" => 3,
        "==" | "!=" | "<" | "<=" | ">" | ">=" => 4,
        "<<" | ">>" => 5,
        "+" | "-" => 6,
        "*" | "/" | "@" => 7,
        "**" => 9,
        other => panic!("{other}"),
    }
}

const SIGN: u8 = 8;

impl Tree {
    fn full(&self) -> String {
        match self {
            Tree::Leaf(name) => name.to_string(),
            Tree::Unary(op, operand) => format!("({}{})", op.symbol(), operand.full()),
            Tree::Binary(op, left, right) => format!("({} {} {})", left.full(), op.symbol(), right.full()),
        }
    }

    /// With the parentheses that are needed where at least this tightness is.
    fn minimal(&self, least: u8) -> String {
        let (own, text) = match self {
            Tree::Leaf(name) => return name.to_string(),
            Tree::Unary(op, operand) => (SIGN, format!("{}{}", op.symbol(), operand.minimal(SIGN))),
            Tree::Binary(op, left, right) => {
                let own = tightness(*op);
                let (at_left, at_right) = match own {
                    4 => (5, 5),     // comparisons do not chain
                    9 => (10, SIGN), // a power binds to the right, and takes a sign there
                    own => (own, own + 1),
                };
                (own, format!("{}{}{}", left.minimal(at_left), op.symbol(), right.minimal(at_right)))
            }
        };
        if own < least { format!("({text})") } else { text }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    use BinaryOp::*;
    let binary = vec![Add, Sub, Mul, Div, MatMul, Pow, Eq, Ne, Lt, Le, Gt, Ge, And, Or, Xor, Shl, Shr];
    let leaf = prop::sample::select(vec!["a", "b", "x_1", "2", "0.5", "to"]).prop_map(Tree::Leaf);
    leaf.prop_recursive(6, 40, 2, move |inner| {
        let sign = prop::sample::select(vec![UnaryOp::Neg, UnaryOp::Not]);
        let op = prop::sample::select(binary.clone());
        prop_oneof![
            (sign, inner.clone()).prop_map(|(op, operand)| Tree::Unary(op, Box::new(operand))),
            (op, inner.clone(), inner).prop_map(|(op, a, b)| Tree::Binary(op, Box::new(a), Box::new(b))),
        ]
    })
}
