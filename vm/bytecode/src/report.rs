//! What a program costs, known before it runs: rounds, bits, published values, memory.
//!
//! The code is walked once; what a loop's body costs counts as often as the loop runs. A branch counts as its costlier arm in each figure and a
//! `break` as if it never happened; figures are then upper bounds, and the report says so. Otherwise they are exact: the links
//! count the same.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::clients::{ClientCost, clients};
use crate::cost::{self, Links, Traffic};
use crate::disasm;
use crate::instr::{Instr, Reg};
use crate::memory::Needed;
use crate::program::{Line, Place, Program, View};

/// What a program costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CostReport {
    /// The program's name.
    pub program: String,
    /// Rounds of communication.
    pub rounds: u64,
    /// Bits that all parties send together in rounds.
    pub bits: u64,
    /// Bits that a dealer sends besides, if the protocol has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dealt: Option<u64>,
    /// Bits by sender and receiver, a dealer's included.
    pub bits_by_link: Vec<Vec<u64>>,
    /// Bits of the busiest link of each round, over all rounds: what bandwidth makes time of.
    pub serial_bits: u64,
    /// Whether the figures are upper bounds: there are branches that differ in cost, or breaks.
    pub at_most: bool,
    /// By source line, in order. Bits and rounds add up to the totals, unless they are bounds.
    pub by_line: Vec<LineCost>,
    /// What those send and receive who run none of the servers, if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientCost>,
    /// Every value that somebody learns.
    pub published: Vec<Published>,
    /// Every value that is opened under a mask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masks: Vec<Mask>,
    /// Bytes that a party takes.
    pub memory: Needed,
}

/// What a source line costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineCost {
    /// The file; empty for what belongs to no line.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Bits that are sent for it in rounds.
    pub bits: u64,
    /// Bits that a dealer sends for it, if the protocol has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dealt: Option<u64>,
    /// Values that each party opens for it under masks, if the protocol does so. What is computed for derivatives stands at the line of its `grad`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<u64>,
    /// Rounds in which others wait for it.
    pub rounds: u64,
    /// How often it is executed.
    pub executions: u64,
}

/// A value that somebody learns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The file; empty for what belongs to no line.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// An output's name, or `reveal`.
    pub what: String,
    /// Who learns it.
    pub to: String,
    /// Numbers that are published each time.
    pub elements: u64,
    /// How often.
    pub times: u64,
}

/// A value that is opened under a mask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mask {
    /// The number of the mask.
    pub mask: u32,
    /// The instruction.
    pub at: u32,
    /// The file; empty for what belongs to no line.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Its sizes.
    pub shape: Vec<u32>,
    /// How many bits of each element are opened.
    pub width: u32,
    /// How often it is opened, each time under another mask of this number.
    pub times: u64,
}

/// The cost of a valid program.
pub fn report(program: &Program) -> CostReport {
    let mut walk = Walk { program, blocks: vec![Block::default()], flights: Vec::new(), arms: Vec::new() };
    for (at, instr) in program.code.iter().enumerate() {
        walk.step(at, instr);
    }
    let total = walk.blocks.pop().unwrap_or_default();
    let model = program.header.protocol.model();
    let mut links = total.links.map(|row| row.map(|bytes| bytes.saturating_mul(8)));
    let bits = cost::total(&links);
    cost::add(&mut links, &total.dealt, 8);
    CostReport {
        program: program.header.name.clone(),
        rounds: total.rounds,
        bits,
        dealt: model.dealer.map(|_| cost::total(&total.dealt).saturating_mul(8)),
        bits_by_link: (0..model.parties).map(|from| links[from][..model.parties].to_vec()).collect(),
        serial_bits: total.serial.saturating_mul(8),
        at_most: total.at_most,
        by_line: total.lines.iter().map(|(line, spent)| line_cost(program, *line, spent)).collect(),
        clients: clients(program, &total.published),
        published: total.published.iter().map(|p| published(program, p)).collect(),
        masks: total.masks.iter().filter_map(|(at, times)| mask(program, *at, *times)).collect(),
        memory: Needed::of(program),
    }
}

/// Seconds on a network with this round-trip time (in seconds) and bandwidth of each directed link (in bits per second). A round takes half a
/// round trip and the time that its busiest link needs; computation is not counted.
pub fn predict(report: &CostReport, rtt: f64, bandwidth: f64) -> f64 {
    report.rounds as f64 * rtt / 2.0 + report.serial_bits as f64 / bandwidth
}

