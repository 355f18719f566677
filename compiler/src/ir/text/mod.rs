//! The text form of the intermediate representation, both ways.
//!
//! ```text
//! program mnist_a ring 64 fix 32.16 probabilistic
//! arg EPOCHS "15"
//! input 0 train_x: fix.16[60000, 784] from party 0, scale 1/256
//! output 0 weights/l1.bias: fix to party 2
//! names loss
//!
//! %0: shared.16[60000, 784] = input 0
//! %1: plain.16[784] = const [0, 1/2, ...]          // one number stands for all elements
//! %2: shared.32[60000] = contract 0.1.1.0 %0, %1
//! %3: shared.16[60000] = trunc 16 %2
//! %4: shared.16[60000] = for 469 %5 (%6 = %3) {    // with break flag: for 469 breaks ...
//!     %7: shared.16[60000] = add %6, %6
//!     yield %7
//! }
//! %8: int[] = if %5 { ... } else { ... }
//! %9: shared.16[3] = custom %8 from %3, no %1 (%10: shared.16[3]) { ... }
//! metric loss %8
//! ```
//!
//! An instruction stands on one line, apart from its regions. Attributes come before operands; [`attributes`] has every operation's.
//! Values are numbered as they are printed; the parser takes any label of letters, digits and underscores. It infers types that are
//! left out (all but those of constants and of a rule's parameters) and checks the others. `//` begins a comment. Origins are not
//! printed; the parser makes an instruction's line in the text its origin, in file 0.

mod attributes;
mod parse;
mod print;

pub use parse::{ParseError, parse};
