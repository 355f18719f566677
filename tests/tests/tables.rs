//! Rows by secret numbers, order statistics, groups and joins, whole quotients and subscripts, against clear arithmetic: at f = 16 and 32, with both roundings.

use std::collections::BTreeMap;

use tern_bytecode::report::report;
use tern_compiler::ir::Rounding;
use tern_tests::random::Random;
use tern_tests::run::{Values, WAYS, compiled, emulated, settings};

const SEED: u64 = 13;

/// The outputs of a program at every precision and rounding, with f.
fn everywhere(source: &str, inputs: &[(&str, &[f64])]) -> Vec<(u32, Values)> {
    let inputs: BTreeMap<_, _> =
        inputs.iter().map(|(name, data)| ((*name).to_string(), data.to_vec())).collect();
    let run = |(f, rounding)| {
        let program = compiled(source, settings(f, rounding)).program.expect("compiled");
        (f, emulated(&program, &inputs, SEED))
    };
    WAYS.map(run).to_vec()
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= within, "{a}, exactly {b}: {found:?}, {expected:?}");
    }
}

/// Numbers with a few fraction bits, some of which are equal.
fn numbers(random: &mut Random, n: usize) -> Vec<f64> {
    (0..n).map(|_| random.below(41) as f64 / 4.0 - 5.0).collect()
}

#[test]
fn order_statistics_are_those_of_sorted_rows() {
    let mut random = Random::new(SEED);
    for n in [1, 2, 5, 8] {
        let x = numbers(&mut random, 3 * n);
        let parts = [0.0, 0.2, 0.5, 0.9, 1.0];
        let source = format!(
            "use table\ninput x: fix[3, {n}] from party 0\nfn main() {{\n    \
             output q = table::quantiles(x, [0, 1/5, 1/2, 9/10, 1]) to party 0\n    \
             output m = table::median(x) to party 0\n}}\n"
        );
        let exact: Vec<f64> = x
            .chunks(n)
            .flat_map(|row| {
                let mut row = row.to_vec();
                row.sort_by(f64::total_cmp);
                parts.map(|part| {
                    let at = part * (n - 1) as f64;
                    let (low, rest) = (at.floor() as usize, at - at.floor());
                    row[low] + rest * (row[(low + 1).min(n - 1)] - row[low])
                })
            })
            .collect();
        for (f, found) in everywhere(&source, &[("x", &x)]) {
            // weights are rounded to f bits, too
            let unit = 20.0 * 2f64.powi(-(f as i32));
            close(&found["q"], &exact, unit);
            let medians: Vec<f64> = exact.chunks(5).map(|row| row[2]).collect();
            close(&found["m"], &medians, 2f64.powi(-(f as i32)));
        }
    }
}

#[test]
fn rows_by_secret_numbers_and_bins() {
    let mut random = Random::new(SEED + 1);
    for n in [1, 3, 8] {
        let rows = numbers(&mut random, 2 * n);
        let index: Vec<f64> = (0..6).map(|_| random.below(n) as f64).collect();
        let source = format!(
            "use table\ninput t: fix[{n}, 2] from party 0\ninput i: int[2, 3] from party 1\nfn main() {{\n    \
             output rows = table::look_up(i, t) to party 0\n    output one = table::look_up(i[1, 2], t[.., 0]) to party 0\n    \
             output hot = table::one_hot(i, {n}) to party 0\n    output bins = table::bins(t, [-1, 0.5, 2]) to party 0\n}}\n"
        );
        let picked: Vec<f64> = index.iter().flat_map(|i| rows[2 * *i as usize..][..2].to_vec()).collect();
        let hot: Vec<f64> =
            index.iter().flat_map(|i| (0..n).map(move |j| f64::from(j == *i as usize))).collect();
        let bins: Vec<f64> =
            rows.iter().map(|x| [-1.0, 0.5, 2.0].iter().filter(|b| *x >= **b).count() as f64).collect();
        for (_, found) in everywhere(&source, &[("t", &rows), ("i", &index)]) {
            close(&found["rows"], &picked, 0.0);
            close(&found["one"], &picked[10..11], 0.0);
            close(&found["hot"], &hot, 0.0);
            close(&found["bins"], &bins, 0.0);
        }
    }
}

