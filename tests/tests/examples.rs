//! The programs in programs/examples compile and compute what clear arithmetic does, on small made-up data.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tern_compiler::ir::Rounding;
use tern_tests::run::{Values, compiled, emulated, settings};

const SEED: u64 = 5;

/// The outputs of an example, with so many rows for every `rows(NAME)`.
fn outputs(name: &str, rows: &[(&str, usize)], inputs: &[(&str, &[f64])]) -> Values {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../programs/examples/{name}.mpc"));
    let mut source = fs::read_to_string(path).expect("an example");
    for (input, n) in rows {
        source = source.replace(&format!("arg(rows({input}))"), &n.to_string());
    }
    let inputs: BTreeMap<_, _> =
        inputs.iter().map(|(name, data)| ((*name).to_string(), data.to_vec())).collect();
    let program = compiled(&source, settings(16, Rounding::Probabilistic)).program.expect("compiled");
    emulated(&program, &inputs, SEED)
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len(), "{found:?}, expected {expected:?}");
    let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= within);
    assert!(near, "{found:?}, expected {expected:?}");
}

/// Numbers within ±1 that look like none in particular.
fn made_up(n: usize) -> Vec<f64> {
    (0..n).map(|i| ((i * 37 + 11) % 97) as f64 / 48.5 - 1.0).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

#[test]
fn every_example_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../programs/examples");
    let own = include_str!("examples.rs");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.path().file_stem().expect("a name").to_string_lossy().to_string();
        assert!(
            own.contains(&format!("\"{name}\",\n")) || own.contains(&format!("outputs(\"{name}\"")),
            "{name} has no test"
        );
        count += 1;
    }
    assert!(count >= 20, "only {count} examples");
}

#[test]
fn clusters_and_neighbours() {
    let x = [0.0, 0.0, 5.0, 5.0, 0.5, 0.25, 4.0, 5.5, 0.25, -0.5];
    let found = outputs("k_means", &[("x", 5)], &[("x", &x)]);
    close(&found["centres"], &[0.25, -1.0 / 12.0, 4.5, 5.25], 0.01);
    close(&found["sizes"], &[3.0, 2.0], 0.0);
    let q = [4.5, 5.0, 0.1, 0.1, 0.2, -0.4];
    let found = outputs(
        "nearest_neighbour",
        &[("x", 5), ("q", 3)],
        &[("x", &x), ("y", &[3.0, 1.0, 4.0, 1.0, 5.0]), ("q", &q)],
    );
    close(&found["label"], &[1.0, 3.0, 5.0], 0.0);
}

#[test]
fn reports_by_group_and_joined_tables() {
    let salary = [10.5, 20.0, 30.25, -4.0, 5.0];
    let department = [2.0, 0.0, 2.0, 0.0, 2.0];
    let found =
        outputs("group_report", &[("salary", 5)], &[("salary", &salary), ("department", &department)]);
    close(&found["count"], &[2.0, 0.0, 3.0], 0.0);
    close(&found["total"], &[16.0, 0.0, 45.75], 0.0);
    close(&found["average"], &[8.0, 0.0, 15.25], 0.01);
    close(&found["highest"], &[20.0, -1000.0, 30.25], 0.0);
    let found = outputs(
        "join_tables",
        &[("left_id", 4), ("right_id", 3)],
        &[
            ("left_id", &[2_000_000_000.0, 7.0, -3.0, 8.0]),
            ("region", &[1.0, 0.0, 1.0, 0.0]),
            ("right_id", &[-3.0, 2_000_000_000.0, 9.0]),
            ("spent", &[10.5, 20.25, 99.0]),
        ],
    );
    close(&found["by_region"], &[0.0, 30.75, 0.0], 0.0);
    close(&found["both"], &[0.0, 2.0, 0.0], 0.0);
}

#[test]
fn quantiles_and_series() {
    let x: Vec<f64> = made_up(9).iter().map(|x| 10.0 * x).collect();
    let found = outputs("quantile_bins", &[("x", 9)], &[("x", &x)]);
    let mut sorted = x.clone();
    sorted.sort_by(f64::total_cmp);
    let bounds = [sorted[2], sorted[4], sorted[6]];
    close(&found["bounds"], &bounds, 0.001);
    let bins: Vec<f64> =
        x.iter().map(|x| found["bounds"].iter().filter(|b| *x >= **b - 1e-5).count() as f64).collect();
    close(&found["bin"], &bins, 0.0);
    assert_eq!(found["sizes"].iter().sum::<f64>(), 9.0);

    let found = outputs("smoothing", &[("x", 9)], &[("x", &x)]);
    let mut level = x[0];
    let smooth: Vec<f64> = x
        .iter()
        .map(|x| {
            level = 0.3 * x + 0.7 * level;
            level
        })
        .collect();
    close(&found["smooth"], &smooth, 0.001);
    let moving: Vec<f64> = x.windows(4).map(mean).skip(1).collect();
    close(&found["moving"], &moving, 0.001);
}

