//! The ways out that messages name for formats that are not read: each is done, word for word, to the file of a real
//! package, and what it makes is read. What the machine lacks (a package of Python, R, a program) is skipped, and said.
//!
//! Pythons are `python3` and those that `TERN_PYTHONS` lists, separated by colons; the first one with the packages is taken.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use tern_vm::data::{DataError, Element, InputSpec, Options, Prepared, Source, load, load_model};

/// What was written everywhere (`files/make.py`), and the model `a: Dense(2, 2)`.
const X: [f64; 6] = [1.5, -2.25, 0.5, 100.0, -0.125, 3.0];
const DENSE: [f64; 6] = [1.0, 0.5, -2.0, 0.25, 1.0, 0.0];

/// What a program declares, and what it gets.
type Wanted = (&'static [usize], &'static [f64]);
const ALL: Wanted = (&[3, 2], &X);
const COLUMN: Wanted = (&[3], &[X[0], X[2], X[4]]);
const WEIGHT: Wanted = (&[2, 2], &[DENSE[0], DENSE[1], DENSE[2], DENSE[3]]);

/// A file, the name of what is meant in it, what to say about the file that is made, and what it holds.
const TABLES: &[(&str, &str, &str, Wanted)] = &[
    ("r_dput.R", "", "", ALL),
    ("utf16.csv", "", "", ALL),
    ("scipy_dense.mtx", "", "", ALL),
    ("scipy_sparse.mtx", "", "", ALL),
    ("sklearn.svmlight", "", ":x", ALL),
    ("pandas.json", "", "", ALL),
    ("pandas.jsonl", "", "", ALL),
    ("polars.ndjson", "", "", ALL),
    ("node.json", "", "", ALL),
    ("scipy_v5.mat", "x", "", ALL),
    ("scipy_v4.mat", "x", "", ALL),
    ("scipy_sparse.npz", "", "", ALL),
    ("octave_v7.mat", "x", "", ALL),
    // Octave's arrays are column-major, and HDF5 does not say so.
    ("octave_hdf5.h5", "x/value", ",transpose=10", ALL),
    ("h5py.h5", "x", "", ALL),
    ("r.RData", "", "", ALL),
    ("r.rds", "", "", ALL),
    ("r_plain.rds", "", "", ALL),
    ("pandas.parquet", "", "", ALL),
    ("pandas.feather", "", "", ALL),
    ("pandas.pkl", "", "", ALL),
    ("pandas.dta", "", "", ALL),
    ("pandas.xlsx", "", "", ALL),
    ("openpyxl.xlsx", "", "", ALL),
    ("joblib.joblib", "", "", ALL),
    ("sqlite.db", "x", "", ALL),
    ("pandas.csv.bz2", "", "", ALL),
    ("pandas.csv.xz", "", "", ALL),
    ("pandas_csv.zip", "", "", ALL),
    ("tarfile.tar.gz", "", "", ALL),
    ("scipy.nc", "x", "", COLUMN),
    ("onnx.onnx", "", ":a.weight", WEIGHT),
];
const MODELS: &[&str] = &["torch.pth", "torch_old.pth", "torch_script.pt"];

/// Packages that the ways out use by their names, and what has to be imported for it.
const PACKAGES: &[(&str, &str)] = &[
    ("numpy.", "numpy"),
    ("pandas.", "pandas"),
    ("scipy.", "scipy.io, scipy.sparse"),
    ("sklearn.", "sklearn.datasets"),
    ("h5py.", "h5py"),
    ("pickle.", "pickle"),
    ("joblib.", "joblib"),
    ("torch.", "torch"),
    ("onnx.", "onnx, onnx.numpy_helper"),
    ("read_parquet", "pyarrow"),
    ("read_feather", "pyarrow"),
    ("read_excel", "openpyxl"),
];

fn input(name: &str, shape: &[usize]) -> InputSpec {
    let options = Options::default();
    InputSpec { name: name.into(), shape: shape.to_vec(), element: Element::Fix, party: 0, options }
}

fn model() -> [InputSpec; 2] {
    [input("a.weight", &[2, 2]), input("a.bias", &[2])]
}

/// How a way out is done.
enum Way {
    Python(String),
    R(String),
    Shell(String),
}

