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
    /// Files and declarations are compared row by row, the first axis counting rows. Each row must have as many numbers
    /// as declared; how they are arranged does not matter: a file [60000, 28, 28] serves fix[60000, 784] as well as
    /// fix[60000, 1, 28, 28].
    D004 = "a shape that does not fit",
    /// A file may have more rows than the program declares, and then its first ones are used; it cannot have fewer.
    D005 = "too few rows",
    /// `fix` takes whole numbers and floating-point numbers, `int` whole numbers, `bool` truth values or the whole
    /// numbers 0 and 1. Complex numbers, texts, dates, records and pickled objects have no use here.
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
    /// Every cell of a CSV file is a number, with a point and not a comma before its fraction. The first line may hold
    /// headings. Cells are separated by commas, semicolons or tabs, whichever the first line has most of.
    D012 = "a cell that is not a number",
    /// Every line of a CSV file has the same number of cells.
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
    /// `scale` and `standardise` are for `fix`, `one_hot` is for an input with an axis of classes.
    D018 = "an option that means nothing here",
    /// The file of a model holds one tensor per field, called as the field is: `l1.weight`, `l1.bias`. Names and layouts are those of a
    /// PyTorch state dictionary. Every field has exactly its declared shape, and there are no other tensors in the file.
    D019 = "tensors that are not those of a model",
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
