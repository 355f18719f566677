//! The lines of every file of the user's, with what they cost.

use std::collections::BTreeMap;
use std::fmt::Write;

use tern_bytecode::report::group;
use tern_compiler::diagnostics::{Origin, SourceFile, SourceMap};

use crate::line::{Line, microseconds};
use crate::{escaped, share};

/// All files that cost something, one table each. `bits` is what all lines together send.
pub fn section(lines: &[Line], bits: u64, sources: &SourceMap) -> String {
    let mut files: BTreeMap<&str, BTreeMap<u32, &Line>> = BTreeMap::new();
    for line in lines {
        files.entry(&line.file).or_default().insert(line.line, line);
    }
    let timed = lines.iter().any(|line| line.time.is_some());
    let tables = files.iter().enumerate().map(|(number, (name, lines))| {
        let source = sources.find(name).and_then(|id| sources.get(id)).filter(|f| f.origin == Origin::User);
        Table { number, name, lines, source, bits, timed }.html()
    });
    format!("<h2>Line by line</h2>\n{}", tables.collect::<String>())
}

/// What a line is called in links of the page.
pub fn anchor(file: usize, line: u32) -> String {
    format!("L{file}-{line}")
}

/// The number of a file in the links of the page.
pub fn number(lines: &[Line], name: &str) -> usize {
    let mut names: Vec<&str> = lines.iter().map(|line| line.file.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().position(|other| *other == name).unwrap_or(0)
}

/// The lines of one file.
struct Table<'r> {
    number: usize,
    name: &'r str,
    lines: &'r BTreeMap<u32, &'r Line>,
    source: Option<&'r SourceFile>,
    /// Of all files.
    bits: u64,
    /// Whether there are times.
    timed: bool,
}

impl Table<'_> {
    fn html(&self) -> String {
        let title = if self.name.is_empty() { "belonging to no line" } else { self.name };
        let mut heads = vec!["rounds", "bits", "of all bits"];
        heads.extend(["compute", "waiting"].iter().filter(|_| self.timed));
        heads.push("times");
        let heads: String =
            heads.iter().map(|head| format!("<th class=\"n\"><button>{head}</button></th>")).collect();
        let mut out = format!(
            "<table class=\"lines\">\n<caption>{}</caption>\n<thead><tr><th class=\"n\"><button>line</button></th>\
             <th>source</th>{heads}</tr></thead>\n<tbody>\n",
            escaped(title)
        );
        let written = self.source.map_or(0, |source| source.text.lines().count() as u32);
        let last = self.lines.keys().copied().max().unwrap_or(0).max(written);
        let texts: Vec<&str> = self.source.map_or(Vec::new(), |source| source.text.lines().collect());
        for line in self.lines.keys().copied().min().unwrap_or(1).min(1)..=last {
            let text =
                (line as usize).checked_sub(1).and_then(|at| texts.get(at)).copied().unwrap_or_default();
            match self.lines.get(&line) {
                Some(cost) => self.add_row(&mut out, cost, text),
                None if self.source.is_some() && line > 0 => self.add_free_row(&mut out, line, text),
                None => {}
            }
        }
        out.push_str("</tbody>\n</table>\n");
        out
    }

    fn add_row(&self, out: &mut String, cost: &Line, text: &str) {
        let free = if cost.bits == 0 && cost.rounds == 0 { " class=\"free\"" } else { "" };
        let part = share(cost.bits, self.bits);
        let number = |n: u64| format!("<td class=\"n\" data-value=\"{n}\">{}</td>", group(n));
        let seconds = |s: f64| format!("<td class=\"n\" data-value=\"{}\">{s:.3} s</td>", microseconds(s));
        let times = cost.time.map_or(String::new(), |time| seconds(time.compute) + &seconds(time.waited));
        // a string takes everything
        let _ = writeln!(
            out,
            "<tr id=\"{}\"{free}><td class=\"n\" data-value=\"{}\">{}</td><td class=\"code\">{}</td>{}{}\
             <td class=\"n bits\" style=\"--part:{part:.2}%\" data-value=\"{}\">{part:.1} %</td>{times}{}</tr>",
            anchor(self.number, cost.line),
            cost.line,
            cost.line,
            escaped(text),
            number(cost.rounds),
            number(cost.bits),
            cost.bits,
            number(cost.executions)
        );
    }

    /// A line that costs nothing and is never run.
    fn add_free_row(&self, out: &mut String, line: u32, text: &str) {
        let empty = "<td></td>".repeat(if self.timed { 6 } else { 4 });
        let _ = writeln!(
            out,
            "<tr id=\"{}\" class=\"free\"><td class=\"n\" data-value=\"{line}\">{line}</td><td class=\"code\">{}</td>{empty}</tr>",
            anchor(self.number, line),
            escaped(text)
        );
    }
}
