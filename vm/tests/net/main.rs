//! The links between three parties, in three threads of one process: in memory and over TLS on the loopback interface.

mod again;
mod memory;
mod setup;
mod support;
mod tls;
mod weather;
