//! `tern test` and `tern explain`.

use expect_test::expect_file;

use crate::shell::{Shell, repository};

const TESTS: &str = r#"// tests that pass, fail and do not compile
fn half(v: fix[..s]) -> fix[..s] {
    v / 2
}

test "halves are halves" {
    assert close(half(secret(3.0)), 1.5, within=EPSILON)
    assert half(3) == 1.5
}

test "halves are wholes" {
    assert close(half(secret([1.0, 2.0, 0.0])), [1.0, 2.0, 0.0], within=EPSILON)
    assert reveal(half(secret(1.0))) > 1
}

test "constants are decided by the compiler" {
    assert half(3) == 1
}

test "names exist" {
    assert quarter(3) == 0.75
}
"#;

#[test]
fn passing_and_failing() {
    let mut shell = Shell::new();
    shell.write("halves.mpc", TESTS);
    shell.refuses("test halves.mpc");
    shell.refuses("test halves.mpc wholes");
    shell.refuses("test halves.mpc quarters");
    shell.write("none.mpc", "fn main() {\n    metric(\"one\", 1)\n}\n");
    shell.refuses("test none.mpc");
    shell.write("broken.mpc", "test \"brackets\" {\n    assert (1 == 1\n}\n");
    shell.refuses("test broken.mpc");
    shell.refuses("test nowhere.mpc");
    expect_file!["golden/tests.txt"].assert_eq(&shell.transcript);
}

#[test]
fn tests_of_the_library_pass() {
    let mut shell = Shell::new();
    for name in ["math", "nn", "init", "optim", "table"] {
        let out = shell.succeeds(&format!("test {}", repository(&format!("stdlib/{name}.mpc"))));
        assert!(out.ends_with(" 0 failed\n"), "{out}");
    }
}

#[test]
fn explanations() {
    let mut shell = Shell::new();
    for code in ["S001", "t007", "D003"] {
        shell.succeeds(&format!("explain {code}"));
    }
    shell.refuses("explain S999");
    expect_file!["golden/explanations.txt"].assert_eq(&shell.transcript);
    for code in tern_compiler::diagnostics::Code::ALL {
        let text = shell.succeeds(&format!("explain {code}"));
        assert!(text.starts_with(&format!("{code}: {}\n\n", code.title())), "{text}");
    }
}
