//! `tern import`: a program from an ONNX file. ONNX and PyTorch are read where they are at home, by the Python package of this repository; the command finds a
//! Python that has it, and writes what comes back.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::json;
use tern_tools::say;

/// What ends the process of a Python without the package.
const MISSING: i32 = 90;
/// Calls the package, and nothing that lies about in the working directory.
const CALL: &str = "\
import sys
sys.path[:] = [place for place in sys.path if place]
try:
    from tern._import import main
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(90)
main()
";

/// What is read, and what is done with it.
#[derive(Args, Clone)]
pub(crate) struct ImportArgs {
    /// The model (.onnx); tensors that it keeps in other files are looked for beside it.
    model: PathBuf,
    /// Where the program goes; by default NAME.mpc in the current directory. The weights go beside it, as NAME.npz.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long)]
    replace: bool,
    /// Samples that the program is applied to or trained with: the default of its argument N.
    #[arg(long)]
    rows: Option<u64>,
    /// What the numbers of the input files are multiplied by, such as 1/256.
    #[arg(long)]
    scale: Option<String>,
    /// Train the model further, with this loss.
    #[arg(long, value_enum, requires = "optimizer")]
    loss: Option<LossArg>,
    /// How: sgd, adam or adamw, with what PyTorch's optimizers take, as in sgd,lr=0.1,momentum=0.9.
    #[arg(long, value_name = "NAME,lr=RATE[,OPTION=VALUE]…", requires = "loss")]
    optimizer: Option<String>,
    /// Samples of a batch; by default what the file says.
    #[arg(long, requires = "loss")]
    batch: Option<u64>,
    /// Passes over the samples.
    #[arg(long, requires = "loss")]
    epochs: Option<u64>,
    /// Samples to test with after each pass.
    #[arg(long, requires = "loss")]
    test_rows: Option<u64>,
    /// A Python with the packages tern, onnx and torch; by default what the variable TERN_PYTHON says, or python3.
    #[arg(long)]
    python: Option<PathBuf>,
}

/// What is minimised.
#[derive(Clone, Copy, ValueEnum)]
enum LossArg {
    /// Of logits and classes.
    CrossEntropy,
    /// The mean of squared errors.
    Mse,
    /// Of logits and numbers between 0 and 1.
    Bce,
}

/// What the package answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    /// The program, and how many tensors of weights it has written.
    Read { source: String, inputs: Vec<String>, weights: usize },
    /// Why there is none.
    Failed { error: String },
}

/// `tern import`.
pub(crate) fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let Some(stem) = args.model.file_stem() else { bail!("{} is not a file", args.model.display()) };
    let program = args.output.clone().unwrap_or_else(|| format!("{}.mpc", stem.display()).into());
    let weights = program.with_extension("npz");
    for path in [&program, &weights] {
        if path.exists() && !args.replace {
            bail!(
                "{} is there already\n   = help: --replace, or another place: --output FILE",
                path.display()
            );
        }
    }
    // Beside its place, so that it gets there as a whole.
    let folder = weights.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = tempfile::Builder::new().prefix(".tern-import-").suffix(".npz").tempfile_in(folder);
    let unfinished = unfinished.with_context(|| format!("cannot write to {}", folder.display()))?;
    let (source, inputs, count) = match answer(args, unfinished.path())? {
        Answer::Read { source, inputs, weights } => (source, inputs, weights),
        Answer::Failed { error } => bail!("{error}"),
    };
    std::fs::write(&program, source).with_context(|| format!("cannot write {}", program.display()))?;
    say::outln(format_args!("{}: the program, for the inputs {}", program.display(), inputs.join(", ")));
    if count > 0 {
        unfinished.persist(&weights).with_context(|| format!("cannot write {}", weights.display()))?;
        let input = if args.loss.is_some() { "initial" } else { "weights" };
        say::outln(format_args!("{0}: its weights, {count} tensors: --input {input}={0}", weights.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the package, which writes the weights itself.
fn answer(args: &ImportArgs, weights: &Path) -> anyhow::Result<Answer> {
    let loss = args.loss.and_then(|loss| loss.to_possible_value()).map(|loss| loss.get_name().to_string());
    let asked = json!({
        "model": args.model, "weights": weights, "rows": args.rows, "scale": args.scale, "loss": loss,
        "optimizer": args.optimizer, "batch": args.batch, "epochs": args.epochs, "test_rows": args.test_rows,
    });
    let given = args.python.clone().or_else(|| std::env::var_os("TERN_PYTHON").map(PathBuf::from));
    let python = given.unwrap_or_else(|| "python3".into());
    let named = python.display();
    let output = Command::new(&python)
        .args(["-c", CALL, &asked.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| anyhow!("ONNX is read by the Python package tern, and {named} cannot be started: {error}\n   = help: --python PYTHON, or the variable TERN_PYTHON"))?;
    if output.status.code() == Some(MISSING) {
        bail!(
            "ONNX is read by the Python package tern, which {named} does not have\n   = help: {named} -m pip install ./tools/python onnx torch, in the repository of tern; or --python PYTHON"
        );
    }
    let last = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    let answer = last.and_then(|line| serde_json::from_slice(line).ok());
    answer.with_context(|| format!("{named} has ended without an answer ({})", output.status))
}
