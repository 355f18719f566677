//! Layers, sequences, optimizers and orders against double precision that is written here anew, at f = 16 and 32 and with both roundings; and what
//! each of them costs, as a golden text (`UPDATE_EXPECT=1` writes it). Functions of one number are in library.rs, tables in tables.rs, derivatives of all
//! in derivatives.rs.

use std::fmt::Write;

use expect_test::expect_file;
use tern_bytecode::report::{group, report};
use tern_compiler::ir::Rounding;
use tern_tests::random::Random;
use tern_tests::run::{Values, WAYS, compiled, emulated, settings};

const SEED: u64 = 17;

/// A call of the shared tensor `x`.
struct Case {
    call: &'static str,
    shape: &'static [usize],
    exact: fn(&[f64]) -> Vec<f64>,
    /// How far a result may be from the exact one, in units of 2^-f.
    units: f64,
}

/// Functions that take or give models, for one tensor.
const OWN: &str = "\
model P { at: fix[6] = zeros() }\n\
fn clipped(x: fix[6]) -> fix[6] {\n    let g = optim::clip_norm(P(at=x), 2)\n    g.at\n}\n\
fn by_nesterov(x: fix[6]) -> fix[6] {\n    var p = P(at=x)\n    var s = optim::start(p)\n    \
(p, s) = optim::sgd(p, P(at=1/2 - x), s, 1/8, 0.5, nesterov=true, decay=1/4)\n    \
(p, s) = optim::sgd(p, P(at=x), s, 1/8, 0.5, nesterov=true, decay=1/4)\n    p.at\n}\n\
fn by_adamw(x: fix[6]) -> fix[6] {\n    let p = P(at=x)\n    \
let (q, _) = optim::adamw(p, P(at=x), optim::start(p), 1/8, 1/4)\n    q.at\n}\n\
fn scheduled(x: fix[6]) -> fix[6] {\n    var y = x\n    for t in 0..6 {\n        \
y[t] = x[t] * (optim::warm_up(1/2, 4, t) + optim::step_decay(1/2, 1/4, 2, t) + optim::cosine_decay(1/2, 5, t))\n    }\n    y\n}\n\
fn both_sorted(x: fix[..s, n]) -> fix[..s, 2 * n] {\n    let (a, b) = math::sort_with(x, 1 - x)\n    concat(a, b, axis=-1)\n}\n\
fn normalised(x: fix[b, c]) -> fix[b, c] {\n    let (y, _) = nn::batch_norm(x, nn::BatchNorm(c, weight=full(2, [c]), bias=full(1/2, [c])), true)\n    y\n}\n";

/// Weights of layers: the k-th of them, here as in the programs.
fn weight(k: usize) -> f64 {
    (k * 7 % 11) as f64 / 8.0 - 0.5
}

