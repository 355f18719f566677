//! The pool of constants: exact numbers as the machine's.

use std::collections::HashMap;

use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive};
use tern_bytecode::program::Constant;

use crate::ir::{Const, ConstData, Kind};

/// Entries of the pool, each once.
#[derive(Debug, Default)]
pub struct Pool {
    /// In order of first use.
    pub entries: Vec<Constant>,
    index: HashMap<(u8, Vec<u8>), u32>,
}

impl Pool {
    /// The index of an entry, added if it is new.
    pub fn add(&mut self, constant: Constant) -> u32 {
        let next = self.entries.len() as u32;
        let index = *self.index.entry(key(&constant)).or_insert(next);
        if index == next {
            self.entries.push(constant);
        }
        index
    }
}

/// What distinguishes an entry: its variant (for ring elements their width) and its bytes.
fn key(constant: &Constant) -> (u8, Vec<u8>) {
    match constant {
        Constant::Ring { width, bytes } => (*width, bytes.clone()),
        Constant::Real(v) => (u8::MAX, v.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect()),
        Constant::Int(v) => (u8::MAX - 1, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
    }
}

/// A number that its type cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge(pub BigRational);

/// The pool entry of a constant in a ring of `ring` bits: one element if all are equal.
pub fn entry(constant: &Const, ring: u32) -> Result<Constant, TooLarge> {
    let numbers: &[BigRational] = match &constant.data {
        ConstData::Splat(number) => std::slice::from_ref(number),
        ConstData::Dense(numbers) => numbers,
    };
    match constant.ty.kind {
        Kind::Real => Ok(Constant::Real(numbers.iter().map(real).collect())),
        Kind::Int => {
            let whole = |n: &BigRational| n.round().to_integer().to_i64().ok_or_else(|| TooLarge(n.clone()));
            numbers.iter().map(whole).collect::<Result<_, _>>().map(Constant::Int)
        }
        Kind::Plain | Kind::Shared | Kind::Additive | Kind::Bit | Kind::Half => {
            ring_elements(numbers, constant.ty.frac, ring)
        }
    }
}

/// The nearest double.
pub fn real(number: &BigRational) -> f64 {
    number.to_f64().unwrap_or(f64::NAN)
}

/// Numbers times 2^frac, to the nearest integer, ties away from zero; all of the smallest width that holds every one.
fn ring_elements(numbers: &[BigRational], frac: u32, ring: u32) -> Result<Constant, TooLarge> {
    let scale = BigRational::from_integer(BigInt::from(1) << frac);
    let mut integers = Vec::with_capacity(numbers.len());
    for number in numbers {
        let integer = (number * &scale).round().to_integer();
        // 2^(ring-1)..2^ring are the negative numbers, written without a sign
        let below = integer.is_negative() && (&integer + BigInt::from(1)).bits() >= u64::from(ring);
        if integer.bits() > u64::from(ring) || below {
            return Err(TooLarge(number.clone()));
        }
        integers.push(integer);
    }
    let width = integers.iter().map(bytes).max().unwrap_or(1).min(ring.div_ceil(8) as usize);
    let elements = integers.iter().flat_map(|n| {
        let fill = if n.sign() == Sign::Minus { 0xff } else { 0 };
        let mut bytes = n.to_signed_bytes_le();
        bytes.resize(width, fill);
        bytes
    });
    Ok(Constant::Ring { width: width as u8, bytes: elements.collect() })
}

fn bytes(integer: &BigInt) -> usize {
    integer.to_signed_bytes_le().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Type;

    fn rational(p: i64, q: i64) -> BigRational {
        BigRational::new(p.into(), q.into())
    }

    fn ring(frac: u32, bits: u32, numbers: &[(i64, i64)]) -> Result<Constant, TooLarge> {
        let numbers: Vec<BigRational> = numbers.iter().map(|&(p, q)| rational(p, q)).collect();
        entry(&Const::dense(Type::plain(frac, [numbers.len()]), numbers), bits)
    }

    #[test]
    fn ring_elements_are_rounded_to_nearest_and_as_wide_as_the_widest() {
        let bytes = |width: u8, bytes: &[u8]| Ok(Constant::Ring { width, bytes: bytes.to_vec() });
        assert_eq!(ring(0, 64, &[(1, 1), (-1, 1)]), bytes(1, &[1, 255]));
        assert_eq!(ring(1, 64, &[(1, 4), (-1, 4), (1, 5)]), bytes(1, &[1, 255, 0]));
        assert_eq!(ring(4, 64, &[(8, 1), (-8, 1), (0, 1)]), bytes(2, &[128, 0, 128, 255, 0, 0]));
        assert_eq!(ring(8, 64, &[(1, 1), (1, 1)]), bytes(2, &[0, 1]));
        assert_eq!(ring(0, 64, &[]), bytes(1, &[0]));
    }

    #[test]
    fn the_ends_of_the_ring() {
        let two = |n: u32| (1i64 << n, 1);
        assert!(ring(1, 64, &[two(62)]).is_ok_and(|c| c.len() == 1)); // 2^63: the most negative number
        assert!(ring(3, 64, &[two(62)]).is_err());
        assert!(ring(1, 64, &[(-(1 << 62), 1)]).is_ok());
        assert!(ring(2, 64, &[(-(1 << 62), 1)]).is_err());
        assert!(ring(3, 128, &[two(62)]).is_ok());
    }

    /// A ring of 52 bits takes six bytes and a half.
    #[test]
    fn the_ends_of_a_ring_of_no_whole_bytes() {
        let bytes = |hex: u64| Ok(Constant::Ring { width: 7, bytes: hex.to_le_bytes()[..7].to_vec() });
        let two = |n: u32| (1i64 << n, 1);
        assert_eq!(ring(0, 52, &[two(47)]), bytes(1 << 47));
        assert_eq!(ring(0, 52, &[two(50)]), bytes(1 << 50));
        assert_eq!(ring(1, 52, &[two(50)]), bytes(1 << 51));
        assert_eq!(ring(1, 52, &[(-(1 << 50), 1)]), bytes((1 << 56) - (1 << 51)));
        assert!(ring(2, 52, &[two(50)]).is_err());
        assert!(ring(0, 52, &[(-(1 << 51) - 1, 1)]).is_err());
        assert!(ring(2, 104, &[(-(1 << 62), 1)]).is_ok());
    }

    #[test]
    fn entries_are_kept_once() {
        let mut pool = Pool::default();
        let one = || Constant::Int(vec![1]);
        assert_eq!(pool.add(one()), 0);
        assert_eq!(pool.add(Constant::Real(vec![f64::from_bits(1)])), 1);
        assert_eq!(pool.add(Constant::Ring { width: 8, bytes: 1i64.to_le_bytes().to_vec() }), 2);
        assert_eq!(pool.add(one()), 0);
        assert_eq!(pool.entries.len(), 3);
    }
}
