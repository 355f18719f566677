//! Whether what a party sees looks uniform, and alike for different secrets: for tests.

/// Runs of an operation with one secret.
pub(super) const TRIALS: u32 = 2048;

/// Whether samples of a view, for the smallest and for the largest secret, look uniform and alike.
pub(super) fn check(samples: &[Vec<Vec<u8>>; 2], n: usize) -> Result<(), String> {
    let length = samples[0][0].len();
    let distinct = |of: &dyn Fn(&[u8]) -> usize| samples.each_ref().map(|views| histogram(views, of));
    for at in 0..length {
        compare(&format!("byte {at}"), &distinct(&|view| view[at].into()))?;
        // all pairs of a short view; of a long one each byte with the next few, and with those one operand further
        let near = [1, 2, 3, n, 2 * n, 8 * n].map(|step| at + step);
        for other in at + 1..length {
            if length <= 24 || near.contains(&other) {
                let nibbles = |view: &[u8]| usize::from(view[at] >> 4) << 4 | usize::from(view[other] >> 4);
                compare(&format!("bytes {at} and {other}"), &distinct(&nibbles))?;
            }
        }
    }
    Ok(())
}

fn histogram(views: &[Vec<u8>], of: &dyn Fn(&[u8]) -> usize) -> [f64; 256] {
    let mut counts = [0.0; 256];
    views.iter().for_each(|view| counts[of(view)] += 1.0);
    counts
}

/// χ² of each of two histograms against the uniform distribution, and of one against the other. With 255 degrees of freedom it is 255 ± 22.6;
/// beyond 7 deviations, 413, one in some 10^8 would lie.
fn compare(what: &str, [low, high]: &[[f64; 256]; 2]) -> Result<(), String> {
    const LIMIT: f64 = 413.0;
    let expected = f64::from(TRIALS) / 256.0;
    let uniform = |counts: &[f64; 256]| counts.iter().map(|n| (n - expected).powi(2) / expected).sum::<f64>();
    let apart =
        low.iter().zip(high).filter(|(m, n)| *m + *n > 0.0).map(|(m, n)| (m - n).powi(2) / (m + n)).sum();
    for (chi, of) in
        [(uniform(low), "with the smallest"), (uniform(high), "with the largest"), (apart, "between both")]
    {
        if chi > LIMIT {
            return Err(format!("{what}, {of} secret: χ² = {chi:.0}"));
        }
    }
    Ok(())
}
