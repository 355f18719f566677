//! Gradients of whole losses in fixed point against double precision, and steps of the optimizers against a reference of their own.

use tern_compiler::ir::Rounding;
use tern_tests::random::Random;
use tern_tests::run::{Values, compiled, emulated, interpreted, settings};

const SEED: u64 = 5;

/// Numbers within ±1 with f fraction bits.
fn numbers(random: &mut Random, n: usize, f: u32) -> Vec<f64> {
    let scale = f64::from(f).exp2();
    (0..n).map(|_| (random.between(-1000, 1000) as f64 / 1000.0 * scale).round() / scale).collect()
}

/// The outputs in fixed point.
fn fixed(source: &str, inputs: &Values, f: u32, rounding: Rounding) -> Values {
    let program = compiled(source, settings(f, rounding)).program.expect("compiled");
    emulated(&program, inputs, SEED)
}

/// A buffer has no gradient, and is none of an optimizer's business: the parameters learn as they do without it.
#[test]
fn a_model_with_a_buffer_learns_by_every_method() {
    let source = "use optim\ninput x: fix[3] from party 0\nmodel M {\n    w: fix[3] = [1, 2, 3]\nBUFFER}\nfn main() {\n    \
        var p = M()\n    var s = optim::start(p)\n    for k in 0..3 {\n        \
        (p, s) = optim::step(\"METHOD\", p, grad(sum(square(p.w * x)), p), s, 1/64, 1)\n    }\n    output w = p.w to party 0\n}\n";
    let inputs = Values::from([("x".to_string(), vec![0.5, -1.0, 2.0])]);
    for method in ["sgd", "adam", "amsgrad", "adam_coarse", "amsgrad_coarse"] {
        let learned = |buffer: &str| {
            let source = source.replace("BUFFER", buffer).replace("METHOD", method);
            fixed(&source, &inputs, 16, Rounding::Nearest)["w"].clone()
        };
        let with = learned("    buffer seen: fix[2] = ones()\n");
        assert_eq!(with, learned(""), "{method}");
        assert!(with[2] < 3.0, "{method} moves");
    }
}

/// A field that was set to a constant is a parameter like the others.
#[test]
fn a_field_that_was_constant_learns() {
    let source = "input x: fix[3] from party 0\nmodel M {\n    w: fix[3] = ones()\n    b: fix[3] = ones()\n}\n\
        fn main() {\n    var p = M()\n    p.w = SET\n    \
        for t in 0..3 { p -= 0.25 * grad(sum(square(p.w + p.b - x)), p) }\n    \
        output w = p.w to party 0\n    output b = p.b to party 0\n}\n";
    let inputs = Values::from([("x".to_string(), vec![5.0, -2.0, 0.5])]);
    for set in ["zeros([3])", "0", "0 * reveal(p.b)"] {
        let found = fixed(&source.replace("SET", set), &inputs, 16, Rounding::Nearest);
        for (w, b) in found["w"].iter().zip(&found["b"]) {
            assert!((w - (b - 1.0)).abs() < 1e-3 && w.abs() > 0.1, "{set}: {found:?}");
        }
    }
}

/// A variable that begins as a constant is a parameter from the first iteration on, in loops within loops too.
#[test]
fn a_variable_that_was_constant_learns() {
    let line = "let (g, h) = grad(sum(square(w + b - x)), (w, b))\n    w -= 0.25 * g\n    b -= 0.25 * h";
    let source = |loops: &str| {
        let steps = loops.replace("STEP", line);
        format!(
            "input x: fix[3] from party 0\nfn main() {{\n    var w = zeros([3])\n    var b = 1\n    {steps}\n    \
             output w = w to party 0\n    output b = b to party 0\n}}\n"
        )
    };
    let inputs = Values::from([("x".to_string(), vec![5.0, -2.0, 0.5])]);
    let (mut w, mut b) = ([0.0; 3], 1.0);
    for _ in 0..4 {
        let g: Vec<f64> = w.iter().zip(&inputs["x"]).map(|(w, x)| 2.0 * (w + b - x)).collect();
        w.iter_mut().zip(&g).for_each(|(w, g)| *w -= 0.25 * g);
        b -= 0.25 * g.iter().sum::<f64>();
    }
    for loops in ["for t in 0..4 {\nSTEP\n}", "for s in 0..2 {\nfor t in 0..2 {\nSTEP\n}\n}"] {
        let found = fixed(&source(loops), &inputs, 16, Rounding::Nearest);
        for (found, exact) in found["w"].iter().chain(&found["b"]).zip(w.iter().chain([&b])) {
            assert!((found - exact).abs() < 1e-3, "{found}, exactly {exact}");
        }
    }
}

