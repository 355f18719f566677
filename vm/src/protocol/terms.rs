//! What the parties must have in common: compared before the first secret leaves, so that a mistake is named instead of made.

use serde::{Deserialize, Serialize};
use tern_bytecode::validate::names::legible;
use tern_bytecode::{Program, container};

use super::party::PartyError;
use crate::machine::Options;
use crate::net::{Links, Party};

/// Bytes of a neighbour's terms at most: names and values of arguments come from a command line.
const LIMIT: usize = 1 << 20;
/// What is said of a term that one of the two does not have.
const NONE: &str = "nothing";
/// How the names of terms begin that a dealer has no part in.
const SET: &str = "set of shares of ";

/// Named values, in the order in which differences are looked for: what explains others comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    terms: Vec<[String; 2]>,
}

impl Terms {
    /// The terms of a run.
    pub fn of(program: &Program, options: &Options) -> Terms {
        let header = &program.header;
        let mut terms = vec![
            ("version of tern", env!("CARGO_PKG_VERSION").to_string()),
            ("program", header.name.clone()),
            ("protocol", header.protocol.name().to_string()),
            ("ring", format!("2^{}", header.ring)),
            ("fixed-point bits", format!("{},{}", header.frac, header.total)),
            ("rounding", header.rounding.name().to_string()),
        ];
        let args = header.args.iter().map(|(name, value)| (format!("argument {name}"), value.clone()));
        let args: Vec<(String, String)> = args.collect();
        terms.extend(args.iter().map(|(name, value)| (name.as_str(), value.clone())));
        terms
            .push(("checkpoints", options.checkpoints.as_ref().map_or(NONE.into(), |c| c.every.to_string())));
        terms.push(("seed", options.seed.map_or("secret".to_string(), |seed| seed.to_string())));
        terms.push(("bytecode", fingerprint(program)));
        Terms { terms: terms.into_iter().map(|(name, value)| [name.to_string(), value]).collect() }
    }

    /// Terms of a test.
    #[cfg(test)]
    pub(crate) fn made(list: &[(&str, &str)]) -> Terms {
        Terms { terms: list.iter().map(|(name, value)| [name.to_string(), value.to_string()]).collect() }
    }

    /// Adds the set of an input's shares, once, if there is one.
    pub(super) fn add_set(&mut self, input: &str, value: Option<String>) {
        self.add(format!("{SET}{input}"), value);
    }

    /// Adds a term, once, if there is a value.
    pub(super) fn add(&mut self, name: String, value: Option<String>) {
        if let Some(value) = value.filter(|_| self.get(&name).is_none()) {
            self.terms.push([name, value]);
        }
    }

    fn without_sets(&self) -> Terms {
        Terms { terms: self.terms.iter().filter(|[name, _]| !name.starts_with(SET)).cloned().collect() }
    }

    /// As sent to the neighbours.
    pub fn to_bytes(&self) -> Vec<u8> {
        toml::to_string(self).expect("lists of strings are TOML, and a String takes all text").into_bytes()
    }

    /// What a neighbour sent; `None` if no version of this program would.
    fn from_bytes(bytes: &[u8]) -> Option<Terms> {
        toml::from_str(std::str::from_utf8(bytes).ok()?).ok()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.terms.iter().find(|[own, _]| own == name).map(|[_, value]| value.as_str())
    }

    /// The first term that differs, with this value of it and the other.
    pub(crate) fn difference<'a>(&'a self, other: &'a Terms) -> Option<(&'a str, &'a str, &'a str)> {
        let names = self.terms.iter().chain(&other.terms).map(|[name, _]| name.as_str());
        let mut pairs =
            names.map(|name| (name, self.get(name).unwrap_or(NONE), other.get(name).unwrap_or(NONE)));
        pairs.find(|(_, ours, theirs)| ours != theirs)
    }
}

/// Each party may have compiled the source in a directory of its own.
fn fingerprint(program: &Program) -> String {
    container::identity(program).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes sure that all parties run the same; a dealer has no shares of an earlier run.
pub(super) fn compare(terms: &Terms, links: &mut Links, dealer: Option<usize>) -> Result<(), PartyError> {
    let received = links.swap(&terms.to_bytes(), LIMIT)?;
    for (party, bytes) in received.iter() {
        let theirs = Terms::from_bytes(bytes).unwrap_or(Terms { terms: Vec::new() });
        let with_dealer =
            dealer.is_some_and(|dealer| [links.me(), party].map(Party::index).contains(&dealer));
        let [own, theirs] =
            [terms, &theirs].map(|terms| if with_dealer { terms.without_sets() } else { terms.clone() });
        if let Some((what, ours, theirs)) = own.difference(&theirs) {
            return Err(PartyError::Differs {
                who: links.who(party).clone(),
                what: legible(what),
                theirs: legible(theirs),
                ours: legible(ours),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(list: &[(&str, &str)]) -> Terms {
        Terms::made(list)
    }

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let ours = terms(&[("ring", "2^64"), ("argument N", "3"), ("bytecode", "ab")]);
        assert_eq!(ours.difference(&ours), None);
        let theirs = terms(&[("ring", "2^64"), ("argument N", "4"), ("bytecode", "cd")]);
        assert_eq!(ours.difference(&theirs), Some(("argument N", "3", "4")));
        let fewer = terms(&[("ring", "2^64"), ("bytecode", "ab")]);
        assert_eq!(ours.difference(&fewer), Some(("argument N", "3", NONE)));
        assert_eq!(fewer.difference(&ours), Some(("argument N", NONE, "3")));
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read(list in prop::collection::vec(("\\PC{0,9}", any::<String>()), 0..9)) {
            let terms = Terms { terms: list.into_iter().map(|(name, value)| [name, value]).collect() };
            prop_assert_eq!(Terms::from_bytes(&terms.to_bytes()), Some(terms));
        }

        #[test]
        fn any_bytes_are_terms_or_none(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let _ = Terms::from_bytes(&bytes);
        }
    }
}
