//! Programs that ask for too much, and some that ask for nearly too much: each ends within ten seconds and a gigabyte, with a message or with
//! bytecode. docs/language.md lists the limits.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

mod measure;
use measure::processor_time;

use peak_alloc::PeakAlloc;
use tern_compiler::diagnostics::{Code, Look, Origin, SourceMap, render_all};
use tern_compiler::ir::{Optimise, Protocol, Rounding};
use tern_compiler::{Entry, Request, Settings, compile};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One program at a time, for the sake of the measurements.
static ALONE: Mutex<()> = Mutex::new(());

const SETTINGS: Settings = Settings {
    protocol: Protocol::Rep3,
    ring: 64,
    frac: 16,
    total: 32,
    rounding: Rounding::Probabilistic,
    optimise: Optimise::Balanced,
};

/// What is said of a program: nothing, if it compiles.
fn codes(name: &str, text: &str) -> Vec<Code> {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut sources = SourceMap::new();
    let file = sources.add("main.mpc", text, Origin::User);
    let request = Request {
        name: "main",
        file,
        entry: Entry::Main,
        settings: SETTINGS,
        args: BTreeMap::new(),
        resolve: &|_| None,
        print_after: None,
    };
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let (started, computed) = (Instant::now(), processor_time());
    let compilation = compile(request, sources);
    let shown = render_all(&compilation.diagnostics, &compilation.sources, Look::PLAIN);
    let computed = processor_time().zip(computed).map(|(after, before)| after - before);
    let (took, memory) = (computed.unwrap_or(started.elapsed()), MEMORY.peak_usage() - before);
    println!("{name}: {:.2} s, {} MiB, {} bytes of messages", took.as_secs_f64(), memory >> 20, shown.len());
    let mut steps = compilation.timings.clone();
    steps.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    println!("    slowest: {:.2?}", &steps[..steps.len().min(3)]);
    assert!(took < Duration::from_secs(10), "{name}: {took:?}");
    assert!(memory < 1 << 30, "{name}: {} MiB", memory >> 20);
    assert!(shown.len() < 100_000, "{name}: {} bytes of messages", shown.len());
    assert_eq!(compilation.program.is_some(), compilation.diagnostics.is_empty(), "{name}: {shown}");
    let mut codes: Vec<Code> = compilation.diagnostics.iter().map(|d| d.code).collect();
    codes.dedup();
    codes
}

fn main_of(body: &str) -> String {
    format!("input x: fix[4] from party 0\nfn main() {{\n{body}\n}}\n")
}

/// A statement over and over.
fn repeated(first: &str, statement: &str, times: usize) -> String {
    main_of(&format!("    var a = {first}\n{}", format!("    {statement}\n").repeat(times)))
}

#[test]
fn constants_that_grow() {
    assert_eq!(codes("concat", &repeated("[1, 2]", "a = concat(a, a)", 30)), [Code::B001]);
    assert_eq!(codes("equal elements", &repeated("ones([2])", "a = concat(a, a)", 20)), []);
    assert_eq!(codes("stack", &repeated("[1, 2]", "a = [a, a]", 30)), [Code::B001]);
    assert_eq!(codes("squares", &repeated("3", "a = a * a", 40)), [Code::B001]);
    assert_eq!(codes("squares of fractions", &repeated("1/3", "a = a * a + 1", 40)), [Code::B001]);
    assert_eq!(codes("powers", &repeated("7", "a = a ** 4096", 5)), [Code::T010]);
    assert_eq!(codes("shifts", &repeated("1", "a = a << 512", 100)), [Code::B001]);
    let factorial =
        "    var a = 1\n    unroll for i in 1..4001 {\n        a = a * i\n    }\n    metric(\"a\", a)";
    let harmonic =
        "    var a = 0\n    unroll for i in 1..40000 {\n        a = a + 1 / i\n    }\n    metric(\"a\", a)";
    for (name, body) in [("factorial", factorial), ("harmonic sum", harmonic)] {
        // whichever comes first: the longest number, or the work with long ones
        let found = codes(name, &main_of(body));
        let limits = found.iter().all(|code| [Code::B001, Code::T020].contains(code));
        assert!(limits && !found.is_empty(), "{name}: {found:?}");
    }
    let outer = "    let a = [i for i in 0..1000]\n    let b = broadcast(expand(a, 1), [1000, 5000])";
    assert_eq!(codes("broadcast", &main_of(outer)), [Code::B001]);
    let many = "    var a = [i for i in 0..100000]\n    unroll for i in 0..1000 {\n        a = a + 1\n    }";
    assert_eq!(codes("many large constants", &main_of(many)), [Code::T020]);
    let used = "    let a = [i for i in 0..100000]\n    var s = 0 * sum(x) + 0.5\n    unroll for i in 0..1000 {\n        \
                s = s + sum(a * sum(x))\n    }\n    output s to party 0";
    assert!(codes("a large constant in many places", &main_of(used)).len() <= 1);
}

