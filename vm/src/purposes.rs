//! What random streams are for. A stream is addressed by a purpose, an instruction and loop counters: two draws of one instruction from one key have different
//! purposes, or the same values would mask two secrets.
//!
//! The machine and each protocol list theirs with [`purposes!`], which gives every purpose its numbers; the test of this module holds all of them
//! side by side: those of the machine and of a protocol have no number in common.

/// Declares an enum of purposes with the numbers that each takes: one, or one for every index below the bounds given.
macro_rules! purposes {
    (
        $(#[$outer:meta])*
        $vis:vis enum $name:ident {
            $($(#[$doc:meta])* $variant:ident $(($($index:ident: $ty:ty, $bound:literal);+))? = $first:literal,)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$doc])* $variant $(($($ty),+))?,)*
        }

        impl $name {
            /// The number in the address of a stream.
            $vis fn number(self) -> u16 {
                match self {
                    $(Self::$variant $(($($index),+))? => {
                        let offset = 0usize;
                        $($(
                            // beyond its bound an index would have the number of another purpose
                            assert!(($index as usize) < $bound, "purposes of random streams are used up");
                            let offset = offset * $bound + $index as usize;
                        )+)?
                        $first + offset as u16
                    })*
                }
            }

            /// Every purpose with its first number, and how many it has.
            #[cfg(test)]
            $vis fn listed() -> Vec<$crate::purposes::Listed> {
                vec![$((stringify!($variant), $first, 1 $($(* $bound)+)?)),*]
            }
        }
    };
}
pub(crate) use purposes;

/// The name of a purpose, its first number, and how many it has.
#[cfg(test)]
pub(crate) type Listed = (&'static str, u16, u16);

#[cfg(test)]
mod tests {
    use crate::machine::Purpose;
    use crate::protocol::draws;

    #[test]
    fn no_two_purposes_have_a_number_in_common() {
        for (protocol, draws) in draws() {
            let mut all = [Purpose::listed(), draws].concat();
            all.sort_by_key(|(_, first, _)| *first);
            for pair in all.windows(2) {
                let [(one, first, count), (other, next, _)] = pair else { unreachable!("two of them") };
                assert!(first + count <= *next, "{protocol}: {one} and {other}");
            }
        }
    }
}