#[test]
fn regressions() {
    let x = made_up(24);
    let y: Vec<f64> = x.chunks(3).map(|r| 2.0 * r[0] - r[1] + 0.5 * r[2]).collect();
    let found = outputs("ridge", &[("x", 8)], &[("x", &x), ("y", &y)]);
    // What is found solves the normal equations.
    let w = &found["weights"];
    for i in 0..3 {
        let left: f64 = x
            .chunks(3)
            .zip(&y)
            .map(|(r, y)| {
                let predicted: f64 = r.iter().zip(w).map(|(a, b)| a * b).sum();
                r[i] * (predicted - y) / 8.0
            })
            .sum();
        assert!((left + 0.1 * w[i]).abs() < 0.002, "{i}: {left}, {w:?}");
    }
    let label: Vec<f64> =
        x[..18].chunks(2).map(|r| if r[0] + 0.3 * r[1] > 0.0 { 1.0 } else { 0.0 }).collect();
    let found = outputs("cross_validation", &[("x", 9)], &[("x", &x[..18]), ("y", &label)]);
    close(&found["average"], &[mean(&found["accuracy"])], 0.001);
    assert!(found["average"][0] > 0.6, "{found:?}");
}

#[test]
fn components_and_factors() {
    let x: Vec<f64> = (0..10)
        .flat_map(|i| {
            let t = f64::from(i) / 5.0 - 0.9;
            [2.0 * t, -t, 0.1 * t * t]
        })
        .collect();
    let found = outputs("pca", &[("x", 10)], &[("x", &x)]);
    let v = &found["component"];
    close(&[v[0].abs(), v[1].abs(), v[0] * v[1]], &[0.894, 0.447, -0.4], 0.01);
    let along: Vec<f64> = x.chunks(3).map(|r| r.iter().zip(v).map(|(a, b)| a * b).sum()).collect();
    let variance = mean(&along.iter().map(|a| (a - mean(&along)).powi(2)).collect::<Vec<_>>());
    close(&found["variance"], &[variance], 0.01);

    let rating: Vec<f64> = (0..20).map(|i| f64::from(i / 4 % 3) * f64::from(i % 4) / 3.0).collect();
    let found = outputs("matrix_factorisation", &[], &[("rating", &rating), ("known", &[1.0; 20])]);
    assert!(found["loss"][0] < 1.0, "{}", found["loss"][0]);
}

#[test]
fn classifiers() {
    let x = [0.0, 0.1, 0.2, 0.0, 0.1, 0.3, 0.9, 1.0, 0.8, 0.7, 1.0, 0.8];
    let y = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let found = outputs(
        "naive_bayes",
        &[("x", 6), ("new", 3)],
        &[("x", &x), ("y", &y), ("new", &[0.1, 0.0, 0.9, 0.9, 0.7, 0.8])],
    );
    close(&found["class"], &[0.0, 1.0, 1.0], 0.0);
    let found = outputs("stump", &[("x", 6)], &[("x", &x), ("y", &y)]);
    close(&[found["feature"][0], found["threshold"][0], found["hits"][0]], &[0.0, 0.25, 6.0], 0.001);
    let sides = y.map(|y| 2.0 * y - 1.0);
    let found = outputs("perceptron", &[("x", 6)], &[("x", &x), ("y", &sides)]);
    let (w, bias) = (&found["w"], found["bias"][0]);
    for (r, side) in x.chunks(2).zip(sides) {
        assert!(side * (w[0] * r[0] + w[1] * r[1] + bias) > 0.0, "{found:?}");
    }
}

