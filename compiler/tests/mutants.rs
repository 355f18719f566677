//! Sources altered at random, through the whole compiler: whatever the text, there is bytecode or a message, within ten seconds and a
//! gigabyte, and never a panic.
//!
//! The programs of this project are altered byte by byte and token by token. A run is decided by its seed, each mutant by the seed and its
//! number. A long run, and one mutant again:
//!
//!     TERN_MUTANTS=1000000 TERN_SEED=7 cargo test --release -p tern-compiler --test mutants -- --nocapture
//!     TERN_SEED=7 TERN_MUTANT=123456 cargo test --release -p tern-compiler --test mutants -- --nocapture

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

mod measure;
use measure::processor_time;
use tern_compiler::diagnostics::{Code, Look, Origin, Severity, SourceMap, render_all};
use tern_compiler::ir::{Optimise, Protocol, Rounding};
use tern_compiler::{Entry, Request, Settings, compile, tests_of};

/// How long a compilation may take, and how much memory the process may use.
const PATIENCE: Duration = Duration::from_secs(10);
const MEMORY: u64 = 1 << 30;

/// Numbers and words that are often at the edge of something.
const PIECES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "0.5",
    "1e-9",
    "1e300",
    "64",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "true",
    "false",
    "_",
    "()",
    "[]",
    "x",
    "n",
    "..",
    "..s",
    ".. +2",
    "...",
    "+",
    "-",
    "*",
    "/",
    "@",
    "**",
    "<<",
    ">>",
    "&",
    "|",
    "^",
    "!",
    "==",
    "<",
    "unroll",
    "for",
    "if",
    "else",
    "break",
    "return",
    "var",
    "let",
    "const",
    "public",
    "secret",
    "grad",
    "fix",
    "int",
    "bool",
    "num",
    "str",
    "model",
    "fn",
    "require",
    "assert",
    "buffer",
    "\"\"",
    "\"a\"",
    "\n",
    "(x, x)",
    "[0]",
    "[0, 1]",
    "[i for i in 0..3]",
    "if c { 1 } else { 2 }",
    "reveal(x)",
    "secret(1)",
    "secret(true)",
    "square(x)",
    "abs(x)",
    "max(x, 0)",
    "min(x, x)",
    "where(x > 0, x, 0)",
    "sum(x)",
    "mean(x, axis=0)",
    "product(x)",
    "shape(x)",
    "reshape(x, [1])",
    "broadcast(x, [2, 2])",
    "permute(x, [0])",
    "transpose(x)",
    "expand(x)",
    "reverse(x)",
    "concat(x, x)",
    "windows(x, 2)",
    "einsum(\"ij,jk->ik\", x, x)",
    "zeros([2])",
    "ones()",
    "full(x, [2])",
    "zeros_like(x)",
    "linspace(0, 1, 3)",
    "random::uniform(0, 1)",
    "random::bernoulli(0.5, [2])",
    "bits(x, 0, 4)",
    "bit(3, 0)",
    "word(x)",
    "raw(x)",
    "from_raw(x)",
    "assume(x, 0, 1)",
    "batches(8, 3)",
    "fields(x)",
    "grad(x, x)",
    "metric(\"m\", 1)",
    "debug(x)",
    "close(x, x, 1)",
    "exact::ln(2)",
    "exp(x)",
    "log2(x)",
    "floor(x)",
    "EPSILON",
    "arg(1)",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A program, and a module beside it that is altered in its place, if there is one.
#[derive(Clone)]
struct Subject {
    main: String,
    module: Option<(&'static str, String)>,
}

fn subjects() -> Vec<Subject> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["../programs", "tests/messages", "tests/syntax/programs", "tests/mutants"];
    let mut paths: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "mpc"))
        .collect();
    paths.sort();
    assert!(paths.len() > 25);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut list: Vec<Subject> =
        paths.iter().map(|path| Subject { main: read(path), module: None }).collect();
    // those made for this are small, and right: they reach everything sooner
    let own: Vec<Subject> = paths
        .iter()
        .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("mutants")))
        .map(|path| Subject { main: read(path), module: None })
        .collect();
    assert!(own.len() >= 4);
    (0..12).for_each(|_| list.extend(own.iter().cloned()));
    // the library as somebody's own
    for (name, calls) in LIBRARY_CALLS {
        let text = read(&root.join(format!("../stdlib/{name}.mpc")));
        let main = format!("use own\n{calls}");
        list.push(Subject { main, module: Some(("own", text)) });
    }
    list
}

