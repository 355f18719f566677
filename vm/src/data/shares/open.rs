//! Opening a value: from the files of several parties to what they have in common.
//!
//! Summands that several of the files have must be the same everywhere. Of parties of which one may do anything, that is what tells its owner of a changed
//! one; all of them must have been asked then.

use tern_bytecode::rings;

use super::{ShareFile, Tensor};
use crate::ring::Ring;
use crate::rings::in_ring;

/// Why files do not make a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the message of the variant says")]
pub enum OpenError {
    /// There is not one.
    #[error("there is no file of shares")]
    None,
    /// Files of different sharings, or of something else.
    #[error("files {first} and {second} do not belong together: {difference}")]
    Differ { first: usize, second: usize, difference: String },
    /// The same party twice.
    #[error("files {first} and {second} are both of party {party}")]
    Twice { first: usize, second: usize, party: u8 },
    /// Too few files.
    #[error("the shares of {} do not make {name}: those of {} are missing too", parties(.given), parties(.missing))]
    Missing { name: String, given: Vec<u8>, missing: Vec<u8> },
    /// A summand is not what it is elsewhere.
    #[error(
        "the shares of {name} of party {first} and those of party {second} do not agree: one of the two was changed"
    )]
    Disagree { name: String, first: u8, second: u8 },
}

/// A value in the clear: each tensor with the words of its elements.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// Limbs of an element.
    pub limbs: usize,
    /// In the order of the files.
    pub tensors: Vec<(Tensor, Vec<u64>)>,
}

/// Opens the value whose shares these are, of different parties in any order.
///
/// # Errors
/// Files that do not belong together or do not agree, or that are too few; they are counted from 0.
pub fn open(files: &[ShareFile]) -> Result<Opened, OpenError> {
    let first = files.first().ok_or(OpenError::None)?;
    for (at, file) in files.iter().enumerate().skip(1) {
        if let Some(difference) = difference(first, file) {
            return Err(OpenError::Differ { first: 0, second: at, difference });
        }
        let party = file.head.party;
        if let Some(first) = files[..at].iter().position(|other| other.head.party == party) {
            return Err(OpenError::Twice { first, second: at, party });
        }
    }
    let summands = summands(files)?;
    let limbs = rings::limbs(first.head.ring) as usize;
    let one = |(index, tensor): (usize, &Tensor)| {
        let mut sum = vec![0; tensor.words(first.head.ring) as usize];
        for (file, position) in &summands {
            let part = &files[*file].words[index][position * sum.len()..][..sum.len()];
            in_ring!(first.head.ring, R => add::<R>(&mut sum, part));
        }
        in_ring!(first.head.ring, R => extend::<R>(&mut sum));
        (tensor.clone(), sum)
    };
    Ok(Opened { limbs, tensors: first.head.tensors.iter().enumerate().map(one).collect() })
}

/// In which file and where in it each summand is, once it has been compared with all the others.
fn summands(files: &[ShareFile]) -> Result<Vec<(usize, usize)>, OpenError> {
    let head = &files[0].head;
    let model = head.model();
    let mut found: Vec<Option<(usize, usize)>> = vec![None; model.summands];
    for (at, file) in files.iter().enumerate() {
        for (position, summand) in (model.filed)(file.head.party.into()).into_iter().enumerate() {
            let Some((other, place)) = found[summand] else {
                found[summand] = Some((at, position));
                continue;
            };
            let count = (model.filed)(file.head.party.into()).len();
            let part = |words: &'_ [u64], position: usize| {
                let one = words.len() / count;
                position * one..(position + 1) * one
            };
            let mut pairs = file.words.iter().zip(&files[other].words);
            if !pairs.all(|(ours, theirs)| ours[part(ours, position)] == theirs[part(theirs, place)]) {
                let (first, second) = (files[other].head.party, file.head.party);
                return Err(OpenError::Disagree { name: head.name.clone(), first, second });
            }
        }
    }
    let given: Vec<u8> = files.iter().map(|file| file.head.party).collect();
    let others = (0..model.parties).filter(|party| model.computes(*party)).map(|party| party as u8);
    let missing = others.filter(|party| !given.contains(party)).collect();
    let all: Option<Vec<_>> = found.into_iter().collect();
    all.ok_or_else(|| OpenError::Missing { name: head.name.clone(), given, missing })
}