/// What is added in front of a batch normalisation changes nothing behind it: in exact arithmetic its gradient is 0.
#[test]
fn a_bias_before_batch_normalisation_has_no_gradient() {
    let mut random = Random::new(SEED);
    println!("seed {SEED}");
    for [b, side] in [[64, 8], [50, 6], [7, 3]] {
        let source = format!(
            "use nn::{{BatchNorm, batch_norm}}\ninput x: fix[{b}, 4, {side}, {side}] from party 0\n\
             input r: fix[{b}, 4, {side}, {side}] from party 0\nmodel M {{ bias: fix[4, 1, 1] = zeros() }}\n\
             fn main() {{\n    let m = M()\n    let n: BatchNorm(4) = BatchNorm(4)\n    \
             let (y, _) = batch_norm(x + m.bias, n, true)\n    let g = grad(sum(y * r), m)\n    \
             output g = g.bias to party 0\n}}\n"
        );
        for rounding in [Rounding::Probabilistic, Rounding::Nearest] {
            let mut numbers = || numbers(&mut random, b * 4 * side * side, 16);
            let inputs = Values::from([("x".to_string(), numbers()), ("r".to_string(), numbers())]);
            let g = &fixed(&source, &inputs, 16, rounding)["g"];
            println!("{b} images of {side} by {side}, {rounding:?}: {g:?}");
            // 1 / n has 16 significant bits where n is no power of two.
            let allowed = if b == 64 { 2f64.powi(-12) } else { 2f64.powi(-10) };
            assert!(g.iter().all(|g| g.abs() <= allowed), "{g:?}");
        }
    }
}

const RESIDUAL: &str = "use nn::{Dense, dense, BatchNorm, batch_norm, relu, cross_entropy}\n\
input x: fix[200, 12] from party 0\ninput y: fix[200, 5] from party 1\n\
input p: Net from party 2\n\
model Block { first: Dense(12, 12)\n    norm: BatchNorm(12)\n    second: Dense(12, 12) }\n\
model Net { a: Block\n    b: Block\n    last: Dense(12, 5) }\n\
fn block(x: fix[n, 12], p: Block) -> fix[n, 12] {\n    let (h, _) = batch_norm(dense(x, p.first), p.norm, true)\n    \
x + dense(relu(h), p.second)\n}\n\
fn main() {\n    let h = block(block(x, p.a), p.b)\n    \
let g = grad(mean(cross_entropy(dense(h, p.last), y)), p)\n";

/// Of a mean over 200 samples most derivatives are smaller than 2^-10; their direction is that of exact arithmetic.
#[test]
fn a_residual_network_has_the_gradient_of_exact_arithmetic() {
    let fields = [
        "a.first.weight",
        "a.norm.weight",
        "a.norm.bias",
        "a.second.weight",
        "a.second.bias",
        "b.first.weight",
        "b.norm.weight",
        "b.second.weight",
        "last.weight",
        "last.bias",
    ];
    let outputs: Vec<String> = fields
        .iter()
        .map(|field| format!("    output {} = g.{field} to party 0\n", field.replace('.', "_")))
        .collect();
    // Parameters are made of one input, so that the test knows them all.
    let source = format!("{RESIDUAL}{}}}\n", outputs.concat()).replace(
        "input p: Net from party 2\n",
        "input w: fix[5, 12, 12] from party 2\nfn net(w: fix[5, 12, 12]) -> Net {\n    \
         let zero = zeros([12])\n    let one = ones([12])\n    \
         let a: Block = Block(first=Dense(12, 12, weight=w[0], bias=zero), norm=BatchNorm(12, weight=one, bias=zero), second=Dense(12, 12, weight=w[1], bias=zero))\n    \
         let b: Block = Block(first=Dense(12, 12, weight=w[2], bias=zero), norm=BatchNorm(12, weight=one, bias=zero), second=Dense(12, 12, weight=w[3], bias=zero))\n    \
         Net(a=a, b=b, last=Dense(12, 5, weight=w[4, 0..5], bias=zeros([5])))\n}\n",
    );
    let source = source.replace("fn main() {\n", "fn main() {\n    let p = net(w)\n");
    let mut random = Random::new(SEED);
    println!("seed {SEED}");
    let mut labels = vec![0.0; 1000];
    (0..200).for_each(|row| labels[row * 5 + random.below(5)] = 1.0);
    let inputs = Values::from([
        ("x".to_string(), numbers(&mut random, 2400, 16)),
        ("y".to_string(), labels),
        ("w".to_string(), numbers(&mut random, 720, 16).iter().map(|w| w / 2.0).collect()),
    ]);
    let compilation = compiled(&source, settings(16, Rounding::Probabilistic));
    let exact = interpreted(&compilation.ir.expect("compiled"), &inputs, SEED);
    let found = emulated(&compilation.program.expect("compiled"), &inputs, SEED);
    for (name, exact) in &exact {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let norm = dot(exact, exact).sqrt();
        let cosine = dot(exact, &found[name]) / (norm * dot(&found[name], &found[name]).sqrt());
        println!("{name}: norm {norm:.5}, cosine {cosine:.5}");
        assert!(cosine > 0.9999, "{name}: cosine {cosine}");
    }
}

