//! The page as a whole.

use tern_bytecode::program::Header;
use tern_bytecode::report::{CostReport, group};
use tern_compiler::diagnostics::SourceMap;

use crate::line::Line;
use crate::{escaped, flame, table};

/// The page of a program: its cost, how it was compiled, and its sources. Of bytecode there are no sources; then the lines have numbers only.
/// `seconds` is what its communication takes on some network, if that was asked.
pub fn page(report: &CostReport, header: &Header, sources: &SourceMap, seconds: Option<f64>) -> String {
    let seconds = seconds.map_or(String::new(), |s| format!(" Predicted communication: {s:.1} s."));
    let bound = if report.at_most { "at most " } else { "" };
    let total = format!(
        "<b>{bound}{} rounds, {bound}{} bits</b> for all parties together ({}). \
         A party takes {} bytes in tensors, and up to {} for what is on its way at once.{seconds}",
        group(report.rounds),
        group(report.bits),
        escaped(&settings(header)),
        group(report.memory.buffers),
        group(report.memory.in_flight),
    );
    let lines: Vec<Line> = report.by_line.iter().map(Line::from).collect();
    let rest = format!("{}{}", clients(report), published(report));
    document(&report.program, "cost", &total, (&lines, report.bits), sources, &rest)
}

/// What a run has taken.
#[derive(Debug, Clone)]
pub struct Run {
    /// By source line, in order.
    pub lines: Vec<Line>,
    /// Rounds of communication.
    pub rounds: u64,
    /// Bits that were sent.
    pub bits: u64,
    /// The party that has sent them, if they are not those of all.
    pub party: Option<usize>,
    /// Seconds from the first instruction to the last.
    pub seconds: f64,
    /// Seconds of these in which the parties waited for each other.
    pub waited: f64,
    /// Bytes of the largest process.
    pub peak_memory: u64,
}

/// The page of a run: what it has taken, line by line, and what the program publishes.
pub fn run_page(run: &Run, report: &CostReport, header: &Header, sources: &SourceMap) -> String {
    let who =
        run.party.map_or("of all parties together".to_string(), |party| format!("sent by party {party}"));
    let total = format!(
        "<b>{:.1} s</b>, of which up to {:.1} s waiting; <b>{} rounds, {} bits</b> {who} ({}). \
         A party took at most {:.0} MB of memory. Times of a line are those of the party that took longest.",
        run.seconds,
        run.waited,
        group(run.rounds),
        group(run.bits),
        escaped(&settings(header)),
        run.peak_memory as f64 / 1e6,
    );
    let rest = format!("{}{}", clients(report), published(report));
    document(&report.program, "run", &total, (&run.lines, run.bits), sources, &rest)
}

fn document(
    name: &str,
    what: &str,
    total: &str,
    (lines, bits): (&[Line], u64),
    sources: &SourceMap,
    rest: &str,
) -> String {
    let (flame, table) = (flame::section(name, lines, sources), table::section(lines, bits, sources));
    let name = escaped(name);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}: {what}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n<p class=\"total\">{total}</p>\n\
         {flame}{table}{rest}<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// What those send and receive who run none of the servers.
fn clients(report: &CostReport) -> String {
    let bound = if report.at_most { "at most " } else { "" };
    let row = |client: &str, direction: &str, bits: &[u64], bound: &str| -> String {
        let cells = bits.iter().map(|bits| format!("<td class=\"n\">{bound}{}</td>", group(*bits)));
        format!("<tr><td>{}</td><td>{direction}</td>{}</tr>\n", escaped(client), cells.collect::<String>())
    };
    let rows = report.clients.iter().flat_map(|client| {
        let (sends, receives) = (&client.sends, &client.receives);
        let used = |bits: &[u64]| bits.iter().any(|bits| *bits > 0);
        let sends = used(sends).then(|| row(&client.client, "sends to", sends, ""));
        sends.into_iter().chain(used(receives).then(|| row(&client.client, "receives from", receives, bound)))
    });
    let rows: String = rows.collect();
    if rows.is_empty() {
        return rows;
    }
    let parties = 0..report.bits_by_link.len();
    let heads: String = parties.map(|party| format!("<th class=\"n\">party {party}</th>")).collect();
    format!(
        "<h2>Clients</h2>\n<table class=\"clients\">\n<thead><tr><th>client</th><th>bits that it</th>{heads}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n"
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
