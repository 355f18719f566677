//! Rule 4: shapes and immediates of every instruction.

use super::{Fault, kind, view};
use crate::instr::{Axes, Instr, OperandValue, Reg, Route};
use crate::program::{Constant, Kind, Program};

/// The most products in one contraction: more would not end.
const MAX_WORK: u64 = 1 << 48;

/// Checks the shapes of one instruction's operands.
pub(super) fn check(program: &Program, instr: &Instr) -> Result<(), Fault> {
    let c = Check { program, name: instr.name() };
    let ring = program.header.ring;
    match *instr {
        Instr::Loop { counter, .. } => c.single(counter),
        Instr::BreakIf { cond } | Instr::If { cond } => c.single(cond),
        Instr::Else {} | Instr::End {} | Instr::Send {} | Instr::Receive {} => Ok(()),
        Instr::Constant { dst, pool } => c.constant(dst, pool),
        Instr::Iota { .. } | Instr::PublicUniform { .. } | Instr::RandomBits { .. } => Ok(()),
        Instr::RealUnary { dst, a, .. }
        | Instr::IntToReal { dst, a }
        | Instr::RealToInt { dst, a }
        | Instr::Promote { dst, a }
        | Instr::PromoteBits { dst, a }
        | Instr::Widen { dst, a }
        | Instr::Not { dst, a }
        | Instr::Reveal { dst, a, .. }
        | Instr::RevealBits { dst, a, .. }
        | Instr::Reshare { dst, a, .. } => c.same(&[dst, a]),
        Instr::Open { dst, a, width, .. } => {
            c.same(&[dst, a]).and_then(|()| c.within("width", width, 1, ring))
        }
        Instr::Copy { dst, a } | Instr::Neg { dst, a } => {
            c.same(&[dst, a]).and_then(|()| c.same_kind(&[dst, a]))
        }
        Instr::RealBinary { dst, a, b, .. }
        | Instr::IntBinary { dst, a, b, .. }
        | Instr::Mul { dst, a, b }
        | Instr::Xor { dst, a, b }
        | Instr::AndPublic { dst, a, b }
        | Instr::And { dst, a, b, .. } => c.same(&[dst, a, b]),
        Instr::Compare { dst, a, b, .. } => c.same(&[dst, a, b]).and_then(|()| c.same_kind(&[a, b])),
        Instr::Choose { dst, cond, a, b } => {
            c.same(&[dst, cond, a, b]).and_then(|()| c.same_kind(&[dst, a, b]))
        }
        Instr::Add { dst, a, b } | Instr::Sub { dst, a, b } => {
            c.same(&[dst, a, b]).and_then(|()| c.same_kind(&[dst, a, b]))
        }
        Instr::MulPlain { dst, a, b } => c.same(&[dst, a, b]).and_then(|()| c.same_kind(&[dst, a])),
        Instr::Encode { dst, a, frac } | Instr::Decode { dst, a, frac } => {
            c.same(&[dst, a]).and_then(|()| c.within("fraction bits", frac, 0, ring - 1))
        }
        Instr::Shuffle { dst, n } => c.shuffle(dst, n),
        Instr::Metric { name, .. } => c.index("name", name, program.names.len()),
        Instr::Debug { label, frac, .. } => c
            .index("label", label, program.names.len())
            .and_then(|()| c.within("fraction bits", frac, 0, ring - 1)),
        Instr::Gather { dst, a, index } => c.gather(dst, a, index),
        Instr::Scatter { dst, a, index } => c.gather(a, dst, index),
        Instr::Contract { dst, a, b, axes } => c.contract(dst, a, b, axes),
        Instr::Sum { dst, a, axes } => c.sum(dst, a, axes),
        Instr::Input { dst, input, .. } => c.input(dst, input),
        Instr::Output { a, output, .. } => c.output(a, output),
        Instr::Truncate { dst, a, bits, .. } => {
            c.same(&[dst, a]).and_then(|()| c.within("bits", bits, 1, ring - 2))
        }
        Instr::TruncateOpened { dst, a, bits, width, more, .. } => {
            c.same(&[dst, a])?;
            c.within("width", width, 3, ring)?;
            c.within("bits", bits, u32::from(width == ring), width - 2)?;
            let opened = kind(program, dst)? == Kind::Shared;
            c.within("more bits", more, 0, if opened { ring - (width - bits) } else { 0 })
        }
        Instr::Sign { dst, a, width, .. } => {
            c.same(&[dst, a]).and_then(|()| c.within("width", width, 1, ring))
        }
        Instr::SignTested { dst, a, low, high, .. } => {
            c.same(&[dst, a])?;
            c.within("high", high, 1, ring)?;
            let most = program.header.protocol.model().tested;
            c.within("low", low, high.saturating_sub(most), high - 1)
        }
        Instr::Bits { dst, a, low, high, .. } => c.bits(dst, a, low, high),
        Instr::Word { dst, a, .. } => c.places(a, dst, 1, ring),
        Instr::Compose { dst, a, .. } => c.places(a, dst, 1, ring - 1),
        Instr::Select { dst, keep, bit, a, .. } => {
            c.same(&[dst, bit, a])?;
            keep.map_or(Ok(()), |keep| c.same(&[keep, bit]))
        }
        Instr::SelectAgain { dst, half, bit, a, bits, .. } => {
            c.same(&[dst, half, bit, a]).and_then(|()| c.within("bits", bits, 0, ring - 2))
        }
    }?;
    instr.operands().iter().try_for_each(|o| match &o.value {
        OperandValue::Route(route) => c.route(*route),
        _ => Ok(()),
    })
}

