//! What the streams that the dealer has in common with a party are for. Two draws of one instruction from one key have different purposes, or
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
    /// A party's part of a mask. Its address has the mask's number in place of the instruction's.
    Mask,
    /// The mask of an input, or a party's part of it if the input comes as shares.
    Input,
    /// Shares of a product of masks.
    Product,
    /// Shares of a mask's high bits.
    High,
    /// Shares of a mask's top bit.
    Top,
    /// Shares of the monomials of an adder's leaves, and of the products of its gates' masks.
    Network,
    /// Masks of the operands of a level's gates.
    Level(u32),
    /// Masks of the carry of a nearest truncation.
    Carry,
    /// Shares of them.
    Carried,
    /// Masks of the operands of a conjunction.
    Operands,
    /// Shares of their product.
    Conjunction,
    /// Masks of the places of a word.
    Word,
    /// Shares of those of one place.
    Place(u32),
    /// Masks of selecting bits.
    Selector,
    /// Shares of them.
    Half,
    /// Shares of a selecting bit's mask times the mask of what it selects.
    Chosen,
}

impl Draw {
    /// The number in the stream's address.
    pub(super) fn number(self) -> u16 {
        match self {
            Draw::Mask => FIRST,
            Draw::Input => FIRST + 1,
            Draw::Product => FIRST + 2,
            Draw::High => FIRST + 3,
            Draw::Top => FIRST + 4,
            Draw::Network => FIRST + 5,
            Draw::Carry => FIRST + 6,
            Draw::Carried => FIRST + 7,
            Draw::Operands => FIRST + 8,
            Draw::Conjunction => FIRST + 9,
            Draw::Word => FIRST + 10,
            Draw::Selector => FIRST + 11,
            Draw::Half => FIRST + 12,
            Draw::Chosen => FIRST + 13,
            Draw::Level(level) => LEVELS + level as u16,
            Draw::Place(place) => PLACES + place as u16,
        }
    }
}
