//! The flame graph: the program, below it its functions, below them their lines, each as wide as it is costly.

use std::collections::BTreeMap;

use tern_bytecode::report::group;
use tern_compiler::diagnostics::{FileId, Origin, SourceMap};
use tern_compiler::syntax::{ast, parse};

use crate::line::Line;
use crate::table::{anchor, number};
use crate::{escaped, share};

/// Frames narrower than this, as a percentage of the page, are left out: nobody sees them.
const NARROWEST: f64 = 0.05;

/// A function with the lines that cost something.
type Functions<'r> = BTreeMap<(String, String), Vec<&'r Line>>;

/// What a graph is drawn of.
struct Measure {
    name: &'static str,
    of: fn(&Line) -> u64,
    shown: fn(u64) -> String,
}

const MEASURES: [Measure; 3] = [
    Measure { name: "bits", of: |line| line.bits, shown: group },
    Measure { name: "rounds", of: |line| line.rounds, shown: group },
    Measure { name: "time", of: Line::microseconds, shown: |time| format!("{:.3} s", time as f64 / 1e6) },
];

/// The graph, by bits, by rounds, and by time if that is known.
pub fn section(name: &str, lines: &[Line], sources: &SourceMap) -> String {
    let functions = functions(lines, sources);
    let timed = lines.iter().any(|line| line.time.is_some());
    let (mut choices, mut graphs) = (String::new(), String::new());
    for measure in MEASURES.iter().filter(|measure| timed || measure.name != "time") {
        let by = measure.name;
        let checked = if by == MEASURES[0].name { " checked" } else { "" };
        choices.push_str(&format!(
            "<input type=\"radio\" name=\"by\" id=\"by-{by}\"{checked}> <label for=\"by-{by}\">{by}</label>\n"
        ));
        let graph = Graph { name, lines, sources, measure };
        graphs.push_str(&format!("<div class=\"graph {by}\">\n{}</div>\n", graph.program(&functions)));
    }
    format!("<h2>By function</h2>\n<div class=\"flame\">\n{choices}{graphs}</div>\n")
}

/// The lines by file and function.
fn functions<'r>(lines: &'r [Line], sources: &SourceMap) -> Functions<'r> {
    let mut heads: BTreeMap<&str, Vec<(u32, String)>> = BTreeMap::new();
    let mut functions = Functions::new();
    for line in lines {
        let heads = heads.entry(&line.file).or_insert_with(|| heads_of(&line.file, sources));
        let at = heads.partition_point(|(first, _)| *first <= line.line);
        let name = at.checked_sub(1).map_or("", |at| heads[at].1.as_str());
        functions.entry((line.file.clone(), name.to_string())).or_default().push(line);
    }
    functions
}

/// Where each item of a file begins, and what it is called.
fn heads_of(name: &str, sources: &SourceMap) -> Vec<(u32, String)> {
    let Some(file) = sources.find(name).and_then(|id| sources.get(id)).filter(|f| f.origin == Origin::User)
    else {
        return Vec::new();
    };
    let (tree, _) = parse(&file.text, FileId(0));
    let called = |item: &ast::Item| match item {
        ast::Item::Fn(function) => function.name.name.clone(),
        ast::Item::Model(model) => model.name.name.clone(),
        ast::Item::Test(test) => test.name.value.clone(),
        ast::Item::Input(_) => "inputs".to_string(),
        ast::Item::Const(_) | ast::Item::Use(_) | ast::Item::Error(_) => "constants".to_string(),
    };
    tree.items.iter().map(|item| (file.line(item.span().start), called(item))).collect()
}

/// One graph.
struct Graph<'r> {
    name: &'r str,
    lines: &'r [Line],
    sources: &'r SourceMap,
    measure: &'r Measure,
}

impl Graph<'_> {
    fn program(&self, functions: &Functions<'_>) -> String {
        let of = self.measure.of;
        let sum = |lines: &[&Line]| lines.iter().fold(0, |n: u64, line| n.saturating_add(of(line)));
        let all = functions.values().fold(0, |n: u64, lines| n.saturating_add(sum(lines)));
        let mut below = String::new();
        for ((file, name), lines) in functions {
            let within = sum(lines);
            let part = share(within, all);
            if part < NARROWEST {
                continue;
            }
            let name = if name.is_empty() { "other" } else { name };
            let label =
                format!("<span title=\"{}\">{}</span>", self.title(name, within, part), escaped(name));
            let leaves: String = lines.iter().map(|line| self.leaf(file, line, (within, all))).collect();
            below.push_str(&frame(part, &label, &leaves));
        }
        let title = self.title(self.name, all, 100.0);
        frame(100.0, &format!("<span title=\"{title}\">{}</span>", escaped(self.name)), &below)
    }

    /// A line, as wide as its part of the function that it stands in.
    fn leaf(&self, file: &str, line: &Line, (within, all): (u64, u64)) -> String {
        let amount = (self.measure.of)(line);
        if share(amount, all) < NARROWEST {
            return String::new();
        }
        let source = self.sources.find(file).and_then(|id| self.sources.get(id));
        let text = source
            .and_then(|s| s.text.lines().nth((line.line as usize).checked_sub(1)?))
            .unwrap_or("")
            .trim();
        let said = self.title(&format!("line {}: {text}", line.line), amount, share(amount, all));
        let link = anchor(number(self.lines, file), line.line);
        let label = format!("<a href=\"#{link}\" title=\"{said}\">{} {}</a>", line.line, escaped(text));
        frame(share(amount, within), &label, "")
    }

    fn title(&self, name: &str, amount: u64, part: f64) -> String {
        format!("{}: {}, {part:.1} %", escaped(name), (self.measure.shown)(amount))
    }
}

fn frame(width: f64, label: &str, below: &str) -> String {
    let below = if below.is_empty() { String::new() } else { format!("<div class=\"below\">{below}</div>") };
    format!("<div class=\"frame\" style=\"width:{width:.3}%\">{label}{below}</div>\n")
}
