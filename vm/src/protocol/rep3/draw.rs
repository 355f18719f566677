//! What the pairwise streams of an instruction are for.

use crate::purposes::purposes;

purposes! {
    /// The purpose of a draw.
    pub(super) enum Draw {
        /// The owner's mask of an input.
        Input = 16,
        /// Masks of a resharing, elements or bits.
        Reshare = 17,
        /// Of the pair A, B: what masks A's summand on its way to the corner.
        PairA = 18,
        /// Of the pair A, B: what masks B's.
        PairB = 19,
        /// Of the public seed: what moves between the addends before a truncation.
        Pad = 20,
        /// A's part of the corner's high bits.
        High = 21,
        /// A's part of the corner's top bit.
        Top = 22,
        /// Masks of the product of top bits.
        Wrap = 23,
        /// A's part of the monomials of an adder's leaves.
        Monomials = 24,
        /// Masks of generates and propagates.
        Leaves = 25,
        /// Masks of the gates of a level.
        Level(level: u32, 16) = 0x100,
        /// A's part of the corner's half of a bit that becomes arithmetic.
        Convert = 26,
        /// Masks of that bit's product.
        Product = 27,
        /// A's part of the corner's half of one bit of a word.
        Place(place: u32, 256) = 0x200,
        /// Masks of the word.
        Word = 28,
        /// Of the pair A, B: what they add to a number before the corner learns it.
        Added = 32,
        /// A's part of the corner's half of a selecting bit.
        Half = 29,
        /// A's part of the corner's half times the corner's addend.
        Chosen = 30,
        /// Masks of a selection.
        Select = 31,
        /// A's part of the thermometers of a comparison.
        Thermometers = 33,
        /// Of the pair A, B: whether they test for the opposite.
        Reversed = 34,
        /// Of the pair A, B: by how many places they turn what they test.
        Turns = 35,
        /// Of the pair A, B: what they multiply it by.
        Factors = 36,
        /// Of the pair A, B: what stands for factors that are 0.
        Spare = 37,
        /// Of the pair A, B: masks of what they send to the corner.
        Tested = 38,
        /// A's part of what the corner has seen.
        Seen = 39,
        /// A's part of the corner's half times its top bit.
        ChosenTop = 40,
    }
}
