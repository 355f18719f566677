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
    /// A program is text that somebody has written, and has at most 2 MiB. Data do not belong into it: they are inputs, which
    /// are read when the program runs.
    L006 = "a file that is too large",
    /// Names and texts have at most 200 bytes. They name files, metrics and tensors.
    L007 = "a name or a text that is too long",

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

    // ---- N: names
    /// A name must be declared in this file, imported by `use`, or belong to the language. Names of functions of the library
    /// need their `use`: `use nn::relu`.
    N001 = "a name that does not exist",
    /// Constants, inputs, models and functions of a file share one set of names.
    N002 = "a name that is declared twice",
    /// `use nn` makes a module known, `use nn::{dense, relu}` names of it. A module is a file of the library or a file beside
    /// the program. Modules do not nest.
    N003 = "a module that does not exist",
    /// Functions do not assign: their result has to be given a name. Otherwise nothing would happen.
    ///
    ///     relu(h)            nothing changes
    ///     h = relu(h)        h changes
    N004 = "a value that is dropped",
    /// A program begins with `fn main()`.
    N005 = "there is no main function",
    /// What stands here is a function, a module or nothing at all, where a value is needed, or the other way round.
    N006 = "not a value, or not a function",
    /// `let` and parameters give a name once and for all; `var` declares a variable that may be assigned.
    N008 = "something that cannot be assigned",
    /// When a function returns must not depend on data or on the iteration: the number of rounds is known before the program runs.
    N009 = "return inside a run-time loop",
    /// `break` leaves the innermost `for`.
    N010 = "break outside a loop",
    /// A constant is computed from earlier values.
    N011 = "a constant defined by itself",
    /// Three parties compute: 0, 1 and 2; with `--protocol rep4` four, with `--protocol dealer` 0 and 1.
    N012 = "a party that does not exist",
    /// Inputs take `scale = 1/256`, `one_hot`, `standardise` and `range = 0..1`: what their owner does in the clear before sharing.
    /// `first_rows` takes a file that has more rows than declared, and uses the first ones.
    N013 = "an unknown option of an input",
    /// Every output has a name of its own: it is the name of the receiver's file.
    N014 = "two outputs of one name",
    /// An output is one file, or in a run-time loop one for each iteration (`w.0000.npz`, …). Its statement is executed in one place: not in
    /// an unrolled loop, and not in a function that is called several times. To have all values in one file, keep each in a row of a tensor:
    ///
    ///     var history = zeros([EPOCHS, n])
    ///     for epoch in 0..EPOCHS {
    ///         …
    ///         history[epoch] = w
    ///     }
    ///     output history to party 0
    N015 = "an output that would be written several times",

    // ---- T: types and shapes
    /// A call gives every parameter without a default exactly one argument, by position or by name.
    T001 = "wrong arguments of a call",
    /// Size variables of a signature, such as n in `fix[b, n]`, have one value in a call. Here two arguments disagree, or an argument
    /// disagrees with a written size.
    T002 = "sizes that do not fit",
    /// The value is of another sort than the place needs: a model instead of a tensor, a text instead of a number.
    T003 = "a value of the wrong type",
    /// Shapes, bounds, axes and the like are part of the program and must be known to the compiler: literals, `const`, sizes, and what is
    /// computed from them.
    T004 = "a constant is needed",
    /// Run-time loops go through ranges of constant length and through `batches(n, size)`; `unroll for` also through constants and the
    /// fields of a model.
    T005 = "a loop over something else than a range",
    /// A variable that a run-time loop or branch assigns keeps its shape and element. It may become secret, but not change its size.
    T006 = "a variable that changes its type",
    /// Sizes and counts are whole. Division of constants is exact, so the remainder has to be dealt with on purpose.
    ///
    ///     for rows in batches(N, BATCH)          all samples, the last batch filled at random
    ///     for i in 0..floor(N / BATCH)           the rest left out
    T007 = "a fraction where a whole number is needed",
    /// Sizes are compared from the right; each pair must be equal, or one of them 1.
    T008 = "shapes that do not go together",
    /// Stretching one side to the shape of the other is silent; stretching both makes a tensor larger than either, usually by mistake. Write it
    /// out with `broadcast`.
    T009 = "both sides would be stretched",
    /// Division by zero, a logarithm of a negative number, a power that is no real number.
    T010 = "an undefined result",
    /// Turning a secret bit into a number costs communication, so it is written out: `where(b, x, 0)` selects without it, `fix(b)` converts.
    T011 = "a bool is not a number",
    /// `&`, `|`, `^`, `!` and `where` are for truth values.
    T012 = "a truth value is needed",
    /// Indices count from 0; negative ones count from behind.
    T013 = "an index outside its axis",
    /// Assignment to a part of a tensor replaces rows: `x[i] = …`, `x[i*n .. +n] = …`.
    T014 = "only rows can be assigned",
    /// A function states with `require` what its arguments must satisfy, such as windows that fit the image.
    T015 = "a requirement that is not met",
    /// The body gives something else than the signature declares.
    T016 = "a result of another type than declared",
    /// The compiler can decide this assertion already, and it is false.
    T017 = "an assertion that fails",
    /// `zeros()`, `random::uniform(…)` and their like take their shape from the place where the value goes. Here there is none.
    T018 = "a shape that is not known",
    /// Recursion over sizes and unrolled loops are expanded by the compiler. This one has no end, or a very distant one.
    T020 = "an expansion without end",

    // ---- S: what is secret
    /// Every server runs the same instructions, so a condition must be known to all of them. Either compute both sides and select with
    /// `where`, which reveals nothing, or publish the condition on purpose with `reveal`. The report lists every published value.
    S001 = "a secret condition",
    /// Which element is read must be known to all servers. Comparing with every index and selecting reveals nothing; `reveal` publishes the index.
    S002 = "a secret index",
    /// The value is known only when the program runs, or not even then.
    S003 = "a constant is needed, this is none",
    /// An unrolled loop is expanded before the program runs, so it cannot be left on a condition that is known only then. Drop `unroll`.
    S004 = "an unrolled loop left at run time",
    /// The parameter is marked `public`: the function's cost or shape depends on it.
    S005 = "a public value is needed, this is secret",
    /// What is reported, rounded down and the like is public. `reveal(…)` publishes it on purpose.
    S006 = "a secret where only public values can be",
    /// With `--protocol dealer` the dealer runs the program too, and does not learn what is revealed: then that must not decide what runs. Run both ways and
    /// select with `where`, or run to the end of the loop.
    S007 = "a revealed condition, which the dealer does not know",

    // ---- A: program arguments
    /// Arguments are declared by `const NAME = arg(default, other choices…)` and given by `--arg NAME=value`.
    A001 = "an argument with a wrong value",
    /// Arguments are the constants of the main file that are declared with `arg`.
    A002 = "an argument that does not exist",
    /// `arg` stands alone behind `const NAME =` in the main file: `const EPOCHS = arg(15)`.
    A003 = "a misplaced arg",

    // ---- R: ranges
    /// Until it is rounded, a product has the fraction bits of both factors, and the ring must have room for all its bits and one more.
    /// How large it may get follows from what is known of the factors, and at worst from the bits of `fix`: `--fixed`
    /// says how many there are. `--ring auto` takes the smallest ring in which products of two numbers have room; a larger one has room for more.
    R001 = "a product that does not fit the ring",
    /// A constant that becomes secret, or that a variable begins with, must be a number of its type: `fix` holds what is below
    /// 2^(total - f - 1) in absolute value, `int` what is below 2^(total - 1). `--fixed f,total` chooses both. Factors are not concerned:
    /// constants that secrets are multiplied with may have any size.
    R002 = "a constant that its type does not hold",
    /// A public number that is computed at run time has as many fraction bits as `fix` when it meets a secret. If it is smaller than
    /// the last of them it vanishes, and if it is near to it most of its digits do. Constants keep their digits whatever their
    /// size, so the small part of the factor should be one:
    ///
    ///     p - schedule(epoch) * g             schedule(epoch) is RATE * decay(epoch)
    ///     p - RATE * (decay(epoch) * g)
    R004 = "a factor that loses its digits",

    // ---- G: derivatives
    /// A derivative is taken by a value as it was when the loss was computed from it. If the variable has been assigned since, it is another
    /// value, on which the loss does not depend. A model's derivative needs every one of its tensors in the loss; conditions do not count, because
    /// nothing follows from a small change of what they are computed from.
    G001 = "a loss that does not depend on what it is differentiated by",
    /// A rule gives one derivative for each parameter that is not `const`, of that parameter's shape, or `_` for none.
    G002 = "a rule that does not fit its function",
    /// `grad(loss, p)` differentiates one secret number by secret fixed-point tensors, or by models and tuples of them. A constant or a public number
    /// among them was computed into the loss as it was, and the derivative by it would be a 0 that never changes. Make it secret before the
    /// loss is computed, as assigning to a field does:  p.w = zeros([3])  or  w = secret(w). By fields that are marked `buffer` or `public`, whole
    /// numbers and truth values there is no derivative; it counts as 0.
    G003 = "nothing to differentiate",
    /// Derivatives do not go through loops and branches that run in the machine. Expand the loop by `unroll for`, or take the derivative inside.
    /// Instead of a branch, select with `where`.
    G004 = "a derivative through a loop or a branch",
    /// There are no second derivatives: a loss must not be computed from what `grad` returned, unless that does not depend on what the
    /// second `grad` differentiates by.
    G005 = "a derivative of a derivative",
    /// Bits, truth values that became numbers and revealed values have no derivative, so a loss that is computed from them would have one that
    /// lacks a part. The condition of a `where` needs none, since the choice is right almost everywhere without:
    ///
    ///     fix(x > 0) * y                       where(x > 0, y, 0)
    ///
    /// If a part counts as a constant on purpose, the program says so around what the part is computed from:
    ///
    ///     bits(math::stop_gradient(x), 16, 24)
    ///     reveal(math::stop_gradient(x))
    ///
    /// A function with a rule of its own may use all of these; the rule covers what the function is computed from, so that must be parameters.
    G006 = "a part of the loss that has no derivative",

    // ---- B: bytecode
    /// There are limits: a tensor has at most 12 axes (those of sliding windows included) and 2^32 elements, a constant of different
    /// elements 2^20 of them, a model 4,096 tensors, and constants must fit the ring. A larger ring (`--ring`) takes larger constants.
    /// docs/language.md lists all limits.
    B001 = "a program that the bytecode cannot express",
    /// The compiler could not compile a program and did not find out why. This is a mistake in the compiler, not in the program.
    /// Please report it with the program.
    B002 = "a mistake in the compiler",
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
            assert!(!code.title().ends_with('.') && code.lines().trim().len() > 20, "{code}");
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
