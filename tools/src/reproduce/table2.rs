//! Table 2: the four networks, how long an epoch takes securely, and how accurate they become.

use super::secure::{PerBatch, per_batch};
use super::table::{Table, number};
use super::training::Training;
use super::{BATCH, MILESTONES, MNIST, NETWORKS, Network, ReproduceArgs, suffix};

/// Batches of an epoch; the last one is filled up.
const BATCHES: f64 = MNIST.div_ceil(BATCH) as f64;

/// A row.
struct Row {
    secure: Option<PerBatch>,
    /// In percent, after so many epochs; the mean of so many seeds.
    accuracy: Option<(f64, usize, usize)>,
}

pub(super) fn table2(args: &ReproduceArgs) -> anyhow::Result<()> {
    let head = [
        "network",
        "s/batch",
        "MB/batch",
        "rounds/batch",
        "s/epoch",
        "GB/epoch",
        "paper s/epoch",
        "epochs",
        "accuracy %",
        "float %",
        "paper %",
    ];
    let title =
        format!("Training on MNIST, batches of 128, SGD with rate 0.01 and momentum 0.9{}", args.under());
    let mut table = Table::new(&title, &head);
    for network in &NETWORKS {
        for (column, fixed) in [16, 32].into_iter().enumerate() {
            let epochs = args.epochs.unwrap_or(network.epochs);
            let training = Training::of(network, fixed, epochs, args);
            if !args.wants(&training.name) {
                continue;
            }
            if let Some(row) = row(args, &training)? {
                table.row(cells(network, &training, column, &row));
            }
        }
    }
    if args.batches > 0 {
        table.note(format!(
            "Seconds, traffic on all links and rounds are measured: {} processes on this machine over TLS, {} batches twice; an epoch is {BATCHES} of them.",
            args.processes(),
            args.batches
        ));
    }
    table.note("Accuracy is that of the emulator, which computes what the parties compute. float: one run of PyTorch in single precision after as many epochs.");
    table.note("paper: Keller and Sun, Secure Quantized Training for Deep Learning, Table 2: three machines of 36 cores; its accuracy of C is after 5 epochs, of the others after 15.");
    args.publish(&format!("table2{}", suffix(args.protocol)), &table)
}

/// What is known of a network; nothing without its program.
fn row(args: &ReproduceArgs, training: &Training) -> anyhow::Result<Option<Row>> {
    let secure = if args.batches > 0 { per_batch(args, training)? } else { None };
    let mut accuracies = Vec::new();
    let mut length = 0;
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        if training.epochs == 0 {
            break;
        }
        let Some(report) = (Training { seed, ..training.clone() }).report(args)? else { return Ok(None) };
        if let Some(values) = report.metrics.get("accuracy").filter(|values| !values.is_empty()) {
            // runs that are not finished differ in length: all are looked at after as many epochs as the shortest has
            length = if accuracies.is_empty() { values.len() } else { length.min(values.len()) };
            accuracies.push(values.clone());
        }
    }
    let seeds = accuracies.len();
    let at_end = || accuracies.iter().map(|values| 100.0 * values[length - 1]).sum::<f64>() / seeds as f64;
    let accuracy = (seeds > 0).then(|| (at_end(), length, seeds));
    Ok((secure.is_some() || accuracy.is_some()).then_some(Row { secure, accuracy }))
}

fn cells(network: &Network, training: &Training, column: usize, row: &Row) -> Vec<String> {
    let Row { secure, accuracy } = row;
    let of = |value: fn(&PerBatch) -> f64| secure.as_ref().map(value);
    let (seconds, paper) = network.paper[column];
    let float = accuracy.and_then(|(_, epochs, _)| {
        MILESTONES.iter().position(|milestone| *milestone == epochs).map(|at| network.float[at])
    });
    let epochs = accuracy.map_or(String::new(), |(_, epochs, seeds)| match seeds {
        1 => epochs.to_string(),
        _ => format!("{epochs} (mean of {seeds})"),
    });
    vec![
        training.name.clone(),
        number(of(|one| one.seconds), 3),
        number(of(|one| one.bits / 8e6), 2),
        number(of(|one| one.rounds), 0),
        number(of(|one| one.seconds * BATCHES), 0),
        number(of(|one| one.bits * BATCHES / 8e9), 2),
        number(Some(seconds), 0),
        epochs,
        number(accuracy.map(|(value, ..)| value), 2),
        number(float, 1),
        number(Some(paper), 1),
    ]
}