/// Keys at both ends of the range, doubled ones, and groups without rows.
#[test]
fn groups_are_those_of_a_map() {
    let mut random = Random::new(SEED + 2);
    for n in [1, 2, 7, 16] {
        let x = numbers(&mut random, 2 * n);
        let group: Vec<f64> = (0..n).map(|_| random.below(4) as f64).collect();
        let keys = [-2_147_483_646.0, 3.0, 2_147_483_646.0, -7.0, 0.0];
        let key: Vec<f64> = (0..n).map(|_| keys[random.below(5)]).collect();
        let source = format!(
            "use table\ninput x: fix[{n}, 2] from party 0\ninput g: int[{n}] from party 0\ninput k: int[{n}] from party 0\n\
             fn main() {{\n    output counts = table::group_counts(g, 5) to party 0\n    \
             output sums = table::group_sums(x, g, 5) to party 0\n    output means = table::group_means(x, g, 5) to party 0\n    \
             output keys, by_key, rows = table::group_by(k, x) to party 0\n}}\n"
        );
        let of = |wanted: &[f64], which: f64| -> (f64, [f64; 2]) {
            let rows = (0..n).filter(|i| wanted[*i] == which);
            rows.fold((0.0, [0.0; 2]), |(c, [a, b]), i| (c + 1.0, [a + x[2 * i], b + x[2 * i + 1]]))
        };
        let groups: Vec<_> = (0..5).map(|g| of(&group, f64::from(g))).collect();
        let mut sorted = key.clone();
        sorted.sort_by(f64::total_cmp);
        let last = |i: usize| sorted.get(i + 1) != Some(&sorted[i]);
        let by_key: Vec<_> =
            (0..n).map(|i| if last(i) { of(&key, sorted[i]) } else { (0.0, [0.0; 2]) }).collect();
        for (f, found) in everywhere(&source, &[("x", &x), ("g", &group), ("k", &key)]) {
            let flat = |list: &[(f64, [f64; 2])]| -> (Vec<f64>, Vec<f64>) {
                (list.iter().map(|(c, _)| *c).collect(), list.iter().flat_map(|(_, s)| *s).collect())
            };
            let ((counts, sums), (rows, by_key)) = (flat(&groups), flat(&by_key));
            close(&found["counts"], &counts, 0.0);
            close(&found["sums"], &sums, 0.0);
            let means: Vec<f64> =
                (0..10).map(|i| if counts[i / 2] == 0.0 { 0.0 } else { sums[i] / counts[i / 2] }).collect();
            close(&found["means"], &means, 16.0 * 5.0 * 2f64.powi(-(f as i32)));
            close(&found["keys"], &sorted, 0.0);
            close(&found["rows"], &rows, 0.0);
            close(&found["by_key"], &by_key, 0.0);
        }
    }
}

