//! The formatter of tern's language: one text in, the same program in the project's style out.
//!
//! The author says where lines end; the formatter says everything else: indentation, spaces between tokens, empty lines, columns. So it never
//! changes what a program means, nor the line that a cost or a message is booked on unless there are empty lines to remove.
//!
//! - [`pieces`]: tokens and comments, line by line; - [`spaces`]: what stands between two tokens; - [`indent`]: where a line begins;
//! - [`columns`]: what stands below one another in neighbouring lines.
//!
//! Two things are left to the author where both are read easily: whether `a*b`, `a/b` and `a..b` of single words are written without spaces, and whether
//! neighbouring declarations have their types and values in columns.

mod columns;
mod indent;
mod pieces;
mod spaces;

use tern_compiler::diagnostics::{Diagnostic, FileId};
use tern_compiler::syntax::{Lexeme, Token, tokens};

use columns::Row;

/// Why a text was not formatted.
#[derive(Debug)]
pub enum Unformatted {
    /// It does not parse; the places in the messages are those of the file that was given.
    Mistakes(Vec<Diagnostic>),
    /// The formatter would have changed the program. That is a mistake of the formatter's; the text stays as it is.
    Changed,
}

/// The text in the project's style. It ends with one newline, or is empty.
///
/// ```
/// use tern_compiler::diagnostics::FileId;
///
/// let text = "fn main( ) {\n  let x=secret( 1 )   // one\n}";
/// let style = tern_format::format(text, FileId(0)).unwrap();
/// assert_eq!(style, "fn main() {\n    let x = secret(1) // one\n}\n");
/// ```
///
/// # Errors
/// If the text does not parse.
pub fn format(text: &str, file: FileId) -> Result<String, Unformatted> {
    let before = tokens(text, file).map_err(Unformatted::Mistakes)?;
    let lines = pieces::lines(text, &before);
    let rows: Vec<Row<'_>> = indent::rows(&lines);
    let out = columns::write(&rows);
    let same = tokens(&out, file).is_ok_and(|after| {
        kinds(&before).eq(kinds(&after))
            && pieces::comments(&lines).eq(pieces::comments(&pieces::lines(&out, &after)))
    });
    if same { Ok(out) } else { Err(Unformatted::Changed) }
}

fn kinds<'t, 's>(tokens: &'t [Lexeme<'s>]) -> impl Iterator<Item = &'t Token<'s>> {
    tokens.iter().map(|(_, token, _)| token)
}