const CASES: &[Case] = &[
    Case {
        call: "nn::layer_norm(x, nn::LayerNorm(4, weight=[1, 2, -1/2, 1], bias=[0, 1, 0, -1]))",
        shape: &[3, 4],
        exact: layer_norm,
        units: 64.0,
    },
    Case { call: "normalised(x)", shape: &[6, 2], exact: batch_norm, units: 64.0 },
    Case {
        call: "nn::embedding(secret([2, 0, 1, 2]), nn::Embedding(3, 2, weight=x))",
        shape: &[3, 2],
        exact: |x| [2, 0, 1, 2].iter().flat_map(|i| x[2 * i..][..2].to_vec()).collect(),
        units: 0.0,
    },
    Case { call: "nn::attention(x[0], x[1], x[2])", shape: &[3, 3, 4], exact: one_head, units: 64.0 },
    Case {
        call: "nn::multihead_attention(x, x, nn::MultiheadAttention(4, \
               in_proj_weight=reshape([k * 7 % 11 / 8 - 1/2 for k in 0..48], [12, 4]), in_proj_bias=[k * 7 % 11 / 8 - 1/2 for k in 0..12], \
               out_proj=nn::Dense(4, 4, weight=reshape([k * 7 % 11 / 8 - 1/2 for k in 0..16], [4, 4]), bias=[1, 2, 3, 4])), 2)",
        shape: &[1, 3, 4],
        exact: two_heads,
        units: 128.0,
    },
    Case {
        call: "nn::gru(x, reshape([k * 7 % 11 / 8 - 1/2 for k in 0..12], [6, 2]), reshape([k * 7 % 11 / 8 - 1/2 for k in 0..12], [6, 2]), \
               [k * 7 % 11 / 8 - 1/2 for k in 0..6], [k / 8 for k in 0..6])",
        shape: &[2, 3, 2],
        exact: gru,
        units: 128.0,
    },
    Case {
        call: "nn::lstm(x, reshape([k * 7 % 11 / 8 - 1/2 for k in 0..16], [8, 2]), reshape([k * 7 % 11 / 8 - 1/2 for k in 0..16], [8, 2]), \
               [k * 7 % 11 / 8 - 1/2 for k in 0..8], [k / 8 for k in 0..8])",
        shape: &[2, 3, 2],
        exact: lstm,
        units: 128.0,
    },
    Case {
        call: "nn::convolve1d(x, reshape([k * 7 % 11 / 8 - 1/2 for k in 0..12], [2, 2, 3]), stride=2, pad=1, dilation=2)",
        shape: &[1, 2, 7],
        exact: convolve1d,
        units: 1.0,
    },
    Case {
        call: "nn::binary_cross_entropy(x, secret([1.0, 0, 1, 0, 0, 1]))",
        shape: &[6],
        exact: |x| {
            x.iter()
                .enumerate()
                .map(|(i, z)| (1.0 + z.exp()).ln() - z * [1., 0., 1., 0., 0., 1.][i])
                .collect()
        },
        units: 48.0,
    },
    Case {
        call: "nn::mean_squared_error(x, 1 - x)",
        shape: &[2, 3],
        exact: |x| {
            x.chunks(3).map(|r| r.iter().map(|x| (2.0 * x - 1.0).powi(2)).sum::<f64>() / 3.0).collect()
        },
        // a third is rounded to f bits, and is a factor of up to 147
        units: 80.0,
    },
    Case {
        call: "nn::correct(x, secret([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]))",
        shape: &[4, 3],
        exact: |x| x.chunks(3).zip([0, 1, 2, 0]).map(|(row, class)| f64::from(top(row) == class)).collect(),
        units: 0.0,
    },
    Case {
        call: "nn::confusion(x, secret([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]))",
        shape: &[4, 3],
        exact: |x| {
            let mut counts = vec![0.0; 9];
            x.chunks(3).zip([0, 1, 2, 0]).for_each(|(row, class)| counts[3 * class + top(row)] += 1.0);
            counts
        },
        units: 0.0,
    },
    Case { call: "math::abs(x)", shape: &[9], exact: |x| x.iter().map(|x| x.abs()).collect(), units: 0.0 },
    Case {
        call: "math::clip(x, -1, 1/2)",
        shape: &[9],
        exact: |x| x.iter().map(|x| x.clamp(-1.0, 0.5)).collect(),
        units: 0.0,
    },
    Case {
        call: "math::smallest(x)",
        shape: &[3, 5],
        exact: |x| x.chunks(5).map(|row| row.iter().copied().fold(f64::MAX, f64::min)).collect(),
        units: 0.0,
    },
    Case {
        call: "math::top_k(x, 2)",
        shape: &[3, 5],
        exact: |x| x.chunks(5).flat_map(|row| sorted(row).into_iter().rev().take(2)).collect(),
        units: 0.0,
    },
    Case {
        call: "both_sorted(x)",
        shape: &[3, 5],
        exact: |x| {
            let both = |row: Vec<f64>| [row.clone(), row.iter().map(|x| 1.0 - x).collect()].concat();
            x.chunks(5).flat_map(|row| both(sorted(row))).collect()
        },
        units: 0.0,
    },
    Case {
        call: "math::cumulative_sum(x)",
        shape: &[2, 5],
        exact: |x| x.chunks(5).flat_map(|row| (0..5).map(|i| row[..=i].iter().sum())).collect(),
        units: 0.0,
    },
    Case {
        call: "math::product(x)",
        shape: &[2, 3],
        exact: |x| x.chunks(3).map(|r| r.iter().product()).collect(),
        units: 8.0,
    },
    Case {
        call: "concat(table::fold(x, 3, 1), table::without_fold(x, 3, 1), axis=0)",
        shape: &[7, 2],
        exact: |x| [&x[6..10], &x[..6], &x[10..]].concat(),
        units: 0.0,
    },
    Case { call: "scheduled(x)", shape: &[6], exact: scheduled, units: 16.0 },
    Case { call: "clipped(x)", shape: &[6], exact: clipped, units: 64.0 },
    Case { call: "by_nesterov(x)", shape: &[6], exact: nesterov, units: 8.0 },
    // The step is rate times the sign of a gradient far from 0: its root has 2^-f beside its square, and 1 - 0.999 is rounded to f bits.
    Case {
        call: "by_adamw(x)",
        shape: &[6],
        exact: |x| x.iter().map(|x| x - 0.125 * (x.signum() + 0.25 * x)).collect(),
        units: 128.0,
    },
];

