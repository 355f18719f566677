//! The meaning of the operations as real numbers: an interpreter in double precision, for tests.
//!
//! It knows neither rings nor shares nor rounding: `Trunc`, `Raise` and `Encode` keep the number, `Bits` looks at the ring integer
//! below it, of any length. So a program computes the same before and after a pass that moves rounding. Only what `Trunc` leaves
//! without fraction bits is a whole number, on which programs rely. Integers are doubles too, exact up to 2^53.
//!
//! Random numbers depend on the seed, the instruction's origin and the loop counters around it, never on the order of execution: a pass
//! that removes one instruction does not change the numbers of another. `Grad` has no meaning here; differentiate first. To compare its
//! result with finite differences, [`Nudge`] moves one element of a value where it is defined.

mod elements;
mod random;
mod tensor;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use tensor::Tensor;

use super::verify::{Invalid, verify};
use super::{Block, Inst, Kind, Op, Program, ValueId};

/// What a run depends on, apart from the program.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Inputs by `name`, or `name/field`, in their declared shapes.
    pub inputs: BTreeMap<String, Tensor>,
    /// Where random numbers come from.
    pub seed: u64,
    /// A change on the way.
    pub nudge: Option<Nudge>,
    /// Whether a public number that secrets cannot hold is an error, as in the virtual machine. A pass may remove what would fail.
    pub bounded: bool,
}

/// Adds a number to an element of a value whenever the value is computed.
#[derive(Debug, Clone, Copy)]
pub struct Nudge {
    /// The value.
    pub value: ValueId,
    /// Row-major index of the element.
    pub element: usize,
    /// What is added.
    pub by: f64,
}

/// What a program lets others see, in order of execution.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outputs {
    /// Metrics with their names.
    pub metrics: Vec<(String, Tensor)>,
    /// Values of `debug` with their labels.
    pub debug: Vec<(String, Tensor)>,
    /// What `Reveal` and `RevealBits` publish.
    pub revealed: Vec<Tensor>,
    /// Outputs with their indices.
    pub outputs: Vec<(u32, Tensor)>,
}

/// Why a program has no meaning.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InterpretError {
    /// It is not a program.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// An input is not given, or not in its declared shape.
    #[error("no input {name} of shape {shape:?}")]
    Input {
        /// Name, or name and field.
        name: String,
        /// The declared shape.
        shape: Vec<usize>,
    },
    /// Only differentiated programs can run.
    #[error("a derivative that is not expanded")]
    Grad,
    /// As in the virtual machine.
    #[error("integer division by zero")]
    Division,
    /// A row index.
    #[error("there is no row {row} of {rows}")]
    Row {
        /// The index.
        row: f64,
        /// How many rows there are.
        rows: usize,
    },
    /// A public number that the program's numbers cannot hold; a fault of the virtual machine.
    #[error("{0} is beyond the program's numbers")]
    Beyond(f64),
    /// Infinity has no bits.
    #[error("the bits of {0}")]
    NotFinite(f64),
}

/// Runs a program.
pub fn interpret(program: &Program, setting: &Setting) -> Result<Outputs, InterpretError> {
    verify(program)?;
    let values = vec![None; program.values.len()];
    let mut machine = Machine { program, setting, values, counters: Vec::new(), outputs: Outputs::default() };
    machine.block(&program.body)?;
    Ok(machine.outputs)
}

struct Machine<'p> {
    program: &'p Program,
    setting: &'p Setting,
    /// By value: the last one computed.
    values: Vec<Option<Rc<Tensor>>>,
    /// Of the loops around, outermost first.
    counters: Vec<u32>,
    outputs: Outputs,
}

