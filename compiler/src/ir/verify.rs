//! What every pass may rely on, checked between passes.
//!
//! 1. The ring is one of [`rings`](tern_bytecode::rings), and `fix` fits in: fraction bits < bits in all <= ring.
//! 2. The outermost block has no parameters and yields nothing.
//! 3. Every value is defined once, as a parameter of a block or a result of an instruction.
//! 4. Operands and yields are defined before they are used, in the same block or one around it.
//! 5. Parameters are within bounds ([`Type::is_bounded`]); results have the types that [`infer`] finds. That covers the number of
//!    operands and of regions, what regions are given and yield, and the indices of inputs and outputs.
//! 6. Metrics and debug labels have a name.
//! 7. An output is written at most once in the text of the program.
//! 8. A rule for derivatives takes one shared value of the shape of each y, and yields ring elements of the shape of each wanted x.
//! 9. The inputs' types are within bounds.
//! 10. Nothing is additive until forms are explicit.
//!
//! A program that obeys them may still leave the ring's range or compute nothing; those are questions of other passes.

use tern_bytecode::Kind;
use tern_bytecode::rings::is_ring;

use super::infer::{TypeError, infer};
use super::{Block, Input, Inst, Op, Origin, Program, Type, ValueId};

/// A rule that a program breaks, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{broken}{}", place(.at))]
pub struct Invalid {
    /// The rule.
    pub broken: Rule,
    /// The instruction and where it comes from, unless it is about the program as a whole.
    pub at: Option<(Box<Op>, Origin)>,
}

/// The rules by name, with what broke them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rule {
    /// Rule 1.
    #[error("fix {total}.{frac} in a ring of {ring} bits")]
    Settings {
        /// Bits of the ring.
        ring: u32,
        /// Fraction bits.
        frac: u32,
        /// Bits in all.
        total: u32,
    },
    /// Rule 2.
    #[error("the outermost block has parameters or yields something")]
    Outermost,
    /// Rule 3.
    #[error("value {} is defined a second time", .0.0)]
    Redefined(ValueId),
    /// Rules 3 and 4.
    #[error("value {} is not there, or is defined later or in a block that has ended", .0.0)]
    Undefined(ValueId),
    /// Rule 5.
    #[error("{0}")]
    Typing(#[from] TypeError),
    /// Rule 5.
    #[error("results of type {found:?}, expected {expected:?}")]
    Results {
        /// What the arena says.
        found: Vec<String>,
        /// What the typing rules say.
        expected: Vec<String>,
    },
    /// Rule 5.
    #[error("a parameter {0} beyond all bounds")]
    Unbounded(String),
    /// Rule 6.
    #[error("there is no name {0}")]
    Name(u32),
    /// Rule 7.
    #[error("output {0} is written a second time")]
    Output(u32),
    /// Rule 8.
    #[error("a rule for derivatives where {expected} is expected has {found}")]
    Derivative {
        /// In the rule.
        found: String,
        /// The value that it is for.
        expected: String,
    },
    /// Rule 9.
    #[error("input {0} is beyond all bounds")]
    Input(usize),
    /// Rule 10.
    #[error("value {} is additive before forms are explicit", .0.0)]
    Additive(ValueId),
}

fn place(at: &Option<(Box<Op>, Origin)>) -> String {
    match at {
        Some((op, origin)) => format!(", at {op:?} from {:?}", origin.user),
        None => String::new(),
    }
}

/// Checks all rules; the first that is broken is the error.
pub fn verify(program: &Program) -> Result<(), Invalid> {
    let settings = &program.settings;
    let mut verifier = Verifier {
        program,
        state: vec![State::Undefined; program.values.len()],
        written: vec![false; program.outputs.len()],
        at: None,
    };
    let (ring, frac, total) = (settings.ring, settings.frac, settings.total);
    if !is_ring(ring) || frac >= total || total > ring {
        return Err(verifier.fail(Rule::Settings { ring, frac, total }));
    }
    if !program.body.params.is_empty() || !program.body.yields.is_empty() {
        return Err(verifier.fail(Rule::Outermost));
    }
    let bounded = |input: &Input| Type::shared(input.frac, input.shape.clone()).is_bounded();
    if let Some(index) = program.inputs.iter().position(|input| !bounded(input)) {
        return Err(verifier.fail(Rule::Input(index)));
    }
    verifier.block(&program.body)
}