impl CostReport {
    /// The report as text; `source` gives the text of a line of a file.
    pub fn to_text(&self, source: impl Fn(&str, u32) -> Option<String>) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out, source);
        out
    }

    /// What lines cost; with a dealer also what is opened for them, which of derivatives stands at the line of their `grad`.
    fn write_lines(
        &self,
        out: &mut String,
        source: impl Fn(&str, u32) -> Option<String>,
    ) -> std::fmt::Result {
        let opens = |opened: String| self.dealt.map_or(String::new(), |_| format!(" {opened:>14}"));
        let opened = opens("opened".into());
        writeln!(out, "\n{:>20}{opened} {:>12} {:>10}  line", "bits", "rounds", "times")?;
        for l in &self.by_line {
            let text = source(&l.file, l.line).unwrap_or_default();
            let place = if l.file.is_empty() { "-".to_string() } else { format!("{}:{}", l.file, l.line) };
            let row = format!(
                "{:>20}{} {:>12} {:>10}  {place}  {}",
                group(l.bits),
                opens(group(l.opened.unwrap_or(0))),
                group(l.rounds),
                group(l.executions),
                text.trim()
            );
            writeln!(out, "{}", row.trim_end())?;
        }
        Ok(())
    }

    fn write(&self, out: &mut String, source: impl Fn(&str, u32) -> Option<String>) -> std::fmt::Result {
        let bound = if self.at_most { "at most " } else { "" };
        writeln!(
            out,
            "{}: {bound}{} rounds, {bound}{} bits",
            self.program,
            group(self.rounds),
            group(self.bits)
        )?;
        if let Some(dealt) = self.dealt {
            writeln!(out, "  dealt besides: {bound}{} bits", group(dealt))?;
        }
        let links = self.bits_by_link.iter().enumerate().flat_map(|(from, row)| {
            row.iter().enumerate().filter(move |(to, _)| *to != from).map(move |(to, bits)| (from, to, bits))
        });
        for (from, to, bits) in links {
            writeln!(out, "  party {from} to {to}: {} bits", group(*bits))?;
        }
        self.write_clients(out)?;
        writeln!(
            out,
            "  memory of a party, besides its data: {} bytes in tensors, {} on their way, {} for the process",
            group(self.memory.buffers),
            group(self.memory.in_flight),
            group(self.memory.process)
        )?;
        if self.dealt.is_some() {
            let opened = self.by_line.iter().filter_map(|l| l.opened).fold(0, u64::saturating_add);
            writeln!(out, "  opened under masks by each party: {bound}{} values", group(opened))?;
        }
        self.write_lines(out, source)?;
        writeln!(out, "\npublished:")?;
        if self.published.is_empty() {
            writeln!(out, "  nothing")?;
        }
        for p in &self.published {
            let times =
                if p.times == 1 { "once".to_string() } else { format!("{bound}{} times", group(p.times)) };
            writeln!(
                out,
                "  {}:{}: {} to {}: {} numbers, {times}",
                p.file,
                p.line,
                p.what,
                p.to,
                group(p.elements)
            )?;
        }
        Ok(())
    }
}

impl CostReport {
    fn write_clients(&self, out: &mut String) -> std::fmt::Result {
        let bound = if self.at_most { "at most " } else { "" };
        for ClientCost { client, sends, receives } in &self.clients {
            for (party, bits) in sends.iter().enumerate().filter(|(_, bits)| **bits > 0) {
                writeln!(out, "  client {client} to party {party}: {} bits", group(*bits))?;
            }
            for (party, bits) in receives.iter().enumerate().filter(|(_, bits)| **bits > 0) {
                writeln!(out, "  party {party} to client {client}: {bound}{} bits", group(*bits))?;
            }
        }
        Ok(())
    }
}

