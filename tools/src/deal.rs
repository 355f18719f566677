//! `tern deal`: what a dealer sends in a run, written before it.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use tern_bytecode::report::{group, report};
use tern_host::cores;
use tern_tools::say;
use tern_vm::net::{Hosts, Party};
use tern_vm::{Options, deal as deal_ahead};

use crate::SourceArgs;
use crate::compile::load;

/// For which program, to whom, and where to.
#[derive(Args, Clone)]
pub(crate) struct DealArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Who the parties are: the files are for the first two.
    #[arg(long)]
    hosts: PathBuf,
    /// Where the files go, which hold keys: each must reach its party and nobody else.
    #[arg(long)]
    out: PathBuf,
    /// Fix all randomness. For tests: nothing stays secret.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; by default all cores.
    #[arg(long)]
    threads: Option<usize>,
}

/// `tern deal`.
pub(crate) fn deal(args: &DealArgs) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load(&args.source)? else { return Ok(ExitCode::FAILURE) };
    let (program, model) = (&loaded.program, loaded.program.header.protocol.model());
    let Some(dealer) = model.dealer else {
        let protocol = program.header.protocol.name();
        bail!("{protocol} has no dealer\n   = help: compile with --protocol dealer");
    };
    let hosts = Hosts::load(&args.hosts)?;
    if hosts.count() != model.parties {
        bail!("the program takes {} parties; the hosts file lists {}", model.parties, hosts.count());
    }
    let announced = report(program);
    let most = if announced.at_most { "at most " } else { "" };
    let files = Party::all(model.owners).map(|party| {
        let path = args.out.join(tern_vm::protocol::dealer::ahead::file_name(party));
        (&hosts.host(party).name, path, announced.bits_by_link[dealer][party.index()] / 8)
    });
    for (name, path, bytes) in files {
        say::outln(format_args!("for {name}: {}, {most}{} bytes", path.display(), group(bytes)));
    }
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let threads = args.threads.unwrap_or_else(cores::cores);
    let options = Options { seed: args.seed, threads, ..Options::default() };
    deal_ahead(program, &args.out, &options)?;
    if let Some(seed) = args.seed {
        say::outln(format_args!("all of it comes from the seed {seed}: nothing of that run will be secret"));
    }
    Ok(ExitCode::SUCCESS)
}
