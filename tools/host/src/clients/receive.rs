//! A client gets a result: the file of every server, which have to agree.

use std::io::{self, BufReader};

use anyhow::{anyhow, bail};
use tern_bytecode::program::Output;
use tern_vm::data::Array;
use tern_vm::data::shares::{Head, ShareError, ShareFile};
use tern_vm::net::{Party, dial};

use super::wire::{Answer, CHUNK, Request, hear, say};
use super::{Client, Failure, identity, why};
use crate::shares;

/// Fetches a result from every server and opens it: its tensors by name.
///
/// # Errors
/// A result that is not this client's, servers that do not have it or cannot be reached, files that do not agree.
pub fn receive(
    client: &Client<'_>,
    name: &str,
    said: &(dyn Fn(String) + Sync),
) -> anyhow::Result<Vec<(String, Array)>> {
    let declared: Vec<&Output> = client.program.outputs.iter().filter(|o| o.name == name).collect();
    let Some(to) = declared.first().map(|output| output.to) else {
        bail!("the program has no output {name}");
    };
    if client.program.client(to) != Some(&client.name) {
        let place = tern_bytecode::disasm::place(client.program, to);
        bail!("{name} goes to {place}, this is client {}", client.name);
    }
    let expected = shares::expected_output(client.program, &declared);
    let results = client.with_each(|party| attempt(client, &expected, party), said);
    let (mut files, mut failed) = (Vec::new(), Vec::new());
    for (_, result) in results {
        match result {
            Ok(file) => files.push(file),
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    let servers = client.servers();
    shares::open(&files, &|at| format!("what {} has", client.hosts.who(servers[at])))
}

fn attempt(client: &Client<'_>, expected: &Head, party: Party) -> Result<ShareFile, Failure> {
    let who = client.hosts.who(party);
    let broken =
        |error: io::Error| Failure::Passing(anyhow!("the connection with {who} broke: {}", why(&error)));
    let mut stream = dial(&client.hosts, party, &client.identity, client.hosts.timeouts.stall)?;
    let (program, name) = (identity(client.program), expected.name.clone());
    say(&mut stream, &Request::Take { program, name }).map_err(broken)?;
    let length = match hear(&mut stream).map_err(broken)? {
        Answer::Here(length) => length,
        Answer::Later(reason) => return Err(Failure::Passing(anyhow!("{who}: {reason}"))),
        Answer::Refused(reason) => return Err(Failure::Final(anyhow!("{who} refuses: {reason}"))),
        Answer::From(_) | Answer::Kept => {
            return Err(Failure::Final(anyhow!("{who} gives an answer that makes no sense")));
        }
    };
    let expected = Head { party: party.index() as u8, ..expected.clone() };
    let check = |head: &Head| {
        let differences = head.differences(&expected);
        if !differences.is_empty() {
            bail!("is not what the program puts out: {}", differences.join("; "));
        }
        Ok(())
    };
    let file = ShareFile::read_from(BufReader::with_capacity(CHUNK, stream), length, check);
    file.map_err(|error| match error.downcast_ref::<ShareError>() {
        Some(ShareError::Io(cause)) => broken(io::Error::new(cause.kind(), cause.to_string())),
        _ => Failure::Final(anyhow!("what {who} gives for {} {error}", expected.name)),
    })
}