/// Three schedules together, of the counter of a run-time loop.
fn scheduled(x: &[f64]) -> Vec<f64> {
    let rate = |t: usize| {
        let rising = 0.5 * ((t + 1) as f64 / 4.0).min(1.0);
        let falling = 0.25 * (1.0 + (std::f64::consts::PI * (t as f64 / 5.0).min(1.0)).cos());
        rising + 0.5 * 0.25f64.powi((t / 2) as i32) + falling
    };
    x.iter().enumerate().map(|(t, x)| x * rate(t)).collect()
}

/// Calls of tables, whose results tables.rs looks at.
const TABLES: &[(&str, &[usize])] = &[
    ("fix(table::group_counts(secret([1, 0, 1, 2]), 3)) * x[0, 0]", &[4, 2]),
    ("table::group_sums(x, secret([1, 0, 1, 2]), 3)", &[4, 2]),
    ("table::group_means(x, secret([1, 0, 1, 2]), 3)", &[4, 2]),
    ("grouped(x)", &[4, 2]),
    ("rows_in_order(x)", &[4, 2]),
    ("joined(x)", &[4, 2]),
    ("table::quantiles(x, [0, 1/2, 1])", &[4, 8]),
    ("table::look_up(secret([3, 1]), x)", &[4, 2]),
];

const OF_TABLES: &str = "\
fn grouped(x: fix[4, 2]) -> fix[4, 2] {\n    let (_, sums, _) = table::group_by(secret([3, 1, 3, 2]), x)\n    sums\n}\n\
fn rows_in_order(x: fix[4, 2]) -> fix[4, 2] {\n    let (_, rows) = table::sort_rows(secret([3, 1, 4, 2]), x)\n    rows\n}\n\
fn joined(x: fix[4, 2]) -> fix[3, 2] {\n    let (rows, _) = table::join(secret([3, 7, 1]), secret([1, 3, 3, 2]), x)\n    rows\n}\n";

// ---- in double precision

fn top(row: &[f64]) -> usize {
    (0..row.len()).rev().max_by(|a, b| row[*a].total_cmp(&row[*b])).expect("a row")
}

fn sorted(row: &[f64]) -> Vec<f64> {
    let mut row = row.to_vec();
    row.sort_by(f64::total_cmp);
    row
}

fn moments(x: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = x.clone().count() as f64;
    let mean = x.clone().sum::<f64>() / n;
    (mean, x.map(|x| (x - mean).powi(2)).sum::<f64>() / n)
}

fn layer_norm(x: &[f64]) -> Vec<f64> {
    let (weight, bias) = ([1.0, 2.0, -0.5, 1.0], [0.0, 1.0, 0.0, -1.0]);
    let row = |row: &[f64]| {
        let (mean, variance) = moments(row.iter().copied());
        let root = (variance + 2f64.powi(-10)).sqrt();
        (0..4).map(|i| (row[i] - mean) / root * weight[i] + bias[i]).collect::<Vec<f64>>()
    };
    x.chunks(4).flat_map(row).collect()
}

fn batch_norm(x: &[f64]) -> Vec<f64> {
    let columns = [0, 1].map(|c| moments(x.iter().skip(c).step_by(2).copied()));
    let scaled = |(i, x): (usize, &f64)| {
        let (mean, variance) = columns[i % 2];
        2.0 * (x - mean) / (variance + 2f64.powi(-10)).sqrt() + 0.5
    };
    x.iter().enumerate().map(scaled).collect()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let total: f64 = row.iter().map(|z| z.exp()).sum();
    row.iter().map(|z| z.exp() / total).collect()
}

