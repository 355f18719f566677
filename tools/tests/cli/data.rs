//! Data files through the command: small files that were once misread, one by one, with what is right. Where a file is
//! refused, its message's own ways out are followed, and the numbers are right. `golden/misread.txt` has the transcript.

use crate::shell::{Shell, repository};
use expect_test::expect_file;

const ROWS: &str = "const N = arg(3)\ninput x: fix[N] from party 0\nfn main() { metric(\"x\", reveal(x)) }\n";
const IMAGES: &str = "input x: fix[2, 3, 2, 2] from party 0\nfn main() { metric(\"x\", reveal(x[0, 0])) }\n";
const PAIRS: &str = "input x: fix[4, 2] from party 0\nfn main() { metric(\"x\", reveal(x)) }\n";
const FIRST: &str = "input x: fix[4, 2] from party 0, first_rows\nfn main() { metric(\"x\", reveal(x)) }\n";
const SQUARE: &str = "input x: fix[3, 3] from party 0\nfn main() { metric(\"x\", reveal(x[0])) }\n";
const ONE_HOT: &str = "input x: fix[3, 3] from party 0, one_hot\nfn main() { metric(\"x\", reveal(x[0])) }\n";
const SINGLE: &str = "input x: fix[1, 3] from party 0, standardise\nfn main() { metric(\"x\", reveal(x)) }\n";
const MODEL: &str = "use nn::Dense\nmodel Net { a: Dense(2, 2) }\ninput x: Net from party 2\n\
                     fn main() { metric(\"x\", reveal(x.a.weight + x.a.bias)) }\n";

