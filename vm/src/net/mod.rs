//! The links between the parties.
//!
//! | module | what it holds |
//! |---|---|
//! | [`party`](Party) | the parties by number, and what there is once for each of the others |
//! | [`links`](Links) | what protocols use: `rounds` of messages of known sizes, streamed, counted and checked, and signs of life meanwhile |
//! | `inquest` | whom to blame for silence |
//! | `frame`, `incoming`, `outgoing` | headers, and both ends of a message as state machines without input and output |
//! | [`transport`](Transport) | a byte stream per party: in [`memory`], over TLS (`tcp`, `session`, `tls`), or [`shaped`](Shaped) like another network |
//! | `link`, `kept`, `again`, `proof`, `gone` | what becomes of a link when its connection breaks: it goes on over another one, or the process at its other end has ended |
//! | [`identity`](Identity), [`hosts`](Hosts) | keys, certificates, and the list of who is who |
//! | [`connect`](fn@connect), [`ping`] | finding each other: `meet`, with an end that dials (`dial`), one that is dialed (`endpoint`, `listen`), and what both say first (`line`, `greeting`) |
//! | [`Door`], [`dial`](fn@dial) | both ends of a connection with somebody who runs none of the servers |
//! | [`keys`] | keys for common randomness |
//! | [`model`](NetworkModel) | a network as two numbers |
//!
//! A party meets the others with [`connect()`], compares with [`Links::swap`] what all have to agree on, gets keys from [`keys::agree`], runs its rounds, and
//! ends with [`Links::finish`], or with [`Links::abort`] if something fails.

mod again;
mod clients;
mod connect;
mod dial;
mod endpoint;
mod error;
mod evidence;
mod frame;
mod gone;
mod greeting;
mod hosts;
mod identity;
mod incoming;
mod inquest;
mod kept;
pub mod keys;
mod line;
mod link;
mod links;
mod listen;
mod live;
mod meet;
pub mod memory;
mod model;
mod outgoing;
mod party;
mod proof;
mod rounds;
mod session;
mod shape;
mod tcp;
mod tls;
mod transport;

pub use clients::{ClientError, Door, Stream, dial};
pub use connect::{Reach, Setup, Waiting, connect, connect_at, ping};
pub use endpoint::Endpoint;
pub use error::{Direction, NetError, Who};
pub use frame::FrameError;
pub use hosts::{Host, Hosts, HostsError, TIMEOUT, Timeouts};
pub use identity::{Fingerprint, FingerprintError, Identity, IdentityError, KeyFiles, keygen};
pub use links::{Counted, Distress, Links, Traffic};
pub use live::Live;
pub use model::{NetworkModel, NetworkModelError};
pub use party::{Party, Peers};
pub use shape::Shaped;
pub use transport::{Read, Transport};