/// `1234567` as `1,234,567`.
pub fn group(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn line_cost(program: &Program, line: Line, spent: &Spent) -> LineCost {
    let dealer = program.header.protocol.model().dealer;
    LineCost {
        file: file(program, line),
        line: line.line,
        bits: spent.bytes.saturating_mul(8),
        dealt: dealer.map(|_| spent.dealt.saturating_mul(8)),
        opened: dealer.map(|_| spent.opened),
        rounds: spent.rounds,
        executions: spent.executions(),
    }
}

fn file(program: &Program, line: Line) -> String {
    if line.line == 0 {
        String::new()
    } else {
        program.files.get(line.file as usize).cloned().unwrap_or_default()
    }
}

fn published(program: &Program, (at, times): &(usize, u64)) -> Published {
    let len = |reg: Reg| program.views[reg.0 as usize].len();
    let (what, to, elements) = match program.code[*at] {
        Instr::Output { a, output, .. } => {
            let declared = &program.outputs[output as usize];
            let dot = if declared.field.is_empty() { "" } else { "." };
            (format!("{}{dot}{}", declared.name, declared.field), disasm::place(program, declared.to), len(a))
        }
        Instr::Reveal { a, .. } | Instr::RevealBits { a, .. } => {
            ("reveal".into(), "everybody".into(), len(a))
        }
        _ => (String::new(), String::new(), 0),
    };
    let line = program.lines.get(*at).copied().unwrap_or(Line { file: 0, line: 0 });
    Published { file: file(program, line), line: line.line, what, to, elements, times: *times }
}

fn mask(program: &Program, at: usize, times: u64) -> Option<Mask> {
    let (mask, width) = (program.code[at].mask()?, program.code[at].opens()?);
    let (reg, _) = program.code[at].registers().next()?;
    let line = program.lines.get(at).copied().unwrap_or(Line { file: 0, line: 0 });
    let shape = program.views.get(reg.0 as usize).map(View::shape).unwrap_or_default();
    Some(Mask { mask, at: at as u32, file: file(program, line), line: line.line, shape, width, times })
}

/// What a line has spent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Spent {
    bytes: u64,
    dealt: u64,
    opened: u64,
    rounds: u64,
    /// Whether it stands in the block itself.
    here: bool,
    /// How often it is executed in the loops and branches of the block, all together.
    inside: u64,
}

impl Spent {
    /// How often the line is executed. What stands beside a loop of the same line prepares it.
    fn executions(&self) -> u64 {
        self.inside.max(self.here.into())
    }
}

/// What a block costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Block {
    rounds: u64,
    links: Links,
    dealt: Links,
    serial: u64,
    at_most: bool,
    lines: BTreeMap<Line, Spent>,
    /// Instructions that publish, with how often.
    published: Vec<(usize, u64)>,
    /// Instructions that open under a mask, with how often.
    masks: Vec<(usize, u64)>,
}

impl Block {
    fn line(&mut self, line: Line) -> &mut Spent {
        self.lines.entry(line).or_default()
    }

    /// Adds `times` executions of another block.
    fn add(&mut self, other: Block, times: u64) {
        self.rounds = self.rounds.saturating_add(other.rounds.saturating_mul(times));
        self.serial = self.serial.saturating_add(other.serial.saturating_mul(times));
        self.at_most |= other.at_most;
        cost::add(&mut self.links, &other.links, times);
        cost::add(&mut self.dealt, &other.dealt, times);
        for (line, spent) in other.lines {
            let mine = self.line(line);
            mine.bytes = mine.bytes.saturating_add(spent.bytes.saturating_mul(times));
            mine.dealt = mine.dealt.saturating_add(spent.dealt.saturating_mul(times));
            mine.opened = mine.opened.saturating_add(spent.opened.saturating_mul(times));
            mine.rounds = mine.rounds.saturating_add(spent.rounds.saturating_mul(times));
            mine.inside = mine.inside.saturating_add(spent.executions().saturating_mul(times));
        }
        self.published.extend(other.published.into_iter().map(|(at, n)| (at, n.saturating_mul(times))));
        self.masks.extend(other.masks.into_iter().map(|(at, n)| (at, n.saturating_mul(times))));
    }