/// What keeps two files from being of one sharing.
fn difference(first: &ShareFile, second: &ShareFile) -> Option<String> {
    let (a, b) = (&first.head, &second.head);
    let fixed = |fixed: [u32; 2]| format!("{},{}", fixed[0], fixed[1]);
    let pairs = [
        ("protocol", a.protocol.clone(), b.protocol.clone()),
        ("ring", format!("2^{}", a.ring), format!("2^{}", b.ring)),
        ("precision", fixed(a.fixed), fixed(b.fixed)),
        ("name", a.name.clone(), b.name.clone()),
        ("set", a.set.clone(), b.set.clone()),
    ];
    let other = pairs.into_iter().find(|(_, a, b)| a != b);
    let texts = |tensors: &[Tensor]| tensors.iter().map(Tensor::text).collect::<Vec<_>>().join(", ");
    match other {
        Some((what, a, b)) => Some(format!("{what} {a} and {b}")),
        None if a.tensors == b.tensors => None,
        None => Some(format!("{} and {}", texts(&a.tensors), texts(&b.tensors))),
    }
}

fn add<R: Ring>(sum: &mut [u64], part: &[u64]) {
    let (sum, part) = (bytemuck::cast_slice_mut::<u64, R>(sum), bytemuck::cast_slice::<u64, R>(part));
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += *part);
}

/// To whole limbs.
fn extend<R: Ring>(sum: &mut [u64]) {
    bytemuck::cast_slice_mut::<u64, R>(sum).iter_mut().for_each(|x| *x = x.extended());
}

