//! Every format, type and order of bytes that data files have, against independent writers and readers.

use flate2::Compression;
use flate2::write::GzEncoder;
use npyz::WriterBuilder;
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use tern_vm::data::{
    Array, DataError, Dtype, Element, InputSpec, Options, Source, Values, load_bytes, read, read_bytes,
    write_npy, write_npz, write_safetensors,
};

fn parse(bytes: &[u8]) -> Result<Array, DataError> {
    read_bytes(bytes, &Source::file("x"), "x")
}

fn npy(array: &Array) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_npy(&mut bytes, array).unwrap();
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Tensors of every type in memory, with up to four axes, some of them empty.
fn arrays() -> impl Strategy<Value = Array> {
    prop::collection::vec(0usize..5, 0..5).prop_flat_map(|shape| {
        let count = shape.iter().product::<usize>();
        let floats = prop::num::f32::NORMAL | prop::num::f32::ZERO;
        let doubles = prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL;
        let values = prop_oneof![
            prop::collection::vec(any::<u8>(), count).prop_map(Values::from),
            prop::collection::vec(any::<i32>(), count).prop_map(Values::from),
            prop::collection::vec(any::<i64>(), count).prop_map(Values::from),
            prop::collection::vec(floats, count).prop_map(Values::from),
            prop::collection::vec(doubles, count).prop_map(Values::from),
        ];
        values.prop_map(move |values| Array::new(shape.clone(), values))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(array in arrays(), other in arrays()) {
        prop_assert_eq!(&parse(&npy(&array)).unwrap(), &array);
        prop_assert_eq!(&parse(&gzip(&npy(&array))).unwrap(), &array);

        let mut archive = Cursor::new(Vec::new());
        write_npz(&mut archive, [("fc1.weight", &array), ("x", &other)]).unwrap();
        let archive = archive.into_inner();
        let mut tensors = Vec::new();
        write_safetensors(&mut tensors, [("fc1.weight", &array), ("x", &other)]).unwrap();
        for bytes in [&archive, &gzip(&archive), &tensors, &gzip(&tensors)] {
            prop_assert_eq!(&parse(bytes).unwrap(), &other);
            let named = Source::parse("w.npz:fc1.weight").unwrap();
            prop_assert_eq!(&read_bytes(bytes, &named, "x").unwrap(), &array);
        }
    }

    #[test]
    fn npyz_reads_what_is_written(shape in prop::collection::vec(0usize..5, 0..4), seed in any::<i64>()) {
        let count = shape.iter().product::<usize>() as i64;
        let values: Vec<i64> = (0..count).map(|i| seed.wrapping_mul(i | 1)).collect();
        let bytes = npy(&Array::new(shape.clone(), values.clone()));
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        prop_assert_eq!(file.shape(), shape.iter().map(|&n| n as u64).collect::<Vec<_>>());
        prop_assert_eq!(file.into_vec::<i64>().unwrap(), values);
    }

    #[test]
    fn column_major_files_are_read_in_row_major_order(shape in prop::collection::vec(0usize..5, 0..5)) {
        let count: usize = shape.iter().product();
        let sizes: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(&sizes).order(npyz::Order::Fortran);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        let axes: Vec<usize> = (0..shape.len()).collect();
        writer.extend((0..count).map(|i| numbered(i, &shape, axes.iter()))).unwrap();
        writer.finish().unwrap();
        let expected: Vec<i32> = (0..count).map(|i| numbered(i, &shape, axes.iter().rev())).collect();
        prop_assert_eq!(parse(&bytes).unwrap(), Array::new(shape, expected));
    }

    #[test]
    fn tables_of_numbers(
        rows in prop::collection::vec((any::<i64>(), prop::num::f64::NORMAL), 1..20),
        delimiter in prop::sample::select(vec![",", ";", "\t"]),
        heading in any::<bool>(),
        newline in prop::sample::select(vec!["\n", "\r\n"]),
        mark in any::<bool>(),
    ) {
        let mut text = String::from(if mark { "\u{feff}" } else { "" });
        if heading {
            text.push_str(&format!("\"first, one\"{delimiter}second{newline}"));
        }
        for (a, b) in &rows {
            text.push_str(&format!("{a}{delimiter} {b:e}{newline}"));
        }
        let expected: Vec<f64> = rows.iter().flat_map(|&(a, b)| [a as f64, b]).collect();
        let found = parse(text.as_bytes()).unwrap();
        prop_assert_eq!(found, Array::new([rows.len(), 2], expected));
    }
}

/// The index of the i-th element, written as a number of base 10, where the axes are listed from the fastest.
fn numbered<'a>(mut i: usize, shape: &[usize], axes: impl Iterator<Item = &'a usize>) -> i32 {
    let mut index = vec![0; shape.len()];
    for &axis in axes {
        index[axis] = i % shape[axis];
        i /= shape[axis];
    }
    index.into_iter().fold(0, |number, digit| number * 10 + digit as i32)
}

#[test]
fn types_and_orders_of_bytes_of_npy() {
    let file = |descr: &str, elements: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(elements);
        let array = parse(&bytes).unwrap();
        (array.dtype(), array.into_values())
    };
    assert_eq!(file("|b1", &[0, 1]), (Dtype::Bool, vec![0u8, 1].into()));
    assert_eq!(file("|u1", &[7, 255]), (Dtype::U8, vec![7u8, 255].into()));
    assert_eq!(file("|i1", &[7, 255]), (Dtype::I8, vec![7, -1].into()));
    assert_eq!(file("<u2", &[1, 0, 0, 255]), (Dtype::U16, vec![1, 0xff00].into()));
    assert_eq!(file(">u2", &[1, 0, 0, 255]), (Dtype::U16, vec![256, 255].into()));
    assert_eq!(file(">i2", &[255, 0, 0, 1]), (Dtype::I16, vec![-256, 1].into()));
    assert_eq!(file("<u4", &[0, 0, 0, 128, 1, 0, 0, 0]), (Dtype::U32, vec![1i64 << 31, 1].into()));
    assert_eq!(file(">i4", &[128, 0, 0, 0, 0, 0, 0, 1]), (Dtype::I32, vec![i32::MIN, 1].into()));
    let wide = [[255; 8], [0, 0, 0, 0, 0, 0, 0, 1]].concat();
    assert_eq!(file(">i8", &wide), (Dtype::I64, vec![-1i64, 1].into()));
    let small = [[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 64]].concat();
    assert_eq!(file("<u8", &small), (Dtype::U64, vec![1i64, 1 << 62].into()));
    let singles = [1.5f32.to_be_bytes(), f32::MIN_POSITIVE.to_be_bytes()].concat();
    assert_eq!(file(">f4", &singles), (Dtype::F32, vec![1.5f32, f32::MIN_POSITIVE].into()));
    let doubles = [(-1.5f64).to_le_bytes(), f64::MAX.to_le_bytes()].concat();
    assert_eq!(file("<f8", &doubles), (Dtype::F64, vec![-1.5f64, f64::MAX].into()));
}

