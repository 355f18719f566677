//! Weights of models on their way out of one run and into another: names, layouts, and what is said about files that do not fit.

use std::path::Path;

use expect_test::expect_file;
use tern_vm::data::{Array, Source, Values, read, write_npz, write_safetensors};

use crate::shell::Shell;

/// Writes a model whose numbers are all different.
const WRITER: &str = "use nn::Dense
input start: fix[6] from party 0
model Net {
    l1: Dense(3, 2)
    l2: Dense(2, 1)
    gain: fix = 1.0
}
fn main() {
    var p = Net()
    p.l1.weight = reshape(start, [2, 3])
    p.l1.bias = start[0..2]
    p.l2.weight = reshape(start[2..4], [1, 2])
    p.l2.bias = start[4..5]
    p.gain = start[5]
    output weights = p to party 2
}
";

/// Takes it up.
const READER: &str = "use nn::{Dense, dense}
input weights: Net from party 0
model Net {
    l1: Dense(3, 2)
    l2: Dense(2, 1)
    gain: fix = 1.0
}
fn main() {
    output y = weights.gain * dense(dense([[1.0, 10.0, 100.0]], weights.l1), weights.l2) to party 2
}
";

fn shell() -> Shell {
    let shell = Shell::new();
    shell.write("writer.mpc", WRITER);
    shell.write("reader.mpc", READER);
    shell.write("shared.mpc", READER.replace("party 0", "shares"));
    shell.write("start.csv", "0.5\n-1\n0.25\n2\n-0.125\n4\n");
    shell
}

fn tensor(path: &Path, name: &str) -> (Vec<usize>, Vec<f64>) {
    let array = read(&Source::member(path, name), name).unwrap();
    let shape = array.shape().to_vec();
    match array.into_values() {
        Values::F64(values) => (shape, values),
        // A file of safetensors is in single precision where nothing is lost by it.
        Values::F32(values) => (shape, values.into_iter().map(f64::from).collect()),
        Values::U8(_) | Values::I32(_) | Values::I64(_) => panic!("{name} is floating point"),
    }
}

#[test]
fn names_and_layouts_are_pytorchs_and_the_same_weights_give_the_same_result() {
    let mut shell = shell();
    for format in ["npz", "safetensors"] {
        shell.succeeds(&format!(
            "emulate writer.mpc --input start=start.csv --format {format} --out {format}"
        ));
        let path = shell.path(format).join(format!("weights.{format}"));
        assert_eq!(tensor(&path, "l1.weight"), (vec![2, 3], vec![0.5, -1.0, 0.25, 2.0, -0.125, 4.0]));
        assert_eq!(tensor(&path, "l1.bias"), (vec![2], vec![0.5, -1.0]));
        assert_eq!(tensor(&path, "l2.weight"), (vec![1, 2], vec![0.25, 2.0]));
        assert_eq!(tensor(&path, "gain"), (vec![], vec![4.0]));
        let options = format!("reader.mpc --input weights={format}/weights.{format} --rounding nearest");
        shell.succeeds(&format!("emulate {options} --out again"));
        // [1, 10, 100] against the rows of l1 is 16 and 399.75; then 0.25·16 + 2·399.75 - 0.125, four times
        let (shape, values) = tensor(&shell.path("again").join("y.npz"), "y");
        assert_eq!((shape, values), (vec![1, 1], vec![3213.5]), "{format}");
    }
    // found by its name in a directory
    shell.succeeds("emulate reader.mpc --data npz");
}

#[test]
fn three_parties_write_and_read_either_format() {
    let mut shell = shell();
    shell.succeeds("run writer.mpc --input start=start.csv --format safetensors --seed 1");
    shell.succeeds("run reader.mpc --input weights=tern-out/weights.safetensors --rounding nearest --seed 1");
    assert_eq!(tensor(&shell.path("tern-out").join("y.npz"), "y").1, [3213.5]);
    // as shares
    shell.write("writer.mpc", WRITER.replace("party 2", "shares"));
    for format in ["npz", "safetensors"] {
        shell.succeeds(&format!("run writer.mpc --input start=start.csv --format {format}"));
        let shares = ["--input weights=tern-out/weights.shares-0.tern", "--data tern-out"];
        for shares in shares {
            shell.succeeds(&format!("run shared.mpc {shares} --rounding nearest --out {format}"));
        }
        assert_eq!(tensor(&shell.path(format).join("y.npz"), "y").1, [3213.5], "{format}");
    }
}

#[test]
fn files_that_do_not_fit() {
    let mut shell = shell();
    let zeros = |shape: &[usize]| Array::new(shape, vec![0.0; shape.iter().product()]);
    let good = [
        ("l1.weight", zeros(&[2, 3])),
        ("l1.bias", zeros(&[2])),
        ("l2.weight", zeros(&[1, 2])),
        ("l2.bias", zeros(&[1])),
        ("gain", zeros(&[])),
    ];
    let mut write = |name: &str, tensors: &[(&str, Array)]| {
        let each = tensors.iter().map(|(name, array)| (*name, array));
        let mut out = std::io::Cursor::new(Vec::new());
        match name.ends_with("npz") {
            true => write_npz(&mut out, each).unwrap(),
            false => write_safetensors(&mut out, each).unwrap(),
        }
        shell.write(name, out.into_inner());
        shell.refuses(&format!("emulate reader.mpc --input weights={name}"));
    };
    write("missing.npz", &good[..3]);
    let extra = [("fc.weight", zeros(&[7, 7]))];
    write("extra.safetensors", &[&good[..], &extra[..]].concat());
    // more rows than the model has are no rows to spare
    let mut misshapen = good.clone();
    misshapen[0].1 = zeros(&[3, 2]);
    misshapen[1].1 = zeros(&[3]);
    write("misshapen.npz", &misshapen);
    let mut infinite = good.clone();
    infinite[1].1 = Array::new([2], vec![0.5, f64::INFINITY]);
    write("infinite.safetensors", &infinite);
    let mut large = good.clone();
    large[2].1 = Array::new([1, 2], vec![0.5, 1e6]);
    write("large.npz", &large);
    shell.refuses("emulate reader.mpc --input weights=missing.npz:l1.bias");
    shell.refuses("emulate reader.mpc --input weights=start.csv");
    shell.refuses("emulate reader.mpc --input weights=nowhere.npz");
    shell.refuses("emulate reader.mpc");
    shell.refuses("emulate reader.mpc --input weights.l1.bias=missing.npz");
    shell.refuses("emulate writer.mpc --input start=start.csv --format hdf5");
    shell.refuses("run reader.mpc --input weights=missing.npz");
    expect_file!["golden/weights.txt"].assert_eq(&shell.transcript);
}

#[test]
fn shares_that_do_not_fit() {
    let mut shell = shell();
    shell.write(
        "writer.mpc",
        WRITER.replace("party 2", "shares").replace("Dense(2, 1)", "Dense(2, 2)").replace("p.l2", "// p.l2"),
    );
    shell.succeeds("run writer.mpc --input start=start.csv --seed 1");
    shell.transcript.clear();
    shell.refuses("run shared.mpc --input weights=tern-out/weights.shares-0.tern");
    shell.refuses("run shared.mpc");
    expect_file!["golden/weights_shares.txt"].assert_eq(&shell.transcript);
}