/// Keys that are absent and keys that are doubled, of one column and of two.
#[test]
fn joins_find_the_first_row_with_a_key() {
    let mut random = Random::new(SEED + 3);
    for (n, m) in [(1, 1), (4, 1), (1, 5), (6, 9)] {
        let keys = [-2_147_483_646.0, 3.0, 2_147_483_646.0, -7.0, 0.0, 8.0];
        let mut key = |n: usize| -> Vec<f64> { (0..n).map(|_| keys[random.below(6)]).collect() };
        let (a, b) = (key(n), key(m));
        let x: Vec<f64> = (0..2 * m).map(|i| i as f64 / 4.0 + 1.0).collect();
        let source = format!(
            "use table\ninput a: int[{n}] from party 0\ninput b: int[{m}] from party 1\ninput x: fix[{m}, 2] from party 1\n\
             fn main() {{\n    output rows, there = table::join(a, b, x) to party 0\n    \
             output two = table::join(transpose([a, a]), transpose([b, b]), x[.., 0])[0] to party 0\n}}\n"
        );
        let at: Vec<Option<usize>> = a.iter().map(|key| b.iter().position(|other| other == key)).collect();
        let rows: Vec<f64> =
            at.iter().flat_map(|at| at.map_or([0.0; 2], |j| [x[2 * j], x[2 * j + 1]])).collect();
        let there: Vec<f64> = at.iter().map(|at| f64::from(at.is_some())).collect();
        for (_, found) in everywhere(&source, &[("a", &a), ("b", &b), ("x", &x)]) {
            close(&found["rows"], &rows, 0.0);
            close(&found["there"], &there, 0.0);
            close(&found["two"], &rows.iter().copied().step_by(2).collect::<Vec<_>>(), 0.0);
        }
    }
}

/// Keys of 64 bits, at f = 32.
#[test]
fn long_keys_are_told_apart() {
    let source = "use table\ninput a: int[2] from party 0\ninput b: int[3] from party 1\nfn main() {\n    \
                  output rows, there = table::join(a, b, [1.0, 2.0, 3.0]) to party 0\n}\n";
    let program = compiled(source, settings(32, Rounding::Probabilistic)).program.expect("compiled");
    let (long, near) = (2f64.powi(62), 2f64.powi(62) + 1024.0);
    let inputs =
        BTreeMap::from([("a".to_string(), vec![near, -long]), ("b".to_string(), vec![long, -long, near])]);
    close(&emulated(&program, &inputs, SEED)["rows"], &[3.0, 2.0], 0.0);
}

#[test]
fn whole_quotients_round_down() {
    let mut random = Random::new(SEED + 4);
    let ends = [0.0, 1.0, -1.0, 2_147_483_647.0, -2_147_483_647.0, 6.0, -7.0];
    let n = 60;
    let spread = |random: &mut Random| {
        let size = 2f64.powi(random.below(31) as i32 + 1);
        ((random.below(1 << 30) as f64 / (1u64 << 29) as f64 - 1.0) * size).floor()
    };
    let x: Vec<f64> = ends.iter().copied().chain((ends.len()..n).map(|_| spread(&mut random))).collect();
    for d in [1.0, 2.0, 7.0, -3.0, 65_536.0, 1_000_003.0, 536_870_912.0, 900_000_000.0, -2_147_483_647.0] {
        let source = format!(
            "input x: int[{n}] from party 0\nfn main() {{\n    output q = div(x, {d}) to party 0\n    \
             output r = x % {d} to party 0\n}}\n"
        );
        let q: Vec<f64> = x.iter().map(|x| (x / d).floor()).collect();
        let r: Vec<f64> = x.iter().zip(&q).map(|(x, q)| x - d * q).collect();
        for (_, found) in everywhere(&source, &[("x", &x)]) {
            close(&found["q"], &q, 0.0);
            close(&found["r"], &r, 0.0);
        }
    }
    let x = [-1.75, 0.0, 2.0, 3.25, -0.125, 1000.5];
    let source = "input x: fix[6] from party 0\nfn main() {\n    output low = floor(x) to party 0\n    \
                  output high = ceil(x) to party 0\n    output r = x % 0.75 to party 0\n}\n";
    for (_, found) in everywhere(source, &[("x", &x)]) {
        close(&found["low"], &x.map(f64::floor), 0.0);
        close(&found["high"], &x.map(f64::ceil), 0.0);
        close(&found["r"], &x.map(|x| x - 0.75 * (x / 0.75).floor()), 0.0);
    }
}

