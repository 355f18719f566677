//! Where a run's randomness comes from: a seed that everybody knows, for permutations and other public picks, and one key for each group of
//! parties that has one ([`groups`]). Parties agree on fresh ones; a run with a given seed derives them all from it, so that emulator and parties draw the same values.

use tern_bytecode::{Program, Protocol, container};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::error::Fault;
use super::host::RunId;
use crate::net::Party;
use crate::prg::Key;
use crate::protocol::groups;
use crate::purposes::purposes;

/// All seeds of a run. A party of a real run has its own groups' only; the emulator and runs with a fixed seed have all.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Seeds {
    /// What everybody knows.
    pub public: [u8; 32],
    /// The AES-128 keys of the protocol's groups of parties, in their order.
    pub common: Vec<[u8; 16]>,
}

purposes! {
    /// What a stream of random values is for.
    pub enum Purpose {
        /// Of the public seed: a permutation, uniform numbers.
        Public = 0,
        /// Of the public seed: the picks with which a permutation is filled up.
        Filling = 1,
        /// Of a group: shared random bits.
        RandomBits = 2,
        /// The emulator's rounding.
        Rounding = 3,
    }
}

impl Seeds {
    /// The seeds that belong to a given number and what the program computes: two programs under one number do not
    /// mask with the same values, so that the messages of one are no key to those of the other.
    pub fn fixed(seed: u64, program: &Program) -> Seeds {
        let master = [&seed.to_le_bytes()[..], &container::identity(program)].concat();
        Seeds::derive(&master, program.header.protocol)
    }

    /// The seeds that belong to a given number, the same for every program: for the emulator, which has nothing to mask, where a
    /// longer training is to begin like a shorter one.
    pub fn alike(seed: u64, protocol: Protocol) -> Seeds {
        Seeds::derive(&seed.to_le_bytes(), protocol)
    }

    /// Fresh seeds.
    ///
    /// # Errors
    /// If the operating system has no randomness.
    pub fn fresh(protocol: Protocol) -> Result<Seeds, Fault> {
        let mut master = [0; 32];
        getrandom::fill(&mut master).map_err(Fault::Entropy)?;
        let seeds = Seeds::derive(&master, protocol);
        master.zeroize();
        Ok(seeds)
    }

    fn derive(master: &[u8], protocol: Protocol) -> Seeds {
        let key = |group: &Vec<Party>| {
            let members: Vec<String> = group.iter().map(|party| party.index().to_string()).collect();
            let purpose = format!("tern v1 run seed: key of parties {}", members.join(" and "));
            let derived = blake3::derive_key(&purpose, master);
            std::array::from_fn(|i| derived[i])
        };
        let common = groups(protocol).iter().map(key).collect();
        Seeds { public: blake3::derive_key("tern v1 run seed: public", master), common }
    }

    /// What names the run. It says nothing of the seed.
    pub fn run_id(public: &[u8; 32]) -> RunId {
        let derived = blake3::derive_key("tern v1 name of a run", public);
        RunId(std::array::from_fn(|i| derived[i]))
    }

    /// The key of the streams that everybody knows.
    pub fn public_key(public: &[u8; 32]) -> Key {
        let derived = blake3::derive_key("tern v1 key of public streams", public);
        Key::new(&std::array::from_fn(|i| derived[i]))
    }
}