/// "party 0", "parties 0 and 2".
fn parties(parties: &[u8]) -> String {
    let numbers: Vec<String> = parties.iter().map(u8::to_string).collect();
    match &numbers[..] {
        [] => "no party".into(),
        [one] => format!("party {one}"),
        [first @ .., last] => format!("parties {} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tern_bytecode::Protocol;

    use super::super::{Head, ShareError, Sharing};
    use super::*;
    use crate::data::{Array, Element, Encoded, InputSpec, Options, Source, prepare};

    fn encoded(values: &[f64], frac: u32) -> Encoded {
        let spec = InputSpec {
            name: "x".into(),
            shape: vec![values.len()],
            element: Element::Fix,
            party: 0,
            options: Options::default(),
        };
        let array = Array::new([values.len()], values.to_vec());
        prepare(&spec, array, &Source::file("x.npy")).unwrap().encode(frac, 2 * frac).unwrap()
    }

    fn named(name: &str) -> Protocol {
        Protocol::from_name(name).unwrap()
    }

    fn head(protocol: Protocol, ring: u32, sizes: &[usize]) -> Head {
        let tensor = |(i, n): (usize, &usize)| Tensor {
            name: format!("x{i}"),
            element: "fix".into(),
            frac: 16,
            shape: vec![*n as u64],
        };
        Head {
            protocol: protocol.name().into(),
            party: 0,
            set: String::new(),
            name: "x".into(),
            ring,
            fixed: [16, 32],
            drawn: None,
            tensors: sizes.iter().enumerate().map(tensor).collect(),
        }
    }

    /// What each party's file holds, read back.
    fn files(sharing: &Sharing<'_>, parties: usize) -> Vec<ShareFile> {
        let file = |party| {
            let mut bytes = Vec::new();
            sharing.write(party, &mut bytes).unwrap();
            assert_eq!(bytes.len() as u64, sharing.length(party).unwrap());
            ShareFile::read_from::<ShareError>(&bytes[..], bytes.len() as u64, |_| Ok(())).unwrap()
        };
        (0..parties).map(file).collect()
    }

    proptest! {
        /// The files of all parties, and of as few as make the value, give what was shared.
        #[test]
        fn what_is_shared_is_opened(
            a in prop::collection::vec(-1000.0..1000.0f64, 0..40), b in prop::collection::vec(-1.0..1.0f64, 1..9),
            secret: [u8; 32], ring in prop::sample::select(&rings::RINGS[..]),
        ) {
            let (x, y) = (encoded(&a, 16), encoded(&b, 16));
            for protocol in Protocol::ALL.iter().copied() {
                let model = protocol.model();
                let sharing = Sharing::new(head(protocol, ring, &[a.len(), b.len()]), vec![&x, &y], &secret);
                let parties = (0..model.parties).filter(|party| model.computes(*party)).count();
                let files = files(&sharing, parties);
                for these in [&files[..], &files[parties - 2..]] {
                    let opened = open(these).unwrap();
                    for ((_, words), values) in opened.tensors.iter().zip([&a, &b]) {
                        let numbers = words.chunks(opened.limbs).map(|limbs| limbs[0] as i64);
                        let expected = values.iter().map(|x| (x * 65536.0 + 0.5).floor() as i64);
                        prop_assert!(numbers.eq(expected));
                    }
                }
                let alone = open(&files[1..2]).unwrap_err();
                prop_assert!(matches!(alone, OpenError::Missing { .. }), "{}", alone);
            }
        }
    }

    /// Another value gets other masks, the same value the same.
    #[test]
    fn masks_are_never_used_for_two_values() {
        let (x, y) = (encoded(&[1.0, 2.0], 16), encoded(&[1.0, 3.0], 16));
        let share = |value, name: &str| {
            let head = Head { name: name.into(), ..head(named("rep3"), 64, &[2]) };
            let sharing = Sharing::new(head, vec![value], &[7; 32]);
            (sharing.set().to_string(), files(&sharing, 3))
        };
        assert_eq!(share(&x, "x"), share(&x, "x"));
        for other in [share(&y, "x"), share(&x, "y")] {
            let (set, files) = share(&x, "x");
            assert_ne!(set, other.0);
            for (ours, theirs) in files.iter().zip(&other.1) {
                assert!(ours.words[0].iter().all(|word| !theirs.words[0].contains(word)));
            }
        }
    }

    #[test]
    fn what_does_not_make_a_value() {
        let x = encoded(&[1.0, 2.0], 16);
        let share = |secret| files(&Sharing::new(head(named("rep4"), 64, &[2]), vec![&x], &[secret; 32]), 4);
        let (ours, others) = (share(1), share(2));
        let text = |files: &[&ShareFile]| {
            let files: Vec<ShareFile> = files.iter().map(|file| (*file).clone()).collect();
            open(&files).unwrap_err().to_string()
        };
        assert_eq!(text(&[]), "there is no file of shares");
        assert_eq!(
            text(&[&ours[2]]),
            "the shares of party 2 do not make x: those of parties 0, 1 and 3 are missing too"
        );
        assert_eq!(text(&[&ours[2], &ours[1], &ours[2]]), "files 0 and 2 are both of party 2");
        assert!(text(&[&ours[0], &others[1]]).starts_with("files 0 and 1 do not belong together: set "));
        let mut changed = ours[3].clone();
        changed.words[0][5] ^= 1;
        assert_eq!(
            text(&[&ours[0], &ours[1], &changed]),
            "the shares of x of party 0 and those of party 3 do not agree: one of the two was changed"
        );
        let mut other = ours[1].clone();
        other.head.fixed = [12, 24];
        assert_eq!(
            text(&[&ours[0], &other]),
            "files 0 and 1 do not belong together: precision 16,32 and 12,24"
        );
    }
}