/// x w^T + b, rows of n by weights of n.
fn dense(x: &[f64], n: usize, w: &[f64], b: &[f64]) -> Vec<f64> {
    let dot = |row: &[f64], w: &[f64]| row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
    x.chunks(n).flat_map(|row| w.chunks(n).zip(b).map(move |(w, b)| dot(row, w) + b)).collect()
}

/// Rows of d.
fn attention(q: &[f64], k: &[f64], v: &[f64], d: usize) -> Vec<f64> {
    let of = |q: &[f64]| {
        let scores: Vec<f64> = dense(q, d, k, &vec![0.0; k.len() / d]);
        let parts = softmax(&scores.iter().map(|s| s / (d as f64).sqrt()).collect::<Vec<f64>>());
        (0..d).map(|c| parts.iter().zip(v.chunks(d)).map(|(p, v)| p * v[c]).sum()).collect::<Vec<f64>>()
    };
    q.chunks(d).flat_map(of).collect()
}

fn one_head(x: &[f64]) -> Vec<f64> {
    attention(&x[..12], &x[12..24], &x[24..], 4)
}

fn two_heads(x: &[f64]) -> Vec<f64> {
    let weights: Vec<f64> = (0..48).map(weight).collect();
    let projected = [0, 1, 2].map(|part| dense(x, 4, &weights[16 * part..][..16], &weights[4 * part..][..4]));
    let head = |rows: &[f64], h: usize| {
        rows.chunks(4).flat_map(|row| row[2 * h..][..2].to_vec()).collect::<Vec<f64>>()
    };
    let [q, k, v] = &projected;
    let heads = [0, 1].map(|h| attention(&head(q, h), &head(k, h), &head(v, h), 2));
    let joined: Vec<f64> = (0..12).map(|i| heads[i % 4 / 2][i / 4 * 2 + i % 2]).collect();
    dense(&joined, 4, &weights[..16], &[1.0, 2.0, 3.0, 4.0])
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The next state of the gates' sums of input and of state, the state, and the memory, which it changes.
type Step = fn(&[f64], &[f64], [f64; 2], &mut [f64; 2]) -> [f64; 2];

/// The states of a recurrent layer of two features and two units.
fn recurrent(x: &[f64], gates: usize, step: Step) -> Vec<f64> {
    let weights: Vec<f64> = (0..4 * gates).map(weight).collect();
    let (input_bias, state_bias): (Vec<f64>, Vec<f64>) =
        (0..2 * gates).map(|k| (weight(k), k as f64 / 8.0)).unzip();
    let sequence = |x: &[f64]| {
        let (mut state, mut memory) = ([0.0; 2], [0.0; 2]);
        let next = |x: &[f64]| {
            let (a, c) = (dense(x, 2, &weights, &input_bias), dense(&state, 2, &weights, &state_bias));
            state = step(&a, &c, state, &mut memory);
            state
        };
        x.chunks(2).flat_map(next).collect::<Vec<f64>>()
    };
    x.chunks(6).flat_map(sequence).collect()
}

fn gru(x: &[f64]) -> Vec<f64> {
    recurrent(x, 3, |a, c, state, _| {
        [0, 1].map(|i| {
            let (reset, update) = (sigmoid(a[i] + c[i]), sigmoid(a[2 + i] + c[2 + i]));
            let new = (a[4 + i] + reset * c[4 + i]).tanh();
            (1.0 - update) * new + update * state[i]
        })
    })
}

fn lstm(x: &[f64]) -> Vec<f64> {
    recurrent(x, 4, |a, c, _, memory| {
        [0, 1].map(|i| {
            let sum = |gate: usize| a[2 * gate + i] + c[2 * gate + i];
            memory[i] = sigmoid(sum(1)) * memory[i] + sigmoid(sum(0)) * sum(2).tanh();
            sigmoid(sum(3)) * memory[i].tanh()
        })
    })
}

fn convolve1d(x: &[f64]) -> Vec<f64> {
    let at = |channel: usize, place: i32| {
        usize::try_from(place).ok().filter(|place| *place < 7).map_or(0.0, |place| x[7 * channel + place])
    };
    let window = |o: usize, p: i32| {
        let taps = (0..2).flat_map(|c| (0..3).map(move |k| (c, k)));
        taps.map(|(c, k)| weight(6 * o + 3 * c + k) * at(c, 2 * p - 1 + 2 * k as i32)).sum::<f64>()
    };
    (0..2).flat_map(|o| (0..3).map(move |p| window(o, p))).collect()
}

fn clipped(x: &[f64]) -> Vec<f64> {
    let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    x.iter().map(|x| x * (2.0 / norm).min(1.0)).collect()
}

/// Two steps as PyTorch defines them: the gradient with its decay goes into the momentum, and both into the step.
fn nesterov(x: &[f64]) -> Vec<f64> {
    let two_steps = |x: &f64| {
        let (mut p, mut m) = (*x, 0.0);
        for g in [0.5 - x, *x] {
            let g = g + p / 4.0;
            m = m / 2.0 + g;
            p -= (g + m / 2.0) / 8.0;
        }
        p
    };
    x.iter().map(two_steps).collect()
}

// ---- the tests

fn program(call: &str, shape: &[usize]) -> String {
    let dims = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "use math\nuse nn\nuse optim\nuse table\ninput x: fix[{dims}] from party 0\n{OWN}{OF_TABLES}fn main() {{\n    \
         output y = {call} to party 0\n}}\n"
    )
}

