//! `tern keygen` and `tern ping`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use tern_bytecode::validate::names::is_word;
use tern_host::Events;
use tern_tools::say;
use tern_vm::net;

use crate::run::PartyArgs;
use crate::screen::{Audience, Screen};

/// For whom a key is made.
#[derive(Args, Clone)]
pub(crate) struct KeygenArgs {
    /// The name of the party or the client, a plain word.
    name: String,
    /// Where the others reach the party: host:port.
    #[arg(long, default_value = "HOST:PORT")]
    address: String,
    /// Where clients reach the party, if there are any: host:port, another than --address.
    #[arg(long, value_name = "HOST:PORT")]
    clients: Option<String>,
    /// For somebody who runs no server, and gives data or gets results.
    #[arg(long, conflicts_with_all = ["address", "clients"])]
    client: bool,
    /// How long the certificate is valid.
    #[arg(long, default_value_t = 10)]
    years: u32,
    /// Where NAME.key.pem and NAME.cert.pem go.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// `tern keygen`: files for the party, and on standard output what belongs into everybody's hosts file.
pub(crate) fn keygen(args: &KeygenArgs) -> anyhow::Result<ExitCode> {
    if args.client && !is_word(&args.name) {
        bail!("`{}` is not a name for a client: programs name it, so use letters, digits and `_`", args.name);
    }
    let files = net::keygen(&args.dir, &args.name, args.years)?;
    say::errln(format_args!("{}: keep it secret", files.key.display()));
    say::errln(format_args!("{}: valid for {} years", files.certificate.display(), args.years));
    if args.client {
        say::outln(format_args!("[clients.{}]\nfingerprint = \"{}\"\n", args.name, files.fingerprint));
        return Ok(ExitCode::SUCCESS);
    }
    say::outln(format_args!("[[party]]\nname = \"{}\"\naddress = \"{}\"", args.name, args.address));
    if let Some(address) = &args.clients {
        say::outln(format_args!("clients = \"{address}\""));
    }
    say::outln(format_args!("fingerprint = \"{}\"\n", files.fingerprint));
    Ok(ExitCode::SUCCESS)
}

/// `tern ping`.
pub(crate) fn ping(args: &PartyArgs) -> anyhow::Result<ExitCode> {
    let seat = args.seat()?;
    let screen = Screen::new(Audience::Person);
    let mut events = Events::new(screen.clone(), None);
    let reached = net::ping(seat.setup(None), &mut |waiting| events.waiting(waiting))?;
    screen.finish();
    let mut code = ExitCode::SUCCESS;
    for reach in &reached {
        match &reach.rtt {
            Ok(rtt) => say::outln(format_args!(
                "{} at {}: {:.2} ms",
                reach.who,
                reach.address,
                1e3 * rtt.as_secs_f64()
            )),
            Err(error) => {
                say::outln(format_args!("{} at {}: {error}", reach.who, reach.address));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
