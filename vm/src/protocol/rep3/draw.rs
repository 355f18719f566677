//! What the pairwise streams of an instruction are for. Two draws of one instruction from one key have different purposes, or
//! the same bits would mask two values.

/// First number, above those of [`crate::machine::Purpose`].
const FIRST: u16 = 16;
/// First number of the levels of a prefix network, of which there are at most 8.
const LEVELS: u16 = 0x100;
/// First number of the places of a word, of which there are at most 256.
const PLACES: u16 = 0x200;

/// The purpose of a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    /// The owner's mask of an input.
    Input,
    /// Masks of a resharing, elements or bits.
    Reshare,
    /// Of the pair A, B: what masks A's summand on its way to the corner.
    PairA,
    /// Of the pair A, B: what masks B's.
    PairB,
    /// Of the public seed: what moves between the addends before a truncation.
    Pad,
    /// A's part of the corner's high bits.
    High,
    /// A's part of the corner's top bit.
    Top,
    /// Masks of the product of top bits.
    Wrap,
    /// A's part of the monomials of an adder's leaves.
    Monomials,
    /// Masks of generates and propagates.
    Leaves,
    /// Masks of the gates of a level.
    Level(u32),
    /// A's part of the corner's half of a bit that becomes arithmetic.
    Convert,
    /// Masks of that bit's product.
    Product,
    /// A's part of the corner's half of one bit of a word.
    Place(u32),
    /// Masks of the word.
    Word,
    /// Of the pair A, B: what they add to a number before the corner learns it.
    Added,
    /// A's part of the corner's half of a selecting bit.
    Half,
    /// A's part of the corner's half times the corner's addend.
    Chosen,
    /// Masks of a selection.
    Select,
}

impl Draw {
    /// The number in the stream's address.
    pub(super) fn number(self) -> u16 {
        match self {
            Draw::Input => FIRST,
            Draw::Reshare => FIRST + 1,
            Draw::PairA => FIRST + 2,
            Draw::PairB => FIRST + 3,
            Draw::Pad => FIRST + 4,
            Draw::High => FIRST + 5,
            Draw::Top => FIRST + 6,
            Draw::Wrap => FIRST + 7,
            Draw::Monomials => FIRST + 8,
            Draw::Leaves => FIRST + 9,
            Draw::Convert => FIRST + 10,
            Draw::Product => FIRST + 11,
            Draw::Word => FIRST + 12,
            Draw::Half => FIRST + 13,
            Draw::Chosen => FIRST + 14,
            Draw::Select => FIRST + 15,
            Draw::Added => FIRST + 16,
            Draw::Level(level) => LEVELS + level as u16,
            Draw::Place(place) => PLACES + place as u16,
        }
    }
}
