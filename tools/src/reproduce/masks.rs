//! Values that are opened under masks in one training step of the network with average pooling, layer by layer, beside the published figures of
//! specialised triples with masks reused (batch of 128 images of MNIST).
//!
//! Counted in the program that the compiler has made, instruction by instruction of the loop over batches: what is opened, and which products it enters, through whatever
//! linear maps. The published activation is a cube, ours a square, so it opens one value less in the forward pass.

use std::collections::HashMap;

use tern_bytecode::report::report;
use tern_compiler::diagnostics::SourceMap;
use tern_compiler::ir::{self, Inst, Kind, Op, ValueId};
use tern_compiler::{Compilation, Entry};
use tern_host::cores::cores_each;
use tern_host::run::{Job, Measured};
use tern_host::{Events, Files, Outputs};
use tern_tools::say;
use tern_vm::net::TIMEOUT;

use super::table::Table;
use super::{BATCH, ReproduceArgs};
use crate::compile::compile;
use crate::run::local_command;
use crate::{SettingArgs, SourceArgs};

/// A layer: the sizes of what it opens, and what was published: forward and backward, with no reuse and with masks reused, in thousands.
struct Layer {
    name: &'static str,
    product: Product,
    /// Weights, which are opened for the forward pass wherever they are computed.
    weights: usize,
    /// Elements of its input in the forward pass, if that is opened here and not by its owner.
    forward: usize,
    /// Elements of the gradient that it takes.
    backward: usize,
    naive: [u32; 2],
    reused: [u32; 2],
}

/// What values are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Product {
    /// Nothing but truncations.
    Truncation,
    /// Comparisons and selections.
    Comparison,
    /// Products of elements.
    Elementwise,
    /// Matrix products and convolutions.
    Contraction,
}

const B: usize = BATCH as usize;
const POOLED: [usize; 2] = [B * 32 * 14 * 14, B * 32 * 7 * 7];

const LAYERS: [Layer; 5] = [
    Layer {
        name: "conv 32×3×3",
        product: Product::Contraction,
        weights: 9 * 32,
        forward: B * 28 * 28,
        backward: POOLED[0],
        naive: [903, 4114],
        reused: [101, 803],
    },
    Layer {
        name: "activation",
        product: Product::Elementwise,
        weights: 0,
        forward: POOLED[0],
        backward: POOLED[0],
        naive: [3211, 3211],
        reused: [1606, 803],
    },
    Layer {
        name: "conv 32×3×3",
        product: Product::Contraction,
        weights: 9 * 32 * 32,
        forward: POOLED[0],
        backward: POOLED[1],
        naive: [7235, 8840],
        reused: [812, 201],
    },
    Layer {
        name: "activation",
        product: Product::Elementwise,
        weights: 0,
        forward: POOLED[1],
        backward: POOLED[1],
        naive: [803, 803],
        reused: [401, 201],
    },
    Layer {
        name: "dense 1568→10",
        product: Product::Contraction,
        weights: 32 * 49 * 10,
        forward: POOLED[1],
        backward: B * 10,
        naive: [216, 219],
        reused: [216, 1],
    },
];

/// A value that is opened, or that its owner has opened and a batch of which is taken.
struct Opened {
    elements: usize,
    product: Product,
    backward: bool,
    by_owner: bool,
}

/// `tern reproduce masks`.
pub(super) fn masks(args: &ReproduceArgs) -> anyhow::Result<()> {
    let batches = 2; // so that the loop stays a loop
    let own = ["EPOCHS=1".into(), format!("N={}", batches * BATCH), "TEST=0".into(), "LOSS=false".into()];
    let source = SourceArgs {
        program: args.programs.join("convnet_avgpool.mpc"),
        args: own.into(),
        settings: SettingArgs { protocol: Some(tern_bytecode::Protocol::Dealer), ..SettingArgs::default() },
    };
    let Compilation { program: Some(program), ir: Some(ir), sources, diagnostics, .. } =
        compile(&source, Entry::Main, None)?
    else {
        anyhow::bail!("{} does not compile; tern check says why", source.program.display());
    };
    crate::compile::show(&diagnostics, &sources);
    let mut table = table(&Steps::of(&ir, &sources).opened());
    let announced = report(&program);
    if args.batches > 0 {
        let outputs = Outputs::to_directory(args.out.join("masks"));
        let files = Files::of_directory(args.mnist()?);
        say::outln(format_args!("{batches} steps in three processes"));
        let job = Job {
            program: &program,
            files: &files,
            outputs: &outputs,
            seed: None,
            threads: cores_each(3),
            network: None,
            dealt: None,
            timeout: TIMEOUT,
            keeping: None,
        };
        let mut events = Events::unheard();
        let measured = Measured::new(job.run(&local_command()?, &mut events)?, events.metrics(), None, None);
        let verdict = match measured.is_as_announced(&program) {
            Some(true) => "as announced",
            Some(false) | None => "not what was announced: please report this",
        };
        table.note(format!(
            "Measured over {batches} steps with input and start: {:.1} MB between the parties, {:.1} MB from the dealer, {} rounds, {verdict}.",
            announced.bits as f64 / 8e6,
            announced.dealt.unwrap_or(0) as f64 / 8e6,
            announced.rounds
        ));
    }
    args.publish("masks", &table)
}

