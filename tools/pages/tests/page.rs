//! The page of a program that is compiled here.

use std::collections::BTreeMap;

use tern_bytecode::Program;
use tern_bytecode::program::{Protocol, Rounding};
use tern_bytecode::report::{CostReport, group, report};
use tern_compiler::diagnostics::{Origin, SourceMap};
use tern_compiler::{Compilation, Entry, Request, Settings, compile};
use tern_pages::{Line, Run, Time, page, run_page};

const PROGRAM: &str = "use nn::relu

input x: fix[4] from party 0

/// <Twice> & more.
fn twice(x: fix[..s]) -> fix[..s] {
    relu(x) * 2
}

fn main() {
    let y = twice(x)
    let z = y * y // a \"product\" <of> two & more
    output z to party 1
}
";

fn compiled_text(text: &str) -> (Program, SourceMap) {
    let Compilation { program, sources, .. } = compiled_as(text);
    (program.expect("it compiles"), sources)
}

fn compiled() -> Compilation {
    compiled_as(PROGRAM)
}

fn compiled_as(text: &str) -> Compilation {
    let settings = Settings {
        protocol: Protocol::Rep3,
        ring: 64,
        frac: 16,
        total: 32,
        rounding: Rounding::Probabilistic,
        optimise: tern_compiler::ir::Optimise::Balanced,
    };
    let mut sources = SourceMap::new();
    let file = sources.add("small.mpc", text, Origin::User);
    let request = Request {
        name: "small",
        file,
        entry: Entry::Main,
        settings,
        args: BTreeMap::new(),
        resolve: &|_| None,
        print_after: None,
    };
    compile(request, sources)
}

fn shown() -> (CostReport, String) {
    let compilation = compiled();
    let program = compilation.program.expect("it compiles");
    let report = report(&program);
    let page = page(&report, &program.header, &compilation.sources, Some(1.25));
    (report, page)
}

#[test]
fn it_shows_every_line_with_its_cost() {
    let (report, page) = shown();
    assert_eq!(page.matches("<tr id=\"L").count(), PROGRAM.lines().count());
    for line in &report.by_line {
        let row = page.lines().find(|row| row.contains(&format!("id=\"L0-{}\"", line.line))).expect("a row");
        assert!(row.contains(&format!("data-value=\"{}\">{}<", line.bits, group(line.bits))), "{row}");
        assert!(row.contains(&format!("data-value=\"{}\">{}<", line.rounds, group(line.rounds))), "{row}");
    }
    assert!(page.contains(&format!("{} rounds, {} bits", group(report.rounds), group(report.bits))));
    assert!(page.contains("rep3, f = 16") && page.contains("Predicted communication: 1.2 s"));
    assert!(page.contains("let z = y * y // a &quot;product&quot; &lt;of&gt; two &amp; more"));
    assert!(page.contains("<td>z</td><td>party 1</td>"));
}

/// A run of the program in which every line took as many milliseconds as its number says.
fn run_shown() -> (CostReport, String) {
    let compilation = compiled();
    let program = compilation.program.expect("it compiles");
    let report = report(&program);
    let timed = |line| {
        let line = Line::from(line);
        let time = Some(Time { compute: f64::from(line.line) / 2e3, waited: f64::from(line.line) / 2e3 });
        Line { time, ..line }
    };
    let run = Run {
        lines: report.by_line.iter().map(timed).collect(),
        rounds: report.rounds,
        bits: report.bits,
        party: None,
        seconds: 2.25,
        waited: 1.0,
        peak_memory: 77_000_000,
    };
    let page = run_page(&run, &report, &program.header, &compilation.sources);
    (report, page)
}