impl Way {
    /// Of the first help of a message.
    fn of(help: &str) -> Way {
        let code = |text: &str| {
            text.split("; in MATLAB:")
                .flat_map(|text| text.split("; the Python package"))
                .flat_map(|text| text.split("; the whole model"))
                .next()
                .unwrap_or_default()
                .to_string()
        };
        for python in ["in Python:  ", "in the Python that has written it:  "] {
            if let Some((_, text)) = help.split_once(python) {
                return Way::Python(code(text));
            }
        }
        if let Some((_, text)) = help.split_once("in R:  ") {
            let (write, read) = text.split_once(", after ").unwrap_or((text, ""));
            // of the two that are named, the one for this file
            let read = read.split(" or ").find(|read| read.starts_with("load") == help.contains(".RData"));
            return Way::R(format!("{}\n{write}", read.unwrap_or_default()));
        }
        let command = help.split_once(":  ").map_or(help, |(_, command)| command);
        Way::Shell(command.split(", and name").next().unwrap_or_default().to_string())
    }

    /// The command, or what is missing for it.
    fn command(&self) -> Result<Command, String> {
        match self {
            Way::Python(code) => {
                let used = PACKAGES.iter().filter(|(name, _)| code.contains(name)).map(|(_, import)| *import);
                let imports = used.collect::<Vec<_>>().join(", ");
                let python = python(&imports).ok_or(format!("no Python with {imports}"))?;
                let mut command = Command::new(python);
                command.arg("-c").arg(format!("import {imports}\n{code}"));
                Ok(command)
            }
            Way::R(code) => {
                there("Rscript")?;
                let mut command = Command::new("Rscript");
                command.arg("-e").arg(code);
                Ok(command)
            }
            Way::Shell(text) => {
                there(text.split(' ').next().unwrap_or_default())?;
                let mut command = Command::new("sh");
                command.arg("-c").arg(text);
                Ok(command)
            }
        }
    }
}

fn there(program: &str) -> Result<(), String> {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
    if found.is_ok_and(|output| output.status.success()) { Ok(()) } else { Err(format!("no {program}")) }
}

fn python(imports: &str) -> Option<String> {
    let listed = std::env::var("TERN_PYTHONS").unwrap_or_default();
    let mut all = listed.split(':').filter(|name| !name.is_empty()).chain(["python3"]);
    let has = |python: &&str| {
        let probe = Command::new(python).arg("-c").arg(format!("import {imports}")).output();
        probe.is_ok_and(|output| output.status.success())
    };
    all.find(has).map(str::to_string)
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Does what the message about a file says; the path of the file that it makes, if the machine has what it takes.
fn made(folder: &Path, file: &str, name: &str, shape: Option<&[usize]>) -> Option<String> {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(file);
    std::fs::copy(original, folder.join(file)).unwrap();
    let source = Source::from(folder.join(file).as_path());
    let error = match shape {
        None => load_model("x", &model(), &source).map(|_| ()).unwrap_err(),
        Some(shape) => load(&input("x", shape), &source).map(|_| ()).unwrap_err(),
    };
    let message = error.message();
    assert_eq!(message.code.name(), "D023", "{file}");
    let help = message.helps[0].replace(&format!("{}/", folder.display()), "").replace("NAME", name);
    let mut command = match Way::of(&help).command() {
        Ok(command) => command,
        Err(missing) => {
            println!("SKIPPED {file}: {missing}, for  {help}");
            return None;
        }
    };
    let before = files(folder);
    let output = command.current_dir(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{file}: {help}\n{errors}");
    let new: Vec<String> = files(folder).difference(&before).cloned().collect();
    assert_eq!(new.len(), 1, "{file}: {help} makes {new:?}");
    println!("{file}: {help}");
    Some(folder.join(&new[0]).display().to_string())
}

/// The values of some inputs.
fn values(inputs: &[Prepared]) -> Vec<f64> {
    let mut values = Vec::new();
    for input in inputs {
        input.fill_real(0..input.len(), |_, value| values.push(value));
    }
    values
}

#[test]
fn ways_out_lead_to_files_that_are_read() {
    let mut failures = Vec::new();
    let mut compare = |file: &str, found: Result<Vec<Prepared>, DataError>, wanted: &[f64]| match found {
        Ok(inputs) if values(&inputs) == wanted => {}
        Ok(inputs) => failures.push(format!("{file}: {:?}", values(&inputs))),
        Err(error) => failures.push(format!("{file}: {}", error.message())),
    };
    for (file, name, options, (shape, wanted)) in TABLES {
        let folder = tempfile::tempdir().unwrap();
        let Some(path) = made(folder.path(), file, name, Some(shape)) else { continue };
        let source = Source::parse(&format!("{path}{options}")).unwrap();
        compare(file, load(&input("x", shape), &source).map(|found| vec![found]), wanted);
    }
    for file in MODELS {
        let folder = tempfile::tempdir().unwrap();
        let Some(path) = made(folder.path(), file, "", None) else { continue };
        let found = load_model("x", &model(), &Source::parse(&path).unwrap());
        compare(file, found.map(|(tensors, _)| tensors), &DENSE);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