const LIBRARY_CALLS: &[(&str, &str)] = &[
    (
        "math",
        "input x: fix[4, 3] from party 0\nfn main() {\n    let y = own::exp(x) + own::sqrt(x) / own::ln(x)\n    \
         let z = own::sigmoid(y) + own::log2(x) + own::inv_sqrt(x)\n    let g = grad(sum(z), x)\n    \
         output g = g to party 0\n    output m = own::argmax(x) to party 1\n}\n",
    ),
    (
        "nn",
        "use nn\ninput x: fix[4, 6] from party 0\ninput y: fix[4, 3] from party 1\nmodel Net { l: own::Dense(6, 3) }\n\
         fn main() {\n    var p = Net()\n    let h = own::relu(own::dense(x, p.l))\n    \
         let s = own::softmax(h)\n    let g = grad(sum(s * y), p)\n    p -= 0.1 * g\n    output p to party 0\n}\n",
    ),
    (
        "optim",
        "use nn::{Dense, dense}\ninput x: fix[4, 6] from party 0\nmodel Net { l: Dense(6, 3) }\nfn main() {\n    \
         var p = Net()\n    let g = grad(sum(square(dense(x, p.l))), p)\n    let q = own::sgd(p, g, own::start(p), 0.1)[0]\n    \
         output q = q to party 0\n}\n",
    ),
];

/// The subject with a few changes, in the module if it has one and otherwise in the program.
fn mutate(subject: &Subject, all: &[Subject], random: &mut Random) -> Subject {
    let mut mutant = subject.clone();
    let text = mutant.module.as_mut().map_or(&mut mutant.main, |(_, text)| text);
    let changes = *random.pick(&[1, 1, 1, 2, 2, 3, 4]);
    for _ in 0..changes {
        *text = match random.below(8) {
            0 => bytes_changed(text, random),
            1..5 => token_exchanged(text, random),
            _ => tokens_changed(text, &random.pick(all).main, random),
        };
    }
    mutant
}

fn bytes_changed(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(12)).min(bytes.len());
    match random.below(4) {
        0 => drop(bytes.drain(at..end)),
        1 => bytes.insert(at, (random.next() % 256) as u8),
        2 => bytes = [&bytes[..end], &bytes[at..]].concat(),
        _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << (random.next() % 8)),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn tokens_changed(text: &str, other: &str, random: &mut Random) -> String {
    let mut tokens = tokens(text);
    let (a, b) = (random.below(tokens.len()), random.below(tokens.len()));
    let donor = if random.below(3) == 0 { other } else { text };
    let donated = self::tokens(donor);
    if tokens.is_empty() || donated.is_empty() {
        return text.to_string();
    }
    let (piece, gift) = (*random.pick(PIECES), *random.pick(&donated));
    match random.below(6) {
        0 => drop(tokens.remove(a)),
        1 => tokens.swap(a, b),
        2 => tokens[a] = piece,
        3 => tokens.insert(a, piece),
        4 => tokens[a] = gift,
        _ => {
            // a run of tokens, such as a whole call or statement
            let start = random.below(donated.len());
            let end = (start + 1 + random.below(20)).min(donated.len());
            tokens.splice(a..a, donated[start..end].iter().copied());
        }
    }
    tokens.concat()
}

/// A token in the place of one of its kind: the text often stays a program.
fn token_exchanged(text: &str, random: &mut Random) -> String {
    let mut tokens = tokens(text);
    let kinds: Vec<_> = tokens.iter().map(|token| kind(token)).collect();
    let a = random.below(tokens.len());
    let alike: Vec<usize> = (0..tokens.len()).filter(|b| kinds[*b] == kinds[a]).collect();
    if alike.is_empty() {
        return text.to_string();
    }
    tokens[a] = match kinds[a] {
        Kind::Number if random.below(2) == 0 => *random.pick::<&str>(NUMBERS),
        Kind::Operator if random.below(2) == 0 => *random.pick::<&str>(OPERATORS),
        _ => tokens[*random.pick(&alike)],
    };
    tokens.concat()
}

#[derive(PartialEq)]
enum Kind {
    Number,
    Name,
    Operator,
    Other,
}

fn kind(token: &str) -> Kind {
    match token.bytes().next() {
        Some(b'0'..=b'9') => Kind::Number,
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => Kind::Name,
        Some(b'+' | b'-' | b'*' | b'/' | b'@' | b'<' | b'>' | b'&' | b'|' | b'^') => Kind::Operator,
        _ => Kind::Other,
    }
}

const NUMBERS: &[&str] = &["0", "1", "2", "3", "5", "7", "8", "64", "100", "1000", "65536", "4294967296"];
const OPERATORS: &[&str] = &["+", "-", "*", "/", "@", "**", "<", ">", "==", "&", "|", "^", "<<", ">>"];

/// Words, single signs, and what is between them.
fn tokens(text: &str) -> Vec<&str> {
    let mut list = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = match first {
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            ' ' => rest.find(|c| c != ' ').unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        list.push(&rest[..length]);
        rest = &rest[length..];
    }
    list
}

