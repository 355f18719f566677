//! Suggestions for names that do not exist.

/// The candidate that differs the least, if it is close enough to be a slip of the pen.
pub(crate) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = name.len() / 3;
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
    }
}
