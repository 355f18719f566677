//! The lines of every file of the user's, with what they cost.

use std::collections::BTreeMap;
use std::fmt::Write;

use tern_bytecode::report::{CostReport, LineCost, group};
use tern_compiler::diagnostics::{Origin, SourceFile, SourceMap};

use crate::{escaped, share};

/// All files that cost something, one table each.
pub fn section(report: &CostReport, sources: &SourceMap) -> String {
    let mut files: BTreeMap<&str, BTreeMap<u32, &LineCost>> = BTreeMap::new();
    for line in &report.by_line {
        files.entry(&line.file).or_default().insert(line.line, line);
    }
    let tables = files.iter().enumerate().map(|(number, (name, lines))| {
        let source = sources.find(name).and_then(|id| sources.get(id)).filter(|f| f.origin == Origin::User);
        table(number, name, lines, source, report)
    });
    format!("<h2>Line by line</h2>\n{}", tables.collect::<String>())
}

/// What a line is called in links of the page.
pub fn anchor(file: usize, line: u32) -> String {
    format!("L{file}-{line}")
}

/// The number of a file in the links of the page.
pub fn number(report: &CostReport, name: &str) -> usize {
    let mut names: Vec<&str> = report.by_line.iter().map(|line| line.file.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().position(|other| *other == name).unwrap_or(0)
}

fn table(
    number: usize,
    name: &str,
    lines: &BTreeMap<u32, &LineCost>,
    source: Option<&SourceFile>,
    report: &CostReport,
) -> String {
    let title = if name.is_empty() { "belonging to no line" } else { name };
    let mut out = format!(
        "<table class=\"lines\">\n<caption>{}</caption>\n<thead><tr><th class=\"n\"><button>line</button></th><th>source</th>\
         <th class=\"n\"><button>rounds</button></th><th class=\"n\"><button>bits</button></th>\
         <th class=\"n\"><button>of all bits</button></th><th class=\"n\"><button>times</button></th></tr></thead>\n<tbody>\n",
        escaped(title)
    );
    let written = source.map_or(0, |source| source.text.lines().count() as u32);
    let last = lines.keys().copied().max().unwrap_or(0).max(written);
    let texts: Vec<&str> = source.map_or(Vec::new(), |source| source.text.lines().collect());
    for line in lines.keys().copied().min().unwrap_or(1).min(1)..=last {
        let text = (line as usize).checked_sub(1).and_then(|at| texts.get(at)).copied().unwrap_or_default();
        match lines.get(&line) {
            Some(cost) => add_row(&mut out, number, cost, text, report.bits),
            None if source.is_some() && line > 0 => add_free_row(&mut out, number, line, text),
            None => {}
        }
    }
    out.push_str("</tbody>\n</table>\n");
    out
}

fn add_row(out: &mut String, file: usize, cost: &LineCost, text: &str, all: u64) {
    let free = if cost.bits == 0 && cost.rounds == 0 { " class=\"free\"" } else { "" };
    let part = share(cost.bits, all);
    // a string takes everything
    let _ = writeln!(
        out,
        "<tr id=\"{}\"{free}><td class=\"n\" data-value=\"{}\">{}</td><td class=\"code\">{}</td>\
         <td class=\"n\" data-value=\"{}\">{}</td><td class=\"n\" data-value=\"{}\">{}</td>\
         <td class=\"n bits\" style=\"--part:{part:.2}%\" data-value=\"{}\">{part:.1} %</td>\
         <td class=\"n\" data-value=\"{}\">{}</td></tr>",
        anchor(file, cost.line),
        cost.line,
        cost.line,
        escaped(text),
        cost.rounds,
        group(cost.rounds),
        cost.bits,
        group(cost.bits),
        cost.bits,
        cost.executions,
        group(cost.executions)
    );
}

/// A line that costs nothing and is never run.
fn add_free_row(out: &mut String, file: usize, line: u32, text: &str) {
    let _ = writeln!(
        out,
        "<tr id=\"{}\" class=\"free\"><td class=\"n\" data-value=\"{line}\">{line}</td><td class=\"code\">{}</td>\
         <td></td><td></td><td></td><td></td></tr>",
        anchor(file, line),
        escaped(text)
    );
}
