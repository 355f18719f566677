//! The printer. It prints invalid programs too, so that they can be looked at.

use std::fmt::{self, Display, Formatter, Write};

use super::attributes;
use crate::ir::{
    Block, Const, ConstData, Element, Input, Inst, Op, Output, Place, Program, Protocol, ValueId,
};

impl Display for Program {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let mut printer = Printer { program: self, numbers: vec![None; self.values.len()], depth: 0, out: f };
        let mut next = 0;
        printer.count(&self.body, &mut next);
        printer.header()?;
        printer.block(&self.body)
    }
}

/// The items with commas between them.
pub(super) fn join<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
}

/// What is being printed, and where to.
pub(super) struct Printer<'p, 'f, 'w> {
    program: &'p Program,
    /// By value: its number in print.
    numbers: Vec<Option<u32>>,
    depth: usize,
    out: &'f mut Formatter<'w>,
}

impl Write for Printer<'_, '_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.out.write_str(text)
    }
}

impl Printer<'_, '_, '_> {
    /// Numbers the values of a block in the order of the text.
    fn count(&mut self, block: &Block, next: &mut u32) {
        self.number(&block.params, next);
        for inst in &block.insts {
            self.number(&inst.results, next);
            inst.regions.iter().for_each(|region| self.count(region, next));
        }
    }

    fn number(&mut self, values: &[ValueId], next: &mut u32) {
        for value in values {
            if let Some(slot @ None) = self.numbers.get_mut(value.0 as usize) {
                *slot = Some(*next);
                *next += 1;
            }
        }
    }

    fn header(&mut self) -> fmt::Result {
        let program = self.program;
        let settings = &program.settings;
        let rounding = settings.rounding.name();
        // most programs are for the first protocol, of which nothing is said
        let named = Some(settings.protocol).filter(|protocol| *protocol != Protocol::Rep3);
        let protocol = named.map_or(String::new(), |protocol| format!(" {}", protocol.name()));
        let forms = if program.explicit_forms { " explicit" } else { "" };
        writeln!(
            self,
            "program {} ring {} fix {}.{} {rounding}{protocol}{forms}",
            Name(&program.name),
            settings.ring,
            settings.total,
            settings.frac
        )?;
        for (name, value) in &program.args {
            writeln!(self, "arg {} {}", Name(name), Quoted(value))?;
        }
        for (i, input) in program.inputs.iter().enumerate() {
            self.input(i, input)?;
        }
        for (i, Output { name, field, to, element }) in program.outputs.iter().enumerate() {
            writeln!(self, "output {i} {}: {} to {}", Field(name, field), elements(*element), Whose(*to))?;
        }
        if !program.names.is_empty() {
            writeln!(self, "names {}", join(program.names.iter().map(|n| Name(n))))?;
        }
        writeln!(self)
    }

    fn input(&mut self, index: usize, input: &Input) -> fmt::Result {
        let Input { name, field, from, element, shape, frac, prepare } = input;
        let element = elements(*element);
        write!(
            self,
            "input {index} {}: {element}.{frac}[{}] from {}",
            Field(name, field),
            join(shape),
            Whose(*from)
        )?;
        if let Some((numerator, denominator)) = prepare.scale {
            write!(self, ", scale {numerator}/{denominator}")?;
        }
        if prepare.one_hot {
            write!(self, ", one_hot")?;
        }
        if prepare.standardise {
            write!(self, ", standardise")?;
        }
        if let Some((low, high)) = prepare.range {
            write!(self, ", range {low:?} to {high:?}")?;
        }
        if prepare.first_rows {
            write!(self, ", first_rows")?;
        }
        writeln!(self)
    }

    fn indent(&mut self) -> fmt::Result {
        write!(self.out, "{:1$}", "", 4 * self.depth)
    }

    fn block(&mut self, block: &Block) -> fmt::Result {
        for inst in &block.insts {
            self.indent()?;
            self.inst(inst)?;
            writeln!(self)?;
        }
        if !block.yields.is_empty() {
            self.indent()?;
            write!(self, "yield ")?;
            self.operands(&block.yields)?;
            writeln!(self)?;
        }
        Ok(())
    }

    fn inst(&mut self, inst: &Inst) -> fmt::Result {
        self.definitions(&inst.results)?;
        if !inst.results.is_empty() {
            write!(self, " = ")?;
        }
        if attributes::write(&inst.op, self)? {
            if !inst.args.is_empty() {
                write!(self, " ")?;
                self.operands(&inst.args)?;
            }
        } else {
            self.special(inst)?;
        }
        for (i, region) in inst.regions.iter().enumerate() {
            write!(self, "{}{{", if i == 0 { " " } else { " else " })?;
            writeln!(self)?;
            self.depth += 1;
            self.block(region)?;
            self.depth -= 1;
            self.indent()?;
            write!(self, "}}")?;
        }
        Ok(())
    }

    /// Operations with a syntax of their own, up to their first region.
    fn special(&mut self, inst: &Inst) -> fmt::Result {
        let params = inst.regions.first().map_or(&[][..], |region| &region.params);
        match &inst.op {
            Op::Const(constant) => self.constant(constant),
            Op::For { trips, breaks } => {
                write!(self, "for {trips}{}", if *breaks { " breaks" } else { "" })?;
                self.loop_params(params, &inst.args)
            }
            Op::Custom { values, wants } => {
                let values = &inst.args[..(*values).min(inst.args.len())];
                write!(self, "custom ")?;
                self.operands(values)?;
                for (i, by) in inst.args[values.len()..].iter().enumerate() {
                    let no = if wants.get(i) == Some(&true) { "" } else { "no " };
                    write!(self, "{}{no}", if i == 0 { " from " } else { ", " })?;
                    self.operands(&[*by])?;
                }
                write!(self, " (")?;
                self.definitions(params)?;
                write!(self, ")")
            }
            _ => {
                write!(self, "if ")?;
                self.operands(&inst.args)
            }
        }
    }

    fn constant(&mut self, constant: &Const) -> fmt::Result {
        match &constant.data {
            ConstData::Splat(number) => write!(self, "const {number}"),
            ConstData::Dense(numbers) => write!(self, "const [{}]", join(numbers.iter())),
        }
    }

    /// ` %counter (%a = %x, …)`
    fn loop_params(&mut self, params: &[ValueId], initial: &[ValueId]) -> fmt::Result {
        let (counter, carried) = params.split_at(params.len().min(1));
        write!(self, " ")?;
        self.operands(counter)?;
        if carried.is_empty() && initial.is_empty() {
            return Ok(());
        }
        write!(self, " (")?;
        for i in 0..carried.len().max(initial.len()) {
            write!(self, "{}", if i == 0 { "" } else { ", " })?;
            self.operands(carried.get(i).map_or(&[], std::slice::from_ref))?;
            write!(self, " = ")?;
            self.operands(initial.get(i).map_or(&[], std::slice::from_ref))?;
        }
        write!(self, ")")
    }

    fn definitions(&mut self, values: &[ValueId]) -> fmt::Result {
        for (i, value) in values.iter().enumerate() {
            write!(self, "{}", if i == 0 { "" } else { ", " })?;
            self.operands(&[*value])?;
            if let Some(value) = self.program.values.get(value.0 as usize) {
                write!(self, ": {}", value.ty)?;
            }
        }
        Ok(())
    }

    fn operands(&mut self, values: &[ValueId]) -> fmt::Result {
        for (i, value) in values.iter().enumerate() {
            write!(self, "{}", if i == 0 { "" } else { ", " })?;
            match self.numbers.get(value.0 as usize).copied().flatten() {
                Some(number) => write!(self, "%{number}")?,
                None => write!(self, "%undefined{}", value.0)?,
            }
        }
        Ok(())
    }

    /// An entry of the program's names.
    pub(super) fn name_at(&mut self, index: u32) -> fmt::Result {
        match self.program.names.get(index as usize) {
            Some(name) => write!(self.out, "{}", Name(name)),
            None => write!(self.out, "?{index}"),
        }
    }
}

/// The word for an element type.
fn elements(element: Element) -> &'static str {
    match element {
        Element::Fix => "fix",
        Element::Int => "int",
        Element::Bool => "bool",
    }
}

struct Whose(Place);

impl Display for Whose {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self.0 {
            Place::Party(party) => write!(f, "party {party}"),
            Place::Shares => f.write_str("shares"),
            Place::Client(name) => write!(f, "client {name}"),
        }
    }
}

/// A name and, behind a stroke, the field of a model.
struct Field<'a>(&'a str, &'a str);

impl Display for Field<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{}", Name(self.0))?;
        if self.1.is_empty() { Ok(()) } else { write!(f, "/{}", Name(self.1)) }
    }
}

/// A name, in quotation marks where it is not a word with points.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let bare =
            self.0.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && self.0.chars().all(plain);
        if bare { f.write_str(self.0) } else { write!(f, "{}", Quoted(self.0)) }
    }
}

/// A text in quotation marks; what is not printable ASCII is escaped.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                ' '..='~' => f.write_char(c)?,
                _ => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            }
        }
        f.write_char('"')
    }
}
