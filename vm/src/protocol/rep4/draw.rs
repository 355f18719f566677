//! What the streams of an instruction are for. Two draws of one instruction from one key have different purposes, or the same bits
//! would mask two values. A list of messages takes a purpose with as many numbers: each message has its own.

/// First number, above those of [`crate::machine::Purpose`].
const FIRST: u16 = 16;
/// Numbers of a purpose that is counted by message.
const MESSAGES: u16 = 8;
/// First number of the levels of a prefix network, of which there are at most 9.
const LEVELS: u16 = 0x400;
/// First number of the places of a word, of which there are at most 256.
const PLACES: u16 = 0x800;

/// The purpose of a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    /// The owner's masks of an input.
    Input,
    /// Of the public seed: what moves between the addends before a truncation.
    Pad,
    /// What both of L add to a number before both of H learn it: a part of it each of H does not know.
    Added,
    /// What hides digests from the party that compares them and has no part in what they are of.
    Compare,
    /// What hides the same in what is told after a comparison that has failed.
    Evidence,
    /// Additive to replicated, elements or bits.
    Reshare(usize),
    /// Additive to two addends.
    Collect(usize),
    /// The addends' high bits.
    High(usize),
    /// The addends' top bits.
    Top(usize),
    /// The product of the top bits.
    Wrap(usize),
    /// The monomials of an adder's leaves.
    Monomials(usize),
    /// Generates and propagates.
    Leaves(usize),
    /// Halves of a bit that becomes arithmetic.
    Convert(usize),
    /// The product of these halves.
    Product(usize),
    /// The product of the halves of a word's bits.
    Word(usize),
    /// A number that both of H, or both of L, know at the end of a composition.
    Composed(usize),
    /// Halves of a selecting bit.
    Half(usize),
    /// These halves times the addends.
    Chosen(usize),
    /// The second round of a selection.
    Select(usize),
    /// The gates of a level.
    Level(u32, usize),
    /// Halves of one bit of a word.
    Place(u32, usize),
}

impl Draw {
    /// The number in the stream's address.
    pub(super) fn number(self) -> u16 {
        let of = |purpose: u16, message: usize| FIRST + purpose * MESSAGES + message as u16;
        match self {
            Draw::Input => of(0, 0),
            Draw::Pad => of(0, 1),
            Draw::Added => of(0, 2),
            Draw::Compare => of(0, 3),
            Draw::Evidence => of(0, 4),
            Draw::Reshare(message) => of(1, message),
            Draw::Collect(message) => of(2, message),
            Draw::High(message) => of(3, message),
            Draw::Top(message) => of(4, message),
            Draw::Wrap(message) => of(5, message),
            Draw::Monomials(message) => of(6, message),
            Draw::Leaves(message) => of(7, message),
            Draw::Convert(message) => of(8, message),
            Draw::Product(message) => of(9, message),
            Draw::Word(message) => of(10, message),
            Draw::Composed(message) => of(11, message),
            Draw::Half(message) => of(12, message),
            Draw::Chosen(message) => of(13, message),
            Draw::Select(message) => of(14, message),
            Draw::Level(level, message) => LEVELS + level as u16 * MESSAGES + message as u16,
            Draw::Place(place, message) => PLACES + place as u16 * MESSAGES + message as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_purposes_have_a_number_in_common() {
        let listed: [fn(usize) -> Draw; 14] = [
            Draw::Reshare,
            Draw::Collect,
            Draw::High,
            Draw::Top,
            Draw::Wrap,
            Draw::Monomials,
            Draw::Leaves,
            Draw::Convert,
            Draw::Product,
            Draw::Word,
            Draw::Composed,
            Draw::Half,
            Draw::Chosen,
            Draw::Select,
        ];
        let messages = 0..usize::from(MESSAGES);
        let mut numbers = vec![Draw::Input, Draw::Pad, Draw::Added, Draw::Compare, Draw::Evidence];
        numbers.extend(listed.iter().flat_map(|purpose| messages.clone().map(purpose)));
        numbers.extend((0..9).flat_map(|level| messages.clone().map(move |i| Draw::Level(level, i))));
        numbers.extend((0..256).flat_map(|place| messages.clone().map(move |i| Draw::Place(place, i))));
        let mut numbers: Vec<u16> = numbers.into_iter().map(Draw::number).collect();
        assert!(numbers.iter().all(|number| *number >= FIRST));
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all);
    }
}