/// Twenty steps of Adam with a constant gradient move by twenty times the rate, whatever the gradient.
#[test]
fn small_gradients_move_as_far_as_large_ones() {
    let source = |options: &str| {
        format!(
            "use optim\nmodel P {{ x: fix[5] = zeros() }}\nfn main() {{\n    var p = P()\n    var s = optim::start(p)\n    \
             let g = P(x=secret([1/1024, 0.001, 0.01, 0.1, 1.0]))\n    \
             for t in 0..20 {{ (p, s) = optim::adam(p, g, s, 0.01{options}) }}\n    output x = -p.x to party 0\n}}\n"
        )
    };
    // At f = 16 the last bits of the square are all there is of 0.01; a gain makes room below, and takes it above.
    for (f, options, first, within) in [
        (32, "", 0, 0.001),
        (24, "", 0, 0.1),
        (16, "", 2, 0.1),
        (16, ", gain=16", 0, 0.1),
        (20, ", gain=16", 0, 0.01),
    ] {
        for rounding in [Rounding::Probabilistic, Rounding::Nearest] {
            let moved = &fixed(&source(options), &Values::new(), f, rounding)["x"];
            println!("f = {f}{options}, {rounding:?}: {moved:?}");
            for x in &moved[first..] {
                assert!((x - 0.2).abs() <= within * 0.2, "f = {f}{options}, {rounding:?}: {moved:?}");
            }
        }
    }
}

#[test]
fn the_norm_of_layers_counts_them_all() {
    let source = "use nn::{Dense, BatchNorm}\nuse optim\ninput w: fix[2, 2] from party 0\n\
        model Inner { a: Dense(2, 2)\n    n: BatchNorm(3) }\nmodel Net { first: Inner\n    scale: fix[2] = full(1/2) }\n\
        fn main() {\n    var p = Net()\n    p.first.a.weight = w\n    output n = optim::norm2(p) to party 0\n}\n";
    let inputs = Values::from([("w".to_string(), vec![1.0, -2.0, 3.0, 0.5])]);
    let found = fixed(source, &inputs, 16, Rounding::Nearest)["n"][0];
    assert!((found - (14.25 + 3.0 + 0.5)).abs() < 1e-3, "{found}");
}

/// Ten steps of each optimizer as PyTorch defines it, in double precision; `eps` is what is added to the mean square.
fn reference(method: &str, g: &[f64], rate: f64, eps: f64) -> Vec<f64> {
    let (mut p, mut m, mut v, mut peak) = ([0.5; 4], [0.0; 4], [0.0; 4], [0.0f64; 4]);
    for (t, g) in g.chunks(4).enumerate() {
        let t = t as i32 + 1;
        for i in 0..4 {
            let g = g[i] + p[i];
            if method == "sgd" {
                m[i] = 0.9 * m[i] + g;
                p[i] -= rate * m[i];
                continue;
            }
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            peak[i] = peak[i].max(v[i]);
            let v = if method.starts_with("amsgrad") { peak[i] } else { v[i] };
            let root = (v / (1.0 - 0.999f64.powi(t)) + eps).sqrt();
            p[i] -= rate * m[i] / (1.0 - 0.9f64.powi(t)) / root;
        }
    }
    p.to_vec()
}

#[test]
fn ten_steps_of_each_optimizer() {
    let mut random = Random::new(SEED);
    println!("seed {SEED}");
    for f in [12, 16, 23, 32] {
        let g: Vec<f64> = numbers(&mut random, 40, f)
            .iter()
            .enumerate()
            .map(|(i, g)| g * [4.0, 1.0, 0.5, 2.0][i % 4])
            .collect();
        for method in ["sgd", "adam", "amsgrad", "adam_coarse", "amsgrad_coarse"] {
            let source = format!(
                "use optim\ninput g: fix[10, 4] from party 0\nmodel P {{ x: fix[4] = full(1/2) }}\nfn main() {{\n    \
                 var p = P()\n    var s = optim::start(p)\n    for t in 0..10 {{\n        \
                 (p, s) = optim::step(\"{method}\", p, P(x=reshape(g[t .. +1], [4]) + p.x), s, 0.05, 1)\n    }}\n    \
                 output x = p.x to party 0\n}}\n"
            );
            let inputs = Values::from([("g".to_string(), g.clone())]);
            let found = &fixed(&source, &inputs, f, Rounding::Probabilistic)["x"];
            let gain = (f64::from(f.saturating_sub(16)) / 2.0).ceil().exp2();
            let eps = (-f64::from(f)).exp2() / (gain * gain);
            let exact = reference(method, &g, 0.05, eps);
            let unit = (-f64::from(f)).exp2();
            let coarse = if method.ends_with("coarse") { 10.0 * 0.05 * 0.005 } else { 0.0 };
            let worst = found.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("{method}, f = {f}: off by {:.1} units", worst / unit);
            assert!(worst <= 100.0 * unit + coarse, "{method}, f = {f}: {found:?}, not {exact:?}");
        }
    }
}
