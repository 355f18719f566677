//! What a protocol is to everybody else: parties, routes, prices, what each kind of register takes, and what travels when.
//!
//! Compiler, machine and tools ask the [`Model`] of a program's `header.protocol` and know no protocol by name. There is one folder here
//! per protocol, beside its folder in the virtual machine, which does what is announced here.
//!
//! **To add a protocol**: a row in [`Protocol`], a folder here with its [`Model`] and its [`Sends`], a folder under `vm/src/protocol` with
//! its back-end.

pub mod dealer;
mod operands;
pub mod rep3;
pub mod rep4;

use crate::cost::{Links, Traffic};
use crate::for_each_instruction;
use crate::instr::{Instr, MaybeReg, Reg, Route};
use crate::program::{Kind, Program, Protocol};
use crate::rings::limbs;

pub(crate) use self::operands::Operands;

/// The summand that whoever shares a value from outside gives as it is; all others are drawn from keys.
pub const GIVEN: usize = 0;

/// The most parties that a protocol has.
pub const MAX_PARTIES: usize = 4;

/// What holds for every program of a protocol.
#[derive(Debug)]
pub struct Model {
    /// The parties are 0 to one less.
    pub parties: usize,
    /// Those that can have inputs and outputs are 0 to one less.
    pub owners: usize,
    /// The party that only deals, if there is one: it holds no data, learns nothing that is revealed, and receives no message.
    pub dealer: Option<usize>,
    /// Routes are 0 to one less.
    pub routes: u8,
    /// Into how many parts a large operation may be cut, the largest number first, so that its parts level the links.
    pub parts: &'static [usize],
    /// What forms cost.
    pub prices: Prices,
    /// Summands of a value of each secret kind that one party holds.
    pub held: Held,
    /// Summands of a value that goes to shares or comes from there; together they are the value.
    pub summands: usize,
    /// Which of them a party's file of shares has, in its order.
    pub filed: fn(usize) -> Vec<usize>,
    /// In which form values are computed.
    pub forms: Forms,
    /// Up to how many positions a sign is found by a test for zero, in three rounds; 0 if it never is.
    pub tested: u32,
    /// Whether what is selected can be divided on the way (`select_again`).
    pub divides: bool,
    /// A route in listings.
    pub route: fn(Route) -> String,
}

/// What the compiler weighs against each other when it chooses forms: ring elements that all parties send together, per element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// To bring an additive value to replicated form.
    pub reshare: u64,
    /// To begin a truncation with an additive value rather than a replicated one.
    pub collect: u64,
    /// To end a selection in replicated rather than additive form.
    pub replicate: u64,
}

/// In which form values come out of operations, and what brings additive ones to the form that products and comparisons take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// Truncations take either form; they and words leave replicated values, selections either. Additive values are reshared.
    Replicated,
    /// Additive values are opened under masks, by instructions that name them. Truncations take opened values; they, words and selections leave additive ones.
    Opened,
}

/// Summands of a value that one party holds, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Of a replicated value.
    pub shared: u64,
    /// Of bits.
    pub bits: u64,
    /// Of an additive value.
    pub additive: u64,
    /// Of a selection's half.
    pub half: u64,
}

/// The model of a protocol.
pub fn of(protocol: Protocol) -> &'static Model {
    match protocol {
        Protocol::Rep3 => &rep3::MODEL,
        Protocol::Rep4 => &rep4::MODEL,
        Protocol::Dealer => &dealer::MODEL,
    }
}

impl Protocol {
    /// What everybody may ask about it.
    pub fn model(self) -> &'static Model {
        of(self)
    }
}

impl Model {
    /// Bytes that `len` elements of a kind take in one party, with a ring of `ring` bits.
    pub fn bytes(&self, kind: Kind, len: u64, ring: u32) -> u64 {
        let element = u64::from(limbs(ring)) * 8;
        match kind {
            Kind::Plain => len.saturating_mul(element),
            Kind::Shared => len.saturating_mul(self.held.shared * element),
            Kind::Additive => len.saturating_mul(self.held.additive * element),
            Kind::Half => len.saturating_mul(self.held.half * element),
            Kind::Bit => len.div_ceil(64).saturating_mul(8 * self.held.bits),
            Kind::Real | Kind::Int => len.saturating_mul(8),
        }
    }

    /// Whether a party takes part in the computation: all but a dealer.
    pub fn computes(&self, party: usize) -> bool {
        self.dealer != Some(party)
    }

    /// All routes.
    pub fn all_routes(&self) -> impl Iterator<Item = Route> {
        (0..self.routes).map(Route)
    }
}

macro_rules! sends {
    (control { $($control:tt)* } public { $($public:tt)* } local { $($local:tt)* } interactive {
        $($(#[doc = $doc:literal])* $variant:ident = $name:ident {
            $($op:ident : $role:ident $([$($kind:ident)*])? $ty:ident),*
        } $($property:ident)? ),* $(,)?
    } shown { $($shown:tt)* }) => {
        /// What each interactive instruction sends under one protocol. The program may not be valid: listings show any.
        pub trait Sends {
            $(
                $(#[doc = $doc])*
                fn $name(&self, $($op: $ty),*) -> Traffic;
            )*
        }

        fn sends(model: &impl Sends, instr: &Instr) -> Traffic {
            match *instr {
                $(Instr::$variant { $($op),* } => model.$name($($op),*),)*
                _ => Vec::new(), // of the other sections
            }
        }

        impl Instr {
            /// Whether it stands in the table's section of what the parties do together.
            pub fn is_interactive(&self) -> bool {
                matches!(self, $(Instr::$variant { .. })|*)
            }
        }
    };
}

for_each_instruction!(sends);

/// The traffic of one execution of `instr`: by round, what goes over each link. Empty if nothing travels.
pub fn traffic(program: &Program, instr: &Instr) -> Traffic {
    let operands = Operands::new(program);
    match program.header.protocol {
        Protocol::Rep3 => sends(&rep3::Rounds(operands), instr),
        Protocol::Rep4 => sends(&rep4::Rounds(operands), instr),
        Protocol::Dealer => sends(&dealer::Rounds(operands), instr),
    }
}

/// What the dealer sends for one execution of `instr`, over which links: outside the rounds, since nobody answers. Zero if there is no dealer.
pub fn dealt(program: &Program, instr: &Instr) -> Links {
    match program.header.protocol {
        Protocol::Rep3 | Protocol::Rep4 => Links::default(),
        Protocol::Dealer => dealer::dealt(Operands::new(program), instr),
    }
}