fn shell() -> Shell {
    let shell = Shell::new();
    let programs = [
        ("rows", ROWS),
        ("images", IMAGES),
        ("pairs", PAIRS),
        ("first", FIRST),
        ("square", SQUARE),
        ("hot", ONE_HOT),
        ("single", SINGLE),
        ("model", MODEL),
    ];
    for (name, text) in programs {
        shell.write(&format!("{name}.mpc"), text);
    }
    for entry in std::fs::read_dir(repository("tools/tests/cli/data")).expect("the repository has it") {
        let path = entry.expect("it is readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("names are UTF-8").to_string();
        shell.write(&name, std::fs::read(path).expect("it is readable"));
    }
    shell
}

/// The value of the metric x, as the events tell it.
fn value(shell: &mut Shell, args: &str) -> String {
    let out = shell.succeeds(&format!("emulate {args} --seed 1 --json"));
    let (_, rest) = out.split_once("\"event\":\"metric\"").expect("there is a metric");
    let (_, rest) = rest.split_once("\"value\":").expect("it has a value");
    rest.split(['}', '"']).next().unwrap_or_default().trim_end_matches(',').to_string()
}

#[test]
fn what_was_misread() {
    let mut shell = shell();
    let refused = [
        "rows.mpc --input x=numbered_heading.csv",
        "rows.mpc --input x=blank_is_missing.csv",
        "rows.mpc --arg N=2 --input x=first_is_missing.csv",
        "images.mpc --input x=channel_last.npy",
        "pairs.mpc --input x=spare_row.npy",
        "model.mpc --input x=old.pth",
        "model.mpc --input x=new.pth",
        "hot.mpc --input x=y.npy",
        "single.mpc --input x=row.npy",
        "rows.mpc --input x=numbered_heading.csv,heder=yes",
        "rows.mpc --input z=numbered_heading.csv",
    ];
    for args in refused {
        shell.refuses(&format!("emulate {args}"));
    }
    expect_file!["golden/misread.txt"].assert_eq(&shell.transcript);
}

#[test]
fn and_is_read_now() {
    let mut shell = shell();
    let mut check = |args: &str, expected: &str| assert_eq!(value(&mut shell, args), expected, "{args}");
    check("rows.mpc --input x=numbered_heading.csv,header=yes", "[3.0,1.0,2.0]");
    check("rows.mpc --input x=numbered_heading.csv,header=no --arg N=4", "[0.0,3.0,1.0,2.0]");
    check("images.mpc --input x=channel_last.npy,transpose=0312", "[0.0,3.0,6.0,9.0]");
    check("square.mpc --input x=x.txt", "[0.5,1.5,2.5]");
    check("square.mpc --input x=y.npy", "[1.0,0.0,0.0]");
    check("model.mpc --input x=half.safetensors", "[1.0,0.0,0.0,1.0]");
    check("model.mpc --input x=bf16.safetensors", "[1.0,0.0,0.0,1.0]");
    let rows = "[0.0,1.0,2.0,3.0,4.0,5.0,6.0,7.0]";
    check("pairs.mpc --input x=spare_row.npy[:4]", rows);
    check("first.mpc --input x=spare_row.npy", rows);
    check("pairs.mpc --input x=spare_row.npy[1:5]", "[2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0]");
}

/// The digits belong to one program's text: another program of that name is asked for its data.
#[test]
fn embedded_data_belong_to_their_program() {
    let mut shell = Shell::new();
    let digits = std::fs::read_to_string(repository("programs/digits.mpc")).expect("the repository has it");
    shell.write("digits.mpc", &digits);
    shell.succeeds("compile digits.mpc --arg EPOCHS=1 --arg BATCH=500");
    shell.succeeds("emulate digits.tbc --seed 1");
    let notice = "train_x: the digits that come with programs/digits.mpc\n";
    assert!(shell.transcript.contains(notice), "{}", shell.transcript);
    shell.write(
        "digits.mpc",
        digits.replace("Dense(64, 64)", "Dense(64, 32)").replace("Dense(64, 10)", "Dense(32, 10)"),
    );
    shell.refuses("emulate digits.mpc");
    assert!(shell.transcript.contains("error[D001]: there is no file for train_x"), "{}", shell.transcript);
}

#[test]
fn folders_with_two_files_for_an_input() {
    let mut shell = shell();
    shell.make_folder("folder");
    shell.write("folder/x.csv", "1\n2\n3\n");
    shell.succeeds("emulate rows.mpc --data folder");
    shell.write("folder/x.csv.gz", "the same, packed; not looked at");
    shell.succeeds("emulate rows.mpc --data folder");
    shell.write("folder/x.npy", "another one");
    shell.refuses("emulate rows.mpc --data folder");
    assert!(shell.transcript.contains("x can be folder/x.npy or folder/x.csv"), "{}", shell.transcript);
}

/// Results in single precision where nothing is lost, and rounded on request.
#[test]
fn the_type_of_safetensors() {
    let mut shell = Shell::new();
    shell.write("short.mpc", "fn main() { output y = secret([0.5, -3.25]) to party 2 }\n");
    shell.write("long.mpc", "fn main() { output y = secret([0.5, 20000.0 + 1/65536]) to party 2 }\n");
    for (program, format, expected) in
        [("short", "safetensors", "F32"), ("long", "safetensors", "F64"), ("long", "safetensors-f32", "F32")]
    {
        shell.succeeds(&format!("emulate {program}.mpc --format {format}"));
        let header = String::from_utf8_lossy(&shell.read("tern-out/y.safetensors")).into_owned();
        assert!(header.contains(&format!("\"dtype\":\"{expected}\"")), "{header}");
    }
    shell.succeeds("emulate short.mpc");
    let npz = String::from_utf8_lossy(&shell.read("tern-out/y.npz")).into_owned();
    assert!(npz.contains("'shape': (2,), }"), "as NumPy writes it");
}

/// A size may be that of the data: where the file is, it is counted; elsewhere it is announced, and compared.
#[test]
fn sizes_come_from_data() {
    let mut shell = Shell::new();
    shell.write(
        "sized.mpc",
        "const N = arg(rows(x))\n\ninput x: fix[N, 2] from party 0\n\nfn main() {\n    metric(\"rows\", N)\n    metric(\"sum\", reveal(sum(x)))\n}\n",
    );
    shell.write("x.csv", "1,2\n3,4\n5,6\n");
    for (command, rows, sum) in [
        ("emulate sized.mpc --input x=x.csv --json", 3.0, 21.0),
        ("emulate sized.mpc --input x=x.csv[1:] --json", 2.0, 18.0),
        ("run sized.mpc --input x=x.csv --json", 3.0, 21.0),
    ] {
        let out = shell.succeeds(command);
        let events = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let metrics = events.filter(|event| event["event"] == "metric");
        let values: Vec<f64> = metrics.map(|event| event["value"].as_f64().unwrap()).collect();
        assert_eq!(values, [rows, sum], "{command}");
    }
    shell.succeeds("cost sized.mpc --arg N=3");
    let (code, _, said) = shell.run("check sized.mpc");
    assert_eq!((code, said.as_str()), (Some(0), "checked as for 100 rows of x; others: --arg N=ROWS\n"));
    let (code, _, said) = shell.run("check sized.mpc --arg N=3");
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let error = shell.refused("cost sized.mpc");
    for text in ["the number of rows of x is not known", "--input x=FILE", "--arg N=ROWS"] {
        assert!(error.contains(text), "{error}");
    }
    let error = shell.refused("emulate sized.mpc --input x=x.csv --arg N=4");
    assert!(error.contains("fix[4, 2]"), "{error}");
    let error = shell.refused("cost sized.mpc --arg N=many");
    assert!(error.contains("N is a number of rows, not \"many\""), "{error}");
    shell.write("other.mpc", "const N = arg(rows(y))\ninput x: fix[3] from party 0\nfn main() {\n    metric(\"n\", N + reveal(sum(x)))\n}\n");
    let error = shell.refused("cost other.mpc --arg N=3");
    assert!(error.contains("there is no input y"), "{error}");
}
