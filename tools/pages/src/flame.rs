//! The flame graph: the program, below it its functions, below them their lines, each as wide as it is costly.

use std::collections::BTreeMap;

use tern_bytecode::report::{CostReport, LineCost, group};
use tern_compiler::diagnostics::{FileId, Origin, SourceMap};
use tern_compiler::syntax::{ast, parse};

use crate::table::{anchor, number};
use crate::{escaped, share};

/// Frames narrower than this, as a percentage of the page, are left out: nobody sees them.
const NARROWEST: f64 = 0.05;

/// A function with the lines that cost something.
type Functions<'r> = BTreeMap<(String, String), Vec<&'r LineCost>>;

/// The graph, by bits and by rounds.
pub fn section(report: &CostReport, sources: &SourceMap) -> String {
    let functions = functions(report, sources);
    let graph = |class: &str, of: fn(&LineCost) -> u64| {
        format!("<div class=\"graph {class}\">\n{}</div>\n", program(report, &functions, sources, of))
    };
    format!(
        "<h2>By function</h2>\n<div class=\"flame\">\n\
         <input type=\"radio\" name=\"by\" id=\"by-bits\" checked> <label for=\"by-bits\">bits</label>\n\
         <input type=\"radio\" name=\"by\" id=\"by-rounds\"> <label for=\"by-rounds\">rounds</label>\n{}{}</div>\n",
        graph("bits", |line| line.bits),
        graph("rounds", |line| line.rounds)
    )
}

/// The lines by file and function.
fn functions<'r>(report: &'r CostReport, sources: &SourceMap) -> Functions<'r> {
    let mut heads: BTreeMap<&str, Vec<(u32, String)>> = BTreeMap::new();
    let mut functions = Functions::new();
    for line in &report.by_line {
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

fn program(
    report: &CostReport,
    functions: &Functions<'_>,
    sources: &SourceMap,
    of: fn(&LineCost) -> u64,
) -> String {
    let sum = |lines: &[&LineCost]| lines.iter().fold(0, |n: u64, line| n.saturating_add(of(line)));
    let all = functions.values().fold(0, |n: u64, lines| n.saturating_add(sum(lines)));
    let mut below = String::new();
    for ((file, name), lines) in functions {
        let within = sum(lines);
        let part = share(within, all);
        if part < NARROWEST {
            continue;
        }
        let name = if name.is_empty() { "other" } else { name };
        let label = format!("<span title=\"{}\">{}</span>", title(name, within, part), escaped(name));
        let leaves: String =
            lines.iter().map(|line| leaf(report, file, line, sources, of, (within, all))).collect();
        below.push_str(&frame(part, &label, &leaves));
    }
    let name = &report.program;
    frame(100.0, &format!("<span title=\"{}\">{}</span>", title(name, all, 100.0), escaped(name)), &below)
}

/// A line, as wide as its part of the function that it stands in.
fn leaf(
    report: &CostReport,
    file: &str,
    line: &LineCost,
    sources: &SourceMap,
    of: fn(&LineCost) -> u64,
    (within, all): (u64, u64),
) -> String {
    if share(of(line), all) < NARROWEST {
        return String::new();
    }
    let source = sources.find(file).and_then(|id| sources.get(id));
    let text =
        source.and_then(|s| s.text.lines().nth((line.line as usize).checked_sub(1)?)).unwrap_or("").trim();
    let said = title(&format!("line {}: {text}", line.line), of(line), share(of(line), all));
    let link = anchor(number(report, file), line.line);
    let label = format!("<a href=\"#{link}\" title=\"{said}\">{} {}</a>", line.line, escaped(text));
    frame(share(of(line), within), &label, "")
}

fn title(name: &str, amount: u64, part: f64) -> String {
    format!("{}: {}, {part:.1} %", escaped(name), group(amount))
}

fn frame(width: f64, label: &str, below: &str) -> String {
    let below = if below.is_empty() { String::new() } else { format!("<div class=\"below\">{below}</div>") };
    format!("<div class=\"frame\" style=\"width:{width:.3}%\">{label}{below}</div>\n")
}
