//! Figures 2 to 4: loss and accuracy per epoch.

use tern_bytecode::program::Rounding;
use tern_pages::figure::{Curve, Look, draw};
use tern_tools::say;

use super::table::{Table, number};
use super::training::Training;
use super::{MILESTONES, NETWORKS, Network, ReproduceArgs};
use crate::RoundingArg;
use crate::plot::save;

/// Epochs of the paper's figures.
const EPOCHS: u32 = 15;

/// A training with its place in a figure.
struct Planned {
    training: Training,
    look: Look,
    /// What is known of the same training in single precision, and of the paper's.
    network: Option<&'static Network>,
}

/// Precision and rounding.
pub(super) fn figure2(args: &ReproduceArgs) -> anyhow::Result<()> {
    let network = network(args)?;
    let mut planned = Vec::new();
    for (i, fixed) in [16, 32, 64].into_iter().enumerate() {
        for rounding in [RoundingArg::Probabilistic, RoundingArg::Nearest] {
            let look = match rounding {
                RoundingArg::Probabilistic => Look::of(i),
                RoundingArg::Nearest => Look::of(i).dashed(),
            };
            let training = Training {
                name: format!("f={fixed} {}", Rounding::from(rounding).name()),
                rounding,
                ..Training::of(network, fixed, args.epochs.unwrap_or(EPOCHS), args)
            };
            planned.push(Planned { training, look, network: Some(network) });
        }
    }
    figure(
        args,
        &of_network("figure2", network),
        &format!("Network {}: precision and rounding", network.letter.to_uppercase()),
        &planned,
    )
}

/// Optimizers and rates.
pub(super) fn figure3(args: &ReproduceArgs) -> anyhow::Result<()> {
    let network = network(args)?;
    let rates: [(&str, &[&str]); 3] =
        [("sgd", &["0.01", "0.05", "0.1"]), ("adam", &["0.001", "0.005"]), ("amsgrad", &["0.001", "0.005"])];
    let mut planned = Vec::new();
    for (optimizer, rates) in rates {
        for rate in rates {
            let training = Training {
                name: format!("{optimizer} {rate}"),
                optimizer,
                rate,
                ..Training::of(network, args.fixed, args.epochs.unwrap_or(EPOCHS), args)
            };
            let same = optimizer == "sgd" && *rate == "0.01";
            planned.push(Planned {
                training,
                look: Look::of(planned.len()),
                network: same.then_some(network),
            });
        }
    }
    let title =
        format!("Network {}, f = {}: optimizers and rates", network.letter.to_uppercase(), args.fixed);
    figure(args, &of_network("figure3", network), &title, &planned)
}

/// All networks.
pub(super) fn figure4(args: &ReproduceArgs) -> anyhow::Result<()> {
    let plan = |(i, network): (usize, &'static Network)| Planned {
        training: Training {
            name: format!("network {}", network.letter.to_uppercase()),
            ..Training::of(network, args.fixed, args.epochs.unwrap_or(EPOCHS), args)
        },
        look: Look::of(i),
        network: Some(network),
    };
    let planned: Vec<Planned> = NETWORKS.iter().enumerate().map(plan).collect();
    figure(args, "figure4", &format!("Networks A to D, f = {}", args.fixed), &planned)
}

/// What a figure of a network is called: without its letter for A, the paper's.
fn of_network(figure: &str, network: &Network) -> String {
    match network.letter {
        "a" => figure.into(),
        letter => format!("{figure}-{letter}"),
    }
}

fn network(args: &ReproduceArgs) -> anyhow::Result<&'static Network> {
    let known = NETWORKS.iter().find(|network| network.letter.eq_ignore_ascii_case(&args.network));
    known.ok_or_else(|| anyhow::anyhow!("there is no network {}: a, b, c or d", args.network))
}

/// Runs what has not been run, and writes the figure, its points, and a table.
fn figure(args: &ReproduceArgs, name: &str, title: &str, planned: &[Planned]) -> anyhow::Result<()> {
    let mut curves = Vec::new();
    let mut points = String::from("run,epoch,loss,accuracy\n");
    let mut table = summary(title);
    for Planned { training, look, network } in planned {
        if training.epochs == 0 || !args.wants(&training.name) {
            continue;
        }
        let Some(report) = training.report(args)? else { continue };
        let values = |name: &str| report.metrics.get(name).map_or(&[][..], Vec::as_slice);
        let (loss, accuracy) = (values("loss"), values("accuracy"));
        for epoch in 0..loss.len().max(accuracy.len()) {
            let cell = |values: &[f64]| number(values.get(epoch).copied(), 6);
            points += &format!("{},{},{},{}\n", training.name, epoch + 1, cell(loss), cell(accuracy));
        }
        table.row(cells(training, loss, accuracy, *network, report.finished));
        curves.push(Curve { name: training.name.clone(), look: *look, metrics: report.metrics });
        // what there is so far can be looked at while the rest runs
        save(&args.out.join(format!("{name}.svg")), &draw(title, &curves)?)?;
        super::write(&args.out.join(format!("{name}-points.csv")), &points)?;
    }
    args.publish(name, &table)?;
    if !curves.is_empty() {
        say::outln(format_args!("{}", args.out.join(format!("{name}.svg")).display()));
    }
    Ok(())
}

fn summary(title: &str) -> Table {
    let mut table = Table::new(
        title,
        &[
            "run",
            "epochs",
            "loss",
            "1: %",
            "5: %",
            "10: %",
            "15: %",
            "last %",
            "float 1, 5, 10, 15: %",
            "paper %",
        ],
    );
    table.note("Accuracy on the test images after so many epochs, in the emulator. float: one run of PyTorch in single precision; paper: its Table 2 at this precision (C after 5 epochs).");
    table
}

fn cells(
    training: &Training,
    loss: &[f64],
    accuracy: &[f64],
    network: Option<&Network>,
    finished: bool,
) -> Vec<String> {
    let percent = |value: Option<&f64>| number(value.map(|value| 100.0 * value), 2);
    let epochs = accuracy.len().max(loss.len());
    let mut cells = vec![
        training.name.clone(),
        if finished { epochs.to_string() } else { format!("{epochs} of {}", training.epochs) },
        number(loss.last().copied(), 4),
    ];
    cells.extend(MILESTONES.iter().map(|epoch| percent(accuracy.get(epoch - 1))));
    cells.push(percent(accuracy.last()));
    cells.push(
        network.map_or(String::new(), |network| network.float.map(|value| format!("{value:.1}")).join(" ")),
    );
    let column = [16, 32].iter().position(|fixed| *fixed == training.fixed);
    cells.push(number(network.zip(column).map(|(network, column)| network.paper[column].1), 1));
    cells
}
