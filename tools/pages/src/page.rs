//! The page as a whole.

use tern_bytecode::program::Header;
use tern_bytecode::report::{CostReport, group};
use tern_compiler::diagnostics::SourceMap;

use crate::{escaped, flame, table};

/// The page of a program: its cost, how it was compiled, and its sources. Of bytecode there are no sources; then the lines have numbers only.
/// `seconds` is what its communication takes on some network, if that was asked.
pub fn page(report: &CostReport, header: &Header, sources: &SourceMap, seconds: Option<f64>) -> String {
    let seconds = seconds.map_or(String::new(), |s| format!(" Predicted communication: {s:.1} s."));
    let bound = if report.at_most { "at most " } else { "" };
    let name = escaped(&report.program);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}: cost</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n\
         <p class=\"total\"><b>{bound}{} rounds, {bound}{} bits</b> for all parties together ({}). \
         A party takes {} bytes in tensors, and up to {} for what is on its way at once.{seconds}</p>\n\
         {}{}{}<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        group(report.rounds),
        group(report.bits),
        escaped(&settings(header)),
        group(report.memory.buffers),
        group(report.memory.in_flight),
        flame::section(report, sources),
        table::section(report, sources),
        published(report),
    )
}

fn settings(header: &Header) -> String {
    let args: String = header.args.iter().map(|(name, value)| format!(", {name} = {value}")).collect();
    format!(
        "{}, f = {}, fix of {} bits modulo 2^{}{args}",
        header.protocol.name(),
        header.frac,
        header.total,
        header.ring
    )
}

/// What somebody learns.
fn published(report: &CostReport) -> String {
    let row = |p: &tern_bytecode::report::Published| {
        format!(
            "<tr><td>{}:{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            escaped(&p.file),
            p.line,
            escaped(&p.what),
            escaped(&p.to),
            group(p.elements),
            group(p.times)
        )
    };
    let rows: String = report.published.iter().map(row).collect();
    let rows = if rows.is_empty() { "<tr><td colspan=\"5\">nothing</td></tr>\n".to_string() } else { rows };
    format!(
        "<h2>What is published</h2>\n<table>\n<thead><tr><th>line</th><th>what</th><th>to</th>\
         <th class=\"n\">numbers</th><th class=\"n\">times</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    )
}

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
