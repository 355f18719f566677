//! Suggestions for names that do not exist.

/// What a name of another language is called here.
pub(crate) fn foreign(name: &str) -> Option<&'static str> {
    Some(match name {
        "True" => "true",
        "False" => "false",
        "None" => "x[None] and x[.., None] have a new axis; there is no value that is none",
        "len" => "shape(x)[0]",
        "size" => "product(shape(x))",
        "range" => "for i in 0..n",
        "int64" | "int32" | "uint8" => "int(x), of truth values; the type is `int`",
        "float" | "float32" | "float64" | "double" => "fix(x); the type is `fix`",
        "print" | "println" => "debug(x) shows it in the emulator; metric(\"x\", reveal(x)) publishes it",
        "pow" => "x ** n",
        "log" => "ln(x), log2(x); math::log(x, base)",
        "log10" => "math::log(x, 10)",
        "arange" => "[i for i in 0..n]",
        "eye" => "[[if i == j { 1 } else { 0 } for j in 0..n] for i in 0..n]",
        "dot" | "matmul" => "a @ b",
        "cat" | "concatenate" | "vstack" | "hstack" => "concat(a, b, axis=0)",
        "stack" => "[a, b]",
        "unsqueeze" | "expand_dims" => "expand(x, axis), x[.., None]",
        "squeeze" | "view" => "reshape(x, [a, -1])",
        "flip" => "reverse(x, axis)",
        "clamp" => "math::clip(x, low, high)",
        "std" => "sqrt(mean(square(x - mean(x))))",
        "cumsum" => "math::cumulative_sum(x)",
        "topk" => "math::top_k(x, k)",
        "amax" => "max(x)",
        "amin" => "min(x)",
        "quantile" => "table::quantiles(x, [1/4, 3/4])",
        "gather" | "take" => "table::look_up(index, rows) by secret numbers; x[rows] by public ones",
        _ => return None,
    })
}

/// The candidate that differs the least, if it is close enough to be a slip of the pen: of names of three letters none is.
pub(crate) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = if name.len() < 4 { 0 } else { (name.len() / 3).min(3) };
    let similar = candidates.filter(|c| c.len().abs_diff(name.len()) <= most);
    let best = similar.map(|c| (distance(name, c), c)).min()?;
    (best.0 <= most).then_some(best.1)
}

/// Edits (insert, delete, replace, swap neighbours) that turn one name into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn slips() {
        let names = ["relu", "dense", "cross_entropy"];
        assert_eq!(closest("rleu", names.into_iter()), Some("relu"));
        assert_eq!(closest("cross_entrpy", names.into_iter()), Some("cross_entropy"));
        assert_eq!(closest("sigmoid", names.into_iter()), None);
        assert_eq!(closest("std", ["sum", "abs"].into_iter()), None);
    }
}