#[test]
fn headers_that_other_programs_write() {
    for version in [1, 2, 3] {
        for header in [
            r#"{"shape":(1,2),"descr":"<i2","fortran_order":False}"#,
            "  {'fortran_order' : False , 'shape': (1, 2,) , 'descr': '<i2', }   \n",
        ] {
            let mut bytes = b"\x93NUMPY".to_vec();
            bytes.extend([version, 0]);
            match version {
                1 => bytes.extend((header.len() as u16).to_le_bytes()),
                _ => bytes.extend((header.len() as u32).to_le_bytes()),
            }
            bytes.extend(header.as_bytes());
            bytes.extend([1, 0, 2, 0]);
            assert_eq!(parse(&bytes).unwrap().into_values(), Values::I32(vec![1, 2]), "{header}");
        }
    }
}

#[test]
fn idx_files() {
    let read = |head: &[u8], elements: &[u8]| parse(&[head, elements].concat()).unwrap();
    let sizes = [0, 0, 0, 2, 0, 0, 0, 1];
    assert_eq!(read(&[0, 0, 8, 1, 0, 0, 0, 3], &[5, 0, 4]), Array::new([3], vec![5u8, 0, 4]));
    assert_eq!(read(&[0, 0, 8, 1, 0, 0, 0, 0], &[]), Array::new([0], Vec::<u8>::new()));
    let shorts = read(&[&[0, 0, 0x0b, 2], &sizes[..]].concat(), &[255, 255, 1, 0]);
    assert_eq!((shorts.shape(), shorts.values()), (&[2, 1][..], &Values::I32(vec![-1, 256])));
    let doubles = [0.5f64.to_be_bytes(), (-2.0f64).to_be_bytes()].concat();
    assert_eq!(read(&[&[0, 0, 0x0e, 2], &sizes[..]].concat(), &doubles), Array::new([2, 1], vec![0.5, -2.0]));
    let zipped = gzip(&[0, 0, 8, 1, 0, 0, 0, 2, 1, 2]);
    assert_eq!(parse(&zipped).unwrap(), Array::new([2], vec![1u8, 2]));
    // A gzip file may consist of several.
    let halves = [gzip(&[0, 0, 8, 1, 0, 0, 0, 2, 1]), gzip(&[2])].concat();
    assert_eq!(parse(&halves).unwrap(), Array::new([2], vec![1u8, 2]));
}

