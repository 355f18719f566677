//! Every help of a message about data, twice: a file to which it applies, and a neighbour of that file to which it does not, where it
//! would mislead. The texts themselves are in `data_messages.txt`.

use std::fs;

use tern_vm::data::{
    Array, Element, InputSpec, Options, Ratio, Source, load, load_model, write_npy, write_npz,
};

/// A file for an input, or for a model.
struct Case {
    input: InputSpec,
    model: bool,
    name: &'static str,
    bytes: Vec<u8>,
}

fn fix(shape: &[usize]) -> InputSpec {
    let options = Options::default();
    InputSpec { name: "x".into(), shape: shape.to_vec(), element: Element::Fix, party: 0, options }
}

fn with(shape: &[usize], options: Options) -> InputSpec {
    InputSpec { options, ..fix(shape) }
}

fn one_hot(shape: &[usize]) -> InputSpec {
    with(shape, Options { one_hot: true, ..Options::default() })
}

fn of(input: InputSpec, name: &'static str, bytes: impl Into<Vec<u8>>) -> Case {
    Case { input, model: false, name, bytes: bytes.into() }
}

fn model(shape: &[usize], name: &'static str, bytes: Vec<u8>) -> Case {
    Case { model: true, ..of(fix(shape), name, bytes) }
}

fn npy(shape: &[usize], values: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_npy(&mut bytes, &Array::new(shape, values.to_vec())).unwrap();
    bytes
}

fn zeros(shape: &[usize]) -> Vec<u8> {
    npy(shape, &vec![0.0; shape.iter().product()])
}

fn npz(names: &[&'static str]) -> Vec<u8> {
    let number = Array::new([1], vec![1.0]);
    let mut out = std::io::Cursor::new(Vec::new());
    write_npz(&mut out, names.iter().map(|&name| (name, &number))).unwrap();
    out.into_inner()
}

/// An npy file of this type, without elements.
fn typed(descr: &str) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (4, 2), }}\n");
    [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat()
}

/// The helps about a file; none if it is read.
fn helps(case: &Case) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{}/{}", folder.path().display(), case.name);
    let source = Source::parse(&text).unwrap();
    if !case.bytes.is_empty() {
        fs::write(&source.path, &case.bytes).unwrap();
    }
    let error = if case.model {
        let field = InputSpec { name: "w".into(), ..case.input.clone() };
        load_model("x", &[field], &source).map(|_| ()).err()
    } else {
        match load(&case.input, &source) {
            Ok(read) => read.encode(16, 32).map(|_| ()).err(),
            Err(error) => Some(error),
        }
    };
    error.map_or(Vec::new(), |error| error.message().helps)
}

/// What a help says, a file to which it applies, and its neighbour.
fn pairs() -> Vec<(&'static str, Case, Case)> {
    let x = || fix(&[4, 2]);
    [files(), texts(), doubts(), shapes(), values()]
        .into_iter()
        .flatten()
        .chain([(
            "a model is an npz or safetensors file",
            model(&[1], "w.npy", zeros(&[1])),
            of(x(), "w.npy:w", zeros(&[1])),
        )])
        .collect()
}

fn files() -> Vec<(&'static str, Case, Case)> {
    let x = || fix(&[4, 2]);
    let cut = |name| of(x(), name, b"\0\0\x08\x02\0\0\0\x04\0\0\0\x02\x01".to_vec());
    vec![
        ("--input x=FILE", of(x(), "nothing.npy", ""), of(x(), "empty.npy", "?")),
        ("tern data mnist", of(x(), "train-images-idx3-ubyte", ""), of(x(), "images-idx3-ubyte", "")),
        ("tern data mnist", cut("t10k-images-idx3-ubyte"), cut("images.idx")),
        ("copy or download it again", cut("images.idx"), cut("t10k-images-idx3-ubyte")),
        (
            "npy, npz, csv, idx and safetensors are known",
            of(x(), "x.bin", b"\x01\x02\x03\xff".to_vec()),
            of(x(), "x.png", b"\x89PNG\r\n\x1a\n".to_vec()),
        ),
        (
            "a text holds rows of numbers",
            of(x(), "open.csv", "\"a,b\n1,2\n"),
            of(x(), "x.npy", b"\x93NUMPY\x01\0\x04\0None".to_vec()),
        ),
        (
            "joblib.load",
            of(x(), "x.pkl", b"\x80\x04\x95\0\0\0\0\0\0\0\0\x8c\x13joblib.numpy_pickle".to_vec()),
            of(x(), "y.pkl", b"\x80\x04\x95\0\0\0\0\0\0\0\0\x8c\x05numpy".to_vec()),
        ),
        ("numpy.stack([x.real, x.imag]", of(x(), "x.npy", typed("'<c8'")), of(x(), "x.npy", typed("'<U8'"))),
        ("if the texts are numbers", of(x(), "x.npy", typed("'<U8'")), of(x(), "x.npy", typed("'|O'"))),
        ("allow_pickle=True", of(x(), "x.npy", typed("'|O'")), of(x(), "x.npy", typed("'<U8'"))),
        ("whole numbers of days", of(x(), "x.npy", typed("'<M8[s]'")), of(x(), "x.npy", typed("'<c8'"))),
        (
            "one column per field",
            of(x(), "x.npy", typed("[('a', '<f8'), ('b', '<i4')]")),
            of(x(), "x.npy", typed("'|V3'")),
        ),
        ("x.npz:a", of(fix(&[1]), "x.npz", npz(&["a", "b"])), of(fix(&[1]), "x.npz", npz(&[]))),
        ("--input x=", of(fix(&[1]), "single.npz:x", zeros(&[1])), of(fix(&[1]), "x.npz", npz(&[]))),
        (
            "names of the model's fields",
            model(&[1], "w.npz", npz(&["v"])),
            model(&[1], "w.npz:w", npz(&["w"])),
        ),
    ]
}

