//! What a protocol must provide: one method per instruction that is not the machine's, and the two halves of a round.
//!
//! Back-ends are `emulator` (clear values; it defines what every instruction means), `rep3` and `rep4` (replicated shares of three and of four parties, over links;
//! see each for who is trusted with what). The trait is
//! generated from [`tern_bytecode::for_each_instruction!`], so a new row does not compile until every back-end has its method.
//!
//! **Contract.** Programs have passed [`tern_bytecode::validate()`]; methods rely on its rules (kinds, shapes, aliasing, rounds) without checking them
//! again. An interactive operation is *issued* by its method: it may read its operands then or later, its result is complete after the
//! `receive` that ends its last round, and until then nobody touches its registers. A local operation is complete when its
//! method returns. Instructions whose registers are all public never reach a back-end: the machine executes them itself.

mod common;
pub mod dealer;
pub mod emulator;
mod linear;
#[cfg(test)]
mod new_keys;
mod party;
#[cfg(test)]
mod privacy;
mod registers;
pub mod rep3;
pub mod rep4;
mod store;
mod terms;
#[cfg(test)]
mod uniform;

pub use crate::rounds::engine::Running;
pub use dealer::ahead::{Dealt, DealtError};
pub use dealer::{Sizes, deal};
pub use party::{PartyError, When, groups, run_dealt, run_party};
pub use terms::Terms;

use tern_bytecode::for_each_instruction;
use tern_bytecode::instr::{Axes, Instr, MaybeReg, Reg, Route};

use crate::machine::{Address, Context, Registers, RunError};
use crate::ring::Ring;

/// The purposes of each protocol's random streams.
#[cfg(test)]
pub(crate) fn draws() -> Vec<(&'static str, Vec<crate::purposes::Listed>)> {
    vec![("rep3", rep3::draws()), ("rep4", rep4::draws())]
}

macro_rules! backend {
    (control { $($control:tt)* } public { $($public:tt)* } $($section:ident { $($row:tt)* })*) => {
        backend! { $($($row)*)* }
    };
    ($($(#[doc = $doc:literal])* $variant:ident = $name:ident {
        $($op:ident : $role:ident $([$($kind:ident)*])? $ty:ident),*
    } $($property:ident)? ),* $(,)?) => {
        /// A protocol as the machine sees it.
        pub trait Backend {
            /// The ring over which the program computes.
            type Element: Ring;

            $(
                $(#[doc = $doc])*
                #[allow(clippy::too_many_arguments)] // as many as the table says
                fn $name(&mut self, context: &mut Context<'_, Self::Element>, $($op: $ty),*) -> Result<(), RunError>;
            )*

            /// Whether an instruction on public values is not for this party: a dealer does not know what is revealed.
            fn skips(&self, _at: u32) -> bool {
                false
            }

            /// Called before one of its instructions: registers that are written have to be there.
            fn before(&mut self, context: &Context<'_, Self::Element>, instr: &Instr) -> Result<(), RunError> {
                let _ = (context, instr);
                Ok(())
            }

            /// What a checkpoint has of this back-end besides the machine's memory: its own registers.
            fn registers(&self) -> Option<&dyn Registers> {
                None
            }

            /// The same, to take them back.
            fn registers_mut(&mut self) -> Option<&mut dyn Registers> {
                None
            }

            /// Rounds and links, of a party. Asked where an iteration begins.
            fn engine(&mut self) -> Option<&mut dyn Running> {
                None
            }

            /// Makes sure that whatever has travelled so far may be kept, where an iteration begins: at an address that no other execution has.
            fn settle(&mut self, address: Address) -> Result<(), RunError> {
                let _ = address;
                Ok(())
            }

            /// Ends the sending half of a round.
            fn send(&mut self, context: &mut Context<'_, Self::Element>) -> Result<(), RunError>;

            /// Ends a round: afterwards every operation in flight is one round further.
            fn receive(&mut self, context: &mut Context<'_, Self::Element>) -> Result<(), RunError>;
        }

        /// Calls the back-end's method for an instruction of a section of its own; `false` for one of the machine's.
        pub fn dispatch<B: Backend>(
            backend: &mut B,
            context: &mut Context<'_, B::Element>,
            instr: &Instr,
        ) -> Result<bool, RunError> {
            match *instr {
                $(Instr::$variant { $($op),* } => backend.$name(context, $($op),*)?,)*
                _ => return Ok(false),
            }
            Ok(true)
        }
    };
}

for_each_instruction!(backend);