/// To both ends of where they are exact: with small divisors, and with divisors about as large as what they divide.
#[test]
fn whole_quotients_by_secrets_round_down() {
    let mut random = Random::new(SEED + 5);
    for (f, rounding) in WAYS {
        let most = 2f64.powi(f as i32 - 5) - 1.0;
        let mut spread = |lowest: f64| {
            let size = 2f64.powi(random.below(f as usize - 4) as i32);
            let number = (random.below(1 << 30) as f64 / (1u64 << 30) as f64 * size).floor().max(lowest);
            if random.below(2) == 0 { number } else { -number }
        };
        let mut pairs = vec![(most, 1.0), (-most, 1.0), (most, -1.0), (most, most), (-most, most)];
        pairs.extend([
            (most - 1.0, most),
            (1.0 - most, most),
            (most - 1.0, -most),
            (0.0, -most),
            (-1.0, most),
        ]);
        pairs.extend((0..300).map(|_| (spread(0.0), spread(1.0))));
        // a whole quotient exactly, and one unit beside it
        pairs.extend((0..300).map(|i| {
            let divisor = spread(1.0);
            let multiple = divisor * (spread(0.0) % (most / divisor.abs())).trunc();
            ((multiple + f64::from(i % 3 - 1)).clamp(-most, most), divisor)
        }));
        let n = pairs.len();
        let source = format!(
            "input a: int[{n}] from party 0\ninput b: int[{n}] from party 1\nfn main() {{\n    output q = div(a, b) to party 0\n    \
             output r = a % b to party 0\n    output s = div(a, reveal(b)) to party 0\n}}\n"
        );
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let q: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (a / b).floor()).collect();
        let r: Vec<f64> = a.iter().zip(&b).zip(&q).map(|((a, b), q)| a - b * q).collect();
        let inputs = Values::from([("a".to_string(), a), ("b".to_string(), b)]);
        let program = compiled(&source, settings(f, rounding)).program.expect("compiled");
        let found = emulated(&program, &inputs, SEED);
        close(&found["q"], &q, 0.0);
        close(&found["r"], &r, 0.0);
        close(&found["s"], &q, 0.0);
    }
}

/// Both sides are stretched where a new axis says so; a bound with a minus counts from the end.
#[test]
fn pairs_by_a_new_axis_and_bounds_from_the_end() {
    let source = "input x: fix[3] from party 0\ninput y: fix[2] from party 0\nfn main() {\n    \
                  output a = x[.., None] - y to party 0\n    output b = 2 * x[.., None] > y to party 0\n    \
                  let (u, v) = (x[.., None], y[None, ..])\n    output c = u * v to party 0\n    \
                  output d = max(y, x[.., None]) to party 0\n    output e = concat(x[-2..], x[..-1], x[-3 .. +2], x[-1..]) to party 0\n}\n";
    let (x, y) = ([1.0, -2.0, 0.5], [0.75, 1.5]);
    let pairs = |f: fn(f64, f64) -> f64| {
        x.iter().flat_map(|x| y.iter().map(move |y| f(*x, *y))).collect::<Vec<f64>>()
    };
    for (_, found) in everywhere(source, &[("x", &x), ("y", &y)]) {
        close(&found["a"], &pairs(|x, y| x - y), 0.0);
        close(&found["b"], &pairs(|x, y| f64::from(2.0 * x > y)), 0.0);
        close(&found["c"], &pairs(|x, y| x * y), 0.0001);
        close(&found["d"], &pairs(f64::max), 0.0);
        close(&found["e"], &[-2.0, 0.5, 1.0, -2.0, 1.0, -2.0, 0.5], 0.0);
    }
}

