//! What a program must satisfy before it runs. Decoded bytes are untrusted; the machine and the back-ends rely on every rule here.
//!
//! 1. *Header*: the ring is one of [`rings`](crate::rings); `fix` fits it.
//! 2. *Memory*: every view stays within its buffer and has at most [`MAX_AXES`] axes; sizes do not overflow.
//! 3. *Operands*: registers exist, have a kind that the table allows, and immediates are within their ranges.
//! 4. *Shapes*: the shapes of an instruction's operands fit each other, and no product is endless ([`shapes`]).
//! 5. *Aliasing*: what is written has no two indices on one element, and shares its buffer with an operand only where the
//!    instruction works in place on the very same view.
//! 6. *Structure*: loops and branches nest, `else` and `break_if` stand where they may.
//! 7. *Rounds*: sends and receives alternate within a block; the result of an operation of r rounds is touched only r receives
//!    later, its operands are not overwritten before; nothing is in flight at a block's end ([`rounds`]).
//! 8. *Names* ([`names`]): inputs and outputs are words, all names show as they are, nothing is declared twice, and an output is
//!    written once.
//! 9. *Halves*: a later selection by a bit has the corner of the one that left its half ([`halves`]).
//! 10. *Forms* ([`forms`]): values have the forms that the protocol computes with; no two instructions open under one mask.
//! 11. *The dealer's part* ([`known`]): what a dealer has to know does not depend on what is revealed.

mod forms;
mod halves;
pub mod known;
pub mod names;
mod rounds;
mod shapes;

use std::collections::HashMap;

use crate::instr::{Instr, OperandValue, Reg, Role};
use crate::program::{Buffer, Kind, Place, Program, View};
use crate::rings::{is_ring, listed};

/// The most axes a view may have.
pub const MAX_AXES: usize = 12;
/// The most loops and branches within one another.
pub const MAX_DEPTH: usize = 64;
/// The most elements in a buffer: what fits the address space of any machine that could run it, and 64-bit arithmetic on offsets.
pub const MAX_ELEMENTS: u64 = 1 << 40;

/// A rule that a program breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid bytecode{}: {message}", self.at.map_or(String::new(), |at| format!(" at instruction {at}")))]
pub struct Fault {
    /// The instruction, if it is about one.
    pub at: Option<u32>,
    /// Which rule, and how.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Fault {
        Fault { at: None, message: message.into() }
    }
}

/// Checks every rule; the first fault found is returned.
pub fn validate(program: &Program) -> Result<(), Fault> {
    header(program)?;
    names::check(program)?;
    for (i, buffer) in program.buffers.iter().enumerate() {
        check_buffer(i, buffer)?;
    }
    for (i, view) in program.views.iter().enumerate() {
        check_view(program, i, view)?;
    }
    for c in &program.constants {
        if let crate::program::Constant::Ring { width, bytes } = c
            && (*width == 0 || *width > 32 || bytes.len() % usize::from(*width) != 0)
        {
            return Err(Fault::new("a constant of ring elements has a broken width"));
        }
    }
    if program.lines.len() != program.code.len() {
        return Err(Fault::new("the line table is not as long as the code"));
    }
    let nesting = Nesting::of(program)?;
    names::outputs(program)?;
    for (at, instr) in program.code.iter().enumerate() {
        let located = |mut fault: Fault| {
            fault.at = Some(at as u32);
            fault
        };
        operands(program, instr).map_err(located)?;
        shapes::check(program, instr).map_err(located)?;
        aliasing(program, instr).map_err(located)?;
    }
    forms::check(program)?;
    halves::check(program)?;
    rounds::check(program, &nesting)?;
    known::check(program)
}

