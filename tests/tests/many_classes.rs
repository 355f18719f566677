//! Softmax and its cross entropy of many classes: what they cost, and that they are right.

use std::time::{Duration, Instant};

use tern_bytecode::report::report;
use tern_compiler::ir::Rounding;
use tern_tests::run::{Values, compiled, emulated, settings};

/// The case of the many classes, and its loss with the gradient.
fn program(call: &str, classes: usize) -> String {
    format!(
        "use nn::{{softmax, cross_entropy}}\n\
         const N = {classes}\n\
         input z: fix[1, N] from party 0\n\
         input y: fix[1, N] from party 0, one_hot\n\
         fn main() {{ output p = {call} to party 0 }}\n"
    )
}

/// Bits of all links together; compiling takes seconds at most.
fn bits(call: &str, classes: usize) -> f64 {
    let started = Instant::now();
    let code = compiled(&program(call, classes), settings(16, Rounding::Probabilistic)).program;
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(20), "{call} of {classes} classes compiles in {elapsed:?}");
    let bits = report(&code.expect("compiled")).bits_by_link.iter().flatten().sum::<u64>() as f64;
    println!("{call} of {classes} classes: {bits} bits, compiled in {elapsed:?}");
    bits
}

#[test]
fn traffic_grows_as_n_log_n_at_most() {
    for call in ["softmax(z)", "cross_entropy(z, y)", "grad(sum(cross_entropy(z, y)), z)"] {
        let per_class = |n: usize| bits(call, n) / n as f64;
        let growth = |n: f64| n.ln();
        let first = per_class(100);
        for n in [200, 1000] {
            let allowed = first * growth(n as f64) / growth(100.0);
            assert!(per_class(n) <= allowed, "{call} of {n} classes");
        }
    }
}

/// A thousand logits, of which three stand out and two of those are equal.
#[test]
fn a_thousand_classes_are_right() {
    let n = 1000;
    let mut z: Vec<f64> = (0..n).map(|i| f64::from(i * 7919 % 1000) / 250.0 - 8.0).collect();
    (z[17], z[600], z[999]) = (9.5, 9.5, 8.0);
    let mut y = vec![0.0; n as usize];
    y[600] = 1.0;
    let total: f64 = z.iter().map(|z| z.exp()).sum();
    let settings = settings(16, Rounding::Nearest);
    let inputs = Values::from([("z".to_string(), z.clone()), ("y".to_string(), y)]);
    let run = |call: &str| {
        let code = compiled(&program(call, n as usize), settings).program.expect("compiled");
        emulated(&code, &inputs, 1)["p"].clone()
    };
    for (i, (p, z)) in run("softmax(z)").into_iter().zip(&z).enumerate() {
        assert!((p - z.exp() / total).abs() <= 2f64.powi(-12), "class {i}: {p}, exactly {}", z.exp() / total);
    }
    let loss = run("cross_entropy(z, y)")[0];
    let exact = total.ln() - 9.5;
    // a unit for every class is the documented bound
    assert!((loss - exact).abs() <= f64::from(16 + n) * 2f64.powi(-16), "{loss}, exactly {exact}");
}