/// As one number that stands for all elements.
#[test]
fn tensors_of_one_number() {
    let z = "    let z = zeros([65536, 65535])\n    let o = ones([65536, 65535])\n";
    for use_of in [
        "sum(z)",
        "sum(z, axis=0)[0]",
        "mean(o)",
        "exp(z)[0, 0]",
        "(o ** 3)[1, 1]",
        "where(z > 1, z, o)[0, 0]",
        "(z @ transpose(o))[0, 0]",
        "max(z, o)[3, 3]",
        "product(o)[1]",
        "floor(z + o / 2)[0, 0]",
        "int(z)[0, 0]",
        "reverse(z)[0, 0]",
        "broadcast(z, [65536, 65535])[0, 0]",
        "concat(z[0..9], z[0..9])[0, 0]",
        "[z[0], z[1]][0, 0]",
        "fix(z)[0, 0]",
        "einsum(\"ij,kj->ik\", z, z)[0, 0]",
    ] {
        assert_eq!(codes(use_of, &main_of(&format!("{z}    metric(\"a\", {use_of})"))), [], "{use_of}");
    }
    let checks = "    require z in 0..1\n    assert o == 1";
    assert_eq!(codes("checks", &main_of(&format!("{z}{checks}"))), []);
    for (use_of, code) in [
        ("zeros(reshape(z, [65536 * 65535]))", Code::T004),
        ("sum(x, axis=reshape(z, [65536 * 65535]))", Code::T004),
        ("[..s]", Code::T003),
    ] {
        let found = codes(use_of, &main_of(&format!("{z}    metric(\"a\", {use_of})")));
        assert!(found.contains(&code) || found == [Code::B001], "{use_of}: {found:?}");
    }
    let unrolled = "    unroll for a in o {\n        metric(\"a\", a[0])\n    }";
    assert_eq!(codes("unrolled rows", &main_of(&format!("{z}{unrolled}"))), []);
}

#[test]
fn structures_that_grow() {
    let mut models = String::from("model M0 { w: fix = 0 }\n");
    for i in 1..30 {
        models += &format!("model M{i} {{ a: M{0}, b: M{0} }}\n", i - 1);
    }
    let program = format!("{models}{}", main_of("    let p = M29()\n    output p to party 0"));
    assert_eq!(codes("nested models", &program), [Code::B001]);
    let input = format!("{models}input p: M29 from party 1\n{}", main_of("    output p = p to party 0"));
    assert_eq!(codes("an input of nested models", &input), [Code::B001]);
    assert_eq!(codes("nested tuples", &repeated("(1, 2)", "a = (a, a)", 60)), [Code::B001]);
    let wide = format!("    let a = ({})\n    metric(\"a\", a[7])", "1, ".repeat(4000));
    assert_eq!(codes("a wide tuple", &main_of(&wide)), []);
    assert_eq!(
        codes("a model in itself", &format!("model M {{ a: M }}\n{}", main_of("    let p = M()"))),
        [Code::T020]
    );
}

