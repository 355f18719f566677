//! A run as whoever operates the server sees it: figures to be collected, and a log.

mod gauges;
pub(crate) mod log;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tern_bytecode::Program;
use tern_host::{Event, Sink};
use tern_vm::net::{Live, Party};

use self::gauges::Gauges;
use self::log::Format;
use crate::screen::Screen;

/// How a run is watched.
#[derive(Args, Clone)]
pub(crate) struct WatchArgs {
    /// Show progress, rounds, bytes, waiting and memory at http://HOST:PORT/metrics, in the text format of Prometheus. A port
    /// alone is open to this machine only.
    #[arg(long, value_name = "[HOST:]PORT", requires = "party", value_parser = address)]
    metrics_listen: Option<SocketAddr>,
    /// One line per event on standard error, with its time, in place of text for people.
    #[arg(long, value_enum, value_name = "FORMAT", requires = "party", conflicts_with = "json")]
    log: Option<Format>,
}

/// What shows a run to both.
pub(crate) struct Watched {
    screen: Screen,
    gauges: Gauges,
}

impl WatchArgs {
    /// The log that was asked for.
    pub(crate) fn log(&self) -> Option<Format> {
        self.log
    }

    /// Opens the port of the figures, if there is to be one.
    ///
    /// # Errors
    /// A port that cannot be used.
    pub(crate) fn begin(
        &self,
        program: &Program,
        me: Party,
        live: Arc<Live>,
        screen: Screen,
    ) -> anyhow::Result<Watched> {
        let gauges = Gauges::new(program, me, live);
        if let Some(address) = self.metrics_listen {
            server::start(address, gauges.clone()).with_context(|| format!("--metrics-listen {address}"))?;
            if !address.ip().is_loopback() {
                screen.warn(&format!("whoever reaches {address} sees how far this run is"));
            }
        }
        Ok(Watched { screen, gauges })
    }
}

impl Sink for Watched {
    fn event(&mut self, event: &Event) {
        self.gauges.event(event);
        self.screen.event(event);
    }
}

/// An address; of a port alone, that of this machine for itself.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    match port.parse() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => {
            text.parse().map_err(|_| "a port, or an address as 127.0.0.1:9100 or [::1]:9100".to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_port_alone_is_open_to_this_machine_only() {
        assert_eq!(address("9100").unwrap().to_string(), "127.0.0.1:9100");
        assert_eq!(address(":9100").unwrap().to_string(), "127.0.0.1:9100");
        assert_eq!(address("0.0.0.0:9100").unwrap().to_string(), "0.0.0.0:9100");
        assert_eq!(address("[::1]:9100").unwrap().to_string(), "[::1]:9100");
        assert!(address("metrics").is_err() && address("65536").is_err());
    }
}
