//! The parser: by recursive descent, line by line.

use std::collections::HashMap;
use std::str::FromStr;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};
use tern_bytecode::Kind;

use super::attributes;
use crate::diagnostics::{FileId, Span};
use crate::ir::infer::infer;
use crate::ir::{
    Block, Const, Element, Input, Inst, Op, Optimise, Origin, Output, Place, Preparation, Program, Protocol,
    Rounding, Settings, Type, ValueId,
};

/// Why a text is not a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// What parts of the parser return.
pub(super) type Result<T> = std::result::Result<T, ParseError>;

/// Regions may be nested so deep.
const DEPTH: usize = 64;

/// The program that a text stands for. Every instruction obeys the typing rules; whether values are used in their scope is for
/// [`verify`](crate::ir::verify) to say.
pub fn parse(text: &str) -> Result<Program> {
    let settings = Settings {
        protocol: Protocol::Rep3,
        ring: 64,
        frac: 0,
        total: 0,
        rounding: Rounding::Nearest,
        optimise: Optimise::Balanced,
    };
    let mut parser =
        Parser { text, at: 0, program: Program::new("", settings), labels: HashMap::new(), depth: 0 };
    if text.len() > u32::MAX as usize {
        return Err(parser.error("the text is too long"));
    }
    parser.header()?;
    parser.program.body = parser.block(Vec::new())?;
    if parser.at < text.len() {
        return Err(parser.error("expected an instruction"));
    }
    Ok(parser.program)
}

/// A place in the text and what was read so far.
pub(super) struct Parser<'t> {
    text: &'t str,
    at: usize,
    pub(super) program: Program,
    labels: HashMap<&'t str, ValueId>,
    depth: usize,
}

/// Signs and words. All of them skip spaces before what they read, and none goes beyond the line.
impl<'t> Parser<'t> {
    pub(super) fn error(&self, message: impl Into<String>) -> ParseError {
        let line = self.text.as_bytes()[..self.at].iter().filter(|b| **b == b'\n').count() + 1;
        ParseError { line, message: message.into() }
    }

    fn expected<T>(&self, what: &str) -> Result<T> {
        let found = self.text[self.at..].lines().next().unwrap_or("");
        let found: String = found.chars().take(20).collect();
        Err(self.error(format!("expected {what}, found `{found}`")))
    }

    /// What is left, from the next sign on.
    fn rest(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let left = rest.trim_start_matches([' ', '\t', '\r']);
        self.at += rest.len() - left.len();
        left
    }

    /// Reads as long as the characters fit; perhaps nothing.
    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn try_sign(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    pub(super) fn sign(&mut self, sign: &str) -> Result<()> {
        if self.try_sign(sign) { Ok(()) } else { self.expected(&format!("`{sign}`")) }
    }

    pub(super) fn word(&mut self) -> Result<&'t str> {
        let word = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        if word.is_empty() { self.expected("a word") } else { Ok(word) }
    }

    pub(super) fn try_keyword(&mut self, word: &str) -> bool {
        let before = self.at;
        let found = self.word().is_ok_and(|w| w == word);
        self.at = if found { self.at } else { before };
        found
    }

    pub(super) fn keyword(&mut self, word: &str) -> Result<()> {
        if self.try_keyword(word) { Ok(()) } else { self.expected(&format!("`{word}`")) }
    }

    pub(super) fn at_digit(&mut self) -> bool {
        self.rest().starts_with(|c: char| c.is_ascii_digit())
    }

