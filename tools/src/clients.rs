//! `tern serve`, `tern send` and `tern receive`: those who run none of the servers, over the network.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tern_bytecode::report::{group, report};
use tern_host::Files;
use tern_host::clients::{self, Client, Said, Secret, Store};
use tern_host::guard::guard_memory;
use tern_host::results::{self, Directory};
use tern_host::sharing::Owned;
use tern_tools::say;
use tern_vm::machine::checkpoint::duration;

use crate::SourceArgs;
use crate::args::OutputArgs;
use crate::compile::{load, load_sized};
use crate::run::PartyArgs;
use crate::screen::{Audience, Screen};
use crate::stop;

/// For which program, as which server.
#[derive(Args, Clone)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    party: PartyArgs,
    /// Where shares are kept, for this server's `tern run --store`.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
}

/// As whom, and with which servers.
#[derive(Args, Clone)]
struct ClientArgs {
    /// Who this is, as the program and the hosts file call it.
    #[arg(long = "as", value_name = "CLIENT")]
    name: String,
    /// Who the servers are.
    #[arg(long)]
    hosts: PathBuf,
    /// The client's key, with its certificate beside it; by default CLIENT.key.pem, in the directory of the hosts file.
    #[arg(long)]
    key: Option<PathBuf>,
    /// How long servers that are not there are waited for, or what is not there yet.
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = duration)]
    wait: Duration,
}

/// What is sent.
#[derive(Args, Clone)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    client: ClientArgs,
    /// Data of an input: NAME=FILE, with what `tern run --input` takes besides. May be given several times.
    #[arg(long = "input", value_name = "NAME=FILE", required = true)]
    inputs: Vec<String>,
    /// Send it in place of what was sent before.
    #[arg(long)]
    replace: bool,
}

/// What is received.
#[derive(Args, Clone)]
pub(crate) struct ReceiveArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    client: ClientArgs,
    /// Only this result; without it all that the client gets. May be given several times.
    #[arg(long = "result", value_name = "NAME")]
    results: Vec<String>,
    #[command(flatten)]
    outputs: OutputArgs,
}

/// `tern serve`.
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load(&args.source)? else { return Ok(ExitCode::FAILURE) };
    let seat = args.party.seat()?;
    let store = Store::open(&args.store, &loaded.program)?;
    let stop = stop::on_signals()?;
    let lines = Mutex::new(());
    clients::serve(&loaded.program, &seat, &store, &stop, &|said| {
        let _one = lines.lock();
        match said {
            Said::Open(address) => drop(say::note(format_args!("serving clients at {address}"))),
            Said::Done(text) => drop(say::note(text)),
            Said::Refused(text) => say::errln(format_args!("refused: {text}")),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

impl ClientArgs {
    fn client<'a>(&self, program: &'a tern_bytecode::Program) -> anyhow::Result<Client<'a>> {
        guard_memory()?;
        let mut client = Client::take(program, &self.hosts, &self.name, self.key.as_deref())?;
        client.wait = self.wait;
        client.stop = stop::on_signals()?;
        Ok(client)
    }

    /// Where the secret of a sending is until it is over.
    fn secret(&self, input: &str) -> PathBuf {
        let beside = self.key.as_deref().unwrap_or(&self.hosts);
        beside.with_file_name(format!(".{}.{input}.sending", self.name))
    }
}

/// `tern send`.
pub(crate) fn send(args: &SendArgs) -> anyhow::Result<ExitCode> {
    let files = Files { inputs: args.inputs.clone(), ..Files::default() };
    let Some(loaded) = load_sized(&args.source, &files)? else { return Ok(ExitCode::FAILURE) };
    let client = args.client.client(&loaded.program)?;
    let mut screen = Screen::new(Audience::Person);
    let mut owned = Vec::new();
    for input in &args.inputs {
        let Some((name, file)) = input.split_once('=') else { bail!("--input {input}: write NAME=FILE") };
        owned.push(Owned::read(&loaded.program, name, file, &mut screen)?);
    }
    let costs = report(&loaded.program).clients;
    for cost in costs.iter().filter(|cost| cost.client == client.name) {
        let bits = cost.sends.iter().sum();
        say::outln(format_args!("{} sends {} bits to all servers together", client.name, group(bits)));
    }
    let mut code = ExitCode::SUCCESS;
    for owned in &owned {
        if !send_one(args, &client, owned)? {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Sends one input; whether every server has it.
fn send_one(args: &SendArgs, client: &Client<'_>, owned: &Owned<'_>) -> anyhow::Result<bool> {
    let secret = Secret::keep(args.client.secret(owned.name()))?;
    if secret.is_old {
        say::outln(format_args!("{}: an earlier sending goes on", owned.name()));
    }
    let said = |text: String| say::errln(text);
    let mut complete = true;
    for (party, sent) in clients::send(client, owned, &secret, args.replace, &said)? {
        let who = client.hosts.who(party);
        match sent {
            Ok(bytes) => {
                say::outln(format_args!("{}: {who} has it, {} bytes sent", owned.name(), group(bytes)));
            }
            Err(error) => {
                complete = false;
                say::errln(format_args!("error: {}: {error:#}", owned.name()));
            }
        }
    }
    if complete {
        secret.forget()?;
    } else {
        say::errln(format_args!("{}: the same command goes on where it was", owned.name()));
    }
    Ok(complete)
}

/// `tern receive`.
pub(crate) fn receive(args: &ReceiveArgs) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load(&args.source)? else { return Ok(ExitCode::FAILURE) };
    let client = args.client.client(&loaded.program)?;
    let mut names = args.results.clone();
    if names.is_empty() {
        let own =
            |o: &&tern_bytecode::program::Output| loaded.program.client(o.to) == Some(client.name.as_str());
        names.extend(loaded.program.outputs.iter().filter(own).map(|output| output.name.clone()));
        names.dedup();
    }
    if names.is_empty() {
        bail!("the program has no output to client {}", client.name);
    }
    let outputs = args.outputs.outputs();
    let directory = Directory::claim(&outputs.out)?;
    directory.warning().into_iter().for_each(|warning| say::errln(format_args!("warning: {warning}")));
    let said = |text: String| say::errln(text);
    for name in &names {
        let mut last = None;
        clients::receive(&client, name, &said, &mut |called, tensors| {
            let path = outputs.write(called, tensors)?;
            say::outln(format_args!("{called}: {}", path.display()));
            last = (called != name).then_some(path);
            Ok(())
        })?;
        // Of those of a loop, the last one is there under the plain name too.
        if let Some(file) = last {
            let extension = file.extension().unwrap_or_default().to_os_string();
            let plain = file.with_file_name(name).with_added_extension(extension);
            results::link(&file, &plain).with_context(|| format!("cannot write {}", plain.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
