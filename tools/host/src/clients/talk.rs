//! A client's conversation with a server: why it broke, and what an answer means for what comes next.

use std::io;

use anyhow::anyhow;
use tern_vm::net::{Party, Stream, Who, dial};

use super::wire::{Answer, Request, hear, say};
use super::{Client, Failure, why};

/// A connection on which the client asks.
pub(super) struct Talk {
    pub(super) who: Who,
    pub(super) stream: Stream,
}

impl Talk {
    /// Connects to a server.
    pub(super) fn begin(client: &Client<'_>, party: Party) -> Result<Talk, Failure> {
        let stream = dial(&client.hosts, party, &client.identity, client.hosts.timeouts.stall)?;
        Ok(Talk { who: client.hosts.who(party), stream })
    }

    /// Says what is wanted, and hears the answer.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.put(request)?;
        self.granted(answer)
    }

    /// The same, whatever the answer is.
    pub(super) fn put(&mut self, request: &Request) -> Result<Answer, Failure> {
        say(&mut self.stream, request).map_err(|error| self.broken(&error))?;
        hear(&mut self.stream).map_err(|error| self.broken(&error))
    }

    /// An answer, unless it is that the server will not, or not now.
    pub(super) fn granted(&self, answer: Answer) -> Result<Answer, Failure> {
        let who = &self.who;
        match answer {
            Answer::Later(reason) => Err(Failure::Passing(anyhow!("{who}: {reason}"))),
            Answer::Refused(reason) => Err(Failure::Final(anyhow!("{who} refuses: {reason}"))),
            Answer::From(_) | Answer::Kept | Answer::Here(_) => Ok(answer),
        }
    }

    /// The connection is gone.
    pub(super) fn broken(&self, error: &io::Error) -> Failure {
        Failure::Passing(anyhow!("the connection with {} broke: {}", self.who, why(error)))
    }

    /// An answer to something else.
    pub(super) fn nonsense(&self) -> Failure {
        Failure::Final(anyhow!("{} gives an answer that makes no sense", self.who))
    }
}