    pub(super) fn number<T: FromStr>(&mut self) -> Result<T> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let digits = rest[sign..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - sign);
        match rest[..sign + digits].parse() {
            Ok(number) => {
                self.at += sign + digits;
                Ok(number)
            }
            Err(_) => self.expected("a number in range"),
        }
    }

    pub(super) fn exact(&mut self) -> Result<BigRational> {
        let numerator: BigInt = self.number()?;
        let fraction = !self.rest().starts_with("//") && self.try_sign("/");
        let denominator = if fraction { self.number()? } else { BigInt::one() };
        if denominator.is_zero() {
            return Err(self.error("a denominator of 0"));
        }
        Ok(BigRational::new(numerator, denominator))
    }

    fn double(&mut self) -> Result<f64> {
        let text = self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
        text.parse().or_else(|_| self.expected("a number"))
    }

    /// Items with commas between them, in brackets.
    fn bracketed<T>(&mut self, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.sign("[")?;
        let mut items = Vec::new();
        while !self.try_sign("]") {
            if !items.is_empty() {
                self.sign(",")?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub(super) fn list(&mut self) -> Result<Vec<usize>> {
        self.bracketed(Self::number)
    }

    /// A bare or quoted name.
    pub(super) fn name(&mut self) -> Result<String> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        if name.is_empty() { self.expected("a name") } else { Ok(name.to_string()) }
    }

    fn quoted(&mut self) -> Result<String> {
        self.sign("\"")?;
        let mut name = String::new();
        loop {
            let c = self.character()?;
            match c {
                '"' => return Ok(name),
                '\\' => name.push(self.escaped()?),
                c => name.push(c),
            }
        }
    }

    fn character(&mut self) -> Result<char> {
        let c = self.text[self.at..].chars().next().filter(|c| *c != '\n');
        let c = c.ok_or_else(|| self.error("a text without its closing quotation mark"))?;
        self.at += c.len_utf8();
        Ok(c)
    }

    fn escaped(&mut self) -> Result<char> {
        match self.character()? {
            'u' => {
                self.sign("{")?;
                let code = u32::from_str_radix(self.take(|c| c.is_ascii_hexdigit()), 16).ok();
                self.sign("}")?;
                code.and_then(char::from_u32).ok_or_else(|| self.error("there is no such character"))
            }
            c => Ok(c),
        }
    }

    /// The end of a line, if nothing but a comment is left of it; and all empty lines behind it.
    fn end_of_line(&mut self) -> Result<()> {
        let rest = self.rest();
        if rest.is_empty() || rest.starts_with('}') {
            return Ok(());
        }
        if !rest.starts_with('\n') && !rest.starts_with("//") {
            return self.expected("the end of the line");
        }
        self.skip_lines();
        Ok(())
    }

    fn skip_lines(&mut self) {
        loop {
            let rest = self.rest();
            if rest.starts_with('\n') {
                self.at += 1;
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else {
                return;
            }
        }
    }
}

/// The lines before the first instruction.
impl Parser<'_> {
    fn header(&mut self) -> Result<()> {
        self.skip_lines();
        self.keyword("program")?;
        self.program.name = self.name()?;
        self.keyword("ring")?;
        let ring = self.number()?;
        self.keyword("fix")?;
        let total = self.number()?;
        self.sign(".")?;
        let frac = self.number()?;
        let rounding = match self.word()? {
            "probabilistic" => Rounding::Probabilistic,
            "nearest" => Rounding::Nearest,
            _ => return Err(self.error("expected `probabilistic` or `nearest`")),
        };
        let named = Protocol::ALL.iter().copied().find(|protocol| self.try_keyword(protocol.name()));
        let protocol = named.unwrap_or(Protocol::Rep3);
        self.program.settings =
            Settings { protocol, ring, frac, total, rounding, optimise: Optimise::Balanced };
        self.program.explicit_forms = self.try_keyword("explicit");
        self.end_of_line()?;
        while self.declaration()? {
            self.end_of_line()?;
        }
        Ok(())
    }

    /// Reads a declaration; false if an instruction is next.
    fn declaration(&mut self) -> Result<bool> {
        let before = self.at;
        match self.word().unwrap_or_default() {
            "arg" => {
                let name = self.name()?;
                let value = self.quoted()?;
                self.program.args.push((name, value));
            }
            "names" => loop {
                let name = self.name()?;
                self.program.names.push(name);
                if !self.try_sign(",") {
                    break;
                }
            },
            "input" => {
                self.index(self.program.inputs.len())?;
                let input = self.input()?;
                self.program.inputs.push(input);
            }
            "output" if !self.text[self.at..].lines().next().unwrap_or("").contains('%') => {
                self.index(self.program.outputs.len())?;
                let (name, field) = self.field()?;
                let element = self.element()?;
                self.keyword("to")?;
                let to = self.place()?;
                self.program.outputs.push(Output { name, field, to, element });
            }
            _ => {
                self.at = before;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn index(&mut self, next: usize) -> Result<()> {
        let index: usize = self.number()?;
        if index == next { Ok(()) } else { Err(self.error(format!("expected index {next}, found {index}"))) }
    }

    fn field(&mut self) -> Result<(String, String)> {
        let name = self.name()?;
        let field = if self.try_sign("/") { self.name()? } else { String::new() };
        self.sign(":")?;
        Ok((name, field))
    }

    fn element(&mut self) -> Result<Element> {
        match self.word()? {
            "fix" => Ok(Element::Fix),
            "int" => Ok(Element::Int),
            "bool" => Ok(Element::Bool),
            other => Err(self.error(format!("there is no element {other}"))),
        }
    }

    fn place(&mut self) -> Result<Place> {
        match self.word()? {
            "party" => Ok(Place::Party(self.number()?)),
            "shares" => Ok(Place::Shares),
            "client" => Ok(Place::Client(self.number()?)),
            other => Err(self.error(format!("expected `party`, `shares` or `client`, found `{other}`"))),
        }
    }

    fn input(&mut self) -> Result<Input> {
        let (name, field) = self.field()?;
        let element = self.element()?;
        let frac = if self.try_sign(".") { self.number()? } else { 0 };
        let shape = self.list()?;
        self.keyword("from")?;
        let from = self.place()?;
        let mut prepare = Preparation::default();
        while self.try_sign(",") {
            match self.word()? {
                "scale" => {
                    let numerator = self.number()?;
                    self.sign("/")?;
                    prepare.scale = Some((numerator, self.number()?));
                }
                "one_hot" => prepare.one_hot = true,
                "standardise" => prepare.standardise = true,
                "first_rows" => prepare.first_rows = true,
                "range" => {
                    let low = self.double()?;
                    self.keyword("to")?;
                    prepare.range = Some((low, self.double()?));
                }
                other => return Err(self.error(format!("there is no preparation {other}"))),
            }
        }
        Ok(Input { name, field, from, element, shape, frac, prepare })
    }
}

/// What stands on the left of an instruction.
type Definition<'t> = (&'t str, Option<Type>);

/// Instructions.
impl<'t> Parser<'t> {
    /// Instructions and yields, up to the closing brace or the end of the text.
    fn block(&mut self, params: Vec<ValueId>) -> Result<Block> {
        let mut block = Block { params, ..Block::default() };
        self.skip_lines();
        while !self.rest().is_empty() && !self.rest().starts_with('}') {
            if self.try_keyword("yield") {
                block.yields = self.operands()?;
                self.end_of_line()?;
                break;
            }
            let inst = self.inst()?;
            block.insts.push(inst);
            self.end_of_line()?;
        }
        Ok(block)
    }

    fn region(&mut self, params: Vec<ValueId>) -> Result<Block> {
        self.sign("{")?;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error("nested too deeply"));
        }
        let block = self.block(params)?;
        self.depth -= 1;
        self.sign("}")?;
        Ok(block)
    }

    fn inst(&mut self) -> Result<Inst> {
        self.rest();
        let start = self.at;
        let definitions =
            if self.text[self.at..].starts_with('%') { self.definitions()? } else { Vec::new() };
        if !definitions.is_empty() {
            self.sign("=")?;
        }
        let end = self.at + self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at);
        let (op, args, regions) = self.operation(&definitions)?;
        let types = infer(&self.program, &op, &args, &regions).map_err(|e| self.error(e.to_string()))?;
        if types.len() != definitions.len() {
            return Err(self.error(format!("{} results, not {}", types.len(), definitions.len())));
        }
        let mut results = Vec::with_capacity(types.len());
        for ((label, declared), ty) in definitions.into_iter().zip(types) {
            if let Some(declared) = declared.filter(|d| *d != ty) {
                return Err(self.error(format!("%{label} is {ty}, not {declared}")));
            }
            results.push(self.define(label, ty)?);
        }
        let place = Span::new(FileId(0), start as u32, end as u32);
        Ok(Inst { op, args, results, regions, origin: Origin { user: place, inner: place } })
    }

    fn operation(&mut self, definitions: &[Definition<'t>]) -> Result<(Op, Vec<ValueId>, Vec<Block>)> {
        let name = self.word()?;
        match name {
            "const" => Ok((Op::Const(self.constant(definitions)?), Vec::new(), Vec::new())),
            "for" => self.for_(),
            "if" => {
                let condition = self.operands()?;
                let then = self.region(Vec::new())?;
                self.keyword("else")?;
                Ok((Op::If, condition, vec![then, self.region(Vec::new())?]))
            }
            "custom" => self.custom(),
            _ => match attributes::read(name, self)? {
                Some(op) => Ok((op, self.operands()?, Vec::new())),
                None => Err(self.error(format!("there is no operation {name}"))),
            },
        }
    }

    fn constant(&mut self, definitions: &[Definition<'t>]) -> Result<Const> {
        let [(_, Some(ty))] = definitions else {
            return Err(self.error("a constant needs its type on the left"));
        };
        if !self.rest().starts_with('[') {
            return Ok(Const::splat(ty.clone(), self.exact()?));
        }
        let numbers = self.bracketed(Self::exact)?;
        if numbers.len() != ty.len() {
            return Err(self.error(format!("{} numbers for {ty}", numbers.len())));
        }
        Ok(Const::dense(ty.clone(), numbers))
    }

    fn for_(&mut self) -> Result<(Op, Vec<ValueId>, Vec<Block>)> {
        let trips = self.number()?;
        let breaks = self.try_keyword("breaks");
        let counter = self.label()?;
        let mut params = vec![self.define(counter, Type::int([]))?];
        let mut initial = Vec::new();
        if self.try_sign("(") {
            while !self.try_sign(")") {
                if !initial.is_empty() {
                    self.sign(",")?;
                }
                let label = self.label()?;
                self.sign("=")?;
                let value = self.operand()?;
                params.push(self.define(label, self.program.ty(value).clone())?);
                initial.push(value);
            }
        }
        Ok((Op::For { trips, breaks }, initial, vec![self.region(params)?]))
    }

    fn custom(&mut self) -> Result<(Op, Vec<ValueId>, Vec<Block>)> {
        let mut args = self.operands()?;
        let (values, mut wants) = (args.len(), Vec::new());
        if self.try_keyword("from") {
            loop {
                wants.push(!self.try_keyword("no"));
                args.push(self.operand()?);
                if !self.try_sign(",") {
                    break;
                }
            }
        }
        self.sign("(")?;
        let definitions = if self.rest().starts_with(')') { Vec::new() } else { self.definitions()? };
        self.sign(")")?;
        let mut params = Vec::new();
        for (label, ty) in definitions {
            let ty = ty.ok_or_else(|| self.error(format!("%{label} needs its type")))?;
            params.push(self.define(label, ty)?);
        }
        Ok((Op::Custom { values, wants }, args, vec![self.region(params)?]))
    }

    fn definitions(&mut self) -> Result<Vec<Definition<'t>>> {
        let mut list = Vec::new();
        loop {
            let label = self.label()?;
            let ty = if self.try_sign(":") { Some(self.ty()?) } else { None };
            list.push((label, ty));
            if !self.try_sign(",") {
                return Ok(list);
            }
        }
    }

    fn ty(&mut self) -> Result<Type> {
        let name = self.word()?;
        let kind = Kind::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind);
        let kind = kind.ok_or_else(|| self.error(format!("there is no kind {name}")))?;
        let frac = if self.try_sign(".") { self.number()? } else { 0 };
        let ty = Type::new(kind, frac, self.list()?);
        if ty.is_bounded() { Ok(ty) } else { Err(self.error(format!("there is no type {ty}"))) }
    }

    fn label(&mut self) -> Result<&'t str> {
        self.sign("%")?;
        self.word()
    }

    fn define(&mut self, label: &'t str, ty: Type) -> Result<ValueId> {
        let value = self.program.value(ty);
        match self.labels.insert(label, value) {
            None => Ok(value),
            Some(_) => Err(self.error(format!("%{label} is defined twice"))),
        }
    }

    fn operand(&mut self) -> Result<ValueId> {
        let label = self.label()?;
        let found = self.labels.get(label).copied();
        found.ok_or_else(|| self.error(format!("%{label} is not defined")))
    }

    /// Operands with commas between them; perhaps none.
    fn operands(&mut self) -> Result<Vec<ValueId>> {
        let mut list = Vec::new();
        if !self.rest().starts_with('%') {
            return Ok(list);
        }
        loop {
            list.push(self.operand()?);
            if !self.try_sign(",") {
                return Ok(list);
            }
        }
    }
}
