//! Intervals of doubles, rounded outwards. An operation that may have no number as its result (0/0, the root of a negative) gives [`ANY`].

use tern_bytecode::instr::{RealBinary, RealUnary};

/// Both ends, included.
pub type Reals = (f64, f64);

/// Nothing is known.
pub const ANY: Reals = (f64::NEG_INFINITY, f64::INFINITY);

/// The results of an operation of one double.
pub fn unary(op: RealUnary, (low, high): Reals) -> Reals {
    match op {
        RealUnary::Neg => (-high, -low),
        RealUnary::Abs if low >= 0.0 => (low, high),
        RealUnary::Abs if high <= 0.0 => (-high, -low),
        RealUnary::Abs => (0.0, high.max(-low)),
        RealUnary::Sqrt if low >= 0.0 => widen((low.sqrt(), high.sqrt())),
        RealUnary::Exp => widen((low.exp(), high.exp())),
        RealUnary::Ln if low >= 0.0 => widen((low.ln(), high.ln())),
        RealUnary::Sqrt | RealUnary::Ln => ANY,
        RealUnary::Floor => (low.floor(), high.floor()),
        RealUnary::Ceil => (low.ceil(), high.ceil()),
        RealUnary::Sin | RealUnary::Cos => (-1.0, 1.0),
    }
}

/// The results of an operation of two doubles.
pub fn binary(op: RealBinary, a: Reals, b: Reals) -> Reals {
    match op {
        RealBinary::Add => widen((a.0 + b.0, a.1 + b.1)),
        RealBinary::Sub => widen((a.0 - b.1, a.1 - b.0)),
        RealBinary::Mul => corners(a, b, |x, y| if x == 0.0 || y == 0.0 { 0.0 } else { x * y }),
        RealBinary::Div if b.0 > 0.0 || b.1 < 0.0 => corners(a, b, |x, y| x / y),
        RealBinary::Pow if a.0 > 0.0 => corners(a, b, f64::powf),
        RealBinary::Div | RealBinary::Pow => ANY,
        RealBinary::Min => (a.0.min(b.0), a.1.min(b.1)),
        RealBinary::Max => (a.0.max(b.0), a.1.max(b.1)),
    }
}

/// Sums of `times` numbers, in any order.
pub fn sum(a: Reals, times: usize) -> Reals {
    let n = times as f64;
    let slack = 1.0 + n * f64::EPSILON; // every addition rounds once
    let out = |end: f64, up: bool| if (end > 0.0) == up { end * n * slack } else { end * n };
    if times == 0 { (0.0, 0.0) } else { widen((out(a.0, false), out(a.1, true))) }
}

/// The smallest interval around both.
pub fn union(a: Reals, b: Reals) -> Reals {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Of a function that is monotonous in each argument.
fn corners(a: Reals, b: Reals, f: impl Fn(f64, f64) -> f64) -> Reals {
    let ends = [f(a.0, b.0), f(a.0, b.1), f(a.1, b.0), f(a.1, b.1)];
    if ends.iter().any(|e| e.is_nan()) {
        return ANY;
    }
    widen(ends.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), e| (l.min(*e), h.max(*e))))
}

/// A step outwards, which covers the rounding of one operation, and of the library's functions.
fn widen((low, high): Reals) -> Reals {
    if low.is_nan() || high.is_nan() {
        return ANY;
    }
    // an exact zero stays: a factor that may vanish is not the same as one that may be negative
    let down = |x: f64| if x == 0.0 { x } else { x.next_down() };
    let up = |x: f64| if x == 0.0 { x } else { x.next_up() };
    (down(low), up(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(op: RealBinary, x: f64, y: f64) -> f64 {
        match op {
            RealBinary::Add => x + y,
            RealBinary::Sub => x - y,
            RealBinary::Mul => x * y,
            RealBinary::Div => x / y,
            RealBinary::Pow => x.powf(y),
            RealBinary::Min => x.min(y),
            RealBinary::Max => x.max(y),
        }
    }

    fn interval() -> impl Strategy<Value = (Reals, f64)> {
        let end = prop_oneof![-3.0..3.0, Just(0.0), Just(1.0), 1e-9..1e-6, 1e6..1e9];
        (end.clone(), end, 0.0..=1.0).prop_map(|(a, b, t): (f64, f64, f64)| {
            let (low, high) = (a.min(b), a.max(b));
            ((low, high), (low + t * (high - low)).clamp(low, high))
        })
    }

    proptest! {
        #[test]
        fn results_are_inside((a, x) in interval(), (b, y) in interval()) {
            for (op, name) in RealBinary::ALL {
                let (low, high) = binary(*op, a, b);
                let result = apply(*op, x, y);
                prop_assert!(result.is_nan() || low <= result && result <= high, "{name} {x} {y} = {result}: {low}..{high}");
            }
            for (op, name, f) in [
                (RealUnary::Abs, "abs", f64::abs as fn(f64) -> f64),
                (RealUnary::Sqrt, "sqrt", f64::sqrt),
                (RealUnary::Exp, "exp", f64::exp),
                (RealUnary::Ln, "ln", f64::ln),
                (RealUnary::Floor, "floor", f64::floor),
                (RealUnary::Sin, "sin", f64::sin),
            ] {
                let (low, high) = unary(op, a);
                let result = f(x);
                prop_assert!(result.is_nan() || low <= result && result <= high, "{name} {x} = {result}: {low}..{high}");
            }
        }
    }
}
