//! The table of codes of messages about data. A row is the long form that `tern explain` prints, the code, and a title.
//! To add a code, add a row; a code's meaning never changes once it was released.

macro_rules! codes {
    ($($(#[doc = $line:literal])+ $code:ident = $title:literal,)+) => {
        /// What a message about data is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $code,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Code] = &[$(Code::$code),+];

            /// As it is written: `D003`.
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
    /// Every input that the program uses needs a file from the party that has it:
    ///
    ///     --input train_x=images.npy
    D001 = "a file that does not exist",
    /// The file exists, but the operating system does not let us read it: it is a folder, belongs to somebody else, or
    /// the disk has an error.
    D002 = "a file that cannot be read",
    /// The program expects one number per class, a 1 for the class and 0 otherwise; the file has labels. With `one_hot`
    /// the owner turns them into such rows before sharing them:
    ///
    ///     input train_y: fix[N, 10] from party 1, one_hot
    D003 = "labels that are not one-hot yet",
    /// The first axis counts rows. Each row must have as many numbers as declared, in the same order: axes may be joined
    /// or split, so that a file [60000, 28, 28] serves fix[60000, 784] as well as fix[60000, 1, 28, 28], but images
    /// whose channel comes last are not those whose channel comes first. `transpose` puts axes into another order, as
    /// numpy.transpose does:
    ///
    ///     --input x=images.npy,transpose=0312
    D004 = "a shape that does not fit",
    /// A file has exactly the rows that the program declares: a row too many is often a line of headings, or a file that
    /// was not meant. The command takes a part of a longer one, counted from 0, the last one excluded; or the program
    /// says that it wants the first rows of whatever there is:
    ///
    ///     --input 'x=images.npy[:1000]'
    ///     input x: fix[N, 784] from party 0, first_rows
    D005 = "another number of rows than declared",
    /// `fix` takes whole numbers and floating-point numbers, `int` whole numbers, `bool` the whole numbers 0 and 1. Truth
    /// values are 0 and 1 everywhere. Complex numbers, texts, dates, records and pickled objects have no use here.
    D006 = "a type that does not fit",
    /// The format is recognised by how a file begins, not by its name. Known are NumPy's npy and npz, csv, the idx
    /// format of MNIST, and safetensors; each may be gzipped.
    D007 = "an unknown format",
    /// The file begins as its format demands, but the header makes no sense.
    D008 = "a malformed header",
    /// The header tells how many bytes follow. Usually a copy or a download was cut off.
    D009 = "a file that is shorter or longer than it says",
    /// The checksum or the structure of compressed data is wrong. Usually a copy or a download was cut off, or was made
    /// in text mode.
    D010 = "damaged compressed data",
    /// An npz or safetensors file may hold several tensors. The one that is meant is the one with the name after the
    /// colon, or else the only one, or else the one that is called like the input:
    ///
    ///     --input weights=model.npz:fc1.weight
    D011 = "a tensor that is not in the file",
    /// Every cell of a text is a number or a truth value: `1.5`, `-2e-3`, `True`. Cells are separated by semicolons,
    /// tabulators, bars, commas or blanks, whichever of these comes first in this list and in the first line of numbers.
    /// What stands for a missing value (an empty cell, `NA`, `?`) has to be replaced or left out before. What a file
    /// does not show can be said:
    ///
    ///     --input x=table.txt,separator=blanks,decimal=comma,header=no,index=yes
    D012 = "a cell that is not a number",
    /// Every line of a text has the same number of cells. The headings may be one fewer, as R writes them over row names.
    D013 = "rows of different lengths",
    /// There is no fixed-point number for infinity or for NaN, which often stands for a missing value.
    D014 = "a value that is not finite",
    /// With `one_hot`, labels are whole numbers from 0 to one less than the last axis of the input.
    D015 = "a label that is none of the classes",
    /// The owner of an input checks its declared `range`, both ends included, after scaling and standardising. The
    /// compiler relies on it.
    D016 = "a value outside its range",
    /// Every value must fit the bits that the program's precision gives to `fix`, by default 15 before the point at
    /// `--fixed 16`. Scale the values down, standardise them, or compile with a higher precision.
    D017 = "a value that is too large",
    /// `scale` and `standardise` are for `fix`, `one_hot` is for an input with an axis of classes. Of what `--input` says
    /// about a file, `header`, `index`, `separator` and `decimal` are for texts, and nothing is for models.
    D018 = "an option that means nothing here",
    /// The file of a model holds one tensor per field, called as the field is: `l1.weight`, `l1.bias`. Names and layouts are those of a
    /// PyTorch state dictionary. Every field has exactly its declared shape, and there are no other tensors in the file but `num_batches_tracked`.
    D019 = "tensors that are not those of a model",
    /// `one_hot` makes a row of zeros and a one from every label. The file has a number per class already: leave
    /// `one_hot` out, or give the labels.
    D020 = "no labels where one_hot needs them",
    /// `standardise` subtracts a column's mean and divides by its deviation, over the rows of this very file. A single
    /// row has none: its values would all become 0. Use the numbers of the training data instead, with `scale` or in the
    /// program.
    D021 = "a single row that is to be standardised",
    /// The first line of a text may be headings or numbers: pandas writes 0, 1, 2, … above what was made from an array.
    /// Also, a first column may count the rows or belong to the data, and a comma may stand before a fraction or between
    /// thousands. Where both are possible, nobody guesses:
    ///
    ///     --input x=table.csv,header=yes,index=yes
    D022 = "a text that can be understood in two ways",
    /// The file is of a format that others write and that is not read here. The message says how its numbers come into
    /// one that is: npy, npz, csv, idx or safetensors.
    D023 = "a format that is not read",
}

impl Code {
    /// What `tern explain` prints: the title, and the long form behind it.
    pub fn explanation(self) -> String {
        let body = self.lines().lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
        format!("{}: {}\n\n{}\n", self.name(), self.title(), body.collect::<Vec<_>>().join("\n"))
    }
}

/// The long form of a code in either case, `D003` or `d003`; `None` if there is no such code.
pub fn explain(code: &str) -> Option<String> {
    Code::ALL.iter().find(|known| known.name().eq_ignore_ascii_case(code)).map(|known| known.explanation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_either_case() {
        assert!(
            explain("d003")
                .is_some_and(|text| text.starts_with("D003: labels that are not one-hot yet\n\nThe"))
        );
        assert_eq!(explain("D999"), None);
    }
}