#[test]
fn programs_that_expand() {
    let mut functions = String::from("fn f0(x: fix[n]) -> fix[n] {\n    x * x\n}\n");
    for i in 1..40 {
        functions += &format!("fn f{i}(x: fix[n]) -> fix[n] {{\n    f{0}(f{0}(x))\n}}\n", i - 1);
    }
    let program = format!("{functions}{}", main_of("    output y = f39(x) to party 0"));
    assert_eq!(codes("exponential inlining", &program), [Code::T020]);
    let constant = functions.replace("fix[n]", "fix").replace("x * x", "x");
    let program = format!("{constant}{}", main_of("    metric(\"a\", f39(1))"));
    assert_eq!(codes("exponential evaluation", &program), [Code::T020]);
    let endless = "fn f(const n: int) -> int {\n    f(n + 1)\n}\n";
    assert_eq!(codes("recursion", &format!("{endless}{}", main_of("    metric(\"a\", f(0))"))), [Code::T020]);
    let deep = endless.replace("f(n + 1)", &format!("{}f(n + 1){}", "(1 + ".repeat(60), ")".repeat(60)));
    assert_eq!(
        codes("deep recursion", &format!("{deep}{}", main_of("    metric(\"a\", f(0))"))),
        [Code::T020]
    );
    let blocks = format!(
        "fn f(const n: int, c: public bool) -> int {{\n    var y = 0\n    if c {{\n        if c {{\n            y = f(n + 1, c)\n        \
         }}\n    }}\n    y\n}}\n{}",
        main_of("    metric(\"a\", f(0, reveal(x[0] > 1)))")
    );
    assert_eq!(codes("branches in branches", &blocks), [Code::B001]);
    let mut loops = String::from("    var a = 0\n");
    (0..14).for_each(|i| loops += &format!("for i{i} in 0..2 {{\n"));
    loops += &format!("a = a + sum(x)\n{}    output a to party 0", "}\n".repeat(14));
    let found = codes("loops in loops", &main_of(&loops));
    assert!(found.is_empty() || found == [Code::T020], "{found:?}");
    assert_eq!(
        codes("a long unrolled loop", &main_of("    unroll for i in 0..4000000000 {\n    }")),
        [Code::T020]
    );
    assert_eq!(codes("a long list", &main_of("    let a = [0 for i in 0..4000000000]")), [Code::T020]);
}

/// Twice as long takes twice as long.
#[test]
fn long_programs_compile() {
    let unrolled = "    var s = x\n    unroll for i in 0..8000 {\n        s = s * 0.5 + x\n    }\n    output s to party 0";
    assert_eq!(codes("unrolled", &main_of(unrolled)), []);
    let list = "    let s = [i * 0.5 * x for i in 0..8000]\n    output s to party 0";
    assert_eq!(codes("list", &main_of(list)), []);
    let longer = list.replace("8000", "9000");
    assert_eq!(codes("longer list", &main_of(&longer)), [Code::B001]);
    let compared = "    var s = x\n    unroll for i in 0..2000 {\n        s = where(s > i, s, 0.5 * x * s)\n    }\n    output s to party 0";
    assert_eq!(codes("comparisons", &main_of(compared)), []);
    let learned = "    var w = 0.5 * x\n    unroll for i in 0..500 {\n        w = w - 0.1 * grad(sum(square(w * x)), w)\n    }\n    output w to party 0";
    assert_eq!(codes("derivatives", &main_of(learned)), []);
    let chain = "    var s = x\n    unroll for i in 0..2000 {\n        s = s * x + 1\n    }\n    output g = grad(sum(s), x) to party 0";
    assert_eq!(codes("one derivative", &main_of(chain)), []);
    let longest = "    var s = x\n    unroll for i in 0..40000 {\n        s = s * 0.5 + x\n    }\n    output s to party 0";
    assert!(codes("as long as can be", &main_of(longest)).len() <= 1);
    let parts = "    var s = x\n    unroll for i in 0..2000 {\n        s = concat(s, x)\n    }\n    output s to party 0";
    assert_eq!(codes("parts", &main_of(parts)), []);
}

