//! Programs for people.
//!
//! ```text
//! ; tern bytecode 1: mnist_a, rep3 over 2^64, fix 32.16, probabilistic
//! ; input 0: train_x fix[60000, 784] from party 0
//!    12  contract  %7, %3, %5, 0·1·1·1            ; mnist_a.mpc:26  additive[128, 128] ← shared[128, 784] shared[784, 128]
//! ```

use std::fmt::{self, Write};

use crate::container::VERSION;
use crate::cost;
use crate::instr::{Instr, OperandValue, Reg};
use crate::program::{Place, Program};

/// The whole program as text.
pub fn disassemble(program: &Program) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = header(&mut out, program);
    let mut depth = 0usize;
    for (at, instr) in program.code.iter().enumerate() {
        if matches!(instr, Instr::End {} | Instr::Else {}) {
            depth = depth.saturating_sub(1);
        }
        let _ = line(&mut out, program, at, instr, depth);
        if matches!(instr, Instr::Loop { .. } | Instr::If { .. } | Instr::Else {}) {
            depth += 1;
        }
    }
    out
}

fn header(out: &mut String, program: &Program) -> fmt::Result {
    let h = &program.header;
    let rounding = h.rounding.name();
    writeln!(
        out,
        "; tern bytecode {VERSION}: {}, {} over 2^{}, fix {}.{}, {rounding}",
        h.name,
        h.protocol.name(),
        h.ring,
        h.total,
        h.frac
    )?;
    for (name, value) in &h.args {
        writeln!(out, "; arg {name} = {value}")?;
    }
    for (i, input) in program.inputs.iter().enumerate() {
        writeln!(
            out,
            "; input {i}: {}{} {:?} from {}",
            input.name,
            dotted(&input.field),
            input.shape,
            place(program, input.from)
        )?;
    }
    for (i, o) in program.outputs.iter().enumerate() {
        writeln!(
            out,
            "; output {i}: {}{} {:?} to {}",
            o.name,
            dotted(&o.field),
            o.shape,
            place(program, o.to)
        )?;
    }
    let memory: u64 = program
        .buffers
        .iter()
        .map(|b| h.protocol.model().bytes(b.kind, b.len, h.ring))
        .fold(0, u64::saturating_add);
    writeln!(
        out,
        "; {} instructions, {} registers, {} buffers of {memory} bytes in all",
        program.code.len(),
        program.views.len(),
        program.buffers.len()
    )
}

fn dotted(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!(".{field}") }
}

/// "party 1", "shares" or "client hospital".
pub fn place(program: &Program, place: Place) -> String {
    match place {
        Place::Client(_) => format!("client {}", program.client(place).unwrap_or("?")),
        Place::Party(i) => format!("party {i}"),
        Place::Shares => "shares".into(),
    }
}

fn line(out: &mut String, program: &Program, at: usize, instr: &Instr, depth: usize) -> fmt::Result {
    let mut text = format!("{:indent$}{:<10}", "", instr.name(), indent = 2 * depth);
    let mut shapes = Vec::new();
    for (i, operand) in instr.operands().iter().enumerate() {
        text.push_str(if i == 0 { " " } else { ", " });
        match &operand.value {
            OperandValue::Reg(reg, _, _) => {
                write!(text, "%{}", reg.0)?;
                shapes.push(describe(program, *reg));
            }
            OperandValue::Route(route) => text.push_str(&(program.header.protocol.model().route)(*route)),
            OperandValue::Imm(value) => text.push_str(value),
        }
    }
    let bytes = cost::bytes(&cost::traffic(program, instr));
    let traffic = if bytes > 0 { format!("  {} bits", bytes.saturating_mul(8)) } else { String::new() };
    writeln!(out, "{at:5}  {text:<52} ; {:<18} {}{traffic}", source(program, at), shapes.join(" "))
}

fn source(program: &Program, at: usize) -> String {
    match program.lines.get(at) {
        Some(l) if l.line > 0 => {
            format!("{}:{}", program.files.get(l.file as usize).map_or("?", String::as_str), l.line)
        }
        _ => "-".into(),
    }
}

/// A register's kind and shape, such as `shared[128, 784]`.
pub fn describe(program: &Program, reg: Reg) -> String {
    let Some(view) = program.views.get(reg.0 as usize) else { return "?".into() };
    let kind = program.buffers.get(view.buffer as usize).map_or("?", |b| b.kind.name());
    let dims: Vec<String> = view.dims.iter().map(|d| d.size.to_string()).collect();
    format!("{kind}[{}]", dims.join(", "))
}