fn header(program: &Program) -> Result<(), Fault> {
    let h = &program.header;
    if !is_ring(h.ring) {
        return Err(Fault::new(format!("a ring of {} bits (there are {})", h.ring, listed())));
    }
    if h.total == 0 || h.total > h.ring || h.frac >= h.total {
        return Err(Fault::new(format!(
            "fix with {} bits, {} of them fraction, in a ring of {} bits",
            h.total, h.frac, h.ring
        )));
    }
    let owners = h.protocol.model().owners;
    let places =
        program.inputs.iter().map(|i| (i.from, i.frac)).chain(program.outputs.iter().map(|o| (o.to, o.frac)));
    for (place, frac) in places {
        if matches!(place, Place::Party(i) if usize::from(i) >= owners) {
            return Err(Fault::new(format!("an input or output of a party that is not 0 to {}", owners - 1)));
        }
        if frac >= h.ring {
            return Err(Fault::new("an input or output with more fraction bits than the ring has"));
        }
    }
    for range in &program.ranges {
        if range.at as usize >= program.code.len() || range.frac >= h.ring {
            return Err(Fault::new("a declared range of an instruction that is not there"));
        }
    }
    Ok(())
}

fn check_buffer(i: usize, buffer: &Buffer) -> Result<(), Fault> {
    if buffer.len > MAX_ELEMENTS {
        return Err(Fault::new(format!("buffer {i} has {} elements", buffer.len)));
    }
    if buffer.kind == Kind::Bit && !buffer.len.is_multiple_of(64) {
        return Err(Fault::new(format!("buffer {i} of bits does not end with a word")));
    }
    Ok(())
}

fn check_view(program: &Program, i: usize, view: &View) -> Result<(), Fault> {
    let Some(buffer) = program.buffers.get(view.buffer as usize) else {
        return Err(Fault::new(format!("register %{i} is on buffer {}, which is not there", view.buffer)));
    };
    if view.dims.len() > MAX_AXES {
        return Err(Fault::new(format!("register %{i} has {} axes", view.dims.len())));
    }
    // axes without positions do not excuse the others: strides of dense tensors of this shape are computed
    let size = view.dims.iter().fold(1u64, |n, d| n.saturating_mul(u64::from(d.size.max(1))));
    if size > MAX_ELEMENTS {
        return Err(Fault::new(format!("register %{i} is too large: {:?}", view.shape())));
    }
    if view.is_empty() {
        return Ok(());
    }
    match extent(view) {
        Some((low, high)) if low >= 0 && (high as u64) < buffer.len => Ok(()),
        _ => Err(Fault::new(format!("register %{i} reaches outside its buffer of {} elements", buffer.len))),
    }
}

/// Smallest and largest element index that a non-empty view touches; `None` on overflow.
pub(crate) fn extent(view: &View) -> Option<(i64, i64)> {
    let start = i64::try_from(view.offset).ok()?;
    view.dims.iter().try_fold((start, start), |(low, high), dim| {
        let reach = dim.stride.checked_mul(i64::from(dim.size.saturating_sub(1)))?;
        Some((low.checked_add(reach.min(0))?, high.checked_add(reach.max(0))?))
    })
}

fn operands(program: &Program, instr: &Instr) -> Result<(), Fault> {
    for operand in instr.operands() {
        let OperandValue::Reg(reg, _, kinds) = operand.value else { continue };
        let kind = kind(program, reg)?;
        if !kinds.contains(&kind) {
            let names: Vec<&str> = kinds.iter().map(|k| k.name()).collect();
            return Err(Fault::new(format!(
                "operand {} of {} is {}, expected {}",
                operand.name,
                instr.name(),
                kind.name(),
                names.join(" or ")
            )));
        }
    }
    Ok(())
}

pub(crate) fn view(program: &Program, reg: Reg) -> Result<&View, Fault> {
    program.views.get(reg.0 as usize).ok_or_else(|| Fault::new(format!("register %{} is not there", reg.0)))
}

pub(crate) fn kind(program: &Program, reg: Reg) -> Result<Kind, Fault> {
    let view = view(program, reg)?;
    Ok(program.buffers[view.buffer as usize].kind)
}

/// Whether two views may touch one element. Interleaved views of one buffer count as touching: the rule is simple on purpose.
pub(crate) fn overlap(a: &View, b: &View) -> bool {
    if a.buffer != b.buffer || a.is_empty() || b.is_empty() {
        return false;
    }
    match (extent(a), extent(b)) {
        (Some((a_low, a_high)), Some((b_low, b_high))) => a_low <= b_high && b_low <= a_high,
        (None, _) | (_, None) => true,
    }
}

