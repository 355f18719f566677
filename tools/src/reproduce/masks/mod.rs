//! Values that are opened under masks in one training step of the network with average pooling, layer by layer: with no reuse of masks, with
//! specialised triples only, and with masks reused, beside the published figures (batch of 128 images of MNIST).
//!
//! | module | what it holds |
//! |---|---|
//! | `opened` | what the compiled program opens |
//! | `anew` | what it would open if every product opened its operands for itself |
//!
//! The published activation has a cube, for which the square is opened too; so has the network here, by its argument `CUBE`.

mod anew;
mod opened;

use anyhow::{Context, anyhow};
use tern_bytecode::report::{CostReport, report};
use tern_compiler::ir::text::parse;
use tern_compiler::{Compilation, Entry};
use tern_host::cores::cores_each;
use tern_host::run::{Job, Measured};
use tern_host::{Events, Files, Outputs};
use tern_tools::say;
use tern_vm::net::TIMEOUT;

use self::anew::Anew;
use self::opened::{Opened, Product};
use super::table::Table;
use super::{BATCH, ReproduceArgs};
use crate::compile::compile;
use crate::run::local_command;
use crate::{SettingArgs, SourceArgs};

/// A layer: the sizes of what it opens, and what was published, forward and backward: with no reuse and with masks reused, in thousands.
struct Layer {
    name: &'static str,
    product: Product,
    /// Weights, which are opened for the forward pass wherever they are computed.
    weights: usize,
    /// Elements of its input in the forward pass.
    forward: usize,
    /// Elements of the gradient that it takes.
    backward: usize,
    naive: [u32; 2],
    reused: [u32; 2],
}

const B: usize = BATCH as usize;
const POOLED: [usize; 2] = [B * 32 * 14 * 14, B * 32 * 7 * 7];
const CLASSES: usize = 10;
/// So many that the loop stays a loop.
const STEPS: u64 = 2;

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
        weights: 32 * 49 * CLASSES,
        forward: POOLED[1],
        backward: B * CLASSES,
        naive: [216, 219],
        reused: [216, 1],
    },
];

/// `tern reproduce masks`.
pub(super) fn masks(args: &ReproduceArgs) -> anyhow::Result<()> {
    let samples = format!("N={}", STEPS * u64::from(BATCH));
    let own = ["EPOCHS=1", &samples, "TEST=0", "LOSS=false", "CUBE=0.0625"].map(String::from);
    let source = SourceArgs {
        program: args.programs.join("convnet_avgpool.mpc"),
        args: own.into(),
        settings: SettingArgs { protocol: Some(tern_bytecode::Protocol::Dealer), ..SettingArgs::default() },
    };
    let Compilation { program: Some(program), ir: Some(ir), sources, diagnostics, printed, .. } =
        compile(&source, Entry::Main, Some("dce"))?
    else {
        anyhow::bail!("{} does not compile; tern check says why", source.program.display());
    };
    crate::compile::show(&diagnostics, &sources);
    // what the source computes, before anything is rearranged
    let (_, plain) = printed.first().context("a program without passes")?;
    let plain = parse(plain).map_err(|error| anyhow!("the program before its passes: {error}"))?;
    let opened = opened::opened(&ir, &sources);
    let anew = anew::count(&plain, CLASSES);
    let announced = report(&program);
    let mut table = table(&opened, &anew);
    note_apart(&mut table, &opened);
    note_traffic(&mut table, &announced, &opened, &anew);
    if args.batches > 0 {
        measure(args, &program, &announced, &mut table)?;
    }
    args.publish("masks", &table)
}

/// Runs the program in three processes and says whether what they send is what was announced.
fn measure(
    args: &ReproduceArgs,
    program: &tern_bytecode::Program,
    announced: &CostReport,
    table: &mut Table,
) -> anyhow::Result<()> {
    let outputs = Outputs::to_directory(args.out.join("masks"));
    let files = Files::of_directory(args.mnist()?);
    say::outln(format_args!("{STEPS} steps in three processes"));
    let job = Job {
        program,
        files: &files,
        outputs: &outputs,
        seed: None,
        threads: cores_each(3),
        network: None,
        dealt: None,
        timeout: TIMEOUT,
        keeping: None,
        stop: Default::default(),
    };
    let mut events = Events::unheard();
    let measured = Measured::new(job.run(&local_command()?, &mut events)?, events.metrics(), None, None);
    let verdict = match measured.is_as_announced(program) {
        Some(true) => "as announced",
        Some(false) | None => "not what was announced: please report this",
    };
    table.note(format!(
        "Measured over {STEPS} steps with input and start: {:.1} MB between the parties, {:.1} MB from the dealer, {} rounds, {verdict}.",
        announced.bits as f64 / 8e6,
        announced.dealt.unwrap_or(0) as f64 / 8e6,
        announced.rounds
    ));
    Ok(())
}

