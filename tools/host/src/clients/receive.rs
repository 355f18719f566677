//! A client gets a result, or all of a loop: the file of every server, which have to agree.

use std::io::BufReader;

use anyhow::{Error, anyhow, bail};
use tern_bytecode::Program;
use tern_bytecode::program::Output;
use tern_bytecode::report::report;
use tern_vm::data::Array;
use tern_vm::data::shares::{Head, ShareError, ShareFile};
use tern_vm::net::Party;

use super::talk::Talk;
use super::wire::{Answer, CHUNK, Request};
use super::{Client, Failure, identity, is_of};
use crate::file_host::{in_loops, numbered};
use crate::shares;

/// Takes what a result is called, and its tensors by name.
pub type Taken<'a> = &'a mut dyn FnMut(&str, &[(String, Array)]) -> anyhow::Result<()>;

/// Fetches a result from every server, opens it and hands it to `take`. One that is put out in a loop is many, called `NAME.0000`, `NAME.0001`, …: they are
/// fetched as they come, until all are there; of a program whose branches or breaks depend on data, those that are there.
///
/// # Errors
/// A result that is not this client's, servers that do not have it or cannot be reached, files that do not agree, and what `take` says.
pub fn receive(
    client: &Client<'_>,
    name: &str,
    said: &(dyn Fn(String) + Sync),
    take: Taken<'_>,
) -> anyhow::Result<()> {
    let declared: Vec<&Output> = client.program.outputs.iter().filter(|o| o.name == name).collect();
    let Some(to) = declared.first().map(|output| output.to) else {
        bail!("the program has no output {name}");
    };
    is_of(client.program, &client.name, name, "goes to", to).map_err(Error::msg)?;
    let expected = shares::expected_output(client.program, &declared);
    let fetch = Fetch { client, expected, said };
    let Some(times) = times(client.program, name) else {
        let asked = Asked { number: None, set: None, is_sure: true };
        return fetch.one(&asked)?.map_or(Ok(()), |(_, tensors)| take(name, &tensors));
    };
    let mut set = None;
    for number in 0..times.most {
        let asked = Asked { number: Some(number), set: set.take(), is_sure: number == 0 || times.is_exact };
        let Some((of, tensors)) = fetch.one(&asked)? else { break };
        take(&numbered(name, number), &tensors)?;
        set = Some(of);
    }
    Ok(())
}

/// How often an output in a loop is executed.
struct Times {
    most: u64,
    /// Whether it is always as often.
    is_exact: bool,
}

/// None of an output that is in no loop.
fn times(program: &Program, name: &str) -> Option<Times> {
    let mut looped = in_loops(program).into_iter();
    looped.find(|i| program.outputs[*i].name == name)?;
    let costs = report(program);
    let most = costs.published.iter().filter(|value| value.what == name).map(|value| value.times).max();
    Some(Times { most: most.unwrap_or_default(), is_exact: !costs.at_most })
}

/// What is asked for.
struct Asked {
    number: Option<u64>,
    /// The set of those that were fetched before, which are of the same run.
    set: Option<String>,
    /// Whether there will be such a result; otherwise it is not waited for.
    is_sure: bool,
}

/// Fetches results of one name.
struct Fetch<'a> {
    client: &'a Client<'a>,
    expected: Head,
    said: &'a (dyn Fn(String) + Sync),
}

/// The set that files belong to, and what they come to: tensors by name.
type Opened = (String, Vec<(String, Array)>);

impl Fetch<'_> {
    /// From every server: the set, and what it is; none if a server has none that has to be.
    fn one(&self, asked: &Asked) -> anyhow::Result<Option<Opened>> {
        let results = self.client.with_each(|party| self.attempt(asked, party), self.said);
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
        let Some(files) = files.into_iter().collect::<Option<Vec<ShareFile>>>() else { return Ok(None) };
        let set = files.first().map_or(String::new(), |file| file.head.set.clone());
        let servers = self.client.servers();
        let whose = |at| format!("what {} has", self.client.hosts.who(servers[at]));
        Ok(Some((set, shares::open(&files, &whose)?)))
    }

    fn attempt(&self, asked: &Asked, party: Party) -> Result<Option<ShareFile>, Failure> {
        let mut talk = Talk::begin(self.client, party)?;
        let name = self.expected.name.clone();
        let request = Request::Take {
            program: identity(self.client.program),
            name: name.clone(),
            number: asked.number,
        };
        let answer = talk.put(&request)?;
        if matches!(answer, Answer::Later(_)) && !asked.is_sure {
            return Ok(None);
        }
        let Answer::Here(length) = talk.granted(answer)? else {
            return Err(talk.nonsense());
        };
        let expected = Head { party: party.index() as u8, ..self.expected.clone() };
        let is_old = |head: &Head| asked.set.as_ref().is_some_and(|set| *set != head.set);
        let mut old = false;
        let check = |head: &Head| {
            let differences = head.differences(&expected);
            if !differences.is_empty() {
                bail!("is not what the program puts out: {}", differences.join("; "));
            }
            old = is_old(head);
            if old {
                bail!("is of another run than those before it");
            }
            Ok(())
        };
        let file = ShareFile::read_from(BufReader::with_capacity(CHUNK, &mut talk.stream), length, check);
        let called = asked.number.map_or(name.clone(), |number| numbered(&name, number));
        match file {
            Ok(file) => Ok(Some(file)),
            Err(_) if old && !asked.is_sure => Ok(None),
            // This run comes to it.
            Err(error) if old => Err(Failure::Passing(anyhow!("what {} has of {called} {error}", talk.who))),
            Err(error) => Err(match error.downcast_ref::<ShareError>() {
                Some(ShareError::Io(cause)) => talk.broken(cause),
                _ => Failure::Final(anyhow!("what {} gives for {called} {error}", talk.who)),
            }),
        }
    }
}