#[test]
fn text_files() {
    assert_eq!(parse(b"1,2\n3,4\n").unwrap(), Array::new([2, 2], vec![1i64, 2, 3, 4]));
    assert_eq!(parse(b"label\n3\n4").unwrap(), Array::new([2], vec![3i64, 4]));
    assert_eq!(parse(b"a;b\n1;2.5\n\n\n").unwrap(), Array::new([1, 2], vec![1.0, 2.5]));
    assert_eq!(parse(b"7").unwrap(), Array::new([1], vec![7i64]));
    assert_eq!(parse(b"\"1\",\"2\"\n").unwrap(), Array::new([1, 2], vec![1i64, 2]));
    assert_eq!(parse(&gzip(b"1\t-2\n")).unwrap(), Array::new([1, 2], vec![1i64, -2]));
    let beyond = parse(b"9223372036854775807\n9223372036854775808\n").unwrap();
    assert_eq!(beyond, Array::new([2], vec![2.0f64.powi(63), 2.0f64.powi(63)]));
}

#[test]
fn names_in_archives() {
    let (one, two) = (Array::new([1], vec![1.0f64]), Array::new([1], vec![2.0f64]));
    let archive = |arrays: &[(&'static str, &Array)]| {
        let mut bytes = Cursor::new(Vec::new());
        write_npz(&mut bytes, arrays.iter().copied()).unwrap();
        bytes.into_inner()
    };
    // The only one, whatever it is called; the one called like the input; the one that is named.
    assert_eq!(parse(&archive(&[("arr_0", &one)])).unwrap(), one);
    let both = archive(&[("y", &one), ("x", &two)]);
    assert_eq!(parse(&both).unwrap(), two);
    assert_eq!(read_bytes(&both, &Source::parse("f.npz:y").unwrap(), "x").unwrap(), one);
    let twice = write_npz(Cursor::new(Vec::new()), [("x", &one), ("x", &two)]);
    assert_eq!(twice.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    // Equal tensors make equal files: no clock, no order of a hash table.
    assert_eq!(both, archive(&[("y", &one), ("x", &two)]));
}

#[test]
fn truth_values_stay_truth_values() {
    let array = Array::of_bools([3], &[true, false, true]);
    assert_eq!(parse(&npy(&array)).unwrap(), array);
    let mut bytes = Vec::new();
    write_safetensors(&mut bytes, [("x", &array)]).unwrap();
    assert_eq!(parse(&bytes).unwrap(), array);
}

#[test]
fn the_digits_of_the_repository() {
    let path = root().join("programs/digits/digits.npz");
    let tensor = |name: &str| read(&Source::from(path.as_path()), name).unwrap();
    let count = |labels: &Array| {
        let Values::U8(labels) = labels.values() else { panic!("labels are bytes") };
        (0..10).map(|digit| labels.iter().filter(|&&label| label == digit).count()).collect::<Vec<_>>()
    };
    for (part, rows, sum, counts) in [
        ("train", 1500, 469_545, [145, 149, 135, 161, 144, 158, 151, 156, 152, 149]),
        ("test", 297, 92_173, [33, 33, 42, 22, 37, 24, 30, 23, 22, 31]),
    ] {
        let images = tensor(&format!("{part}_x"));
        assert_eq!(images.shape(), [rows, 64]);
        let Values::U8(pixels) = images.into_values() else { panic!("pixels are bytes") };
        assert_eq!(pixels.iter().map(|&p| u32::from(p)).sum::<u32>(), sum);
        assert_eq!(pixels.iter().max(), Some(&16));
        assert_eq!(count(&tensor(&format!("{part}_y"))), counts);
    }
    let bytes = std::fs::read(&path).unwrap();
    let (element, options) = (Element::Fix, Options::default());
    let test_x = InputSpec { name: "test_x".into(), shape: vec![297, 8, 8], element, party: 0, options };
    assert_eq!(load_bytes(&test_x, &bytes, &Source::file("digits.npz")).unwrap().len(), 297 * 64);
    let train_z = InputSpec { name: "train_z".into(), ..test_x };
    let error = load_bytes(&train_z, &bytes, &Source::file("digits.npz")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it is not clear which tensor train_z is: digits.npz holds train_x, train_y, test_x, test_y, train_z is declared fix[297, 8, 8]"
    );
}

#[test]
fn the_images_of_mnist() {
    let Some(folder) = mnist() else { return };
    for (name, shape) in [
        ("train-images-idx3-ubyte", vec![60_000, 28, 28]),
        ("train-labels-idx1-ubyte", vec![60_000]),
        ("t10k-images-idx3-ubyte", vec![10_000, 28, 28]),
        ("t10k-labels-idx1-ubyte", vec![10_000]),
    ] {
        let plain = folder.join(name);
        let path = if plain.exists() { plain } else { folder.join(format!("{name}.gz")) };
        let array = read(&Source::from(path.as_path()), "x").unwrap();
        assert_eq!((array.dtype(), array.shape()), (Dtype::U8, &shape[..]));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where MNIST is, if it is anywhere.
fn mnist() -> Option<PathBuf> {
    let places = ["../shared/data/mnist", "data/mnist"].map(|place| root().join(place));
    let found = places.iter().find(|place| place.is_dir());
    if found.is_none() {
        println!(
            "SKIPPED: no MNIST in ../shared/data/mnist or data/mnist; `tern data mnist` puts it into the latter"
        );
    }
    found.cloned()
}