/// What has happened to a value so far.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Undefined,
    InScope,
    /// Its block has ended.
    OutOfScope,
}

struct Verifier<'p> {
    program: &'p Program,
    /// By value.
    state: Vec<State>,
    /// By output.
    written: Vec<bool>,
    /// The innermost instruction that is being looked at.
    at: Option<&'p Inst>,
}

impl<'p> Verifier<'p> {
    fn fail(&self, broken: Rule) -> Invalid {
        Invalid { broken, at: self.at.map(|inst| (Box::new(inst.op.clone()), inst.origin)) }
    }

    fn block(&mut self, block: &'p Block) -> Result<(), Invalid> {
        let outer = self.at;
        for param in &block.params {
            self.define(*param)?;
            let ty = self.program.ty(*param);
            if !ty.is_bounded() {
                return Err(self.fail(Rule::Unbounded(ty.to_string())));
            }
        }
        for inst in &block.insts {
            self.at = Some(inst);
            self.inst(inst)?;
        }
        self.at = outer;
        self.uses(&block.yields)?;
        for value in block.params.iter().chain(block.insts.iter().flat_map(|inst| &inst.results)) {
            self.state[value.0 as usize] = State::OutOfScope;
        }
        Ok(())
    }

    fn inst(&mut self, inst: &'p Inst) -> Result<(), Invalid> {
        self.uses(&inst.args)?;
        for region in &inst.regions {
            self.block(region)?;
            self.at = Some(inst);
        }
        let expected = infer(self.program, &inst.op, &inst.args, &inst.regions);
        let expected = expected.map_err(|error| self.fail(error.into()))?;
        for result in &inst.results {
            self.define(*result)?;
        }
        if !inst.results.iter().map(|r| self.program.ty(*r)).eq(&expected) {
            let found = inst.results.iter().map(|r| self.program.ty(*r).to_string()).collect();
            let expected = expected.iter().map(Type::to_string).collect();
            return Err(self.fail(Rule::Results { found, expected }));
        }
        self.indices(inst)?;
        self.derivative(inst)
    }

    fn uses(&self, values: &[ValueId]) -> Result<(), Invalid> {
        match values.iter().find(|v| self.state.get(v.0 as usize) != Some(&State::InScope)) {
            Some(value) => Err(self.fail(Rule::Undefined(*value))),
            None => Ok(()),
        }
    }

    fn define(&mut self, value: ValueId) -> Result<(), Invalid> {
        match self.state.get(value.0 as usize) {
            None => return Err(self.fail(Rule::Undefined(value))),
            Some(State::Undefined) => self.state[value.0 as usize] = State::InScope,
            Some(State::InScope | State::OutOfScope) => return Err(self.fail(Rule::Redefined(value))),
        }
        if self.program.ty(value).kind == Kind::Additive && !self.program.explicit_forms {
            return Err(self.fail(Rule::Additive(value)));
        }
        Ok(())
    }

    /// Names and outputs.
    fn indices(&mut self, inst: &Inst) -> Result<(), Invalid> {
        match inst.op {
            Op::Metric(name) | Op::Debug(name) if name as usize >= self.program.names.len() => {
                Err(self.fail(Rule::Name(name)))
            }
            Op::Output(output) if std::mem::replace(&mut self.written[output as usize], true) => {
                Err(self.fail(Rule::Output(output)))
            }
            _ => Ok(()),
        }
    }

    fn derivative(&self, inst: &Inst) -> Result<(), Invalid> {
        let (Op::Custom { values, wants }, [rule]) = (&inst.op, inst.regions.as_slice()) else {
            return Ok(());
        };
        let (ys, xs) = inst.args.split_at(*values);
        let wanted = xs.iter().zip(wants).filter(|(_, wanted)| **wanted).map(|(x, _)| x);
        let given = ys.iter().zip(&rule.params).map(|pair| (pair, true));
        let yielded = wanted.zip(&rule.yields).map(|pair| (pair, false));
        for ((value, derivative), given) in given.chain(yielded) {
            let (expected, found) = (self.program.ty(*value), self.program.ty(*derivative));
            let fits = if given { found.kind == Kind::Shared } else { found.is_ring() };
            if found.shape != expected.shape || !fits {
                let (found, expected) = (found.to_string(), expected.to_string());
                return Err(self.fail(Rule::Derivative { found, expected }));
            }
        }
        Ok(())
    }
}
