//! Single operations: how they are measured, what the paper and its system say about them, and what they should compute.

use std::fmt;

use anyhow::Context;
use tern_bytecode::{Program, Protocol};
use tern_host::Source;

use crate::RoundingArg;
use crate::compile::load_text;

/// What every program with an operation begins with.
pub(crate) const MODULES: &str = "use nn::relu\nuse math::{inv_sqrt, inv_sqrt_coarse, sigmoid}\n";

/// Compiles a program of that kind, under a name for messages.
pub(crate) fn compiled(
    name: &str,
    text: String,
    frac: u32,
    rounding: RoundingArg,
    protocol: Protocol,
) -> anyhow::Result<Program> {
    let source = Source {
        program: name.into(),
        args: Vec::new(),
        fixed: Some(frac.to_string()),
        ring: None,
        rounding: Some(rounding.into()),
        protocol: Some(protocol),
        optimise: None,
    };
    let loaded = load_text(&source, text)?.context("it does not compile")?;
    Ok(loaded.program)
}

/// An operation.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// In `z`, which becomes its next value, and `y`; both are `fix[N]`, about 1. That each needs the last one's result keeps the compiler from doing several
    /// at once, or once for all.
    pub(crate) expression: &'static str,
    pub(crate) rounding: RoundingArg,
    /// Of which a run takes longer than anyone wants to wait with all elements: a tenth is enough.
    pub(crate) heavy: bool,
    /// Bits per element in the paper's Table 1, at f = 32.
    pub(crate) paper: Option<u32>,
    /// Bits per element of its system as it is today, at f = 16 and f = 32, and rounds at f = 32.
    pub(crate) system: Option<[u32; 2]>,
    pub(crate) system_rounds: Option<u32>,
    /// Nanoseconds per element of its system as it is today, at f = 16 with one thread.
    pub(crate) system_time: Option<f64>,
    /// How it is compared with double precision, unless its results are random.
    pub(crate) check: Option<Check>,
}

/// A comparison with double precision.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    /// In `x` and `y`, of which each is `fix[N]` in its span, or `int[N]`.
    pub(crate) expression: &'static str,
    pub(crate) whole: bool,
    pub(crate) x: Span,
    pub(crate) y: Span,
    pub(crate) exact: fn(f64, f64) -> f64,
}

/// Where arguments lie.
#[derive(Clone, Copy)]
pub(crate) enum Span {
    /// Evenly between these.
    Even(f64, f64),
    /// Evenly in their logarithms.
    Log(f64, f64),
}

const UNIT: Span = Span::Even(-1.0, 1.0);
const FEW: Span = Span::Even(-30.0, 30.0);
const POSITIVE: Span = Span::Log(0.01, 1000.0);

/// Sides of the matrix product.
pub(crate) const SIDES: [usize; 3] = [128, 784, 128];
pub(crate) const MATRIX: &str = "matrix product 128×784×128";

/// The figures of the paper are those of Table 1 in Keller and Sun, Secure Quantized Training for Deep Learning (ICML 2022).
pub(crate) const OPERATIONS: &[Operation] = &[
    of("reveal", "reveal(z)"),
    of("integer product", "from_raw(raw(z) * raw(y))")
        .paper(384)
        .check("x * y", FEW, FEW, |x, y| x * y)
        .whole(),
    of("truncation", "z * 0.9").paper(1536).check("x * 0.8125", FEW, UNIT, |x, _| x * 0.8125),
    of("truncation (nearest)", "z * 0.9")
        .nearest()
        .paper(4462)
        .check("x * 0.8125", FEW, UNIT, |x, _| x * 0.8125),
    of("product", "z * y").paper(1920).system(448, 896).time(105.0).check("x * y", FEW, FEW, |x, y| x * y),
    of("product (nearest)", "z * y").nearest().system(1523, 3058).check("x * y", FEW, FEW, |x, y| x * y),
    of("comparison", "fix(z < 0.5)").paper(1369).system(541, 1115).time(138.0).check(
        "fix(x < y)",
        UNIT,
        UNIT,
        |x, y| f64::from(u8::from(x < y)),
    ),
    of("ReLU", "relu(z)").system(733, 1499).time(264.0).check("relu(x)", UNIT, UNIT, |x, _| x.max(0.0)),
    DIVISION.paper(29_866).system(7252, 16_522).rounds(58),
    Operation { name: "division (nearest)", ..DIVISION }.nearest().paper(57_798),
    EXPONENTIAL.paper(77_684).system(10_424, 37_379).rounds(28),
    Operation { name: "exponentiation (nearest)", ..EXPONENTIAL }.nearest().paper(171_638),
    INVERSE_ROOT.paper(20_073).system(6608, 13_430).rounds(49),
    Operation { name: "inverse square root (nearest)", ..INVERSE_ROOT }.nearest().paper(27_699),
    of("inverse square root (coarse)", "inv_sqrt_coarse(z)")
        .heavy()
        .paper(20_073)
        .system(6608, 13_430)
        .rounds(49)
        .check("inv_sqrt_coarse(x)", POSITIVE, UNIT, |x, _| 1.0 / x.sqrt()),
    of("square root", "sqrt(z)").heavy().system(36_452, 129_552).rounds(114).check(
        "sqrt(x)",
        POSITIVE,
        UNIT,
        |x, _| x.sqrt(),
    ),
    of("log2", "log2(1 + z)").heavy().system(32_643, 122_024).rounds(102).check(
        "log2(x)",
        POSITIVE,
        UNIT,
        |x, _| x.log2(),
    ),
    of("random fraction", "z + random::uniform(0, 1, shape=[N])").system(1208, 1910).rounds(10),
    of("sigmoid", "sigmoid(z)")
        .heavy()
        .check("sigmoid(x)", Span::Even(-12.0, 12.0), UNIT, |x, _| 1.0 / (1.0 + (-x).exp())),
    of(MATRIX, "a @ z").time(44e6),
];

