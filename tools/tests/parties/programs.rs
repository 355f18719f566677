//! Every program, in three processes and in the emulator: under nearest rounding and one seed they agree bit for bit.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Process, root, tern};

/// A program, the arguments that make it short, its data, and its result.
struct Case {
    program: &'static str,
    args: &'static [&'static str],
    data: Data,
    result: &'static str,
}

enum Data {
    /// Images that [`images`] makes up.
    Images,
    /// Files of CIFAR-10's form that [`cifar`] makes up.
    Cifar,
    /// Beside the programs, under this name.
    Beside(&'static str),
}

/// Every program with all that it can do, spread over the programs.
const CASES: [Case; 11] = [
    Case {
        program: "mnist_a",
        args: &["EPOCHS=2", "N=40", "BATCH=16", "TEST=10", "OPTIMIZER=amsgrad", "DROPOUT=0.25", "RATE=0.001"],
        data: Data::Images,
        result: "weights",
    },
    Case {
        program: "mnist_b",
        args: &["EPOCHS=1", "N=16", "BATCH=8", "TEST=10", "OPTIMIZER=adam", "DROPOUT=0.5", "RATE=0.001"],
        data: Data::Images,
        result: "weights",
    },
    Case {
        program: "mnist_c",
        args: &["EPOCHS=1", "N=8", "BATCH=4", "TEST=0", "OPTIMIZER=amsgrad_coarse", "RATE=0.001"],
        data: Data::Images,
        result: "weights",
    },
    Case {
        program: "mnist_d",
        args: &["EPOCHS=2", "N=40", "BATCH=16", "TEST=10", "DROPOUT=0.5"],
        data: Data::Images,
        result: "weights",
    },
    Case {
        program: "convnet_avgpool",
        args: &["EPOCHS=1", "N=8", "BATCH=4", "TEST=5"],
        data: Data::Images,
        result: "weights",
    },
    Case { program: "mnist_c_inference", args: &["N=10", "BATCH=5"], data: Data::Images, result: "labels" },
    Case {
        program: "mnist_race",
        args: &["TARGET=1", "EPOCHS=1", "FIRST=0", "PARTS=1", "N=8", "BATCH=4", "TEST=5"],
        data: Data::Images,
        result: "weights",
    },
    Case {
        program: "cifar10_alexnet",
        args: &["EPOCHS=1", "N=4", "BATCH=2", "TEST=2"],
        data: Data::Cifar,
        result: "weights",
    },
    Case {
        program: "logistic_regression",
        args: &["EPOCHS=2", "OPTIMIZER=adam"],
        data: Data::Beside("breast_cancer"),
        result: "weights",
    },
    Case { program: "linear_regression", args: &["EPOCHS=3"], data: Data::Beside("wine"), result: "weights" },
    Case {
        program: "digits",
        args: &["EPOCHS=1", "BATCH=250"],
        data: Data::Beside("digits/digits.npz"),
        result: "weights",
    },
];

/// An array of unsigned bytes in NumPy's format.
fn npy(path: &Path, shape: &[usize], bytes: &[u8]) {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({sizes}), }}");
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header += "\n";
    let head = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    fs::write(path, [&head, bytes].concat()).unwrap();
}

/// Images with a bright square, whose place is the label, on noise; as many as any case takes.
fn images(folder: &Path) {
    for (name, n) in [("train", 40), ("test", 10), ("images", 10)] {
        let labels: Vec<u8> = (0..n).map(|i| (i * 7 % 10) as u8).collect();
        let mut pixels = vec![0u8; n * 784];
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let (label, row, column) = (usize::from(labels[at / 784]), at % 784 / 28, at % 28);
            let noise = (at as u32).wrapping_mul(2_654_435_761) >> 27;
            let inside = row / 6 == label / 4 + 1 && column / 6 == label % 4;
            *pixel = noise as u8 + if inside { 200 } else { 0 };
        }
        let file = |suffix: &str| folder.join(format!("{name}{suffix}.npy"));
        let names = if name == "images" { [file(""), file("_labels")] } else { [file("_x"), file("_y")] };
        npy(&names[0], &[n, 1, 28, 28], &pixels);
        npy(&names[1], &[n], &labels);
    }
}

/// Records of a label and 32 by 32 pixels in three colours, of noise.
fn cifar(folder: &Path) {
    for (name, n) in [("data_batch_1", 4), ("test_batch", 2)] {
        let pixel = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        let record = |label: u8| {
            [vec![label], (0..3072).map(|i| pixel(i + 3072 * u32::from(label))).collect()].concat()
        };
        fs::write(folder.join(format!("{name}.bin")), (0..n).map(record).collect::<Vec<_>>().concat())
            .unwrap();
    }
}

fn run(
    [command, protocol]: [&str; 2],
    case: &Case,
    data: &Path,
    out: &Path,
    weights: Option<&Path>,
) -> Vec<u8> {
    let mut process = tern();
    process.arg(command).arg(root().join(format!("programs/{}.mpc", case.program)));
    process.args(case.args.iter().flat_map(|arg| ["--arg", arg]));
    process
        .args(["--protocol", protocol, "--rounding", "nearest", "--seed", "7", "--json", "--data"])
        .arg(data);
    if let Some(weights) = weights {
        process.arg("--input").arg(format!("weights={}", weights.display()));
    }
    let ended = Process::start(process.arg("--out").arg(out)).end().expect_success();
    assert!(ended.out.contains("\"done\""), "{ended:#?}");
    fs::read(out.join(format!("{}.npz", case.result))).unwrap()
}

#[test]
fn three_parties_compute_what_the_emulator_does_in_every_program() {
    every_program("rep3");
}

#[test]
fn two_parties_with_a_dealer_compute_what_the_emulator_does_in_every_program() {
    every_program("dealer");
}

fn every_program(protocol: &str) {
    let dir = TempDir::new().unwrap();
    images(dir.path());
    let cifar_folder = dir.path().join("cifar");
    fs::create_dir(&cifar_folder).unwrap();
    cifar(&cifar_folder);
    let weights = dir.path().join("mnist_c-emulate/weights.npz");
    for case in &CASES {
        // Its end depends on what is revealed, which a dealer does not learn: the compiler refuses it.
        if protocol == "dealer" && case.program == "mnist_race" {
            continue;
        }
        let data: PathBuf = match case.data {
            Data::Images => dir.path().to_path_buf(),
            Data::Cifar => cifar_folder.clone(),
            Data::Beside(folder) => root().join("programs").join(folder),
        };
        let needed = (case.program == "mnist_c_inference").then_some(weights.as_path());
        let [clear, secure] = ["emulate", "run"].map(|command| {
            let out = dir.path().join(format!("{}-{command}", case.program));
            run([command, protocol], case, &data, &out, needed)
        });
        assert!(clear == secure, "{}: the parties of {protocol} and the emulator differ", case.program);
        println!("{}: {} bytes of results agree", case.program, clear.len());
    }
}

#[test]
fn no_program_is_left_out() {
    let files = fs::read_dir(root().join("programs")).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|e| e == "mpc")) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(CASES.iter().any(|case| case.program == name), "{name}");
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 60, "{name}.mpc has {lines} lines");
    }
}
