//! Comparisons and what is made of them, for any two numbers of the contract: both ends, neighbours, ties, at every precision. Right is what integers say.

use proptest::prelude::*;
use tern_compiler::ir::Rounding;
use tern_tests::exact::{Integers, emulated, precision, shared};
use tern_tests::random::Random;
use tern_tests::run::compiled;

/// Elements of x and y.
const N: usize = 24;
/// Rows of z.
const ROWS: usize = 6;
/// Images, channels, height and width of what is pooled.
const IMAGES: [usize; 4] = [2, 3, 4, 2];

/// Every operator and function that compares, of numbers of one element type.
fn program(element: &str, cols: usize) -> String {
    let clip = if element == "fix" { "output clipped = clip(x, -1/2, 1/4) to party 2" } else { "" };
    let of_networks = if element == "fix" { OF_NETWORKS } else { "" };
    format!(
        "use math::{{argmax, clip, largest, tournament, tree}}\n\
         use nn::{{confusion, correct, max_pool}}\n\
         input x: {element}[{N}] from party 0\n\
         input y: {element}[{N}] from party 1\n\
         input z: {element}[{ROWS}, {cols}] from party 2\n\
         input y_hot: {element}[{ROWS}, {cols}] from party 0\n\
         input images: {element}{IMAGES:?} from party 1\n\
         fn main() {{\n\
             output less = int(x < y) to party 0\n\
             output less_equal = int(x <= y) to party 1\n\
             output more = int(x > y) to party 2\n\
             output more_equal = int(x >= y) to party 0\n\
             output equal = int(x == y) to party 1\n\
             output differ = int(x != y) to party 2\n\
             output mirrored = int(x < -y) to party 0\n\
             output positive = int(x > 0) to party 1\n\
             output max = max(x, y) to party 2\n\
             output min = min(x, y) to party 0\n\
             output abs = abs(x) to party 1\n\
             output chosen = where(x < y, -x, y) to party 2\n\
             {clip}\n\
             {of_networks}\n\
             let (top, won) = tournament(z)\n\
             output top = top to party 0\n\
             output won = int(won) to party 1\n\
             output place = argmax(z) to party 2\n\
             output largest = largest(z) to party 0\n\
             output tree = tree(z) to party 1\n\
         }}\n"
    )
}

/// What takes `fix` alone.
const OF_NETWORKS: &str = "
    output right = correct(z, y_hot) to party 0
    output confused = confusion(z, y_hot) to party 1
    output pooled = max_pool(images) to party 2
";

/// Numbers of the contract: its ends and their neighbours, small ones, and any.
fn number(random: &mut Random, total: u32) -> i128 {
    let end = (1i128 << (total - 1)) - 1;
    let near = random.below(3) as i128;
    let any = ((random.below(1 << 62) as i128) << 64 | (random.below(1 << 62) as i128) << 2 | near) & end;
    let size = match random.below(6) {
        0 => end,
        1 => end - near,
        2 => near,
        3 => (1i128 << random.below(total as usize - 1)) - near.min(1),
        _ => any,
    };
    if random.below(2) == 0 { size } else { -size }
}

/// x, y with many equal pairs, z and images with ties in every other row, and labels that are a few units, so that sums of them
/// are in any contract.
fn inputs(random: &mut Random, total: u32, cols: usize) -> Integers {
    let x: Vec<i128> = (0..N).map(|_| number(random, total)).collect();
    let other = |(i, x): (usize, &i128)| if i % 5 == 0 { *x } else { number(random, total) };
    let y = x.iter().enumerate().map(other).collect();
    let mut z = Vec::new();
    for row in 0..ROWS {
        let few = [number(random, total), number(random, total), number(random, total)];
        let tied = row % 2 == 0;
        z.extend((0..cols).map(|_| if tied { few[random.below(3)] } else { number(random, total) }));
    }
    let y_hot = (0..ROWS * cols).map(|_| random.below(4) as i128).collect();
    let width = IMAGES[3];
    let rows = IMAGES.iter().product::<usize>() / width;
    let images = (0..rows).flat_map(|row| {
        let few = number(random, total);
        (0..width).map(|_| if row % 2 == 0 { few } else { number(random, total) }).collect::<Vec<_>>()
    });
    let images = images.collect();
    let given = [("x", x), ("y", y), ("z", z), ("y_hot", y_hot), ("images", images)];
    given.map(|(name, numbers)| (name.to_string(), numbers)).into()
}

