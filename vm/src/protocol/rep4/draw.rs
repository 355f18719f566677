//! What the streams of an instruction are for. A list of messages takes a purpose with as many numbers: each message has its own.

use crate::purposes::purposes;

purposes! {
    /// The purpose of a draw.
    pub(super) enum Draw {
        /// The owner's masks of an input.
        Input = 16,
        /// Of the public seed: what moves between the addends before a truncation.
        Pad = 17,
        /// What both of L add to a number before both of H learn it: a part of it each of H does not know.
        Added = 18,
        /// What hides digests from the party that compares them and has no part in what they are of.
        Compare = 19,
        /// What hides the same in what is told after a comparison that has failed.
        Evidence = 20,
        /// Additive to replicated, elements or bits.
        Reshare(message: usize, 8) = 24,
        /// Additive to two addends.
        Collect(message: usize, 8) = 32,
        /// The addends' high bits.
        High(message: usize, 8) = 40,
        /// The addends' top bits.
        Top(message: usize, 8) = 48,
        /// The product of the top bits.
        Wrap(message: usize, 8) = 56,
        /// The monomials of an adder's leaves.
        Monomials(message: usize, 8) = 64,
        /// Generates and propagates.
        Leaves(message: usize, 8) = 72,
        /// Halves of a bit that becomes arithmetic.
        Convert(message: usize, 8) = 80,
        /// The product of these halves.
        Product(message: usize, 8) = 88,
        /// The product of the halves of a word's bits.
        Word(message: usize, 8) = 96,
        /// A number that both of H, or both of L, know at the end of a composition.
        Composed(message: usize, 8) = 104,
        /// Halves of a selecting bit.
        Half(message: usize, 8) = 112,
        /// These halves times the addends.
        Chosen(message: usize, 8) = 120,
        /// The second round of a selection.
        Select(message: usize, 8) = 128,
        /// The gates of a level.
        Level(level: u32, 9; message: usize, 8) = 0x400,
        /// Halves of one bit of a word.
        Place(place: u32, 256; message: usize, 8) = 0x800,
    }
}