#[test]
fn statistics_of_studies() {
    let score = [0.9, 0.8, 0.8, 0.3, 0.1];
    let found = outputs("auc", &[("score", 5)], &[("score", &score), ("label", &[1.0, 0.0, 1.0, 0.0, 1.0])]);
    close(&found["auc"], &[(2.0 + 1.5) / 6.0], 0.001);

    let month = [1.0, 2.0, 2.0, 4.0, 5.0];
    let died = [1.0, 1.0, 0.0, 0.0, 1.0];
    let found = outputs("survival", &[("month", 5)], &[("month", &month), ("died", &died)]);
    close(&found["at_risk"], &[5.0, 5.0, 4.0, 2.0, 2.0, 1.0], 0.0);
    close(&found["deaths"], &[0.0, 1.0, 1.0, 0.0, 0.0, 1.0], 0.0);
    close(&found["curve"], &[1.0, 0.8, 0.6, 0.6, 0.6, 0.0], 0.002);

    let (a, b) = ([0.0, 0.0, 1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 2.0, 2.0, 1.0, 0.0]);
    let found = outputs("chi_square", &[("treatment", 6)], &[("treatment", &a), ("outcome", &b)]);
    close(&found["observed"], &[2.0, 1.0, 0.0, 0.0, 1.0, 2.0], 0.0);
    close(&found["chi_square"], &[4.0], 0.01);

    let variant = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
    let converted = [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
    let found = outputs("ab_test", &[("variant", 8)], &[("variant", &variant), ("converted", &converted)]);
    close(&found["rates"], &[0.25, 0.75], 0.001);
    close(&found["z"], &[2f64.sqrt()], 0.01);
}

#[test]
fn networks() {
    let found = outputs("autoencoder", &[("x", 8)], &[("x", &made_up(48))]);
    assert!(found["after"][0] < 0.8 * found["before"][0], "{found:?}");
    let y: Vec<f64> = (0..8).flat_map(|i| if i % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
    let found = outputs("gru_classifier", &[("x", 8)], &[("x", &made_up(80)), ("y", &y)]);
    let accuracy = found["accuracy"][0];
    assert!((0.0..=1.001).contains(&accuracy), "{accuracy}");
}

/// With weights of zero nothing is added to the input.
#[test]
fn a_block_of_attention() {
    let x = made_up(64);
    let found = outputs("attention_block", &[("x", 2)], &[("x", &x), ("p", &[0.0; 192])]);
    close(&found["y"], &x, 0.001);
}

#[test]
fn mixtures_and_changes_of_series() {
    let z: Vec<f64> = (0..20).map(|i| if i % 4 == 0 { 1.5 } else { -0.5 } + 0.2 * made_up(20)[i]).collect();
    let found = outputs("mixture", &[("x", 20)], &[("x", &z)]);
    let (mut centre, mut variance, mut part) = ([-1.0, 1.0], [0.5; 2], [0.5; 2]);
    for _ in 0..10 {
        let belongs: Vec<[f64; 2]> = z
            .iter()
            .map(|z| {
                let dense = [0, 1].map(|k| {
                    part[k] / f64::sqrt(variance[k]) * (-(z - centre[k]).powi(2) / (2.0 * variance[k])).exp()
                });
                dense.map(|d| d / (dense[0] + dense[1]))
            })
            .collect();
        for k in 0..2 {
            let count = belongs.iter().map(|b| b[k]).sum::<f64>().max(1.0);
            let weighted = |f: &dyn Fn(f64) -> f64| {
                belongs.iter().zip(&z).map(|(b, z)| b[k] * f(*z)).sum::<f64>() / count
            };
            centre[k] = weighted(&|z| z);
            variance[k] = weighted(&|z| (z - centre[k]).powi(2)).max(0.01);
            part[k] = count / 20.0;
        }
    }
    close(&found["centre"], &centre, 0.01);
    close(&found["variance"], &variance, 0.01);
    close(&found["part"], &part, 0.01);

    let y: Vec<f64> = (0..12).map(|i| if i < 5 { 1.0 } else { 3.0 } + 0.3 * made_up(12)[i]).collect();
    let found = outputs("change_point", &[("y", 12)], &[("y", &y)]);
    let gain = |n: usize| (n * (12 - n)) as f64 / 12.0 * (mean(&y[..n]) - mean(&y[n..])).powi(2);
    let best = (1..12).max_by(|a, b| gain(*a).total_cmp(&gain(*b))).expect("a place");
    close(&found["place"], &[best as f64], 0.0);
    close(&found["gain"], &[gain(best)], 0.01);
}

#[test]
fn warped_time_and_a_soft_threshold() {
    let (a, b) = (made_up(7), made_up(9));
    let found = outputs("time_warp", &[("a", 7), ("b", 9)], &[("a", &a), ("b", &b)]);
    let mut least = vec![vec![0.0; 9]; 7];
    for i in 0..7 {
        for j in 0..9 {
            let before = match (i, j) {
                (0, 0) => 0.0,
                (0, _) => least[0][j - 1],
                (_, 0) => least[i - 1][0],
                (_, _) => f64::min(least[i - 1][j - 1], f64::min(least[i - 1][j], least[i][j - 1])),
            };
            least[i][j] = before + f64::abs(a[i] - b[j]);
        }
    }
    close(&found["distance"], &[least[6][8]], 0.001);

    let x = made_up(48);
    let y: Vec<f64> = x.chunks(4).map(|row| 1.5 * row[0] - row[2]).collect();
    let found = outputs("elastic_net", &[("x", 12)], &[("x", &x), ("y", &y)]);
    let mut w = [0.0f64; 4];
    for _ in 0..40 {
        let off: Vec<f64> = x
            .chunks(4)
            .zip(&y)
            .map(|(row, y)| row.iter().zip(&w).map(|(x, w)| x * w).sum::<f64>() - y)
            .collect();
        let step = |k: usize| {
            let slope =
                x.chunks(4).zip(&off).map(|(row, off)| row[k] * off).sum::<f64>() / 12.0 + 0.01 * w[k];
            let moved = w[k] - 0.2 * slope;
            moved.signum() * (moved.abs() - 0.01).max(0.0)
        };
        w = [0, 1, 2, 3].map(step);
    }
    close(&found["w"], &w, 0.005);
    close(&found["remain"], &[w.iter().filter(|w| **w != 0.0).count() as f64], 0.0);
}
