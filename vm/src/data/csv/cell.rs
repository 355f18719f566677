//! What a cell of a text is.

use super::super::source::Decimal;

/// A cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    /// A truth value.
    Truth(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Real(f64),
    /// A number with a comma, read as if that stood before the fraction, and whether it cannot stand between thousands.
    Comma(f64, bool),
    /// Nothing, or a word for nothing.
    Missing,
    /// Something else.
    Text,
}

/// Words for a missing value, in small letters.
const MISSING: &[&[u8]] = &[
    b"", b"na", b"n/a", b"<na>", b"null", b"none", b"nil", b"missing", b"?", b"-", b"--", b".", b"\\n",
    b"#n/a", b"#div/0!", b"#value!", b"#ref!", b"#name?", b"#num!", b"#null!",
];

impl Cell {
    /// Reads a cell without blanks around it.
    pub(super) fn read(cell: &[u8], decimal: Option<Decimal>) -> Cell {
        let Ok(text) = std::str::from_utf8(cell) else { return Cell::Text };
        if decimal != Some(Decimal::Comma) || !text.contains('.') {
            let whole = text.parse().ok().map(Cell::Whole);
            if let Some(number) = whole.or_else(|| text.parse().ok().map(Cell::Real)) {
                return number;
            }
        }
        match text {
            "True" | "true" | "TRUE" => return Cell::Truth(true),
            "False" | "false" | "FALSE" => return Cell::Truth(false),
            _ => {}
        }
        if decimal != Some(Decimal::Point)
            && let Some((number, sure)) = with_comma(text)
        {
            return if decimal.is_some() { Cell::Real(number) } else { Cell::Comma(number, sure) };
        }
        let missing = cell.len() <= 8 && MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word));
        if missing { Cell::Missing } else { Cell::Text }
    }

    /// Whether it is a number, also one with a comma, or a truth value.
    pub(super) fn is_value(self) -> bool {
        match self {
            Cell::Truth(_) | Cell::Whole(_) | Cell::Real(_) | Cell::Comma(..) => true,
            Cell::Missing | Cell::Text => false,
        }
    }
}

/// `1,5`, and whether the comma surely stands before a fraction: 1,234 may be a thousand and more.
fn with_comma(text: &str) -> Option<(f64, bool)> {
    let (whole, fraction) = text.split_once(',')?;
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let places = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && places > 0 && !fraction.contains('.');
    let number = format!("{whole}.{fraction}").parse().ok().filter(|_| plain)?;
    let thousands = (1..=3).contains(&digits.len()) && !digits.starts_with('0') && fraction.len() == 3;
    Some((number, !thousands || places < fraction.len()))
}

/// Whether a text looks as if it was meant to be a number: 5%, $3, 1.234,5, 2020-01-01.
pub(super) fn begins_like_number(cell: &[u8]) -> bool {
    let text = String::from_utf8_lossy(cell);
    let mark = |c: char| "+-.,$€£¥<>~\u{2212}".contains(c);
    text.trim_start_matches(mark).starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cells_are() {
        let read = |cell: &str| Cell::read(cell.as_bytes(), None);
        assert_eq!(read("-7"), Cell::Whole(-7));
        assert_eq!(read("1e3"), Cell::Real(1000.0));
        assert_eq!(read("TRUE"), Cell::Truth(true));
        assert_eq!(read("1,5"), Cell::Comma(1.5, true));
        assert_eq!(read("-1,234"), Cell::Comma(-1.234, false));
        assert_eq!(read("0,234"), Cell::Comma(0.234, true));
        assert_eq!(read(",5"), Cell::Comma(0.5, true));
        assert_eq!(read("1,5e-3"), Cell::Comma(0.0015, true));
        for text in ["1,234,567", "1.234,5", "1,", "1,x", "a,5", "5%", "\u{2212}1", "t"] {
            assert_eq!(read(text), Cell::Text, "{text}");
        }
        for text in ["", "NA", "n/a", "None", "NULL", "?", "-", "#DIV/0!", "\\N"] {
            assert_eq!(read(text), Cell::Missing, "{text}");
        }
    }

    #[test]
    fn what_stands_before_fractions_can_be_said() {
        assert_eq!(Cell::read(b"1,234", Some(Decimal::Comma)), Cell::Real(1.234));
        assert_eq!(Cell::read(b"1234", Some(Decimal::Comma)), Cell::Whole(1234));
        assert_eq!(Cell::read(b"1.5", Some(Decimal::Comma)), Cell::Text);
        assert_eq!(Cell::read(b"1,5", Some(Decimal::Point)), Cell::Text);
    }
}
