//! What a program declares about an input.

use super::array::shape_text;
use std::fmt;

/// An input as the program declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// Its name in the program.
    pub name: String,
    /// Its sizes; the first one counts rows.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub element: Element,
    /// Who has it.
    pub party: usize,
    /// What its owner does with the values before sharing them.
    pub options: Options,
}

/// What the elements of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// Fixed-point numbers.
    Fix,
    /// Whole numbers.
    Int,
    /// Truth values.
    Bool,
}

/// What the owner of an input does with the values, in the clear. They are applied in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// The file has labels, of which each becomes as many numbers as the last axis is long: one 1, otherwise 0.
    pub one_hot: bool,
    /// A factor.
    pub scale: Option<Ratio>,
    /// Every column gets mean 0 and variance 1 over the rows that are used.
    pub standardise: bool,
    /// The values that result lie within these bounds, both included.
    pub range: Option<(f64, f64)>,
    /// The file may have more rows than are declared: the first ones are used.
    pub first_rows: bool,
}

/// An exact factor, such as 1/256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    num: i128,
    den: i128,
}

impl Ratio {
    /// The factor that changes nothing.
    pub const ONE: Ratio = Ratio { num: 1, den: 1 };

    /// `num / den` in lowest terms; `None` if the denominator is 0, or where a sign does not fit.
    pub fn new(num: i128, den: i128) -> Option<Ratio> {
        if den == 0 || num == i128::MIN || den == i128::MIN {
            return None;
        }
        let divisor = num_integer::gcd(num, den) * den.signum();
        Some(Ratio { num: num / divisor, den: den / divisor })
    }

    /// The numerator, which carries the sign.
    pub fn num(self) -> i128 {
        self.num
    }

    /// The denominator, above 0.
    pub fn den(self) -> i128 {
        self.den
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.den {
            1 => write!(f, "{}", self.num),
            den => write!(f, "{}/{den}", self.num),
        }
    }
}

impl InputSpec {
    /// Its type: `fix[60000, 784]`.
    pub fn type_text(&self) -> String {
        format!("{}{}", self.element, shape_text(&self.shape))
    }

    /// The line that declares it, with other options or another shape than it has, to be pasted into the program.
    pub(super) fn line(&self, shape: &[usize], options: &Options) -> String {
        let ty = format!("{}{}", self.element, shape_text(shape));
        format!("input {}: {ty} from party {}{options}", self.name, self.party)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Element::Fix => "fix",
            Element::Int => "int",
            Element::Bool => "bool",
        })
    }
}

impl fmt::Display for Options {
    /// As they follow a declaration: `, scale = 1/256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.one_hot {
            f.write_str(", one_hot")?;
        }
        if let Some(scale) = self.scale {
            write!(f, ", scale = {scale}")?;
        }
        if self.standardise {
            f.write_str(", standardise")?;
        }
        if let Some((low, high)) = self.range {
            write!(f, ", range = {low}..{high}")?;
        }
        if self.first_rows {
            f.write_str(", first_rows")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_in_lowest_terms_with_the_sign_above() {
        let text = |num, den| Ratio::new(num, den).map(|r| r.to_string());
        assert_eq!(text(2, 512).as_deref(), Some("1/256"));
        assert_eq!(text(3, -6).as_deref(), Some("-1/2"));
        assert_eq!(text(0, -6).as_deref(), Some("0"));
        assert_eq!(text(1, 0), None);
        assert_eq!(text(i128::MIN, 3), None);
    }
}
