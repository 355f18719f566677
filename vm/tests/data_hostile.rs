//! Damaged and malicious files: an error or a tensor, never a panic, and no memory for what is only claimed.

use flate2::Compression;
use flate2::write::GzEncoder;
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tern_vm::data::{
    Array, Code, Element, InputSpec, Options, Ratio, Source, load_bytes, load_model, prepare, read_bytes,
    write_npy, write_npz, write_safetensors,
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The peak is that of all threads, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What any file may take: buffers of the inflater, of the reader of text and of the converter.
const BUFFERS: usize = 1 << 20;

/// Reads a file and uses it as an input if it is one; gives the bytes of memory that this took at its peak.
fn consume(bytes: &[u8]) -> usize {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    for member in [None, Some("a".to_string())] {
        let source = Source { member, ..Source::file("x") };
        match read_bytes(bytes, &source, "x") {
            Ok(array) => use_as_input(array, &source),
            Err(error) => {
                error.message().to_string();
            }
        }
    }
    ALLOCATOR.peak_usage() - before
}

fn alone() -> MutexGuard<'static, ()> {
    // A test that failed has left nothing behind that another could trip over.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn use_as_input(array: Array, source: &Source) {
    for (element, one_hot, standardise) in [
        (Element::Fix, false, false),
        (Element::Fix, false, true),
        (Element::Int, true, false),
        (Element::Bool, false, false),
    ] {
        let mut shape = array.shape().to_vec();
        if one_hot {
            shape.push(3);
        }
        let options = Options { one_hot, standardise, range: Some((-1e300, 1e300)), ..Options::default() };
        let options =
            Options { scale: (element == Element::Fix).then(|| Ratio::new(-7, 255)).flatten(), ..options };
        let spec = InputSpec { name: "x".into(), shape, element, party: 0, options };
        let encoded = prepare(&spec, array.clone(), source).and_then(|input| input.encode(16, 64));
        match encoded {
            Ok(input) => input.fill(0..input.len(), |_, raw| assert!(raw.abs() <= 1 << 63)),
            Err(error) => {
                error.message().to_string();
            }
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A small valid file of every format.
fn valid() -> Vec<Vec<u8>> {
    let numbers = Array::new([3, 2], vec![1.5, -2.0, 0.25, 4.0, 5.0, 6.0]);
    let labels = Array::new([4], vec![0u8, 1, 2, 1]);
    let (mut npy, mut bytes) = (Vec::new(), Vec::new());
    write_npy(&mut npy, &numbers).unwrap();
    write_npy(&mut bytes, &labels).unwrap();
    let column_major = String::from_utf8_lossy(&npy).into_owned();
    assert!(column_major.contains("False"));
    let transposed: Vec<u8> = {
        let at = npy.windows(5).position(|part| part == b"False").unwrap();
        [&npy[..at], b"True ", &npy[at + 5..]].concat()
    };
    let mut npz = Cursor::new(Vec::new());
    write_npz(&mut npz, [("a", &numbers), ("x", &labels)]).unwrap();
    let mut tensors = Vec::new();
    write_safetensors(&mut tensors, [("a", &numbers), ("x", &labels)]).unwrap();
    let idx = [&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[1, 2, 3, 4, 5, 6]].concat();
    let csv = b"one,two\n1,2.5\n3,-4e3\n".to_vec();
    let deflated =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../programs/digits/digits.npz")).unwrap();
    let mut files = vec![npy, bytes, transposed, npz.into_inner(), tensors, idx, csv, deflated];
    let zipped: Vec<Vec<u8>> = files.iter().map(|file| gzip(file)).collect();
    files.extend(zipped);
    files
}

/// One change to a file.
#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    // Most of what is interesting is at the beginning, where the headers are.
    let place = any::<prop::sample::Index>;
    let byte =
        prop_oneof![any::<u8>(), prop::sample::select(b"\x00\xff\x7f\x80(){}[],:'\"0919-.e\n".to_vec())];
    prop_oneof![
        4 => (place(), byte).prop_map(|(at, byte)| Change::Set(at, byte)),
        4 => (place(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => (place(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (place(), 1usize..9).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => place().prop_map(Change::Cut),
    ]
}

impl Change {
    /// Makes it within the first `reach` bytes.
    fn apply(&self, file: &mut Vec<u8>, reach: usize) {
        let reach = reach.min(file.len());
        if reach == 0 {
            return;
        }
        match self {
            Change::Set(at, byte) => file[at.index(reach)] = *byte,
            Change::Flip(at, bit) => file[at.index(reach)] ^= 1 << bit,
            Change::Insert(at, bytes) => {
                let at = at.index(reach);
                file.splice(at..at, bytes.iter().copied());
            }
            Change::Remove(at, count) => {
                let at = at.index(reach);
                file.drain(at..(at + count).min(file.len()));
            }
            Change::Cut(at) => file.truncate(at.index(reach)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn damaged_files_never_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
        reach in prop::sample::select(vec![16usize, 128, usize::MAX]),
    ) {
        let _alone = alone(); // also while the files are made: that is memory too
        let files = valid();
        let mut file = files[which.index(files.len())].clone();
        // Deflate may really expand a thousandfold; the values then exist in three forms at once.
        let limit = BUFFERS + 3 * 1032 * file.len().min(2048) + 100 * file.len();
        changes.iter().for_each(|change| change.apply(&mut file, reach));
        let peak = consume(&file);
        prop_assert!(peak <= limit, "{} bytes, at most {}", peak, limit);
    }

    #[test]
    fn noise_never_panics(
        start in prop::sample::select(vec![&b"\x93NUMPY\x01\x00"[..], b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"\0\0\x08\x02", b"{\0\0\0\0\0\0\0{", b""]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _alone = alone();
        prop_assert!(consume(&[start, &bytes].concat()) <= BUFFERS);
    }
}

/// A source of numbers that a seed repeats (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn token(&mut self) -> &'static [u8] {
        TOKENS[self.below(TOKENS.len())]
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Bytes and words that mean something to one format or another.
const TOKENS: &[&[u8]] = &[
    b"\n",
    b"\r",
    b"\"",
    b",",
    b";",
    b" ",
    b"\t",
    b"#",
    b"-",
    b"1e999",
    b"nan",
    b"NA",
    b"(",
    b")",
    b"{",
    b"}",
    b"0",
    b"9",
    b"99999999999999999999",
    b"'<f8'",
    b"'|O'",
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x7f\xff\xff\xff",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\xef\xbb\xbf",
    b"True",
    b"sep=;",
    b"BF16",
    b"18446744073709551615",
];

/// What may be said about a file.
const READINGS: &[&str] = &[
    "",
    "",
    "",
    "[:2]",
    "[1:]",
    ",header=yes",
    ",header=no",
    ",index=yes",
    ",header=yes,index=yes",
    ",index=no",
    ",separator=blanks",
    ",separator=bar",
    ",separator=semicolon",
    ",decimal=comma",
    ",decimal=point",
    ",transpose=10",
    ",transpose=0312",
    ":x",
    ":a.weight",
];

/// Alters a file in up to five places, which are near its beginning half of the time.
fn alter(file: &mut Vec<u8>, others: &[Vec<u8>], numbers: &mut Numbers) {
    let reach = *numbers.of(&[16, 128, usize::MAX, usize::MAX]);
    for _ in 0..=numbers.below(5) {
        let at = numbers.below(reach.min(file.len() + 1));
        match numbers.below(8) {
            _ if at >= file.len() => file.extend_from_slice(numbers.token()),
            0 | 1 => file[at] ^= 1 << numbers.below(8),
            2 => file[at] = numbers.next() as u8,
            3 => drop(file.splice(at..at, numbers.token().iter().copied())),
            4 => {
                let token = numbers.token();
                drop(file.splice(at..(at + token.len()).min(file.len()), token.iter().copied()));
            }
            5 => drop(file.drain(at..(at + 1 + numbers.below(9)).min(file.len()))),
            6 => file.truncate(at),
            _ => {
                // A part of another file, or of the same one again.
                let other = if numbers.below(2) == 0 { file.clone() } else { numbers.of(others).clone() };
                let from = numbers.below(other.len());
                let part = &other[from..(from + numbers.below(64)).min(other.len())];
                drop(file.splice(at..at, part.iter().copied()));
            }
        }
    }
}

/// How many bytes there are when all is unpacked, at most.
fn unpacked(file: &[u8]) -> usize {
    let mut counted = 0;
    if file.starts_with(&[0x1f, 0x8b]) {
        let mut reader = flate2::read::MultiGzDecoder::new(file);
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = std::io::Read::read(&mut reader, &mut buffer) {
            counted += read;
        }
    }
    // What an archive holds may expand a thousandfold.
    let archive = file.windows(4).any(|bytes| bytes == b"PK\x03\x04");
    (counted + file.len()) * if archive { 1032 } else { 1 }
}

/// Reads a file in all ways, under a limit of time and memory that follows from its length.
fn endure(file: &[u8], reading: &str, scratch: &std::path::Path, model: bool) -> Result<(), String> {
    let limit = BUFFERS + 100 * unpacked(file);
    let source = Source::parse(&format!("x.npz{reading}")).unwrap();
    let spec = InputSpec {
        name: "x".into(),
        shape: vec![3, 2],
        element: Element::Fix,
        party: 0,
        options: Options::default(),
    };
    ALLOCATOR.reset_peak_usage();
    let (before, started) = (ALLOCATOR.current_usage(), std::time::Instant::now());
    let result = std::panic::catch_unwind(|| {
        if let Ok(array) = read_bytes(file, &source, "x") {
            use_as_input(array, &source);
        }
        if let Err(error) = load_bytes(&spec, file, &source).and_then(|input| input.encode(16, 32)) {
            assert!(!error.message().to_string().is_empty());
        }
        if model {
            std::fs::write(scratch, file).unwrap();
            let fields = [InputSpec { name: "a.weight".into(), ..spec.clone() }];
            if let Err(error) = load_model("x", &fields, &Source::file(scratch)) {
                assert!(!error.message().to_string().is_empty());
            }
        }
    });
    let (peak, seconds) = (ALLOCATOR.peak_usage() - before, started.elapsed().as_secs_f64());
    match result {
        Err(_) => Err("it panics".into()),
        Ok(()) if peak > limit => Err(format!("{peak} bytes of memory, at most {limit}")),
        Ok(()) if seconds > 10.0 => Err(format!("{seconds} s")),
        Ok(()) => Ok(()),
    }
}

/// Files of others (`files/`) and our own, altered at random. `ALTERED=1000000 SEED=7` makes it so many and other ones,
/// `FROM=123` begins with that case.
#[test]
fn altered_files_do_no_harm() {
    let _alone = alone();
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let (cases, seed) = (number("ALTERED", 4000), number("SEED", 1));
    println!("{cases} altered files from seed {seed}");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    files.extend(valid());
    let scratch = tempfile::tempdir().unwrap();
    let mut worst = 0.0f64;
    for case in number("FROM", 0)..cases {
        if case % 100_000 == 0 {
            println!("case {case}");
        }
        // Each case has a seed of its own, so that it can be repeated alone.
        let mut numbers = Numbers(seed << 32 ^ case);
        let mut file = numbers.of(&files).clone();
        alter(&mut file, &files, &mut numbers);
        let reading = *numbers.of(READINGS);
        let started = std::time::Instant::now();
        let endured = endure(&file, reading, &scratch.path().join("x"), numbers.below(20) == 0);
        worst = worst.max(started.elapsed().as_secs_f64());
        if let Err(wrong) = endured {
            let kept = std::env::temp_dir().join(format!("altered-{seed}-{case}"));
            std::fs::write(&kept, &file).unwrap();
            panic!("seed {seed}, case {case}, {reading:?}: {wrong}; the file is {}", kept.display());
        }
    }
    println!("the slowest took {worst:.3} s");
}

#[test]
fn valid_files_are_valid() {
    let _alone = alone();
    for (i, file) in valid().iter().enumerate() {
        let name = if i % 8 == 7 { "train_x" } else { "x" };
        let array = read_bytes(file, &Source::file("x"), name).unwrap();
        assert!(!array.values().is_empty());
    }
}

#[test]
fn claims_take_no_memory() {
    let _alone = alone();
    let npy = |shape: &str| {
        let header = format!("{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [&b"\x93NUMPY\x01\x00"[..], &length, header.as_bytes(), &[0; 16]].concat()
    };
    let long = [&b"\x93NUMPY\x02\x00\xff\xff\xff\xff"[..], b"{'descr'"].concat();
    let cases = [
        ([&[0, 0, 14, 2][..], &[255; 8], &[1; 100]].concat(), Code::D008),
        ([&[0, 0, 8, 2][..], &[127, 255, 255, 255, 0, 0, 0, 9], &[1; 100]].concat(), Code::D009),
        ([&[0, 0, 8, 255][..], &[255; 2000]].concat(), Code::D008),
        (npy("(1000000000000,)"), Code::D009),
        (npy("(18446744073709551615, 2)"), Code::D008),
        (npy("(18446744073709551615, 18446744073709551615, 0)"), Code::D008),
        (npy("(99999999999999999999999,)"), Code::D008),
        (long, Code::D008),
        (gzip(&npy("(1000000000000,)")), Code::D009),
        ([&99_999_999u64.to_le_bytes()[..], b"{\"a\":1"].concat(), Code::D008),
    ];
    for (i, (file, code)) in cases.into_iter().enumerate() {
        assert!(consume(&file) <= BUFFERS, "case {i}");
        let error = read_bytes(&file, &Source::file("x"), "x").unwrap_err();
        assert_eq!(error.code(), code, "case {i}: {error}");
    }
}

#[test]
fn deeply_nested_headers_do_not_exhaust_the_stack() {
    let _alone = alone();
    let nested = "[".repeat(60_000);
    let header = format!("{{'descr': {nested}");
    let npy = [&b"\x93NUMPY\x02\x00"[..], &(header.len() as u32).to_le_bytes(), header.as_bytes()].concat();
    let json = format!("{{\"a\":{nested}");
    let tensors = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    for file in [npy, tensors] {
        assert!(read_bytes(&file, &Source::file("x"), "x").is_err());
    }
}

#[test]
fn every_way_to_cut_a_file_off_is_an_error() {
    let _alone = alone();
    for (i, file) in valid().iter().enumerate() {
        // Half a CSV file is a CSV file.
        let (csv, digits) = (i == 6, i % 8 == 7);
        if csv || digits {
            continue;
        }
        for length in 0..file.len() {
            let cut = read_bytes(&file[..length], &Source::file("x"), "x");
            assert!(cut.is_err(), "file {i}, {length} of {} bytes", file.len());
        }
    }
}
