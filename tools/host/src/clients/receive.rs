//! A client gets a result: the file of every server, which have to agree.

use std::io::BufReader;

use anyhow::{Error, anyhow, bail};
use tern_bytecode::program::Output;
use tern_vm::data::Array;
use tern_vm::data::shares::{Head, ShareError, ShareFile};
use tern_vm::net::Party;

use super::talk::Talk;
use super::wire::{Answer, CHUNK, Request};
use super::{Client, Failure, identity, is_of};
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
    is_of(client.program, &client.name, name, "goes to", to).map_err(Error::msg)?;
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
    let mut talk = Talk::begin(client, party)?;
    let (program, name) = (identity(client.program), expected.name.clone());
    let Answer::Here(length) = talk.ask(&Request::Take { program, name })? else {
        return Err(talk.nonsense());
    };
    let expected = Head { party: party.index() as u8, ..expected.clone() };
    let check = |head: &Head| {
        let differences = head.differences(&expected);
        if !differences.is_empty() {
            bail!("is not what the program puts out: {}", differences.join("; "));
        }
        Ok(())
    };
    let file = ShareFile::read_from(BufReader::with_capacity(CHUNK, &mut talk.stream), length, check);
    file.map_err(|error| match error.downcast_ref::<ShareError>() {
        Some(ShareError::Io(cause)) => talk.broken(cause),
        _ => Failure::Final(anyhow!("what {} gives for {} {error}", talk.who, expected.name)),
    })
}
