//! What a user is told about each kind of bad file, word for word: `data_messages.txt`, which `UPDATE_EXPECT=1 cargo test`
//! rewrites.

use expect_test::expect_file;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use tern_vm::data::{
    Array, Code, DataError, Element, InputSpec, Options, Ratio, Source, load, load_model, write_npy,
    write_npz, write_safetensors,
};

/// The messages so far, and the codes that they have shown.
struct Cases {
    folder: tempfile::TempDir,
    seen: BTreeSet<Code>,
    messages: String,
}

impl Cases {
    /// Loads a file with these bytes for an input, and keeps the message without the name of the folder.
    fn check(&mut self, spec: &InputSpec, name: &str, bytes: &[u8]) {
        let path = Source::parse(name).unwrap().path;
        fs::write(self.folder.path().join(path), bytes).unwrap();
        self.check_path(spec, name);
    }

    fn check_model(&mut self, fields: &[InputSpec], name: &str, bytes: &[u8]) {
        let file = Source::parse(name).unwrap().path;
        fs::write(self.folder.path().join(file), bytes).unwrap();
        let source = Source::parse(&format!("{}/{name}", self.folder.path().display())).unwrap();
        let error = load_model("weights", fields, &source).expect_err("every case here is an error");
        self.note(name, &error);
    }

    fn check_path(&mut self, spec: &InputSpec, name: &str) {
        let text = format!("{}/{name}", self.folder.path().display());
        let error = failure(spec, &Source::parse(&text).unwrap());
        self.note(name, &error);
    }

    fn note(&mut self, name: &str, error: &DataError) {
        self.seen.insert(error.code());
        let folder = format!("{}/", self.folder.path().display());
        let message = error.message().to_string().replace(&folder, "");
        self.messages.push_str(&format!("---- {name}\n{message}\n\n"));
    }
}

fn failure(spec: &InputSpec, source: &Source) -> DataError {
    match load(spec, source) {
        Err(error) => error,
        Ok(input) => input.encode(16, 32).map(|_| ()).expect_err("every case here is an error"),
    }
}

fn fix(name: &str, shape: &[usize]) -> InputSpec {
    let options = Options::default();
    InputSpec { name: name.into(), shape: shape.to_vec(), element: Element::Fix, party: 0, options }
}

fn npy(array: &Array) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_npy(&mut bytes, array).unwrap();
    bytes
}

fn floats(shape: &[usize], values: &[f64]) -> Vec<u8> {
    npy(&Array::new(shape, values.to_vec()))
}

