//! The `tern` command: compile, cost, emulate and inspect programs of private training.
#![deny(clippy::print_stdout, clippy::print_stderr)] // `say` writes, and nothing else

mod args;
mod bench;
mod clients;
mod compile;
mod data;
mod deal;
mod doc;
mod emulate;
mod emulated;
mod fmt;
mod import;
mod keys;
mod lsp;
mod operations;
mod plot;
mod report;
mod reproduce;
mod run;
mod scarce;
mod screen;
mod share;
mod shell;
mod stop;
mod tests;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use tern_bytecode::Protocol;
use tern_bytecode::program::Rounding;
use tern_compiler::ir::Optimise;
use tern_tools::say;
use tern_vm::erase::Erasing;
use tern_vm::ring::Target;
use tern_vm::scarce::Telling;

/// Buffers of messages come and go every round: an allocator that does not give their pages back to the system each time
/// makes small operations up to a third faster. A party overwrites what it frees. Memory that is refused ends in a message.
#[global_allocator]
static ALLOCATOR: Erasing<Telling<mimalloc::MiMalloc>> = Erasing(Telling(mimalloc::MiMalloc));

/// Longer than from one batch to the next.
const PAGES: Duration = Duration::from_secs(1);

#[derive(Parser)]
#[command(
    name = "tern",
    version,
    about = "Private deep-learning training on servers that do not trust each other"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a program without writing anything.
    Check(SourceArgs),
    /// Compile a program to bytecode.
    Compile {
        #[command(flatten)]
        source: SourceArgs,
        /// Where the bytecode goes; by default beside the program, with the suffix .tbc.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Print the program after this pass (or "all").
        #[arg(long, value_name = "PASS")]
        print_after: Option<String>,
        /// Print how long each pass took.
        #[arg(long)]
        timings: bool,
    },
    /// Say what a program costs: rounds and bits per source line, before anything runs.
    Cost {
        #[command(flatten)]
        source: SourceArgs,
        /// One JSON object instead of a table.
        #[arg(long, conflicts_with = "html")]
        json: bool,
        /// A page for a browser: the source beside its costs, and a graph by function.
        #[arg(long)]
        html: bool,
        /// Predict the time on a network: lan, wan or rtt=40ms,bw=352Mbit.
        #[arg(long)]
        network: Option<String>,
    },
    /// Run a program on clear data, exactly as the secure computation would compute.
    Emulate(emulate::EmulateArgs),
    /// Run a program on secret shares: local processes, one for each party, or one of the real parties (--party).
    Run(Box<run::RunArgs>),
    /// Make the key and the certificate of a party, and print its entry for the hosts file.
    Keygen(keys::KeygenArgs),
    /// See whether the other parties can be reached and are who they should be; all run this at the same time.
    Ping(run::PartyArgs),
    /// Run the experiments of the paper, and set ours beside its figures: CSV, a text table, plots.
    Reproduce(reproduce::ReproduceArgs),
    /// Measure this machine.
    Bench {
        /// What to measure.
        #[command(subcommand)]
        what: bench::Bench,
    },
    /// Draw the metrics of runs: loss and accuracy per epoch, as SVG.
    Plot(plot::PlotArgs),
    /// A party of a local run, told what to do by the process that started it.
    #[command(hide = true)]
    LocalParty,
    /// Deal ahead of time: for each party of a program with a dealer a file of what it will need, for one run.
    Deal(deal::DealArgs),
    /// Serve those who run none of the servers: take what clients send for a program, and give them its results.
    Serve(clients::ServeArgs),
    /// Send an input to the servers, in shares, as a client that the program names.
    Send(clients::SendArgs),
    /// Receive results from the servers, in shares, as a client that the program names.
    Receive(clients::ReceiveArgs),
    /// Share data among the servers of a program without a network: a file for each of them.
    Share(share::ShareArgs),
    /// Open a value from files of shares, which have to agree.
    Open(share::OpenArgs),
    /// Run the test blocks of a file in the emulator.
    Test {
        #[command(flatten)]
        source: SourceArgs,
        /// Only tests whose name contains this.
        filter: Option<String>,
    },
    /// Show the bytecode of a program, or its schedule.
    Inspect {
        #[command(flatten)]
        source: SourceArgs,
        /// What to show.
        #[arg(long, value_enum, default_value_t = View::Bytecode)]
        view: View,
    },
    /// Write a program that computes what a model from elsewhere computes: an ONNX file, by the Python package.
    Import(import::ImportArgs),
    /// Prepare data sets.
    Data {
        #[command(subcommand)]
        set: data::DataSet,
    },
    /// Write programs in the project's style; comments and the author's line breaks stay.
    Fmt(fmt::FmtArgs),
    /// Serve an editor, over standard input and output, by the language server protocol.
    Lsp(lsp::LspArgs),
    /// Print the reference of the library, or of your own modules, from their comments.
    Doc {
        /// Modules (.mpc); without any, the library.
        files: Vec<PathBuf>,
    },
    /// Explain the code of a message, such as S001.
    Explain {
        /// The code.
        code: String,
    },
    /// Print the completions of this command for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of this command, one for each subcommand.
    Man {
        /// Where they go; it is made if need be.
        directory: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum View {
    /// The instructions.
    Bytecode,
    /// The rounds of every block, as text.
    Schedule,
    /// The rounds of every block, for Graphviz.
    Dot,
    /// The intermediate representation after all passes.
    Ir,
    /// What is opened under which mask, with a dealer.
    Masks,
}

/// A program and how to compile it.
#[derive(Args, Clone)]
struct SourceArgs {
    /// A program (.mpc), or bytecode (.tbc) where that is enough.
    program: PathBuf,
    /// A program argument: NAME=value. May be given several times.
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<String>,
    #[command(flatten)]
    settings: SettingArgs,
}

/// Which arithmetic, and who computes.
#[derive(Args, Clone, Default)]
struct SettingArgs {
    /// Fraction bits of fixed-point numbers, and optionally all bits: 16 or 16,32.
    #[arg(long, value_name = "F[,TOTAL]")]
    fixed: Option<String>,
    /// Bits of the ring: 52, 64, 104, 128, 192, 256 or auto.
    #[arg(long)]
    ring: Option<String>,
    /// How truncations round.
    #[arg(long, value_enum)]
    rounding: Option<RoundingArg>,
    /// Who computes and whom they trust: rep3, three servers that follow the protocol; rep4, four, one of which may do anything; dealer, two, and one that only deals.
    #[arg(long, value_parser = protocol_named)]
    protocol: Option<Protocol>,
    /// What is to be few, where there is a choice: rounds, for parties that are far apart; balanced, where they are near.
    #[arg(long, value_parser = optimise_named)]
    optimise: Option<Optimise>,
}

fn optimise_named(name: &str) -> Result<Optimise, String> {
    Optimise::ALL.iter().copied().find(|optimise| optimise.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Optimise::ALL.iter().map(|optimise| optimise.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

fn protocol_named(name: &str) -> Result<Protocol, String> {
    Protocol::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Protocol::ALL.iter().map(|protocol| protocol.name()).collect();
        format!("there are {}", names.join(" and "))
    })
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoundingArg {
    /// Up or down at random, right on average: cheap.
    Probabilistic,
    /// To the nearest.
    Nearest,
}

impl From<RoundingArg> for Rounding {
    fn from(given: RoundingArg) -> Rounding {
        match given {
            RoundingArg::Probabilistic => Rounding::Probabilistic,
            RoundingArg::Nearest => Rounding::Nearest,
        }
    }
}

fn main() -> ExitCode {
    tern_vm::pages::keep(PAGES);
    scarce::say_when_refused();
    let cli = Cli::parse();
    let result = stop::survive_file_limits().and_then(|()| vectors()).and_then(|()| command(cli.command));
    match result {
        Ok(code) => code,
        Err(error) => {
            let text = format!("{error:#}");
            // messages about data have their code
            let head = if text.starts_with("error[") { "" } else { "error: " };
            say::errln(format_args!("{head}{text}"));
            ExitCode::FAILURE
        }
    }
}

/// Vectors that are asked for by a name that none have: said, not passed over.
fn vectors() -> anyhow::Result<()> {
    match std::env::var(Target::VARIABLE) {
        Ok(name) => Target::named(&name).map(|_| ()).map_err(anyhow::Error::msg),
        Err(_) => Ok(()),
    }
}

fn command(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(source) => compile::check(&source),
        Command::Compile { source, output, print_after, timings } => {
            compile::compile_command(&source, output, print_after.as_deref(), timings)
        }
        Command::Cost { source, json, html, network } => {
            let form = match (json, html) {
                (true, _) => report::Form::Json,
                (_, true) => report::Form::Html,
                (false, false) => report::Form::Text,
            };
            report::cost(&source, form, network.as_deref())
        }
        Command::Emulate(args) => emulate::emulate(&args),
        Command::Run(args) => run::run(&args),
        Command::Serve(args) => clients::serve(&args),
        Command::Send(args) => clients::send(&args),
        Command::Receive(args) => clients::receive(&args),
        Command::Share(args) => share::share(&args),
        Command::Open(args) => share::open(&args),
        Command::Deal(args) => deal::deal(&args),
        Command::Keygen(args) => keys::keygen(&args),
        Command::Ping(args) => keys::ping(&args),
        Command::Bench { what } => bench::bench(&what),
        Command::Plot(args) => plot::plot(&args),
        Command::Reproduce(args) => reproduce::reproduce(&args),
        Command::LocalParty => Ok(run::local_party()),
        Command::Test { source, filter } => tests::test(&source, filter.as_deref()),
        Command::Inspect { source, view } => report::inspect(&source, view),
        Command::Import(args) => import::import(&args),
        Command::Data { set } => data::run(&set),
        Command::Doc { files } => doc::doc(&files),
        Command::Fmt(args) => fmt::fmt(&args),
        Command::Lsp(args) => lsp::lsp(&args),
        Command::Completions { shell } => shell::completions(Cli::command(), shell),
        Command::Man { directory } => shell::man(Cli::command(), &directory),
        Command::Explain { code } => report::explain(&code),
    }
}