#[test]
fn a_run_has_times_besides() {
    let (report, page) = run_shown();
    assert!(page.contains("<b>2.2 s</b>, of which up to 1.0 s waiting") && page.contains("at most 77 MB"));
    for line in &report.by_line {
        let row = page.lines().find(|row| row.contains(&format!("id=\"L0-{}\"", line.line))).expect("a row");
        let half = format!("data-value=\"{}\">{:.3} s<", 500 * line.line, f64::from(line.line) / 2e3);
        assert_eq!(row.matches(&half).count(), 2, "{row}");
        assert!(row.contains(&format!("data-value=\"{}\">{}<", line.bits, group(line.bits))), "{row}");
    }
    // as wide as the times: main's lines are 11 to 13, of those with a cost
    let of = |from: u32| -> u32 { report.by_line.iter().map(|l| l.line).filter(|line| *line >= from).sum() };
    let width = 100.0 * f64::from(of(10)) / f64::from(of(0));
    let graph = page.split("<div class=\"graph time\">").nth(1).expect("a graph");
    assert!(graph.contains(&format!("style=\"width:{width:.3}%\"><span title=\"main: ")), "{width}\n{graph}");
    // every row has as many cells as there are heads
    let heads = page.matches("<button>").count() + 1;
    for row in page.lines().filter(|row| row.starts_with("<tr id=\"L")) {
        assert_eq!(row.matches("<td").count(), heads, "{row}");
    }
    assert!(!shown().1.contains("waiting") && !shown().1.contains("id=\"by-time\""));
}

const WITH_CLIENTS: &str = "input x: fix[4] from client hospital\n
fn main() {
    output y = x * x to client analyst
}
";

#[test]
fn clients_are_shown_where_there_are_any() {
    let (program, sources) = compiled_text(WITH_CLIENTS);
    let report = report(&program);
    let page = page(&report, &program.header, &sources, None);
    let clients = page.split("<h2>Clients</h2>").nth(1).expect("a table");
    for client in &report.clients {
        let row =
            clients.lines().find(|row| row.contains(&format!("<td>{}</td>", client.client))).expect("a row");
        let used = if client.client == "hospital" { &client.sends } else { &client.receives };
        assert!(used.iter().any(|bits| *bits > 0));
        for bits in used {
            assert!(row.contains(&format!("<td class=\"n\">{}</td>", group(*bits))), "{row}");
        }
    }
    assert!(!shown().1.contains("Clients"));
}

#[test]
fn it_needs_nothing_but_itself() {
    for (_, page) in [shown(), run_shown()] {
        alone(&page);
    }
}

fn alone(page: &str) {
    for part in ["http:", "https:", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(part), "{part}");
    }
    // tags are closed, in order
    let mut open: Vec<&str> = Vec::new();
    for tag in
        page.split('<').skip(1).filter(|tag| tag.starts_with(|c: char| c == '/' || c.is_ascii_alphabetic()))
    {
        let name = tag.split(|c: char| c == '>' || c.is_whitespace()).next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if ["meta", "input"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn the_widths_of_the_graph_are_the_parts() {
    let (report, page) = shown();
    let graph = page
        .split("<div class=\"graph bits\">")
        .nth(1)
        .and_then(|rest| rest.split("<div class=\"graph rounds\">").next());
    let graph = graph.expect("a graph");
    let of = |lines: std::ops::Range<u32>| -> u64 {
        report.by_line.iter().filter(|line| lines.contains(&line.line)).map(|line| line.bits).sum()
    };
    let all = of(0..99);
    for (name, lines) in [("inputs", 3..4), ("twice", 6..9), ("main", 10..15)] {
        let width = 100.0 * of(lines) as f64 / all as f64;
        let frame = format!("style=\"width:{width:.3}%\"><span title=\"{name}: ");
        assert!(graph.contains(&frame), "{frame} is not in\n{graph}");
    }
    // a link for every line leads to its row
    for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("<tr id=\"{link}\"")), "{link}");
    }
}

#[test]
fn without_sources_there_are_numbers() {
    let compilation = compiled();
    let program = compilation.program.expect("it compiles");
    let report = report(&program);
    let page = page(&report, &program.header, &SourceMap::new(), None);
    assert_eq!(page.matches("<tr id=\"L").count(), report.by_line.len());
    assert!(!page.contains("Predicted"));
}