fn table(opened: &[Opened]) -> Table {
    let mut table = Table::new(
        "Values that each party opens in one step, batch of 128 images, in thousands",
        &["layer", "forward", "backward", "all", "published", "published", "no reuse", "no reuse"],
    );
    let thousands = |n: usize| format!("{:.0}", n as f64 / 1e3);
    let sum = |wanted: &dyn Fn(&Opened) -> bool| -> usize {
        opened.iter().filter(|value| wanted(value)).map(|value| value.elements).sum()
    };
    let mut totals = [0; 2];
    for layer in &LAYERS {
        let ours = |value: &Opened| value.product == layer.product;
        let weights = sum(&|value| ours(value) && layer.weights > 0 && value.elements == layer.weights);
        let input = sum(&|value| ours(value) && !value.backward && value.elements == layer.forward);
        let backward = sum(&|value| ours(value) && value.backward && value.elements == layer.backward);
        totals = [totals[0] + weights + input, totals[1] + backward];
        let published = layer.reused.iter().chain(&layer.naive).map(u32::to_string);
        let own = [weights + input, backward, weights + input + backward].map(thousands);
        table.row([layer.name.to_string()].into_iter().chain(own).chain(published).collect());
    }
    let own = [totals[0], totals[1], totals[0] + totals[1]].map(thousands);
    let published = ["3136", "2008", "12368", "17188"].map(String::from);
    table.row(["total".to_string()].into_iter().chain(own).chain(published).collect());
    let all: usize = sum(&|_| true);
    let truncated = sum(&|value| value.product == Product::Truncation);
    table.note(format!(
        "Apart: {} thousand for truncations, {} thousand for the loss and the rest.",
        thousands(truncated),
        thousands(all - truncated - totals[0] - totals[1])
    ));
    let owners = sum(&|value| value.by_owner && value.product == Product::Contraction);
    table.note(format!(
        "Images ({} thousand) are opened by their owner, once for all epochs.",
        thousands(owners)
    ));
    table.note("The published activation is a cube, which opens its square too; ours is a square.");
    table.note("Published: reused forward and backward, then with no reuse, convolutions as patches.");
    table
}

/// The instructions of the program, and who uses what.
struct Steps<'a> {
    ir: &'a ir::Program,
    sources: &'a SourceMap,
    /// With the number of loops around each.
    insts: Vec<(&'a Inst, usize)>,
    users: HashMap<ValueId, Vec<usize>>,
    /// What a loop hands on, inside and out.
    same: HashMap<ValueId, Vec<ValueId>>,
}

impl<'a> Steps<'a> {
    fn of(ir: &'a ir::Program, sources: &'a SourceMap) -> Self {
        let mut steps = Steps { ir, sources, insts: Vec::new(), users: HashMap::new(), same: HashMap::new() };
        steps.block(&ir.body, 0);
        steps
    }

    fn block(&mut self, block: &'a ir::Block, depth: usize) {
        for inst in &block.insts {
            let at = self.insts.len();
            self.insts.push((inst, depth));
            inst.args.iter().for_each(|arg| self.users.entry(*arg).or_default().push(at));
            for region in &inst.regions {
                self.block(region, depth + 1);
                let params = region.params.iter().skip(1);
                for ((param, value), (result, arg)) in
                    params.zip(&region.yields).zip(inst.results.iter().zip(&inst.args))
                {
                    self.same.entry(*value).or_default().extend([*param, *result]);
                    self.same.entry(*arg).or_default().push(*param);
                }
            }
        }
    }

    /// What is opened in the innermost loops of the training, and batches of what owners have opened.
    fn opened(&self) -> Vec<Opened> {
        let deepest = self.insts.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        let inside = self.insts.iter().filter(|(_, depth)| *depth == deepest);
        let taken = inside.filter_map(|(inst, _)| {
            let by_owner = inst.op == Op::Gather && self.ir.ty(inst.args[0]).kind == Kind::Shared;
            let result = *inst.results.first().filter(|_| by_owner || inst.op == Op::Reshare)?;
            let backward = self.sources.get(inst.origin.user.file).is_some_and(|file| {
                let range = file.line_range(file.line(inst.origin.user.start).saturating_sub(1));
                file.text[range.start as usize..range.end as usize].contains("grad(")
            });
            let (elements, product) = (self.ir.ty(result).len(), self.product(result));
            Some(Opened { elements, product, backward, by_owner })
        });
        taken.collect()
    }

    /// The most that an opened value is used for, itself or through linear maps.
    fn product(&self, value: ValueId) -> Product {
        let (mut seen, mut open) = (vec![false; self.ir.values.len()], vec![value]);
        let mut most = Product::Truncation;
        while let Some(value) = open.pop() {
            if std::mem::replace(&mut seen[value.0 as usize], true) {
                continue;
            }
            open.extend(self.same.get(&value).into_iter().flatten());
            for at in self.users.get(&value).into_iter().flatten() {
                let inst = self.insts[*at].0;
                let secrets = inst.args.iter().filter(|arg| self.ir.ty(**arg).is_secret()).count();
                let found = match inst.op {
                    Op::Contract(_) if secrets == 2 => Product::Contraction,
                    Op::Mul if secrets == 2 => Product::Elementwise,
                    Op::Sign { .. } | Op::Bits { .. } | Op::Select { .. } | Op::SelectAgain { .. } => {
                        Product::Comparison
                    }
                    _ => Product::Truncation,
                };
                most = most.max(found);
                let linear = inst.results.iter().filter(|result| self.ir.ty(**result).kind == Kind::Shared);
                if found == Product::Truncation && inst.regions.is_empty() {
                    open.extend(linear);
                }
            }
        }
        most
    }
}
