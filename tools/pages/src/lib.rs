//! What a program costs or a run has taken, as one page for a browser: the source beside rounds, bits and time per line, sortable, and a flame graph by function. The page needs nothing
//! but itself, neither other files nor a network, and shows its figures without scripts, too; those only sort.
//!
//! [`mod@page`] puts it together; [`table`] has the lines, [`flame`] the graph. [`figure`] draws what runs have reported.

pub mod figure;
mod flame;
mod line;
mod page;
mod table;

pub use line::{Line, Time};
pub use page::{Run, page, run_page};

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// How much of the whole, as a percentage with one digit.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