/// Many of everything that a program has one by one.
#[test]
fn programs_with_many_parts() {
    let many = |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(|i| line(i) + "\n").collect::<String>();
    let metrics = many(30000, &|i| format!("    metric(\"m{i}\", {i})"));
    assert_eq!(codes("metrics", &main_of(&metrics)), []);
    let outputs = many(5000, &|i| format!("    output o{i} = x * {i} to party 0"));
    assert_eq!(codes("outputs", &main_of(&outputs)), []);
    let inputs = many(20000, &|i| format!("input x{i}: fix from party 0"));
    let used = many(20000, &|i| format!("    s += x{i}"));
    let sum = format!("    var s = 0 * sum(x)\n{used}    output s to party 0");
    assert_eq!(codes("inputs", &format!("{inputs}{}", main_of(&sum))), []);
    let variables = many(3000, &|i| format!("    var v{i} = x"));
    let changed = many(3000, &|i| format!("        v{i} = v{i} * 0.5"));
    let carried = format!("{variables}    for i in 0..9 {{\n{changed}    }}\n    output v7 = v7 to party 0");
    assert_eq!(codes("carried values", &main_of(&carried)), []);
    let branch = carried.replace("for i in 0..9 {", "if reveal(sum(x)) > 1 {");
    assert_eq!(codes("changed in a branch", &main_of(&branch)), []);
    let branches = many(20000, &|_| String::from("    if c { v1 = x }"));
    let branches = format!("{variables}    let c = reveal(sum(x)) > 1\n{branches}");
    assert_eq!(codes("branches and variables", &main_of(&branches)), [Code::T020]);
    let loops = many(3000, &|_| String::from("    for i in 0..9 {\n        s = s * 0.5 + i\n    }"));
    assert_eq!(codes("loops", &main_of(&format!("    var s = x\n{loops}    output s to party 0"))), []);
    let constants = many(20000, &|i| {
        format!("const A{i} = {}", if i == 0 { "1".into() } else { format!("A{} + 1", i - 1) })
    });
    assert_eq!(codes("constants", &format!("{constants}{}", main_of("    metric(\"a\", A19999)"))), []);
    let backwards = many(20000, &|i| format!("const A{i} = A{} + 1", i + 1));
    assert_eq!(
        codes("constants backwards", &format!("{backwards}const A20000 = 1\n{}", main_of(""))),
        [Code::T020]
    );
    let line: Vec<String> = (0..4000).map(|i| format!("x * {i}.25 + x")).collect();
    let line = format!("    let a = [{}]\n    output a to party 0", line.join(", "));
    assert_eq!(codes("one long line", &main_of(&line)), []);
}

#[test]
fn texts_that_are_wrong_all_over() {
    let names: String = (0..8000).map(|i| format!("    metric(\"a\", name_{i})\n")).collect();
    assert_eq!(codes("unknown names", &main_of(&names)), [Code::N001]);
    let long = "n".repeat(1 << 20);
    assert_eq!(codes("a long name", &main_of(&format!("    metric(\"a\", {long})")))[0], Code::L007);
    assert_eq!(codes("a long text", &main_of(&format!("    metric(\"{long}\", 1)")))[0], Code::L007);
    let size = tern_compiler::syntax::MAX_SOURCE - 200;
    for (name, piece) in [
        ("statements", "let let let\n"),
        ("brackets", "("),
        ("closing brackets", ")"),
        ("characters", "\u{20ac}"),
        ("lines", "\n"),
        ("sums", "1 + "),
        ("elements", "1,"),
        ("signs", "-"),
        ("names", "a "),
        ("braces", "{}"),
        ("quotes", "\"\n"),
    ] {
        let text = main_of(&piece.repeat(size / piece.len()));
        let found = codes(name, &text);
        assert!(!found.is_empty() || name == "lines", "{name}");
    }
    for (name, item) in [
        ("functions", "fn f() {}\n"),
        ("imports", "use a\n"),
        ("models", "model M {}\n"),
        ("constants", "const A = B\n"),
    ] {
        let text = format!("{}{}", item.repeat(size / item.len()), main_of(""));
        assert!(!codes(name, &text).is_empty(), "{name}");
    }
    let list = main_of(&format!("    let a = [{}0]\n    metric(\"a\", a[0])", "1,".repeat(size / 2)));
    assert_eq!(codes("a list as long as a file", &list), []);
}
