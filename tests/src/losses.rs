//! Random losses, to be differentiated.

use num_rational::BigRational;
use tern_bytecode::Kind;
use tern_compiler::ir::infer::infer;
use tern_compiler::ir::op::plain_const;
use tern_compiler::ir::{Inst, Op, Program, ValueId};

use crate::random::{Flavour, Random, generate};

/// Appends instructions to the outermost block.
#[derive(Debug)]
pub struct Tail<'p>(pub &'p mut Program);

impl Tail<'_> {
    /// # Panics
    /// If the operation does not take such operands.
    pub fn push(&mut self, op: Op, args: &[ValueId]) -> Vec<ValueId> {
        let types = infer(self.0, &op, args, &[]).unwrap();
        let results: Vec<ValueId> = types.into_iter().map(|ty| self.0.value(ty)).collect();
        let origin = self.0.body.insts[0].origin;
        let inst = Inst { op, args: args.to_vec(), results: results.clone(), regions: Vec::new(), origin };
        self.0.body.insts.push(inst);
        results
    }

    /// Shows a value while debugging.
    pub fn show(&mut self, name: &str, value: ValueId) {
        let name = self.0.name_index(name);
        self.push(Op::Debug(name), &[value]);
    }

    /// The sum of all elements, times a number.
    fn total(&mut self, value: ValueId, factor: i64) -> ValueId {
        let rank = self.0.ty(value).shape.len();
        let sum = self.push(Op::Sum { axes: (1 << rank) - 1 }, &[value])[0];
        let number = BigRational::new(factor.into(), 4.into());
        let constant = plain_const(2, &[], number);
        let factor = self.push(constant, &[])[0];
        let product = self.push(Op::Mul, &[sum, factor])[0];
        let frac = self.0.ty(product).frac;
        let scaled = if frac > 16 { Op::Trunc { bits: frac - 16 } } else { Op::Raise { bits: 16 - frac } };
        self.push(scaled, &[product])[0]
    }
}

/// A random program that shows its `loss`, that loss, and some values that the loss may depend on.
pub fn random_loss(seed: u64, size: usize) -> (Program, ValueId, Vec<ValueId>) {
    let mut program = generate(seed, size, Flavour::Smooth);
    let mut random = Random::new(seed);
    let results = program.body.insts.iter().flat_map(|inst| &inst.results).copied();
    let mut shared: Vec<ValueId> = results.filter(|v| program.ty(*v).kind == Kind::Shared).collect();
    // What a rule stands for counts as its result only.
    for inst in &program.body.insts {
        if let Op::Custom { values, .. } = inst.op {
            shared.retain(|value| !inst.args[..values].contains(value));
        }
    }
    // Later values depend on earlier ones rather than the other way round.
    let pick = |random: &mut Random| {
        let low = random.below(shared.len()).min(random.below(shared.len()));
        shared[low]
    };
    let by: Vec<ValueId> = (0..1 + random.below(3)).map(|_| pick(&mut random)).collect();
    let mut tail = Tail(&mut program);
    let mut loss = None;
    for value in shared {
        if random.below(10) < 3 && loss.is_some() {
            continue;
        }
        // A square has a derivative that is not the same everywhere.
        let square = random.below(2) == 0 && tail.0.ty(value).frac <= 32;
        let value = if square { tail.push(Op::Mul, &[value, value])[0] } else { value };
        let part = tail.total(value, random.between(-8, 8));
        loss = Some(match loss {
            None => part,
            Some(loss) => tail.push(Op::Sub, &[loss, part])[0],
        });
    }
    let loss = loss.unwrap();
    tail.show("loss", loss);
    (program, loss, by)
}
