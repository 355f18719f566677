//! A program's schedule for people: as text, and as a graph for Graphviz.

use std::fmt::Write;

use petgraph::visit::EdgeRef;
use tern_bytecode::{Instr, Program, cost, disasm};

use super::graph;

/// A straight piece of a program, between two instructions of control.
struct Piece {
    /// Index of its first instruction.
    start: usize,
    /// What surrounds it, such as `loop of 15 / loop of 469`.
    inside: String,
    /// Instructions, with the round in which they stand and whether that is after its `send`.
    instrs: Vec<(usize, Position)>,
    /// The rounds' `receive`s.
    receives: Vec<usize>,
}

/// Where in a piece an instruction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    round: usize,
    sent: bool,
}

/// The rounds of every straight piece of the program with what is issued before, and what is computed during each of them.
pub fn text(program: &Program) -> String {
    let mut out = String::new();
    for piece in pieces(program) {
        // Writing to a string does not fail.
        let _ = piece_text(&mut out, program, &piece);
    }
    out
}

fn piece_text(out: &mut String, program: &Program, piece: &Piece) -> std::fmt::Result {
    let rounds = piece.receives.len();
    let plural = if rounds == 1 { "" } else { "s" };
    writeln!(out, "from {}, {}: {rounds} round{plural}", piece.start, piece.inside)?;
    for round in 0..=piece.receives.len() {
        match piece.receives.get(round) {
            Some(at) => writeln!(out, "  round {round}, for {}", line(program, *at))?,
            None if piece.instrs.iter().any(|(_, p)| p.round == round) => {
                writeln!(out, "  after all rounds")?
            }
            None => {}
        }
        for (at, position) in piece.instrs.iter().filter(|(_, p)| p.round == round) {
            let instr = &program.code[*at];
            let part = match (cost::rounds(program, instr), position.sent) {
                (0, false) => "compute".to_string(),
                (0, true) => "meanwhile".to_string(),
                (1, _) => "send".to_string(),
                (n, _) => format!("send ({n})"),
            };
            writeln!(out, "    {part:<10} {at:5} {:<12} {}", label(program, instr), line(program, *at))?;
        }
    }
    Ok(())
}

/// The data flow of every straight piece in the DOT language; instructions of one round share a rank.
pub fn dot(program: &Program) -> String {
    let mut out = String::from("digraph schedule {\n  node [shape=box, fontname=monospace];\n");
    for piece in pieces(program) {
        // Writing to a string does not fail.
        let _ = piece_dot(&mut out, program, &piece);
    }
    out.push_str("}\n");
    out
}

fn piece_dot(out: &mut String, program: &Program, piece: &Piece) -> std::fmt::Result {
    writeln!(out, "  subgraph cluster_{} {{\n    label=\"{}\";", piece.start, piece.inside)?;
    for round in 0..=piece.receives.len() {
        let mut rank = String::new();
        for (at, _) in piece.instrs.iter().filter(|(_, p)| p.round == round) {
            let instr = &program.code[*at];
            let style = if cost::rounds(program, instr) > 0 { ", style=filled" } else { "" };
            let (text, place) = (quoted(&label(program, instr)), quoted(&line(program, *at)));
            writeln!(out, "    i{at} [label=\"{at} {text}\\n{place}\"{style}];")?;
            write!(rank, " i{at};")?;
        }
        if !rank.is_empty() {
            writeln!(out, "    {{ rank=same;{rank} }}")?;
        }
    }
    let code: Vec<Instr> = piece.instrs.iter().map(|(at, _)| program.code[*at]).collect();
    let graph = graph::dependencies(program, &code);
    for edge in graph.edge_references().filter(|edge| edge.weight().data) {
        let (from, to) = (piece.instrs[edge.source().index()].0, piece.instrs[edge.target().index()].0);
        writeln!(out, "    i{from} -> i{to};")?;
    }
    writeln!(out, "  }}")
}

fn pieces(program: &Program) -> Vec<Piece> {
    let mut around = vec!["the program".to_string()];
    let mut pieces = Vec::new();
    let mut piece = Piece::new(0, &around);
    let mut sent = false;
    for (at, instr) in program.code.iter().enumerate() {
        match instr {
            Instr::Loop { trips, .. } => around.push(format!("loop of {trips}")),
            Instr::If { .. } => around.push("if".into()),
            Instr::Else {} => {
                *around.last_mut().expect("an else stands within its if: validated") = "else".into()
            }
            Instr::End {} => drop(around.pop()),
            Instr::BreakIf { .. } => {}
            Instr::Send {} => {
                sent = true;
                continue;
            }
            Instr::Receive {} => {
                sent = false;
                piece.receives.push(at);
                continue;
            }
            _ => {
                piece.instrs.push((at, Position { round: piece.receives.len(), sent }));
                continue;
            }
        }
        pieces.push(std::mem::replace(&mut piece, Piece::new(at + 1, &around)));
    }
    pieces.push(piece);
    pieces.retain(|piece| !piece.instrs.is_empty());
    pieces
}

impl Piece {
    fn new(start: usize, around: &[String]) -> Piece {
        Piece { start, inside: around.join(" / "), instrs: Vec::new(), receives: Vec::new() }
    }
}

/// Text between quotation marks in DOT.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn label(program: &Program, instr: &Instr) -> String {
    let result = instr.registers().next().map(|(reg, _)| disasm::describe(program, reg));
    format!("{} {}", instr.name(), result.unwrap_or_default())
}

fn line(program: &Program, at: usize) -> String {
    match program.lines.get(at) {
        Some(l) if l.line > 0 => {
            format!("{}:{}", program.files.get(l.file as usize).map_or("?", String::as_str), l.line)
        }
        _ => "-".into(),
    }
}