fn texts() -> Vec<(&'static str, Case, Case)> {
    let x = || fix(&[2, 2]);
    vec![
        ("what is missing", of(x(), "x.csv", "a,b\n1,\n3,4\n"), of(x(), "x.csv", "a,b\n1,tall\n3,4\n")),
        ("not complex", of(x(), "x.csv", "a,b\n1,2+3j\n3,4\n"), of(x(), "x.csv", "a,b\n1,Raj\n3,4\n")),
        ("separator=blanks", of(x(), "x.csv", "a,b\n1 2,3\n4 5,6\n"), of(x(), "x.csv", "a,b\n1,2x\n3,4\n")),
        (
            "if it names the row",
            of(x(), "x.csv", "name,b\nAda,2\nBob,4\n"),
            of(x(), "x.csv", "a,name\n1,Ada\n2,Bob\n"),
        ),
        ("get_dummies", of(x(), "x.csv", "a,name\n1,Ada\n2,Bob\n"), of(x(), "x.csv", "a,b\n1,NA\n2,3\n")),
        (
            "every line has the same number of cells",
            of(x(), "x.csv", "a,b\n1,2\n3\n"),
            of(x(), "x.csv", "a,b\n1,2\n3,\n"),
        ),
    ]
}

fn doubts() -> Vec<(&'static str, Case, Case)> {
    let x = || fix(&[2, 2]);
    vec![
        (
            "header=yes",
            of(fix(&[2, 3]), "x.csv", "0,1,2\n20,1.75,3\n30,1.8,3\n"),
            of(fix(&[2, 3]), "x.csv", "a,b,c\n20,x,3\n30,1.8,3\n"),
        ),
        (
            "header=yes,index=yes",
            of(x(), "x.csv", ",0,1\n0,20,1.75\n1,30,1.8\n"),
            of(fix(&[2, 3]), "x.csv", "0,1,2\n0,20,1.75\n1,30,1.8\n"),
        ),
        (
            "index=yes",
            of(x(), "x.csv", ",a,b\n0,20,1.75\n1,30,1.8\n"),
            of(x(), "x.csv", "2019,2020\n20,1\n30,2\n"),
        ),
        (
            "decimal=comma",
            of(fix(&[2]), "x.csv", "a\n1,234\n2,345\n"),
            of(fix(&[2]), "x.csv", "a\n1;234\n2;345\n"),
        ),
        (
            "without commas",
            of(x(), "x.csv", "a;b\n1,234;1,235\n3;4\n"),
            of(x(), "x.csv", "a;b\n1,5;1.5\n3;4\n"),
        ),
        (
            "with a point before the fraction",
            of(x(), "x.csv", "a;b\n1,5;1.5\n3;4\n"),
            of(x(), "x.csv", "a;b\n1,234;1,235\n3;4\n"),
        ),
    ]
}