/// Multiples of 1/64 of both signs from 1/8 to 3, no two of them equal.
fn numbers(random: &mut Random, count: usize) -> Vec<f64> {
    let mut sizes: Vec<usize> = (8..192).collect();
    let mut next = || {
        let size = sizes.swap_remove(random.below(sizes.len())) as f64 / 64.0;
        if random.below(2) == 0 { size } else { -size }
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn results_are_those_of_double_precision() {
    let mut random = Random::new(SEED);
    println!("seed {SEED}");
    for case in CASES {
        let source = program(case.call, case.shape);
        for (f, rounding) in WAYS {
            let program = compiled(&source, settings(f, rounding)).program.expect("compiled");
            for _ in 0..4 {
                let x = numbers(&mut random, case.shape.iter().product());
                let exact = (case.exact)(&x);
                let found = &emulated(&program, &Values::from([("x".to_string(), x.clone())]), SEED)["y"];
                assert_eq!(found.len(), exact.len(), "{}", case.call);
                let off = found.iter().zip(&exact).map(|(y, e)| (y - e).abs()).fold(0.0, f64::max);
                let units = off * 2f64.powi(f as i32);
                println!("{}, f = {f}, {rounding:?}: {units:.2} units", case.call);
                assert!(
                    units <= case.units,
                    "{}, f = {f}, {rounding:?}: {found:?}, exactly {exact:?}",
                    case.call
                );
            }
        }
    }
}

#[test]
fn they_cost_what_is_written_down() {
    let mut text = String::from(
        "call | shape of x | rounding | rounds, f = 16 | bits, f = 16 | rounds, f = 32 | bits, f = 32\n",
    );
    let cases = CASES.iter().map(|case| (case.call, case.shape));
    let cases = cases.chain(TABLES.iter().copied()).flat_map(|case| {
        [("at random", Rounding::Probabilistic), ("nearest", Rounding::Nearest)].map(|way| (case, way))
    });
    for ((call, shape), (name, rounding)) in cases {
        let source = program(call, shape);
        let line = source.lines().position(|line| line.contains("output y =")).expect("the call") as u32 + 1;
        let costs = [16, 32].map(|f| {
            let program = compiled(&source, settings(f, rounding)).program.expect("compiled");
            let report = report(&program);
            let spent: Vec<_> = report.by_line.iter().filter(|l| l.line <= line && l.line > 5).collect();
            let sum =
                |of: fn(&tern_bytecode::report::LineCost) -> u64| spent.iter().map(|l| of(l)).sum::<u64>();
            (sum(|l| l.rounds), sum(|l| l.bits))
        });
        let [(rounds, bits), (rounds_32, bits_32)] = costs;
        let (bits, bits_32) = (group(bits), group(bits_32));
        writeln!(text, "{call} | {shape:?} | {name} | {rounds} | {bits} | {rounds_32} | {bits_32}")
            .expect("a string");
    }
    expect_file!["costs.txt"].assert_eq(&text);
}