/// Compiles, and checks what must hold of any program; whether there was bytecode.
fn check(subject: &Subject, random: &mut Random) -> bool {
    let mut sources = SourceMap::new();
    let file = sources.add("mutant.mpc", subject.main.as_str(), Origin::User);
    let (ring, frac, total) = *random.pick(&[(64, 16, 32), (64, 8, 16), (128, 32, 64), (64, 13, 27)]);
    let rounding = *random.pick(&[Rounding::Nearest, Rounding::Probabilistic]);
    let tests = if random.below(8) == 0 { tests_of(&subject.main).len() } else { 0 };
    let resolve = |name: &str| {
        let (_, text) = subject.module.as_ref().filter(|(own, _)| *own == name)?;
        Some((format!("{name}.mpc"), Ok(text.clone())))
    };
    let request = Request {
        name: "mutant",
        file,
        entry: if tests > 0 { Entry::Test(random.below(tests)) } else { Entry::Main },
        settings: Settings {
            protocol: Protocol::Rep3,
            ring,
            frac,
            total,
            rounding,
            optimise: Optimise::Balanced,
        },
        args: BTreeMap::new(),
        resolve: &resolve,
        print_after: None,
    };
    let compilation = compile(request, sources);
    let errors = compilation.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    let codes: Vec<Code> = errors.map(|d| d.code).collect();
    let shown = render_all(&compilation.diagnostics, &compilation.sources, Look::PLAIN);
    assert!(!codes.contains(&Code::B002), "{shown}");
    assert_eq!(compilation.program.is_some(), codes.is_empty(), "{shown}");
    if let Some(program) = &compilation.program {
        let bytes = tern_bytecode::encode(program);
        let again = tern_bytecode::decode(&bytes).unwrap();
        tern_bytecode::validate(&again).unwrap();
        assert!(again == *program, "the bytecode is read as another program");
    }
    compilation.program.is_some()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Ends the process, with the mutant's number, when one takes too long or too much memory.
fn watch(current: Arc<AtomicU64>, seed: u64) {
    let now = || processor_time().unwrap_or_default();
    let (mut number, mut since, mut computed) = (u64::MAX, Instant::now(), now());
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let at = current.load(Ordering::Relaxed);
        if at != number {
            (number, since, computed) = (at, Instant::now(), now());
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0);
        let took = now() - computed;
        if took > PATIENCE || since.elapsed() > 10 * PATIENCE || kib << 10 > MEMORY {
            eprintln!("mutant {number} of seed {seed}: {:.1} s, {} MiB", took.as_secs_f64(), kib >> 10);
            std::process::exit(1);
        }
    }
}

#[test]
fn no_source_makes_the_compiler_panic() {
    let seed = number("TERN_SEED").unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    });
    let one = number("TERN_MUTANT");
    let count = number("TERN_MUTANTS").unwrap_or(1000);
    println!("{count} mutants of seed {seed}: TERN_SEED={seed} repeats them");
    let range = one.map_or(0..count, |one| one..one + 1);
    let all = subjects();
    let place = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&place);
    std::panic::set_hook(Box::new(move |info| *noted.lock().unwrap() = info.to_string()));
    let current = Arc::new(AtomicU64::new(u64::MAX));
    let watched = Arc::clone(&current);
    std::thread::spawn(move || watch(watched, seed));
    let mut failures: BTreeMap<String, (u64, usize, String)> = BTreeMap::new();
    let mut compiled = 0;
    for i in range {
        current.store(i, Ordering::Relaxed);
        let mut random = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D).wrapping_add(i));
        let subject = mutate(random.pick(&all), &all, &mut random);
        if one.is_some() {
            println!("{}{}", subject.main, subject.module.as_ref().map_or("", |(_, text)| text));
        }
        let checked = catch_unwind(AssertUnwindSafe(|| check(&subject, &mut random)));
        compiled += u64::from(matches!(checked, Ok(true)));
        if checked.is_err() {
            let what = place.lock().unwrap().clone();
            let key: String = what.chars().take(120).collect();
            let entry = failures.entry(key).or_insert((i, 0, what));
            entry.1 += 1;
            if entry.1 == 1 {
                println!("mutant {i}: {}", entry.2);
            }
        }
        if i % 10_000 == 9_999 {
            println!("{} done, {compiled} compiled, {} kinds of failure", i + 1, failures.len());
        }
    }
    let _ = std::panic::take_hook();
    println!("{compiled} of them compiled");
    // About one in eighteen does; by chance a few more or less.
    assert!(compiled > count / 50 || one.is_some(), "{compiled} of {count} are no programs to speak of");
    assert!(failures.is_empty(), "of seed {seed}: {failures:#?}");
}