struct Check<'a> {
    program: &'a Program,
    name: &'static str,
}

impl Check<'_> {
    fn shape(&self, reg: Reg) -> Result<Vec<u32>, Fault> {
        Ok(view(self.program, reg)?.shape())
    }

    fn fail<T>(&self, what: impl std::fmt::Display) -> Result<T, Fault> {
        Err(Fault::new(format!("{}: {what}", self.name)))
    }

    fn single(&self, reg: Reg) -> Result<(), Fault> {
        if view(self.program, reg)?.len() == 1 { Ok(()) } else { self.fail("needs one element") }
    }

    fn same(&self, regs: &[Reg]) -> Result<(), Fault> {
        let first = self.shape(regs[0])?;
        for reg in &regs[1..] {
            let other = self.shape(*reg)?;
            if other != first {
                return self.fail(format!("shapes {first:?} and {other:?} differ"));
            }
        }
        Ok(())
    }

    fn same_kind(&self, regs: &[Reg]) -> Result<(), Fault> {
        let first = kind(self.program, regs[0])?;
        for reg in &regs[1..] {
            let other = kind(self.program, *reg)?;
            if other != first {
                return self.fail(format!("{} and {} in one operation", first.name(), other.name()));
            }
        }
        Ok(())
    }

    fn within(&self, what: &str, value: u32, low: u32, high: u32) -> Result<(), Fault> {
        if (low..=high).contains(&value) {
            Ok(())
        } else {
            self.fail(format!("{what} {value} is not within {low}..{high}"))
        }
    }

    fn index(&self, what: &str, index: u32, len: usize) -> Result<(), Fault> {
        if (index as usize) < len { Ok(()) } else { self.fail(format!("{what} {index} is not there")) }
    }

    fn route(&self, route: Route) -> Result<(), Fault> {
        let routes = self.program.header.protocol.model().routes;
        if route.0 < routes { Ok(()) } else { self.fail(format!("route {} is not one of {routes}", route.0)) }
    }

    fn constant(&self, dst: Reg, pool: u32) -> Result<(), Fault> {
        self.index("constant", pool, self.program.constants.len())?;
        let constant = &self.program.constants[pool as usize];
        let fits = matches!(
            (constant, kind(self.program, dst)?),
            (Constant::Ring { .. }, Kind::Plain)
                | (Constant::Real(_), Kind::Real)
                | (Constant::Int(_), Kind::Int)
        );
        let len = view(self.program, dst)?.len();
        if !fits {
            return self.fail("the constant has another kind than the register");
        }
        if constant.len() != 1 && constant.len() as u64 != len {
            return self.fail(format!("{} constants for {len} elements", constant.len()));
        }
        Ok(())
    }

    fn shuffle(&self, dst: Reg, n: u32) -> Result<(), Fault> {
        let dst = view(self.program, dst)?;
        if dst.dims.len() == 1 && n > 0 && dst.len() >= u64::from(n) {
            Ok(())
        } else {
            self.fail("needs one axis, at least one row, and room for all rows")
        }
    }

    /// `rows` [n, …] are rows of `table` [m, …] by `index` \[n\].
    fn gather(&self, rows: Reg, table: Reg, index: Reg) -> Result<(), Fault> {
        self.same_kind(&[rows, table])?;
        let (rows, table, index) = (self.shape(rows)?, self.shape(table)?, self.shape(index)?);
        let fits = index.len() == 1
            && !table.is_empty()
            && rows.len() == table.len()
            && rows[0] == index[0]
            && rows[1..] == table[1..];
        if fits { Ok(()) } else { self.fail(format!("rows {rows:?} of {table:?} by {index:?}")) }
    }

    fn contract(&self, dst: Reg, a: Reg, b: Reg, axes: Axes) -> Result<(), Fault> {
        let kinds = (kind(self.program, dst)?, kind(self.program, a)?, kind(self.program, b)?);
        let fits = match kinds {
            (Kind::Additive, Kind::Shared, Kind::Shared) => true,
            (d, x, Kind::Plain) => d == x,
            _ => false,
        };
        if !fits {
            return self.fail("kinds of the operands do not fit each other");
        }
        let (d, x, y) = (self.shape(dst)?, self.shape(a)?, self.shape(b)?);
        let [n, r, i, c] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
        if d.len() != n + r + c || x.len() != n + r + i || y.len() != n + i + c {
            return self.fail(format!("axes {axes} on {d:?} from {x:?} and {y:?}"));
        }
        let fits = d[..n] == x[..n]
            && d[..n] == y[..n]
            && d[n..n + r] == x[n..n + r]
            && x[n + r..] == y[n..n + i]
            && d[n + r..] == y[n + i..];
        if !fits {
            return self.fail(format!("axes {axes}: {d:?} from {x:?} and {y:?}"));
        }
        let work = x.iter().chain(&d[n + r..]).fold(1u64, |work, size| work.saturating_mul(u64::from(*size)));
        if work <= MAX_WORK { Ok(()) } else { self.fail(format!("{work} products are too many")) }
    }

    fn sum(&self, dst: Reg, a: Reg, axes: u32) -> Result<(), Fault> {
        self.same_kind(&[dst, a])?;
        let (d, x) = (self.shape(dst)?, self.shape(a)?);
        let left: Vec<u32> =
            x.iter().enumerate().filter(|(i, _)| axes >> i & 1 == 0).map(|(_, s)| *s).collect();
        let in_range = axes >> x.len().min(31) == 0;
        if in_range && left == d {
            Ok(())
        } else {
            self.fail(format!("{d:?} from {x:?} over axes {axes:#b}"))
        }
    }

    fn input(&self, dst: Reg, input: u32) -> Result<(), Fault> {
        self.index("input", input, self.program.inputs.len())?;
        let declared = &self.program.inputs[input as usize].shape;
        if *declared == self.shape(dst)? {
            Ok(())
        } else {
            self.fail("the register has another shape than the declaration")
        }
    }

    fn output(&self, a: Reg, output: u32) -> Result<(), Fault> {
        self.index("output", output, self.program.outputs.len())?;
        let declared = &self.program.outputs[output as usize].shape;
        if *declared == self.shape(a)? {
            Ok(())
        } else {
            self.fail("the register has another shape than the declaration")
        }
    }

    fn bits(&self, dst: Reg, a: Reg, low: u32, high: u32) -> Result<(), Fault> {
        if low >= high || high > self.program.header.ring {
            return self.fail(format!("bits {low}..{high} of {}", self.program.header.ring));
        }
        self.places(dst, a, high - low, high - low)?;
        let planes = view(self.program, dst)?;
        let aligned = planes.offset % 64 == 0 && planes.dims[0].stride % 64 == 0;
        if aligned { Ok(()) } else { self.fail("planes do not begin with words") }
    }

    /// `planes` is `value` with a first axis of `low..=high` places before it.
    fn places(&self, planes: Reg, value: Reg, low: u32, high: u32) -> Result<(), Fault> {
        let (planes, value) = (self.shape(planes)?, self.shape(value)?);
        match planes.split_first() {
            Some((n, rest)) if *rest == value[..] => self.within("places", *n, low, high),
            _ => self.fail(format!("planes {planes:?} of values {value:?}")),
        }
    }
}