fn thousands(n: usize) -> String {
    format!("{:.0}", n as f64 / 1e3)
}

/// What is opened for a layer with masks reused, forward and backward.
fn reused(layer: &Layer, opened: &[Opened]) -> [usize; 2] {
    let sum = |wanted: &dyn Fn(&Opened) -> bool| -> usize {
        let ours = opened.iter().filter(|value| value.product == layer.product && wanted(value));
        ours.map(|value| value.elements).sum()
    };
    let weights = sum(&|value| layer.weights > 0 && value.elements == layer.weights);
    let forward = sum(&|value| !value.backward && value.elements == layer.forward);
    // the first gradient of all is what the line of the loss opens
    let backward = |value: &Opened| value.backward || layer.backward == B * CLASSES && !value.by_owner;
    [weights + forward, sum(&|value| backward(value) && value.elements == layer.backward)]
}

fn table(opened: &[Opened], anew: &[Anew]) -> Table {
    let mut table = Table::new(
        "Values that each party opens in one step, batch of 128 images, in thousands: forward and backward",
        &["layer", "no reuse", "", "specialised", "", "reused", "", "published: no reuse", "", "reused", ""],
    );
    let mut totals = [0usize; 10];
    for (layer, anew) in LAYERS.iter().zip(anew) {
        let published = [layer.naive, layer.reused].map(|pair| pair.map(|n| n as usize * 1000));
        let own = [anew.naive, anew.specialised, reused(layer, opened)];
        let row: Vec<usize> = own.into_iter().chain(published).flatten().collect();
        totals.iter_mut().zip(&row).for_each(|(total, n)| *total += n);
        table.row([layer.name.to_string()].into_iter().chain(row.into_iter().map(thousands)).collect());
    }
    // as published, which is not the sum of rounded figures
    let published = ["12368", "17188", "3136", "2008"].map(String::from);
    let own = totals[..6].iter().map(|n| thousands(*n));
    table.row(["total".to_string()].into_iter().chain(own).chain(published).collect());
    table
}

/// What is in no layer.
fn note_apart(table: &mut Table, opened: &[Opened]) {
    let sum = |wanted: &dyn Fn(&Opened) -> bool| -> usize {
        opened.iter().filter(|value| wanted(value)).map(|value| value.elements).sum()
    };
    let truncated = sum(&|value| value.product == Product::Truncation);
    let layers: usize = LAYERS.iter().flat_map(|layer| reused(layer, opened)).sum();
    let owners = sum(&|value| value.by_owner && value.product == Product::Contraction);
    table.note(format!(
        "Apart, with masks reused: {} thousand for truncations, {} thousand for the loss and the rest.",
        thousands(truncated),
        thousands(sum(&|_| true) - truncated - layers)
    ));
    table.note(format!(
        "Images ({} thousand) are opened by their owner, once for all epochs.",
        thousands(owners)
    ));
    table.note(
        "No reuse: both operands of every product, convolutions as patches. Specialised: images rather than patches, of a square one operand.",
    );
}

/// What a step sends with and without reuse: without, products open their operands with as many bits as are used of them, and all else stays.
fn note_traffic(table: &mut Table, announced: &CostReport, opened: &[Opened], anew: &[Anew]) {
    let lines = announced.by_line.iter().filter(|line| line.executions == STEPS);
    let with = lines.map(|line| line.bits).sum::<u64>() / STEPS;
    let sized = |value: &&Opened| {
        LAYERS.iter().any(|layer| {
            layer.product == value.product
                && [layer.weights, layer.forward, layer.backward].contains(&value.elements)
        })
    };
    let layers: Vec<&Opened> = opened.iter().filter(sized).collect();
    let both = |elements: usize, bits: u32| 2 * elements as u64 * u64::from(bits);
    let once: u64 = layers.iter().map(|value| both(value.elements, value.bits)).sum();
    let used = layers.iter().filter(|value| !value.by_owner).map(|value| value.used).min().unwrap_or(0);
    let every: usize = anew.iter().flat_map(|layer| layer.naive).sum();
    let without = with - once + both(every, used);
    table.note(format!(
        "Online traffic of a step with loss and truncations: {:.1} MB with masks reused, {:.1} MB without, {:.1} times as much.",
        with as f64 / 8e6,
        without as f64 / 8e6,
        without as f64 / with as f64
    ));
}
