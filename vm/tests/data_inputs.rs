//! Tensors against declarations: which fit, and what becomes of their values, against arithmetic done the slow way.

use num_bigint::BigInt;
use num_integer::Integer;
use proptest::prelude::*;
use std::path::Path;
use tern_vm::data::{
    Array, Code, DataError, Element, Encoded, InputSpec, Options, Ratio, Source, Values, load, prepare,
};

fn input(shape: &[usize], element: Element, options: Options) -> InputSpec {
    InputSpec { name: "x".into(), shape: shape.to_vec(), element, party: 0, options }
}

fn fix(shape: &[usize], options: Options) -> InputSpec {
    input(shape, Element::Fix, options)
}

fn scaled(num: i128, den: i128) -> Options {
    Options { scale: Ratio::new(num, den), ..Options::default() }
}

fn one_hot() -> Options {
    Options { one_hot: true, ..Options::default() }
}

fn first_rows(options: Options) -> Options {
    Options { first_rows: true, ..options }
}

fn standardise() -> Options {
    Options { standardise: true, ..Options::default() }
}

fn encode(spec: &InputSpec, array: Array, frac: u32) -> Result<Encoded, DataError> {
    prepare(spec, array, &Source::file("x.npy"))?.encode(frac, 127)
}

fn raw(input: &Encoded) -> Vec<i128> {
    let mut all = vec![0; input.len()];
    input.fill(0..input.len(), |i, value| all[i] = value);
    all
}

/// ⌊x · num/den · 2^frac + 1/2⌋
fn rounded(x: i64, num: i128, den: i128, frac: u32) -> i128 {
    let product: BigInt = (BigInt::from(x) * num) << (frac + 1);
    let above: BigInt = product + den;
    above.div_floor(&BigInt::from(2 * den)).try_into().unwrap()
}