fn bytes(shape: &[usize], values: &[u8]) -> Vec<u8> {
    npy(&Array::new(shape, values.to_vec()))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_code_has_a_message_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut cases = Cases { folder, seen: BTreeSet::new(), messages: String::new() };
    files(&mut cases);
    formats(&mut cases);
    tables(&mut cases);
    shapes_and_types(&mut cases);
    values(&mut cases);
    models(&mut cases);
    expect_file!["data_messages.txt"].assert_eq(&cases.messages);
    let missing: Vec<_> = Code::ALL.iter().filter(|&code| !cases.seen.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn files(cases: &mut Cases) {
    let x = fix("train_x", &[4, 2]);
    cases.check_path(&x, "nothing.npy");
    cases.check_path(&x, "train-images-idx3-ubyte.gz");
    fs::create_dir(cases.folder.path().join("folder")).unwrap();
    cases.check_path(&x, "folder");
}

fn formats(cases: &mut Cases) {
    let x = fix("train_x", &[4, 2]);
    cases.check(&x, "empty.npy", b"");
    cases.check(&x, "photo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    cases.check(&x, "notes.txt", b"To whom it may concern\n");
    let header = b"{'descr': '<c8', 'fortran_order': False, 'shape': (4, 2), }\n";
    cases.check(&x, "complex.npy", &[&b"\x93NUMPY\x01\0\x3c\0"[..], header].concat());
    let header = b"{'descr': [('a', '<f8'), ('b', '<i4')], 'fortran_order': False, 'shape': (4,), }\n";
    cases.check(&x, "records.npy", &[&b"\x93NUMPY\x01\0\x51\0"[..], header].concat());
    cases.check(&x, "text.npy", b"\x93NUMPY\x01\0\x04\0None");
    cases.check(&x, "version.npy", b"\x93NUMPY\x09\0\x04\0None");
    let idx = [&[0, 0, 8, 2, 0, 0, 0, 4, 0, 0, 0, 2][..], &[1, 2, 3]].concat();
    cases.check(&x, "short.idx", &idx);
    cases.check(&x, "t10k-images-idx3-ubyte", &idx);
    let long = [bytes(&[4, 2], &[0; 8]), vec![0]].concat();
    cases.check(&x, "long.npy", &long);
    let absurd = [&[0, 0, 8, 3][..], &[255; 12]].concat();
    cases.check(&x, "absurd.idx", &absurd);
    let packed = gzip(&bytes(&[4, 2], &[0; 8]));
    cases.check(&x, "cut.npy.gz", &packed[..packed.len() - 6]);
    let mut damaged = packed;
    let sum = damaged.len() - 6;
    damaged[sum] ^= 1;
    cases.check(&x, "damaged.npy.gz", &damaged);
    archives(cases);
}

fn archives(cases: &mut Cases) {
    let x = fix("train_x", &[1]);
    let number = Array::new([1], vec![1.0]);
    let archive = |names: &[&'static str]| {
        let mut out = std::io::Cursor::new(Vec::new());
        write_npz(&mut out, names.iter().map(|&name| (name, &number))).unwrap();
        out.into_inner()
    };
    let two = archive(&["fc1.weight", "fc1.bias"]);
    cases.check(&x, "model.npz", &two);
    cases.check(&x, "model.npz:fc2.weight", &two);
    cases.check(&x, "none.npz", &archive(&[]));
    cases.check(&x, "single.npz:x", &floats(&[1], &[1.0]));
    let mut damaged = archive(&["train_x"]);
    let at = damaged.windows(6).position(|part| part == b"NUMPY\x01").unwrap() + 130;
    damaged[at] ^= 1;
    cases.check(&x, "damaged.npz", &damaged);
    cases.check(&x, "cut.npz", &two[..two.len() / 2]);
}

fn tables(cases: &mut Cases) {
    let x = fix("train_x", &[3, 2]);
    cases.check(&x, "hole.csv", b"age,height\n20,1.75\n30,?\n");
    cases.check(&x, "words.csv", b"age,height\n20,tall\n");
    cases.check(&x, "names.csv", b"name,height\nAda,1.75\n");
    cases.check(&x, "spaces.csv,separator=comma", b"20 1.75\n30 1.80\n");
    cases.check(&fix("train_x", &[3]), "blank.csv", b"age\n20\n\n30\n40\n");
    cases.check(&x, "open.csv", b"\"age,height\n20,1.75\n");
    cases.check(&x, "few.csv,header=no", b"20,1.75\n30,1.8\n");
    cases.check(&x, "index.csv", b"0,20,1.75\n1,30,1.8\n2,40,1.8\n");
    cases.check(&x, "picked.csv[1:9]", b"20,1.75\n30,1.8\n40,1.8\n");
    doubts(cases);
    cases.check(&x, "bare.csv", b"20,1.75\n30,\n");
    cases.check(&x, "mixed.csv", b"id,1\n20,1.75\n");
    cases.check(&x, "comma.csv", b"20;1,75\n30;1,80\n");
    cases.check(&x, "ragged.csv", b"age,height\n20,1.75\n30\n");
}

fn doubts(cases: &mut Cases) {
    let x = fix("train_x", &[3, 2]);
    cases.check(&fix("train_x", &[2, 3]), "counts.csv", b"0,1,2\n20,1.75,3\n30,1.8,3\n");
    cases.check(&x, "counted.csv", b",0,1\n0,20,1.75\n1,30,1.8\n2,40,1.8\n");
    cases.check(&x, "years.csv", b"2019,2020\n20,1.75\n30,1.8\n40,1.8\n");
    cases.check(&fix("train_x", &[2]), "first.csv", b"NA\n2\n3\n");
    cases.check(&x, "unnamed.csv", b",age,height\n0,20,1.75\n1,30,1.8\n2,40,1.8\n");
    cases.check(&fix("train_x", &[2]), "fewer.csv", b"age\n1,5\n2,5\n");
    cases.check(&x, "thousands.csv", b"a;b\n1,234;1,235\n3;4\n5;6\n");
    cases.check(&x, "both.csv", b"a;b\n1,5;1.5\n3;4\n5;6\n");
}

fn shapes_and_types(cases: &mut Cases) {
    let x = fix("train_x", &[4, 2]);
    cases.check(&x, "many.npy", &floats(&[5, 2], &[0.0; 10]));
    cases.check(&fix("train_x", &[2, 3, 2, 2]), "last.npy", &bytes(&[2, 2, 2, 3], &[0; 24]));
    cases.check(&fix("train_x", &[2, 3, 4]), "else.npy", &bytes(&[2, 2, 6], &[0; 24]));
    cases.check(&x, "axes.npy,transpose=021", &floats(&[4, 2], &[0.0; 8]));
    cases.check(&x, "options.npy,header=yes", &floats(&[4, 2], &[0.0; 8]));
    let row = Options { standardise: true, ..Options::default() };
    let row = InputSpec { options: row, ..fix("train_x", &[1, 2]) };
    cases.check(&row, "row.npy", &floats(&[1, 2], &[1.0, 2.0]));
    cases.check(&x, "wide.npy", &floats(&[6, 3], &[0.0; 18]));
    cases.check(&x, "turned.npy", &floats(&[2, 4], &[0.0; 8]));
    cases.check(&x, "few.npy", &floats(&[3, 2], &[0.0; 6]));
    cases.check(&fix("rate", &[]), "several.npy", &floats(&[3], &[0.0; 3]));
    let count = InputSpec { element: Element::Int, ..fix("count", &[2]) };
    cases.check(&count, "floats.npy", &floats(&[2], &[1.0, 2.0]));
    let y = InputSpec { party: 1, ..fix("train_y", &[6, 10]) };
    cases.check(&y, "labels.npy", &bytes(&[6], &[5, 0, 4, 1, 9, 0]));
    let hot = Options { one_hot: true, ..Options::default() };
    let y = InputSpec { options: hot.clone(), ..fix("train_y", &[2, 3]) };
    cases.check(&y, "hot.npy", &bytes(&[2, 3], &[0, 0, 1, 1, 0, 0]));
    cases.check(&y, "soft.npy", &floats(&[2, 3], &[0.2, 0.3, 0.5, 0.0, 1.0, 0.0]));
    cases.check(&y, "pair.npy", &bytes(&[2, 2], &[0, 0, 1, 1]));
    let flag = InputSpec { options: hot, ..fix("flag", &[2]) };
    cases.check(&flag, "flags.npy", &bytes(&[2], &[0, 1]));
}

fn values(cases: &mut Cases) {
    let x = fix("train_x", &[2, 2]);
    cases.check(&x, "nan.npy", &floats(&[2, 2], &[1.0, 2.0, 3.0, f64::NAN]));
    cases.check(&x, "inf.csv", b"1,2\n-inf,4\n");
    cases.check(&fix("rate", &[]), "nan0.npy", &floats(&[], &[f64::NAN]));
    let y =
        InputSpec { options: Options { one_hot: true, ..Options::default() }, ..fix("train_y", &[3, 10]) };
    cases.check(&y, "labels.csv", b"digit\n1\n10\n3\n");
    cases.check(&y, "halves.csv", b"digit\n1\n0.5\n3\n");
    let options = Options { scale: Ratio::new(1, 255), range: Some((0.0, 1.0)), ..Options::default() };
    let bounded = InputSpec { options, ..fix("train_x", &[2, 2]) };
    cases.check(&bounded, "bright.csv", b"0,255\n510,7\n");
    let flags = InputSpec { element: Element::Bool, ..fix("flags", &[2]) };
    cases.check(&flags, "flags.csv", b"1\n2\n");
    cases.check(&x, "large.csv", b"1,2\n3,40000.5\n");
    let mut huge = bytes(&[8], &[255; 8]);
    let at = huge.windows(3).position(|part| part == b"|u1").unwrap();
    huge[at..at + 3].copy_from_slice(b"<u8");
    let shape = huge.windows(4).position(|part| part == b"(8,)").unwrap();
    huge[shape + 1] = b'1';
    cases.check(&fix("train_x", &[1]), "huge.npy", &huge);
}

/// One of each kind of difference, in npz and in safetensors.
fn models(cases: &mut Cases) {
    let fields =
        [fix("l1.weight", &[3, 2]), fix("l1.bias", &[3]), fix("l2.weight", &[1, 3]), fix("l2.bias", &[])];
    let zeros = |shape: &[usize]| Array::new(shape, vec![0.0; shape.iter().product()]);
    let tensors = [
        ("l1.weight", zeros(&[2, 3])),
        ("l2.weight", zeros(&[2, 3])),
        ("l1.bias", zeros(&[3])),
        ("fc", zeros(&[])),
    ];
    let each = || tensors.iter().map(|(name, array)| (*name, array));
    let mut npz = std::io::Cursor::new(Vec::new());
    write_npz(&mut npz, each()).unwrap();
    let mut safetensors = Vec::new();
    write_safetensors(&mut safetensors, each()).unwrap();
    cases.check_model(&fields, "weights.npz", &npz.into_inner());
    cases.check_model(&fields, "weights.safetensors", &safetensors);
    let parametrised = [("l1.parametrizations.weight.original", zeros(&[3, 2])), ("l1.bias", zeros(&[3]))];
    let mut npz = std::io::Cursor::new(Vec::new());
    write_npz(&mut npz, parametrised.iter().map(|(name, array)| (*name, array))).unwrap();
    cases.check_model(&fields[..2], "parametrised.npz", &npz.into_inner());
    cases.check_model(&fields, "weights.npy", &floats(&[1], &[1.0]));
    cases.check_model(&fields, "weights.npz:l1.bias", b"");
    cases.check_model(&fields, "weights.npz[:2]", b"");
}

#[test]
fn a_model_is_read_in_the_order_of_its_fields() {
    let folder = tempfile::tempdir().unwrap();
    let arrays = [("b", Array::new([2], vec![1.0f32, 2.0])), ("a.w", Array::new([1, 2], vec![3i64, -4]))];
    let fields = [fix("a.w", &[1, 2]), fix("b", &[2])];
    for (name, safetensors) in [("w.npz", false), ("w.safetensors", true), ("misleading.npz", true)] {
        let path = folder.path().join(name);
        let each = arrays.iter().map(|(name, array)| (*name, array));
        let mut file = fs::File::create(&path).unwrap();
        if safetensors { write_safetensors(&mut file, each) } else { write_npz(&mut file, each) }.unwrap();
        let (model, unused) = load_model("w", &fields, &Source::from(path.as_path())).unwrap();
        assert!(unused.is_empty());
        let (_, unused) = load_model("w", &fields[..1], &Source::from(path.as_path())).unwrap();
        assert_eq!(unused.len(), 1, "what a program does not use is told, and no error");
        let mut values = Vec::new();
        for tensor in &model {
            tensor.fill_real(0..tensor.len(), |_, value| values.push(value));
        }
        assert_eq!(values, [3.0, -4.0, 1.0, 2.0], "{name}");
    }
}

/// Lengths and directions of each row, as PyTorch keeps them from 2.0 on and before; the number 0 stands for a layer of a `Sequential`.
#[test]
fn weights_under_weight_normalisation_are_computed() {
    let folder = tempfile::tempdir().unwrap();
    let (lengths, directions) =
        (Array::new([2, 1], vec![10.0f32, 26.0]), Array::new([2, 2], vec![3.0f32, 4.0, -5.0, 12.0]));
    for (suffixes, safetensors) in [
        (["parametrizations.weight.original0", "parametrizations.weight.original1"], false),
        (["weight_g", "weight_v"], true),
    ] {
        let [g, v] = suffixes.map(|suffix| format!("0.{suffix}"));
        let each = [(g.as_str(), &lengths), (v.as_str(), &directions)];
        let path = folder.path().join("w");
        let mut file = fs::File::create(&path).unwrap();
        if safetensors { write_safetensors(&mut file, each) } else { write_npz(&mut file, each) }.unwrap();
        let source = Source::from(path.as_path());
        let (model, told) = load_model("w", &[fix("_0.weight", &[2, 2])], &source).unwrap();
        let mut values = Vec::new();
        model[0].fill_real(0..4, |_, value| values.push(value));
        assert_eq!(values, [6.0, 8.0, -10.0, 24.0]);
        let told: Vec<String> = told.iter().map(|one| one.to_string()).collect();
        assert_eq!(told, [format!("holds {g} and {v}, from which comes _0.weight, by weight normalisation")]);
        // a program that has the parts as fields gets them
        let fields = [fix(&format!("_{g}"), &[2, 1]), fix(&format!("_{v}"), &[2, 2])];
        assert!(load_model("w", &fields, &source).unwrap().1.is_empty());
    }
}

#[test]
fn without_an_input_the_file_has_its_own_name() {
    let error = tern_vm::data::read(&Source::from(Path::new("/nowhere/x.npy")), "x").unwrap_err();
    assert_eq!(error.message().title, "there is no file for x.npy");
    assert_eq!(error.to_string(), "there is no file for x.npy: /nowhere/x.npy does not exist");
    assert!(error.input.is_none());
}