fn shapes() -> Vec<(&'static str, Case, Case)> {
    let x = || fix(&[4, 2]);
    let counted = Options { first_rows: true, ..Options::default() };
    vec![
        (
            "only counts or names the rows",
            of(fix(&[2, 2]), "x.csv", "1,2,3\n4,5,6\n"),
            of(fix(&[2, 2]), "x.npy", zeros(&[2, 3])),
        ),
        (
            "only counts or names the rows",
            of(fix(&[2, 2]), "x.csv", "1,2,3\n4,5,6\n"),
            of(fix(&[2, 2]), "x.csv", "1,2,3,4\n4,5,6,7\n"),
        ),
        (
            "transpose=",
            of(fix(&[2, 3, 2, 2]), "x.npy", zeros(&[2, 2, 2, 3])),
            of(fix(&[2, 3, 4]), "x.npy", zeros(&[2, 2, 6])),
        ),
        ("[:4]", of(x(), "x.npy", zeros(&[5, 2])), of(x(), "x.npy", zeros(&[3, 2]))),
        ("[:3]", of(x(), "x.npy[0:9]", zeros(&[3, 2])), of(x(), "x.npy", zeros(&[3, 2]))),
        (
            "input x: fix[5, 2]",
            of(x(), "x.npy", zeros(&[5, 2])),
            of(with(&[6, 2], counted), "x.npy[9:]", zeros(&[5, 2])),
        ),
        (
            "names every axis of the file once",
            of(x(), "x.npy,transpose=021", zeros(&[4, 2])),
            of(x(), "x.npy,transpose=10", zeros(&[4, 2])),
        ),
        (
            "one_hot",
            of(fix(&[3, 4]), "x.npy", npy(&[3], &[0.0, 3.0, 1.0])),
            of(fix(&[3, 4]), "x.npy", zeros(&[3, 5])),
        ),
        (
            "without one_hot",
            of(one_hot(&[2, 3]), "x.npy", npy(&[2, 3], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0])),
            of(one_hot(&[2, 3]), "x.npy", zeros(&[3])),
        ),
        (
            "leave `header` out",
            of(x(), "x.npy,header=yes", zeros(&[4, 2])),
            of(x(), "x.csv,header=yes", "a,b\n1,2\n"),
        ),
    ]
}

fn values() -> Vec<(&'static str, Case, Case)> {
    let x = || fix(&[2, 2]);
    let int = InputSpec { element: Element::Int, ..fix(&[2]) };
    let range = Options { scale: Ratio::new(1, 255), range: Some((0.0, 1.0)), ..Options::default() };
    let standard = Options { standardise: true, ..Options::default() };
    vec![
        (
            "nan_to_num",
            of(x(), "x.npy", npy(&[2, 2], &[1.0, 2.0, 3.0, f64::NAN])),
            of(x(), "x.csv", "1,2\n3,?\n"),
        ),
        (
            "labels are whole numbers from 0 to 2",
            of(one_hot(&[2, 3]), "x.csv", "y\n1\n3\n"),
            of(one_hot(&[2, 3]), "x.csv", "y\n1\n2\n3\n"),
        ),
        (
            "the range in the declaration",
            of(with(&[2, 2], range), "x.csv", "0,255\n510,7\n"),
            of(x(), "x.csv", "0,255\n99999,7\n"),
        ),
        (
            "--fixed 16,",
            of(x(), "x.csv", "1,2\n3,40000.5\n"),
            of(x(), "x.npy", npy(&[2, 2], &[1e300, 0.0, 0.0, 0.0])),
        ),
        (
            "scale it down",
            of(x(), "x.npy", npy(&[2, 2], &[1e300, 0.0, 0.0, 0.0])),
            of(x(), "x.csv", "1,2\n3,40000.5\n"),
        ),
        ("standardise", of(x(), "x.csv", "1,2\n3,40000.5\n"), of(int.clone(), "x.csv", "1\n99999999999\n")),
        ("x.round()", of(int, "x.npy", zeros(&[2])), of(fix(&[2]), "x.npy", typed("'<c8'"))),
        (
            "the mean and the deviation of the training data",
            of(with(&[1, 2], standard.clone()), "x.csv", "1,2\n"),
            of(with(&[2, 2], standard), "x.csv", "1,2\n"),
        ),
    ]
}

#[test]
fn helps_are_given_where_they_apply_and_nowhere_else() {
    let mut failures = Vec::new();
    for (help, applies, neighbour) in pairs() {
        let found = helps(&applies);
        if !found.iter().any(|text| text.contains(help)) {
            failures.push(format!("no {help:?} for {}: {found:#?}", applies.name));
        }
        let found = helps(&neighbour);
        if found.iter().any(|text| text.contains(help)) {
            failures.push(format!("{help:?} misleads for {}: {found:#?}", neighbour.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