proptest! {
    #[test]
    fn whole_numbers_are_scaled_exactly(
        values in prop::collection::vec(any::<i32>(), 1..40),
        (num, den) in (-1000i128..1000, 1i128..1000),
        frac in 0u32..=64,
    ) {
        let bytes: Vec<u8> = values.iter().map(|&x| x as u8).collect();
        let wide: Vec<i64> = values.iter().map(|&x| i64::from(x) << 20).collect();
        let spec = fix(&[values.len()], scaled(num, den));
        for array in [Values::from(bytes), values.clone().into(), wide.into()] {
            let expected: Vec<i128> = match &array {
                Values::U8(v) => v.iter().map(|&x| rounded(x.into(), num, den, frac)).collect(),
                Values::I32(v) => v.iter().map(|&x| rounded(x.into(), num, den, frac)).collect(),
                Values::I64(v) => v.iter().map(|&x| rounded(x, num, den, frac)).collect(),
                Values::F32(_) | Values::F64(_) => unreachable!("only whole numbers are tested here"),
            };
            let encoded = encode(&spec, Array::new([values.len()], array), frac).unwrap();
            prop_assert_eq!(raw(&encoded), expected);
        }
    }

    #[test]
    fn a_part_is_a_part_of_the_whole(
        values in prop::collection::vec(0u8..3, 12..=12),
        ends in (0usize..=12, 0usize..=12),
        kind in 0..4,
    ) {
        let (spec, values) = match kind {
            0 => (fix(&[6, 2], scaled(1, 3)), Values::from(values)),
            1 => (fix(&[6, 2], standardise()), values.into()),
            2 => (fix(&[4, 3], one_hot()), values[..4].to_vec().into()),
            _ => (fix(&[6, 2], Options::default()), Values::from(vec![0.1f32; 12])),
        };
        let rows = spec.shape[0];
        let array = Array::new([rows, values.len() / rows], values);
        let encoded = encode(&spec, array, 16).unwrap();
        let range = ends.0.min(ends.1)..ends.0.max(ends.1);
        let (mut part, mut real) = (Vec::new(), Vec::new());
        encoded.fill(range.clone(), |i, value| {
            assert_eq!(i, part.len());
            part.push(value);
        });
        prop_assert_eq!(&part, &raw(&encoded)[range.clone()]);
        encoded.input().fill_real(range, |_, value| real.push(value));
        for (raw, real) in part.into_iter().zip(real) {
            prop_assert!((raw as f64 - real * 65536.0).abs() <= 0.500001);
        }
    }

    #[test]
    fn labels_become_rows(labels in prop::collection::vec(0usize..7, 2..30), surplus in 0usize..3) {
        let rows = labels.len().saturating_sub(surplus);
        let expected: Vec<i128> =
            labels[..rows].iter().flat_map(|&label| (0..7).map(move |c| i128::from(c == label) << 16)).collect();
        let spec = fix(&[rows, 7], first_rows(one_hot()));
        for values in [
            Values::from(labels.iter().map(|&x| x as u8).collect::<Vec<_>>()),
            Values::from(labels.iter().map(|&x| x as i64).collect::<Vec<_>>()),
            Values::from(labels.iter().map(|&x| x as f32).collect::<Vec<_>>()),
        ] {
            for shape in [vec![labels.len()], vec![labels.len(), 1]] {
                let encoded = encode(&spec, Array::new(shape, values.clone()), 16).unwrap();
                prop_assert_eq!(raw(&encoded), &expected[..]);
            }
        }
    }

    #[test]
    fn columns_are_standardised(
        rows in prop::collection::vec((-1e6f64..1e6, any::<i16>(), 0u8..2), 2..50),
        scale in prop::sample::select(vec![1i128, -3]),
    ) {
        let values: Vec<f64> =
            rows.iter().flat_map(|&(a, b, c)| [a, f64::from(b) * 1e-3, f64::from(c), 0.1]).collect();
        let options = Options { standardise: true, ..scaled(scale, 7) };
        let encoded = encode(&fix(&[rows.len(), 4], options), Array::new([rows.len(), 4], values.clone()), 40).unwrap();
        let found = raw(&encoded);
        let n = rows.len() as f64;
        for column in 0..4 {
            let of = |all: &[f64]| -> Vec<f64> { all.iter().skip(column).step_by(4).copied().collect() };
            let before = of(&values);
            let mean = before.iter().sum::<f64>() / n;
            let deviation = (before.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            let constant = before.iter().all(|&x| x == before[0]);
            for (row, x) in before.iter().enumerate() {
                let expected = if constant { 0.0 } else { scale.signum() as f64 * (x - mean) / deviation };
                let value = found[row * 4 + column] as f64 / 2.0f64.powi(40);
                prop_assert!((value - expected).abs() < 1e-8, "{} instead of {}", value, expected);
            }
        }
    }

    #[test]
    fn rows_fit_however_they_are_arranged(rows in 0usize..5, surplus in 0usize..3) {
        let shapes: [&[usize]; 4] = [&[12], &[3, 4], &[1, 3, 4], &[3, 2, 2]];
        for declared in shapes {
            for found in shapes {
                let declared = [&[rows], declared].concat();
                let found = [&[rows + surplus], found].concat();
                let values: Vec<i32> = (0..12 * (rows + surplus) as i32).collect();
                let array = Array::new(found, values);
                let encoded = encode(&fix(&declared, first_rows(Options::default())), array.clone(), 0).unwrap();
                prop_assert_eq!(raw(&encoded), (0..12 * rows as i128).collect::<Vec<_>>());
                let exactly = encode(&fix(&declared, Options::default()), array, 0);
                prop_assert_eq!(exactly.map(|_| ()).map_err(|error| error.code()).err(), (surplus > 0).then_some(Code::D005));
            }
        }
    }
}

#[test]
fn single_numbers_and_empty_tensors() {
    let number = fix(&[], Options::default());
    for shape in [vec![], vec![1], vec![1, 1]] {
        assert_eq!(raw(&encode(&number, Array::new(shape, vec![0.75]), 2).unwrap()), [3]);
    }
    for options in [Options::default(), standardise()] {
        let empty = encode(&fix(&[0, 3], first_rows(options)), Array::new([2, 3], vec![1.0; 6]), 16).unwrap();
        assert!(empty.is_empty() && raw(&empty).is_empty());
    }
    let none = encode(&fix(&[2, 0], Options::default()), Array::new([2, 0], Vec::<u8>::new()), 16).unwrap();
    assert!(none.is_empty());
    let hot = encode(&fix(&[0, 4], first_rows(one_hot())), Array::new([1], vec![9u8]), 16).unwrap();
    assert!(raw(&hot).is_empty(), "a label beyond the rows that are used does not matter");
}

#[test]
fn whole_numbers_and_truth_values_have_no_fraction() {
    let int = input(&[2], Element::Int, Options::default());
    let values = vec![i64::MAX, i64::MIN];
    assert_eq!(raw(&encode(&int, Array::new([2], values), 16).unwrap()), [i64::MAX.into(), i64::MIN.into()]);
    let bool = input(&[2], Element::Bool, Options::default());
    let truth = Array::of_bools([2], &[true, false]);
    assert_eq!(raw(&encode(&bool, truth, 16).unwrap()), [1, 0]);
    assert_eq!(raw(&encode(&bool, Array::new([2], vec![0i64, 1]), 16).unwrap()), [0, 1]);
}

#[test]
fn both_ends_of_a_range_are_in_it() {
    let within = |low, high| Options { range: Some((low, high)), ..scaled(1, 255) };
    let check = |options, values: Vec<u8>| {
        encode(&fix(&[values.len()], options), Array::new([values.len()], values), 16).map_err(|e| e.code())
    };
    assert!(check(within(0.0, 1.0), vec![0, 255]).is_ok());
    assert_eq!(check(within(0.0, 0.999), vec![0, 255]).err(), Some(Code::D016));
    assert_eq!(check(within(0.001, 1.0), vec![0, 255]).err(), Some(Code::D016));
}

#[test]
fn the_precision_is_filled_to_its_last_step() {
    let fits = |value: f64, frac, bits| {
        let input = prepare(&fix(&[1], Options::default()), Array::new([1], vec![value]), &Source::file("x"))
            .unwrap();
        input.encode(frac, bits).map(|input| raw(&input)[0]).map_err(|error| error.code())
    };
    assert_eq!(fits(32768.0 - 2.0f64.powi(-16), 16, 32), Ok((1 << 31) - 1));
    // The range is open at both ends, so that negation never leaves it.
    assert_eq!(fits(-32768.0, 16, 32), Err(Code::D017));
    assert_eq!(fits(-32768.0 + 2.0f64.powi(-16), 16, 32), Ok(1 - (1 << 31)));
    assert_eq!(fits(32768.0, 16, 32), Err(Code::D017));
    assert_eq!(fits(-32768.00002, 16, 32), Err(Code::D017));
    // Rounded up, it does not fit any more.
    assert_eq!(fits(32767.999999, 16, 32), Err(Code::D017));
    assert_eq!(fits(f64::MAX, 64, 128), Err(Code::D017));
    // Of wider precisions, inputs fill 127 bits.
    assert_eq!(fits(-(2.0f64.powi(62)), 64, 128), Err(Code::D017));
    assert_eq!(fits(-(2.0f64.powi(61)), 64, 128), Ok(-(1 << 125)));
}

#[test]
fn mnist_in_fixed_point() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let places = ["../shared/data/mnist", "data/mnist"].map(|place| root.join(place));
    let Some(folder) = places.iter().find(|place| place.is_dir()) else {
        println!(
            "SKIPPED: no MNIST in ../shared/data/mnist or data/mnist; `tern data mnist` puts it into the latter"
        );
        return;
    };
    let source = |name: &str| {
        let plain = folder.join(name);
        Source::from(if plain.exists() { plain } else { folder.join(format!("{name}.gz")) }.as_path())
    };
    let images =
        load(&fix(&[60_000, 1, 28, 28], scaled(1, 256)), &source("train-images-idx3-ubyte")).unwrap();
    let images = images.encode(16, 32).unwrap();
    let (mut sum, mut ring) = (0, vec![0u64; images.len()]);
    images.fill(0..images.len(), |i, value| {
        ring[i] = value as u64;
        sum += value;
    });
    // The mean pixel of the training images is 33.318 of 255.
    assert_eq!(sum % 256, 0, "a pixel over 256 is a multiple of 2^-8");
    assert_eq!(format!("{:.3}", sum as f64 / 256.0 / ring.len() as f64), "33.318");
    let labels = load(&fix(&[60_000, 10], one_hot()), &source("train-labels-idx1-ubyte")).unwrap();
    let mut counts = [0; 10];
    labels.fill_real(0..labels.len(), |i, value| counts[i % 10] += value as usize);
    assert_eq!(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
}
