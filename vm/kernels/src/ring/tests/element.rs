use num_bigint::{BigInt, Sign};
use proptest::prelude::*;

use super::element;
use crate::ring::{Ring, Z, Z64, Z128, Z192, Z256};

fn unsigned<const N: usize, const B: u32>(x: Z<N, B>) -> BigInt {
    BigInt::from_bytes_le(Sign::Plus, bytemuck::bytes_of(&x))
}

fn signed<const N: usize, const B: u32>(x: Z<N, B>) -> BigInt {
    let wrap = if x.is_negative() { BigInt::from(1) << B } else { BigInt::ZERO };
    unsigned(x) - wrap
}

fn reduced<const N: usize, const B: u32>(x: &BigInt) -> Z<N, B> {
    let modulus = BigInt::from(1) << B;
    let residue = ((x % &modulus) + &modulus) % &modulus;
    Z::from_limbs(&residue.to_u64_digits().1)
}

fn agrees_with_big_integers<const N: usize, const B: u32>(
    x: Z<N, B>,
    y: Z<N, B>,
    n: u32,
) -> Result<(), TestCaseError> {
    let (a, b) = (signed(x), signed(y));
    prop_assert_eq!(x + y, reduced(&(&a + &b)));
    prop_assert_eq!(x - y, reduced(&(&a - &b)));
    prop_assert_eq!(x * y, reduced(&(&a * &b)));
    prop_assert_eq!(-x, reduced(&-&a));
    prop_assert_eq!(x.shl(n), reduced(&(&a << n)));
    prop_assert_eq!(x.shr(n), reduced(&(unsigned(x) >> n)));
    prop_assert_eq!(x.sar(n), reduced(&(&a >> n)));
    prop_assert_eq!(x.low_bits(n), reduced(&(unsigned(x) % (BigInt::from(1) << n))));
    prop_assert_eq!(x.bit(n), unsigned(x).bit(n.into()));
    prop_assert_eq!(x.signed_cmp(&y), a.cmp(&b));
    for bit in [Z::ZERO, Z::ONE] {
        prop_assert_eq!(x.keep_if(bit), x * bit);
        prop_assert_eq!(x.negate_if(bit), if bit == Z::ONE { -x } else { x });
    }
    prop_assert_eq!(x.keep_if_negative(y), if y.is_negative() { x } else { Z::ZERO });
    let bits = x.bits_signed();
    let fits = |n: u32| {
        let half = BigInt::from(1) << (n - 1);
        -&half <= a && a < half
    };
    prop_assert!(fits(bits) && (bits == 1 || !fits(bits - 1)), "{x:?} fits {bits} bits");
    prop_assert_eq!(x.to_i128().map(BigInt::from), i128::try_from(&a).ok().map(BigInt::from));
    prop_assert_eq!(x.to_i128().map_or(x, Z::from_i128), x);
    // Decimal digits are parsed with correct rounding by the standard library.
    prop_assert_eq!(x.to_f64(), a.to_string().parse::<f64>().unwrap());
    if bits <= 53 {
        prop_assert_eq!(Z::from_f64(x.to_f64()), x);
    }
    Ok(())
}

proptest! {
    #[test]
    fn z52(x in element::<1, 52>(), y in element::<1, 52>(), n in 0..70u32) { agrees_with_big_integers(x, y, n)?; }
    #[test]
    fn z104(x in element::<2, 104>(), y in element::<2, 104>(), n in 0..140u32) { agrees_with_big_integers(x, y, n)?; }
    #[test]
    fn z64(x in element::<1, 64>(), y in element::<1, 64>(), n in 0..70u32) { agrees_with_big_integers(x, y, n)?; }
    #[test]
    fn z128(x in element::<2, 128>(), y in element::<2, 128>(), n in 0..140u32) { agrees_with_big_integers(x, y, n)?; }
    #[test]
    fn z192(x in element::<3, 192>(), y in element::<3, 192>(), n in 0..200u32) { agrees_with_big_integers(x, y, n)?; }
    #[test]
    fn z256(x in element::<4, 256>(), y in element::<4, 256>(), n in 0..270u32) { agrees_with_big_integers(x, y, n)?; }

    #[test]
    fn doubles_come_back(x in any::<f64>(), scale in -60..300i32) {
        let x = (x % 4.0) * 2f64.powi(scale);
        prop_assert_eq!(Z256::from_f64(x).to_f64(), x.round_ties_even().clamp(Z256::MIN.to_f64(), Z256::MAX.to_f64()));
        let half = 2f64.powi(63);
        let expected = x.round_ties_even().clamp(-half, half) as i64; // `as` saturates too
        prop_assert_eq!(Z64::from_f64(x), Z64::from_i128(expected.into()));
    }
}

#[test]
fn doubles_at_the_edges() {
    assert_eq!(Z64::from_f64(f64::NAN), Z64::ZERO);
    assert_eq!(Z64::from_f64(-0.0), Z64::ZERO);
    assert_eq!(Z64::from_f64(0.5), Z64::ZERO);
    assert_eq!(Z64::from_f64(1.5), Z64::from_u64(2));
    assert_eq!(Z64::from_f64(-2.5), Z64::from_i128(-2));
    assert_eq!(Z128::from_f64(f64::INFINITY), Z128::MAX);
    assert_eq!(Z192::from_f64(f64::NEG_INFINITY), Z192::MIN);
    assert_eq!(Z256::from_f64(2f64.powi(255)), Z256::MAX);
    assert_eq!(Z256::from_f64(-(2f64.powi(255))), Z256::MIN);
    assert_eq!(Z64::from_f64(f64::MIN_POSITIVE / 8.0), Z64::ZERO);
}

#[test]
fn bytes_are_little_endian() {
    let x = [Z128::new([0x0807060504030201, 0x100f0e0d0c0b0a09])];
    let bytes: &[u8] = bytemuck::cast_slice(&x);
    assert_eq!(bytes, (1..=16).collect::<Vec<u8>>());
    assert_eq!(bytemuck::cast_slice::<u8, u64>(bytemuck::cast_slice(&x)), x[0].limbs());
}
