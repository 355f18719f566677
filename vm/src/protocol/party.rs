//! One party's run, whatever the protocol: it compares what all must have in common, agrees on keys, runs, and tells the others if it fails.

use std::fmt;
use std::sync::Arc;

use tern_bytecode::memory::Needed;
use tern_bytecode::program::Protocol;
use tern_bytecode::{Program, model};

use super::dealer::ahead::{Dealt, DealtError};
use super::terms::{self, Terms};
use super::{common, dealer, rep3, rep4};
use crate::machine::checkpoint::{self, agree};
use crate::machine::{Fault, Options, Report, RunError, Seeds};
use crate::net::{Links, NetError, Party, Who, keys};
use crate::ring::Ring;
use crate::rings::in_ring;
use crate::scarce;

pub(super) use crate::machine::Host;

/// What can go wrong between parties besides the links.
#[derive(Debug, thiserror::Error)]
pub enum PartyError {
    /// The links failed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Another party runs something else.
    #[error("{who} has {what} = {theirs}, this party has {ours}")]
    Differs {
        /// The other party.
        who: Who,
        /// What is different: an argument, the ring, the version.
        what: String,
        /// The other's.
        theirs: String,
        /// This party's.
        ours: String,
    },
    /// The shares of an input do not belong together.
    #[error(
        "the shares of {name} here and those of {who} do not belong together: what both should have is different"
    )]
    Shares {
        /// The other party.
        who: Who,
        /// The input.
        name: String,
    },
    /// The program's protocol takes another number of parties.
    #[error("the program is for {protocol}, which takes {needed} parties, not {found}")]
    Parties {
        /// The protocol.
        protocol: &'static str,
        /// How many it takes.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// What was dealt ahead of time cannot be used, or cannot be written.
    #[error(transparent)]
    Dealt(#[from] DealtError),
    /// The protocol has no checkpoints.
    #[error(
        "a run of {protocol} cannot be kept in checkpoints: what is dealt serves once, and a run that goes on would use it again"
    )]
    Unkept {
        /// The protocol.
        protocol: &'static str,
    },
    /// The points of a run that another party has do not go with this one's.
    #[error("{who} {cause}")]
    Points {
        /// The other party.
        who: Who,
        /// What it has, or says.
        cause: String,
    },
    /// There is no point that all parties have.
    #[error(
        "there is no checkpoint that all parties have: {lists}\n   = help: bring back what is missing, or empty all directories of checkpoints, and without --resume the run begins"
    )]
    NoCommonPoint {
        /// Who has which.
        lists: String,
    },
    /// A checkpoint of this party cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Refusal),
    /// Somebody has not followed the protocol. It is noticed when everything is compared, before an opening.
    #[error("{cause} in round {when}")]
    Disagreement {
        /// Who disagrees about what.
        cause: rep4::Disagreement,
        /// In which round.
        when: When,
    },
}

/// When somebody has not followed the protocol.
#[derive(Debug)]
pub enum When {
    /// In this round.
    In {
        /// Its number, counted from 1.
        round: u64,
        /// The source file and line that the message was about, if it is known.
        place: Option<(String, u32)>,
    },
    /// In this round, in which it was noticed, or before.
    By(u64),
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::In { round, place: Some((file, line)) } => write!(f, "{round} ({file}:{line})"),
            When::In { round, place: None } => write!(f, "{round}"),
            When::By(round) => write!(f, "{round} or before"),
        }
    }
}

impl From<PartyError> for Fault {
    fn from(error: PartyError) -> Fault {
        Fault::Protocol(Box::new(error))
    }
}

/// What a back-end runs with.
pub(super) struct Setting<'a> {
    /// The keys of the protocol's groups, in their order, and the seed that everybody knows.
    pub(super) keys: &'a keys::Keys,
    pub(super) groups: &'a [Vec<Party>],
    pub(super) options: &'a Options,
    /// What this party was dealt ahead of time, if the dealer is not there.
    pub(super) dealt: Option<Dealt>,
}

impl Setting<'_> {
    /// Sees whether files of shares belong together; `held` are the groups whose summands this party has, in the order of its files.
    pub(super) fn compare_shares<R: Ring>(
        &self,
        program: &Program,
        host: &mut dyn Host,
        links: &mut Links,
        held: &[usize],
    ) -> Result<(), RunError> {
        common::compare::<R>(program, host, links, self.keys, (self.groups, held))
    }

    /// The options of the machine: the kernels on shares have the threads.
    pub(super) fn machine(&self) -> Options {
        Options { threads: 1, profile: true, ..self.options.clone() }
    }
}