fn aliasing(program: &Program, instr: &Instr) -> Result<(), Fault> {
    let registers: Vec<(Reg, Role)> = instr.registers().collect();
    for &(dst, role) in &registers {
        if role == Role::Read {
            continue;
        }
        let written = view(program, dst)?;
        if !distinct(written) {
            return Err(Fault::new(format!(
                "{} writes %{}, in which two indices share an element",
                instr.name(),
                dst.0
            )));
        }
        for &(src, other) in registers.iter().filter(|(reg, _)| *reg != dst) {
            let read = view(program, src)?;
            let same = written == read && other == Role::Read && instr.in_place();
            if !same && overlap(written, read) {
                return Err(Fault::new(format!(
                    "{} writes %{} over its operand %{}",
                    instr.name(),
                    dst.0,
                    src.0
                )));
            }
        }
        let twice = registers.iter().filter(|(reg, _)| *reg == dst).count() > 1;
        if twice && !instr.in_place() {
            return Err(Fault::new(format!("{} does not work in place", instr.name())));
        }
    }
    Ok(())
}

/// Whether every index of the view has an element of its own. Sufficient, and true of everything the compiler writes to.
fn distinct(view: &View) -> bool {
    let mut dims: Vec<(u64, u64)> = view
        .dims
        .iter()
        .filter(|d| d.size > 1)
        .map(|d| (d.stride.unsigned_abs(), u64::from(d.size)))
        .collect();
    dims.sort_unstable();
    let mut reach = 0u64; // of all smaller strides
    view.is_empty()
        || dims.iter().all(|&(stride, size)| {
            let apart = stride > reach;
            reach = reach.saturating_add(stride.saturating_mul(size - 1));
            apart
        })
}

/// For every `loop`, `if` and `else`, where it ends; the machine jumps by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nesting {
    /// From the index of a `loop`, `if` or `else` to that of its `else` or `end`.
    pub close: HashMap<u32, u32>,
    /// From the index of an `end` of a loop to its `loop`.
    pub open: HashMap<u32, u32>,
}

impl Nesting {
    /// Matches beginnings with ends.
    pub fn of(program: &Program) -> Result<Nesting, Fault> {
        let mut nesting = Nesting::default();
        let mut stack: Vec<u32> = Vec::new();
        for (at, instr) in program.code.iter().enumerate() {
            let at = at as u32;
            let fault = |message: &str| Err(Fault { at: Some(at), message: message.into() });
            match instr {
                Instr::Loop { .. } | Instr::If { .. } if stack.len() >= MAX_DEPTH => {
                    return fault("nested too deeply");
                }
                Instr::Loop { .. } | Instr::If { .. } => stack.push(at),
                Instr::Else {} => match stack.pop() {
                    Some(open) if matches!(program.code[open as usize], Instr::If { .. }) => {
                        nesting.close.insert(open, at);
                        stack.push(at);
                    }
                    _ => return fault("an else without its if"),
                },
                Instr::End {} => match stack.pop() {
                    Some(open) => {
                        nesting.close.insert(open, at);
                        if matches!(program.code[open as usize], Instr::Loop { .. }) {
                            nesting.open.insert(at, open);
                        }
                    }
                    None => return fault("an end without its beginning"),
                },
                Instr::BreakIf { .. } => {
                    let in_loop = stack
                        .last()
                        .is_some_and(|open| matches!(program.code[*open as usize], Instr::Loop { .. }));
                    let last = matches!(program.code.get(at as usize + 1), Some(Instr::End {}));
                    if !in_loop || !last {
                        return fault("a break that is not the last instruction of a loop");
                    }
                }
                _ => {}
            }
        }
        match stack.pop() {
            Some(open) => Err(Fault { at: Some(open), message: "a loop or branch without its end".into() }),
            None => Ok(nesting),
        }
    }
}
