//! The table of codes. A row is the long form that `tern explain` prints, the code, and a title.
//!
//! Families: L lexing, P syntax, N names, T types and shapes, S visibility, R ranges, G gradients, A program arguments,
//! D data, B bytecode. To add a code, add a row; a code's meaning never changes once it was released.

use std::fmt;
use std::str::FromStr;

macro_rules! codes {
    ($($(#[doc = $line:literal])+ $code:ident = $title:literal,)+) => {
        /// What a message is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $code,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Code] = &[$(Code::$code),+];

            /// As it is written: `S001`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$code => stringify!($code)),+ }
            }

            /// One line.
            pub fn title(self) -> &'static str {
                match self { $(Code::$code => $title),+ }
            }

            fn lines(self) -> &'static str {
                match self { $(Code::$code => concat!($($line, "\n"),+)),+ }
            }
        }
    };
}

codes! {
    // ---- L: characters
    /// Programs are written in ASCII letters, digits and the usual signs. Any other character may stand only in a
    /// comment or between quotes. Often it is a quotation mark or a minus that a word processor has replaced.
    L001 = "a character that means nothing here",
    /// Some signs of other languages are written differently, or not at all:
    ///
    ///     a && b      a & b       on tensors too, element by element
    ///     a || b      a | b
    ///     a;          a           a statement ends with its line
    ///     a % b       a - b * floor(a / b)
    ///     # note      // note
    ///     'sgd'       "sgd"
    L002 = "a sign of another language",
    /// A text begins and ends with `"` on one line. There are no escapes.
    L003 = "a text without its closing quotation mark",
    /// Numbers are decimal: `15`, `60_000`, `0.01`, `1e-3`. There are digits on both sides of the point, and a name
    /// cannot follow at once: `2 * x`, not `2x`.
    L004 = "a malformed number",
    /// Numbers are kept exactly, whatever the precision, and so their length has a bound: 400 digits, and an exponent
    /// of at most 400. The largest ring holds numbers of 77 digits.
    L005 = "a number that is too long",
    /// Places in a file are counted in 32 bits, so it can have 4 GiB.
    L006 = "a file that is too large",

    // ---- P: syntax
    /// What stands here does not fit what is before it. The message says what could stand here instead.
    ///
    /// A statement ends with its line, unless the line ends in an operator or a comma, or a bracket is open:
    ///
    ///     let y = a +
    ///         b
    P001 = "something else was expected",
    /// Every `(`, `[` and `{` needs its counterpart. When the missing one is far from where the mistake shows, the
    /// message goes by the indentation.
    P002 = "a bracket that is not closed",
    /// A `)`, `]` or `}` closes nothing, or not what was opened last.
    P003 = "a bracket that closes nothing",
    /// Expressions and blocks may be nested 128 deep, which includes sums and products of that many terms.
    /// Name parts of it with `let`, use `sum` or `product` of a list, or a function.
    P004 = "nested too deeply",
    /// What is on the left of `=` must be a variable, a field or a part of one, or several of them:
    ///
    ///     x = e        p.bias = e        x[0..n] = e        (p, s) = e        (h, _) = e
    ///
    /// `+=` and its kin take a single one.
    P005 = "something that cannot be assigned",
    /// The number of rounds and bytes must be known before the program runs, so there are no loops whose end depends
    /// on data. Loop over a range, and leave it with `break` on a public condition; the cost is then reported as "at
    /// most".
    ///
    ///     for i in 0..100 {
    ///         …
    ///         if reveal(change) < 0.001 { break }
    ///     }
    P006 = "there is no while",
}

impl Code {
    /// What `tern explain` prints: the title, and the long form behind it.
    pub fn explanation(self) -> String {
        let body = self.lines().lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
        format!("{}: {}\n\n{}\n", self.name(), self.title(), body.collect::<Vec<_>>().join("\n"))
    }
}

/// The long form of a code in either case, `S001` or `s001`; `None` if there is no such code.
pub fn explain(code: &str) -> Option<String> {
    code.parse::<Code>().ok().map(Code::explanation)
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no code of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no code {0}")]
pub struct UnknownCode(pub String);

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Code, UnknownCode> {
        let found = Code::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownCode(text.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_family_and_an_explanation() {
        for code in Code::ALL {
            let (family, number) = code.name().split_at(1);
            assert!("LPNTSRGADB".contains(family) && number.len() == 3, "{code}");
            assert!(number.parse::<u16>().is_ok(), "{code}");
            assert!(!code.title().ends_with('.') && code.lines().trim().len() > 40, "{code}");
            assert_eq!(code.name().parse(), Ok(*code));
        }
    }

    #[test]
    fn explanations_keep_their_indentation() {
        let text = explain("p006").unwrap();
        assert!(text.starts_with("P006: there is no while\n\nThe number of rounds"), "{text}");
        assert!(text.contains("\n    for i in 0..100 {\n        …\n"), "{text}");
        assert_eq!(explain("P999"), None);
    }
}
