//! `tern keygen` and `tern ping`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tern_host::Events;
use tern_tools::say;
use tern_vm::net;

use crate::run::PartyArgs;
use crate::screen::{Audience, Screen};

/// For whom a key is made.
#[derive(Args, Clone)]
pub(crate) struct KeygenArgs {
    /// The party's name, a plain word.
    name: String,
    /// Where the others reach the party: host:port.
    #[arg(long, default_value = "HOST:PORT")]
    address: String,
    /// How long the certificate is valid.
    #[arg(long, default_value_t = 10)]
    years: u32,
    /// Where NAME.key.pem and NAME.cert.pem go.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// `tern keygen`: files for the party, and on standard output what belongs into everybody's hosts file.
pub(crate) fn keygen(args: &KeygenArgs) -> anyhow::Result<ExitCode> {
    let files = net::keygen(&args.dir, &args.name, args.years)?;
    say::errln(format_args!("{}: keep it secret", files.key.display()));
    say::errln(format_args!("{}: valid for {} years", files.certificate.display(), args.years));
    say::outln(format_args!("[[party]]\nname = \"{}\"\naddress = \"{}\"", args.name, args.address));
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