    /// The costlier of two arms, figure by figure.
    fn either(mut self, other: Block) -> Block {
        let differ = (self.rounds, self.links, self.dealt) != (other.rounds, other.links, other.dealt);
        self.at_most |= other.at_most || differ;
        self.rounds = self.rounds.max(other.rounds);
        self.serial = self.serial.max(other.serial);
        for (mine, theirs) in [(&mut self.links, &other.links), (&mut self.dealt, &other.dealt)] {
            for (mine, theirs) in mine.iter_mut().flatten().zip(theirs.iter().flatten()) {
                *mine = (*mine).max(*theirs);
            }
        }
        for (line, spent) in other.lines {
            let mine = self.line(line);
            mine.bytes = mine.bytes.max(spent.bytes);
            mine.dealt = mine.dealt.max(spent.dealt);
            mine.opened = mine.opened.max(spent.opened);
            mine.rounds = mine.rounds.max(spent.rounds);
            mine.here |= spent.here;
            mine.inside = mine.inside.max(spent.inside);
        }
        self.published.extend(other.published);
        self.masks.extend(other.masks);
        self
    }
}

struct Walk<'a> {
    program: &'a Program,
    /// Open blocks, innermost last.
    blocks: Vec<Block>,
    /// Operations in flight: what they send in the rounds to come, the next one last.
    flights: Vec<Traffic>,
    /// For every open loop or branch its trips, or the first arm when it is complete.
    arms: Vec<Arm>,
}

enum Arm {
    Loop(u64),
    First,
    Second(Box<Block>),
}

impl Walk<'_> {
    fn step(&mut self, at: usize, instr: &Instr) {
        let line = self.program.lines.get(at).copied().unwrap_or(Line { file: 0, line: 0 });
        self.block().line(line).here = true;
        match *instr {
            Instr::Loop { trips, .. } => self.open(Arm::Loop(trips.into())),
            Instr::If { .. } => self.open(Arm::First),
            Instr::Else {} => {
                let first = self.blocks.pop().unwrap_or_default();
                self.arms.pop();
                self.open(Arm::Second(Box::new(first)));
            }
            Instr::End {} => self.close(),
            Instr::BreakIf { .. } => self.block().at_most = true,
            Instr::Send {} => {}
            Instr::Receive {} => self.round(line),
            Instr::Reveal { .. } | Instr::RevealBits { .. } => self.block().published.push((at, 1)),
            Instr::Output { output, .. } => {
                let declared = self.program.outputs.get(output as usize);
                if declared.is_some_and(|o| o.to != Place::Shares) {
                    self.block().published.push((at, 1));
                }
            }
            _ => {}
        }
        let dealt = cost::dealt(self.program, instr);
        let program = self.program;
        let elements = |reg: Reg| program.views.get(reg.0 as usize).map_or(0, View::len);
        let block = self.block();
        cost::add(&mut block.dealt, &dealt, 1);
        let spent = block.line(line);
        spent.dealt = spent.dealt.saturating_add(cost::total(&dealt));
        if instr.opens().is_some() {
            let opened = instr.registers().next().map_or(0, |(reg, _)| elements(reg));
            spent.opened = spent.opened.saturating_add(opened);
            block.masks.push((at, 1));
        }
        let mut traffic = cost::traffic(self.program, instr);
        if !traffic.is_empty() {
            let bytes = cost::bytes(&traffic);
            let block = self.block();
            traffic.iter().for_each(|links| cost::add(&mut block.links, links, 1));
            let spent = block.line(line);
            spent.bytes = spent.bytes.saturating_add(bytes);
            traffic.reverse();
            self.flights.push(traffic);
        }
    }

    fn block(&mut self) -> &mut Block {
        if self.blocks.is_empty() {
            self.blocks.push(Block::default());
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    fn open(&mut self, arm: Arm) {
        self.arms.push(arm);
        self.blocks.push(Block::default());
    }

    fn close(&mut self) {
        let block = self.blocks.pop().unwrap_or_default();
        match self.arms.pop() {
            Some(Arm::Loop(trips)) => self.block().add(block, trips),
            Some(Arm::First) => self.block().add(block.either(Block::default()), 1),
            Some(Arm::Second(first)) => self.block().add(first.either(block), 1),
            None => {}
        }
    }

    fn round(&mut self, line: Line) {
        let mut links = Links::default();
        for flight in &mut self.flights {
            if let Some(now) = flight.pop() {
                cost::add(&mut links, &now, 1);
            }
        }
        self.flights.retain(|flight| !flight.is_empty());
        let busiest = links.iter().flatten().copied().max().unwrap_or(0);
        let block = self.block();
        block.rounds = block.rounds.saturating_add(1);
        block.serial = block.serial.saturating_add(busiest);
        block.line(line).rounds += 1;
    }
}