const DIVISION: Operation =
    of("division", "y / z").heavy().check("x / y", FEW, Span::Log(0.5, 100.0), |x, y| x / y);
const EXPONENTIAL: Operation =
    of("exponentiation", "exp(-z)").heavy().check("exp(x)", Span::Even(-8.0, 4.0), UNIT, |x, _| x.exp());
const INVERSE_ROOT: Operation =
    of("inverse square root", "inv_sqrt(z)")
        .heavy()
        .check("inv_sqrt(x)", POSITIVE, UNIT, |x, _| 1.0 / x.sqrt());

/// An operation of which nothing is known yet.
const fn of(name: &'static str, expression: &'static str) -> Operation {
    Operation {
        name,
        expression,
        rounding: RoundingArg::Probabilistic,
        heavy: false,
        paper: None,
        system: None,
        system_rounds: None,
        system_time: None,
        check: None,
    }
}

impl Operation {
    const fn nearest(self) -> Operation {
        Operation { rounding: RoundingArg::Nearest, ..self }
    }

    const fn heavy(self) -> Operation {
        Operation { heavy: true, ..self }
    }

    const fn paper(self, bits: u32) -> Operation {
        Operation { paper: Some(bits), ..self }
    }

    const fn system(self, bits_16: u32, bits_32: u32) -> Operation {
        Operation { system: Some([bits_16, bits_32]), ..self }
    }

    const fn rounds(self, rounds: u32) -> Operation {
        Operation { system_rounds: Some(rounds), ..self }
    }

    const fn time(self, nanoseconds: f64) -> Operation {
        Operation { system_time: Some(nanoseconds), ..self }
    }

    const fn check(
        self,
        expression: &'static str,
        x: Span,
        y: Span,
        exact: fn(f64, f64) -> f64,
    ) -> Operation {
        Operation { check: Some(Check { expression, whole: false, x, y, exact }), ..self }
    }

    /// Compared on whole numbers.
    const fn whole(self) -> Operation {
        match self.check {
            Some(check) => Operation { check: Some(Check { whole: true, ..check }), ..self },
            None => self,
        }
    }
}

impl Span {
    /// Numbers that cover it, in an order that goes through it in steps of so many places, rounded as inputs are.
    pub(crate) fn numbers(self, count: usize, step: usize, frac: u32) -> Vec<f64> {
        let unit = 2f64.powi(frac as i32);
        let at = |i: usize| {
            let part = ((i * step) % count) as f64 / (count.max(2) - 1) as f64;
            let value = match self {
                Span::Even(low, high) => low + part * (high - low),
                Span::Log(low, high) => low * (high / low).powf(part),
            };
            (value * unit + 0.5).floor() / unit
        };
        (0..count).map(at).collect()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Span::Even(low, high) | Span::Log(low, high)) = self;
        write!(f, "{low}..{high}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_cover_their_span() {
        assert_eq!(Span::Even(-1.0, 1.0).numbers(5, 1, 16), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(Span::Even(-1.0, 1.0).numbers(5, 2, 16), [-1.0, 0.0, 1.0, -0.5, 0.5]);
        assert_eq!(Span::Log(0.25, 4.0).numbers(3, 1, 16), [0.25, 1.0, 4.0]);
        assert_eq!(Span::Even(0.3, 0.3).numbers(1, 1, 1), [0.5]);
    }
}