/// Runs a program as the party at these links, whose rounds have not begun: compares the program with the others', agrees on keys, runs, and
/// waits until the others have finished too.
///
/// Values of [`Place::Shares`](tern_bytecode::program::Place) go to and come from the host as this party's summands, one after the other, of all
/// elements each: those in common with the next party, then with the previous one, of three parties; of four those that party 0 lacks, then
/// party 1, and so on without this one. With a dealer, a party has one summand, the dealer none.
///
/// # Errors
/// The first fault, with its instruction and source line if it has one. The other parties are told.
pub fn run_party(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    options: &Options,
) -> Result<Report, RunError> {
    run_dealt(program, links, host, options, None)
}

/// The same with what this party was dealt ahead of time: the links are those of the two parties that compute.
///
/// # Errors
/// As [`run_party`]. What was dealt has been used if anything was opened.
pub fn run_dealt(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    options: &Options,
    dealt: Option<Dealt>,
) -> Result<Report, RunError> {
    let distress = links.distress();
    let _told = scarce::Told::new(Arc::new(move || distress.tell("the system refuses it more memory")));
    let result = prepared(program, links, host, options, dealt);
    match &result {
        Err(error) if error.is_of_the_beginning() => links.decline(&error.for_others()),
        Err(error) => links.abort(&error.for_others()),
        Ok(_) => {}
    }
    result
}

/// Which parties have which key in common.
pub fn groups(protocol: Protocol) -> Vec<Vec<Party>> {
    match protocol {
        Protocol::Rep3 => rep3::groups(),
        Protocol::Rep4 => rep4::groups(),
        Protocol::Dealer => dealer::groups(),
    }
}

fn prepared(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    options: &Options,
    mut dealt: Option<Dealt>,
) -> Result<Report, RunError> {
    links.keep_alive().map_err(PartyError::Net)?;
    tern_bytecode::validate(program)?;
    let (protocol, found) = (program.header.protocol, links.parties());
    let model = model::of(protocol);
    let needed = if dealt.is_some() { model.owners } else { model.parties };
    if found != needed {
        return Err(PartyError::Parties { protocol: protocol.name(), needed, found }.into());
    }
    if options.checkpoints.is_some() && model.dealer.is_some() {
        return Err(PartyError::Unkept { protocol: protocol.name() }.into());
    }
    let (keys, options) = agreed(program, links, host, options, dealt.as_ref())?;
    let needed = Needed::of(program).total();
    if needed > options.memory_limit {
        return Err(Fault::Memory { needed, limit: options.memory_limit }.into());
    }
    if let Some(dealt) = &mut dealt {
        dealt.mark().map_err(PartyError::Dealt)?;
    }
    let setting = Setting { keys: &keys, groups: &groups(protocol), options: &options, dealt };
    run_shares(program, links, host, setting)
}

/// What the parties agree on before they begin: that all run the same, the point to go on from if there is one, and keys, which nobody has had before unless
/// a seed fixes them.
pub(super) fn agreed(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    options: &Options,
    dealt: Option<&Dealt>,
) -> Result<(keys::Keys, Options), RunError> {
    let (protocol, own) = (program.header.protocol, Terms::of(program, options));
    let mut terms = own.clone();
    for (index, input) in common::inputs(program) {
        terms.add_set(&input.name, host.share_set(index));
    }
    terms.add("dealing".into(), dealt.map(|dealt| dealt.dealing().to_string()));
    terms::compare(&terms, links, model::of(protocol).dealer)?;
    let mut options = options.clone();
    if let Some(checkpoints) = &mut options.checkpoints {
        checkpoints.start = agree(checkpoints, &own, links)?;
    }
    let groups = groups(protocol);
    let keys = match (options.seed, dealt) {
        (Some(seed), None) => fixed_keys(&Seeds::fixed(seed, program), &groups, links.me()),
        (None, None) => keys::agree(links, &groups).map_err(PartyError::Net)?,
        (seed, Some(dealt)) => {
            let fixed = seed.map(|seed| fixed_keys(&Seeds::fixed(seed, program), &groups, links.me()));
            dealer::keys_ahead(links, dealt, fixed)?
        }
    };
    Ok((keys, options))
}

/// Runs a valid program on shares, with the keys of its protocol.
pub(super) fn run_shares(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    setting: Setting<'_>,
) -> Result<Report, RunError> {
    in_ring!(program.header.ring, R => match program.header.protocol {
        Protocol::Rep3 => rep3::run_in::<R>(program, links, host, setting),
        Protocol::Rep4 => rep4::run_in::<R>(program, links, host, setting),
        Protocol::Dealer => dealer::run_in::<R>(program, links, host, setting),
    })
}

/// The keys that belong to a given seed.
fn fixed_keys(seeds: &Seeds, groups: &[Vec<Party>], me: Party) -> keys::Keys {
    let known = |(key, group): (&[u8; 16], &Vec<Party>)| group.contains(&me).then_some(*key);
    keys::Keys { common: seeds.common.iter().zip(groups).map(known).collect(), public: seeds.public }
}
