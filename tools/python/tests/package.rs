//! The tests of the Python package, in a Python that has NumPy and pytest. Where there is none, this says so and ends.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment that `.ci/run` makes, or what else there is.
const PYTHONS: [&str; 3] = ["../../target/validators/bin/python", "python3", "/usr/bin/python3"];

#[test]
fn the_package_works() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = |name: &str| if name.contains("..") { here.join(name) } else { PathBuf::from(name) };
    let has = |python: &PathBuf| {
        let probe = Command::new(python).args(["-c", "import numpy, pytest"]).output();
        probe.is_ok_and(|output| output.status.success())
    };
    let Some(python) = PYTHONS.map(python).into_iter().find(has) else {
        println!("skipped: no Python here has NumPy and pytest");
        return;
    };
    // cargo builds the module for this test, beside it
    let beside = std::env::current_exe().expect("a test has a file");
    let name = format!("{}_tern{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let output = Command::new(python)
        .args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "tests/package"])
        .current_dir(here)
        .env("TERN_MODULE", beside.with_file_name(name))
        .output()
        .expect("a Python that ran before");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{}", text.lines().last().unwrap_or_default());
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