/// What newcomers write as they know it from elsewhere: tensors in a list for `concat`, words of declarations as names of
/// results, several results in a line, and library functions of public numbers and constants.
#[test]
fn as_elsewhere() {
    let source = "use math\ninput x: fix[2, 3] from party 0\ninput y: fix[4] from party 0\nfn main() {\n    const n = 2\n    \
                  output rows = concat([x, x], axis=0), flat = concat([x[0], [1, 2]]), model = n * x[0] to party 0\n    \
                  let m = reveal(sum(x))\n    output likely = math::sigmoid(m), root = math::inv_sqrt(4) to party 0\n    \
                  output top = math::argmax(reveal(y)) to party 0\n}\n";
    let (x, y) = ([1.0, -2.0, 0.5, 0.25, 3.0, -1.0], [0.5, 1.5, -1.0, 0.0]);
    for (f, found) in everywhere(source, &[("x", &x), ("y", &y)]) {
        close(&found["rows"], &[x, x].concat(), 0.0);
        close(&found["flat"], &[1.0, -2.0, 0.5, 1.0, 2.0], 0.0);
        close(&found["model"], &[2.0, -4.0, 1.0], 0.0);
        let near = 32.0 * (-f64::from(f)).exp2();
        close(&found["likely"], &[1.0 / (1.0 + (-1.75f64).exp())], near);
        close(&found["root"], &[0.5], near);
        close(&found["top"], &[1.0], 0.0);
    }
}

/// Public numbers: counters, and what is revealed.
#[test]
fn public_quotients_and_subscripts() {
    let source = "input x: fix[6] from party 0\nfn main() {\n    let p = reveal(x)\n    \
                  output r = p % 0.75 to party 0\n    output q = div(p, 0.75) to party 0\n    var n = zeros([9])\n    \
                  for i in 0..9 {\n        n[i] = div(i, 2) + 10 * (i % 4)\n    }\n    output n = n to party 0\n    \
                  var steps = zeros([10])\n    for i in 1..10 by 3 {\n        steps[i] = i\n    }\n    \
                  output steps = steps to party 0\n    output strided = concat(x[.. by 2], x[1..6 by 3], x[0 .. +4 by 3]) to party 0\n    \
                  let y = reshape(x, [2, -1])\n    output axes = reshape(y[None, .., 0, None], [-1]) to party 0\n    \
                  output t = (x[0..1], (x[1], x[2..])) to party 0\n    output lowest = min(x) to party 0\n    \
                  output list = [q * x[0] for q in [1, 2.5]] to party 0\n}\n";
    let x = [-1.75, 0.0, 2.0, 3.25, -0.125, 1000.5];
    for (_, found) in everywhere(source, &[("x", &x)]) {
        close(&found["r"], &x.map(|x| x - 0.75 * (x / 0.75).floor()), 0.0001);
        close(&found["q"], &x.map(|x| (x / 0.75).floor()), 0.0);
        let n: Vec<f64> = (0..9).map(|i| f64::from(i / 2 + 10 * (i % 4))).collect();
        close(&found["n"], &n, 0.0);
        close(&found["steps"], &[0.0, 1.0, 0.0, 0.0, 4.0, 0.0, 0.0, 7.0, 0.0, 0.0], 0.0);
        close(&found["strided"], &[x[0], x[2], x[4], x[1], x[4], x[0], x[3]], 0.0);
        close(&found["axes"], &[x[0], x[3]], 0.0);
        close(&found["lowest"], &[-1.75], 0.0);
        close(&found["list"], &[-1.75, 2.5 * -1.75], 0.0001);
    }
}

/// `min` and `max` of the same two secrets take one comparison: what is added is less than another one costs.
#[test]
fn the_smaller_and_the_larger_share_a_comparison() {
    let bits = |result: &str| {
        let source = format!(
            "input x: fix[100] from party 0\ninput y: fix[100] from party 1\nfn main() {{\n    let c = {result}\n    \
             output c = c to party 0\n}}\n"
        );
        let program = compiled(&source, settings(16, Rounding::Probabilistic)).program.expect("compiled");
        let lines = report(&program).by_line;
        lines.iter().filter(|line| line.line == 4).map(|line| line.bits).sum::<u64>()
    };
    let comparison = bits("int(x > y)");
    let (one, both) = (bits("max(x, y)"), bits("max(x, y) + 2 * min(x, y)"));
    assert!(one > 0 && both < one + comparison / 2, "{comparison}, {one}, both {both}");
}