impl Machine<'_> {
    fn get(&self, value: ValueId) -> Rc<Tensor> {
        // A verified program defines operands first.
        self.values[value.0 as usize].clone().expect("operands come first")
    }

    fn set(&mut self, value: ValueId, mut tensor: Rc<Tensor>) {
        if let Some(nudge) = self.setting.nudge.filter(|n| n.value == value)
            && let Some(element) = Rc::make_mut(&mut tensor).data.get_mut(nudge.element)
        {
            *element += nudge.by;
        }
        self.values[value.0 as usize] = Some(tensor);
    }

    fn block(&mut self, block: &Block) -> Result<Vec<Rc<Tensor>>, InterpretError> {
        for inst in &block.insts {
            let results = self.inst(inst)?;
            for (value, tensor) in inst.results.iter().zip(results) {
                self.set(*value, tensor);
            }
        }
        Ok(block.yields.iter().map(|v| self.get(*v)).collect())
    }

    fn inst(&mut self, inst: &Inst) -> Result<Vec<Rc<Tensor>>, InterpretError> {
        let args: Vec<Rc<Tensor>> = inst.args.iter().map(|a| self.get(*a)).collect();
        match &inst.op {
            Op::Input(index) => self.input(*index),
            Op::For { trips, breaks } => self.run_loop(*trips, *breaks, args, &inst.regions[0]),
            Op::If => self.block(&inst.regions[usize::from(args[0].data[0] == 0.0)]),
            Op::Custom { values, .. } => Ok(args[..*values].to_vec()),
            Op::Grad => Err(InterpretError::Grad),
            Op::Shuffle { .. } | Op::PublicUniform(_) | Op::RandomBits(_) => {
                let mut stream = random::Stream::new(self.setting.seed, inst.origin, &self.counters);
                Ok(vec![Rc::new(stream.draw(&inst.op))])
            }
            _ => {
                if let (true, Some(frac)) = (self.setting.bounded, self.encoded(inst)) {
                    self.holds(frac, &args[0])?;
                }
                self.observe(&inst.op, &args);
                let operands: Vec<&Tensor> = args.iter().map(Rc::as_ref).collect();
                let fracs: Vec<u32> = inst.args.iter().map(|a| self.program.ty(*a).frac).collect();
                let results = elements::compute(&inst.op, &operands, fracs.first().copied().unwrap_or(0))?;
                Ok(results.into_iter().map(Rc::new).collect())
            }
        }
    }

    /// At which scale an instruction makes public numbers ring elements anew: where it leaves out bits it goes by way of the numbers.
    fn encoded(&self, inst: &Inst) -> Option<u32> {
        let result = self.program.ty(*inst.results.first()?);
        let anew = matches!(inst.op, Op::Encode { .. } | Op::Trunc { .. } | Op::Rescale { .. });
        (anew && result.kind == Kind::Plain).then_some(result.frac)
    }

    /// Fails if a number has no ring element at this scale.
    fn holds(&self, frac: u32, numbers: &Tensor) -> Result<(), InterpretError> {
        let settings = &self.program.settings;
        let fraction = if frac == 0 { 0 } else { settings.frac };
        let magnitude = settings.total as i32 - fraction as i32 - 1;
        let limit = 2f64.powi((magnitude + frac as i32).min(settings.ring as i32 - 1));
        // a comparison with NaN fails
        let held = |x: f64| (x * 2f64.powi(frac as i32)).round().abs() < limit;
        numbers.data.iter().find(|x| !held(**x)).map_or(Ok(()), |beyond| Err(InterpretError::Beyond(*beyond)))
    }

    fn input(&self, index: u32) -> Result<Vec<Rc<Tensor>>, InterpretError> {
        let declared = &self.program.inputs[index as usize];
        let name = match declared.field.as_str() {
            "" => declared.name.clone(),
            field => format!("{}/{field}", declared.name),
        };
        match self.setting.inputs.get(&name) {
            Some(tensor) if tensor.shape == declared.shape => Ok(vec![Rc::new(tensor.clone())]),
            _ => Err(InterpretError::Input { name, shape: declared.shape.clone() }),
        }
    }

    fn run_loop(
        &mut self,
        trips: u32,
        breaks: bool,
        mut carried: Vec<Rc<Tensor>>,
        body: &Block,
    ) -> Result<Vec<Rc<Tensor>>, InterpretError> {
        for counter in 0..trips {
            self.set(body.params[0], Rc::new(Tensor::scalar(f64::from(counter))));
            for (param, tensor) in body.params[1..].iter().zip(carried) {
                self.set(*param, tensor);
            }
            self.counters.push(counter);
            carried = self.block(body)?;
            self.counters.pop();
            if breaks && carried.pop().is_some_and(|flag| flag.data[0] != 0.0) {
                break;
            }
        }
        Ok(carried)
    }

    /// Records what others see.
    fn observe(&mut self, op: &Op, args: &[Rc<Tensor>]) {
        let seen = || args[0].as_ref().clone();
        let name = |index: u32| self.program.names[index as usize].clone();
        match op {
            Op::Metric(index) => self.outputs.metrics.push((name(*index), seen())),
            Op::Debug(index) => self.outputs.debug.push((name(*index), seen())),
            Op::Output(index) => self.outputs.outputs.push((*index, seen())),
            Op::Reveal | Op::RevealBits => self.outputs.revealed.push(seen()),
            _ => {}
        }
    }
}