/// What clear arithmetic says.
fn expected(given: &Integers, frac: u32, fix: bool, cols: usize) -> Integers {
    let (x, y, z) = (&given["x"], &given["y"], &given["z"]);
    let pairs = |f: &dyn Fn(i128, i128) -> i128| x.iter().zip(y).map(|(x, y)| f(*x, *y)).collect();
    let rows = || z.chunks(cols);
    let mut right = Integers::from([
        ("less".into(), pairs(&|x, y| i128::from(x < y))),
        ("less_equal".into(), pairs(&|x, y| i128::from(x <= y))),
        ("more".into(), pairs(&|x, y| i128::from(x > y))),
        ("more_equal".into(), pairs(&|x, y| i128::from(x >= y))),
        ("equal".into(), pairs(&|x, y| i128::from(x == y))),
        ("differ".into(), pairs(&|x, y| i128::from(x != y))),
        ("mirrored".into(), pairs(&|x, y| i128::from(x < -y))),
        ("positive".into(), pairs(&|x, _| i128::from(x > 0))),
        ("max".into(), pairs(&|x, y| x.max(y))),
        ("min".into(), pairs(&|x, y| x.min(y))),
        ("abs".into(), pairs(&|x, _| x.abs())),
        ("chosen".into(), pairs(&|x, y| if x < y { -x } else { y })),
        ("top".into(), rows().map(|row| row[place(row)]).collect()),
        ("won".into(), rows().flat_map(|row| (0..cols).map(|i| i128::from(i == place(row)))).collect()),
        ("place".into(), rows().map(|row| place(row) as i128).collect()),
        ("largest".into(), rows().map(|row| row[place(row)]).collect()),
        ("tree".into(), (0..cols).map(|i| rows().map(|row| row[i]).max().expect("rows")).collect()),
    ]);
    if fix {
        let half = 1i128 << (frac - 1);
        right.insert("clipped".into(), x.iter().map(|x| (*x).clamp(-half, half / 2)).collect());
        right.extend(expected_of_networks(given, cols));
    }
    right
}

/// Of the functions that take `fix` alone.
fn expected_of_networks(given: &Integers, cols: usize) -> Integers {
    let labels = || {
        let places = given["z"].chunks(cols).map(place);
        places.zip(given["y_hot"].chunks(cols))
    };
    let confused = |at: usize| {
        labels().filter(|(place, _)| *place == at % cols).map(|(_, y)| y[at / cols]).sum::<i128>()
    };
    let tiles = given["images"].chunks(2 * IMAGES[3]).flat_map(|two| {
        let (above, below) = two.split_at(IMAGES[3]);
        above.chunks(2).zip(below.chunks(2)).map(|(a, b)| a[0].max(a[1]).max(b[0]).max(b[1]))
    });
    Integers::from([
        ("right".into(), labels().map(|(place, y)| y[place]).collect()),
        ("confused".into(), (0..cols * cols).map(confused).collect()),
        ("pooled".into(), tiles.collect()),
    ])
}

/// The first of the largest.
fn place(row: &[i128]) -> usize {
    (0..row.len()).rev().max_by_key(|i| row[*i]).expect("columns")
}

/// Compares at one precision, in the emulator or among three parties.
fn check(frac: u32, total: u32, rounding: Rounding, cols: usize, seed: u64, parties: bool) {
    let mut random = Random::new(seed);
    for element in ["fix", "int"] {
        let name = format!("{element}, --fixed {frac},{total}, {rounding:?}, {cols} columns, seed {seed}");
        let code =
            compiled(&program(element, cols), precision(frac, total, rounding)).program.expect("compiled");
        let given = inputs(&mut random, total, cols);
        let right = expected(&given, frac, element == "fix", cols);
        let (found, ranges) = emulated(&code, &given, seed);
        let found = if parties { shared(&code, &given, seed) } else { found };
        for (output, right) in &right {
            assert_eq!(&found[output], right, "{output}: {name}\n{given:?}");
        }
        assert_eq!(found.len(), right.len(), "{name}");
        assert!(ranges.outside.is_empty(), "{name}: {:?}", ranges.outside);
    }
}

/// The totals that go with these fraction bits.
fn totals(frac: u32) -> std::ops::RangeInclusive<u32> {
    // a half and a quarter, which the program names, are below the contract's end
    frac + 2..=128.min(254 - frac)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_two_numbers_of_the_contract(
        frac in 4..=64u32,
        share in 0.0..1.0f64,
        nearest: bool,
        cols in 1..40usize,
        seed: u64,
    ) {
        let totals = totals(frac);
        // half of them the usual total, the rest any
        let spread = f64::from(totals.end() - totals.start() + 1);
        let total = if share < 0.5 { 2 * frac } else { totals.start() + ((share - 0.5) * 2.0 * spread) as u32 };
        let rounding = if nearest { Rounding::Nearest } else { Rounding::Probabilistic };
        check(frac, total.min(*totals.end()), rounding, cols, seed, false);
    }
}

/// The usual precisions, and such as leave the ring no bit to spare.
#[test]
fn parties_compare_as_the_emulator_does() {
    for (seed, (frac, total)) in
        [(4, 8), (5, 57), (11, 22), (16, 32), (16, 46), (17, 18), (32, 64), (31, 95), (62, 128)]
            .into_iter()
            .enumerate()
    {
        check(frac, total, Rounding::Probabilistic, 3 + 5 * seed, seed as u64, true);
    }
}

/// Argmax and the tournament at every size around the one at which the tree begins, with ties everywhere.
#[test]
fn the_first_of_several_at_every_size() {
    for cols in (1..=40).chain([63, 64, 65, 100, 129]) {
        check(16, 32, Rounding::Probabilistic, cols, 1000 + cols as u64, false);
    }
}
