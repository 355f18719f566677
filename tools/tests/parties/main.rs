//! Real processes, one for each party: what a run gives, and what becomes of it when something is wrong at one party.

mod aborted;
mod bad;
mod cancel;
mod checkpoints;
mod clients;
mod dealer;
#[cfg(unix)]
mod deploy;
mod ends;
mod four;
mod good;
mod hospitals;
mod links;
mod programs;
#[cfg(unix)]
mod readme;
mod scarce;
mod shares;
mod sharing;
mod support;
mod watch;
#[path = "../../../vm/tests/net/weather.rs"]
mod weather;
mod windows;
