//! The binary adder behind signs, bit decompositions and nearest truncation.
//!
//! A value is a + b mod 2^k with a known to the corner and b to the other two (the two-addend view). Its bits follow from the carries
//! of that sum. Positions are taken together in *leaves* of up to three: within a leaf, generate and propagate are multilinear
//! in the corner's bits with coefficients that the other two know, so they cost no AND gates (Mohassel–Rindal 2018,
//! Dalskov et al. 2021). Above the leaves stands Sklansky's prefix network, cut down to what is asked for.
//!
//! The cost model counts this structure and the protocol evaluates it, so neither can drift from the other; the
//! transport's counters check both.

/// Neighbouring bit positions whose generate and propagate are computed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The lowest position.
    pub start: u32,
    /// How many: 1 to 3.
    pub width: u32,
}

/// One gate of the prefix network: `(g, p)[high] ← (g[high] ⊕ p[high]·g[low], p[high]·p[low])`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// Index of the leaf whose prefix is extended.
    pub high: usize,
    /// Index of the leaf that ends right below it.
    pub low: usize,
    /// Whether the propagate is needed above; if not, one AND instead of two.
    pub propagate: bool,
}

/// What the gates of a level work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operands {
    /// Leaves of which the propagate is an operand.
    pub high: Vec<usize>,
    /// Leaves of which the generate is one, and whether the propagate is too.
    pub low: Vec<(usize, bool)>,
}

impl Operands {
    /// Bits per element.
    pub fn planes(&self) -> u64 {
        (self.high.len() + self.low.len() + self.low.iter().filter(|(_, propagate)| *propagate).count())
            as u64
    }
}

/// The network that computes bits `low..high` of a + b, and the carry into position `low` when `low == high`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adder {
    /// First position asked for.
    pub low: u32,
    /// End of the positions asked for.
    pub high: u32,
    /// The leaves, lowest first. They cover positions `0..low` in groups of three and `low..high-1` one by one.
    pub leaves: Vec<Leaf>,
    /// Gates by level; those of a level are independent.
    pub levels: Vec<Vec<Gate>>,
}

impl Adder {
    /// Positions in a leaf below `low`.
    pub const GROUP: u32 = 3;

    /// The network for bits `low..high`, or for the carry into `low` if `high == low`.
    pub fn new(low: u32, high: u32) -> Adder {
        let mut leaves: Vec<Leaf> = (0..low)
            .step_by(Self::GROUP as usize)
            .map(|start| Leaf { start, width: Self::GROUP.min(low - start) })
            .collect();
        let below = leaves.len();
        leaves.extend((low..high.saturating_sub(1)).map(|start| Leaf { start, width: 1 }));
        let first = below.saturating_sub(1); // the first prefix that anybody reads
        let levels = sklansky(leaves.len(), first);
        Adder { low, high, leaves, levels }
    }

    /// The number of leaves below `low`: the carry into position `low + j` is the prefix of leaf `below() + j - 1`.
    pub fn below(&self) -> usize {
        self.low.div_ceil(Self::GROUP) as usize
    }

    /// The positions whose sum bit is asked for.
    pub fn sums(&self) -> u32 {
        self.high - self.low
    }

    /// Bits per element of what is shared of an addend in the first round: the monomials of every leaf, and the bit of the
    /// top position (lower single positions have theirs among the monomials).
    pub fn monomial_planes(&self) -> u64 {
        let monomials: u64 = self.leaves.iter().map(|l| (1 << l.width) - 1).sum();
        monomials + u64::from(self.high > self.low)
    }

    /// Bits per element that A and B send each other in the second round: one per generate, one per propagate that is not linear.
    pub fn exchange_planes(&self) -> u64 {
        self.leaves.iter().enumerate().map(|(i, l)| 1 + u64::from(Self::shares_propagate(i, *l))).sum()
    }

    /// Whether the propagate of leaf `index` takes a message: not at the bottom (nothing comes in from below), and not for a
    /// single position (there it is a sum).
    pub fn shares_propagate(index: usize, leaf: Leaf) -> bool {
        index > 0 && leaf.width > 1
    }

    /// AND gates of a level.
    pub fn ands(level: &[Gate]) -> u64 {
        level.iter().map(|g| 1 + u64::from(g.propagate)).sum()
    }

    /// The distinct leaves of a level's gates, where the operands of the gates are opened one by one: those that stand high, whose propagate is
    /// opened, and those that stand low, whose generate is, with whether their propagate is too.
    pub fn operands(level: &[Gate]) -> Operands {
        let mut high: Vec<usize> = level.iter().map(|gate| gate.high).collect();
        high.sort_unstable();
        high.dedup();
        let mut low: Vec<(usize, bool)> = level.iter().map(|gate| (gate.low, gate.propagate)).collect();
        low.sort_unstable();
        low.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            earlier.1 |= same && later.1;
            same
        });
        Operands { high, low }
    }

    /// Rounds from the corner's message to the result. Without leaves (bit 0 alone) there is only the corner's message.
    pub fn rounds(&self) -> u32 {
        match self.leaves.len() {
            0 => 1,
            _ => 2 + self.levels.len() as u32,
        }
    }
}

/// Sklansky's network on `n` leaves with only the gates that prefixes `first..n` need.
fn sklansky(n: usize, first: usize) -> Vec<Vec<Gate>> {
    let depth = n.max(1).next_power_of_two().trailing_zeros();
    // needed[i]: whether the value of leaf i after the current level is read above
    let mut needed: Vec<bool> = (0..n).map(|i| i >= first).collect();
    let mut levels = Vec::new();
    for level in (0..depth).rev() {
        let mut gates = Vec::new();
        for high in (0..n).filter(|i| i >> level & 1 == 1) {
            if needed[high] {
                let low = (high >> level << level) - 1;
                needed[low] = true;
                gates.push(Gate { high, low, propagate: high >> (level + 1) > 0 });
            }
        }
        levels.push(gates);
    }
    levels.reverse();
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evaluates the network on two clear addends.
    fn add_bits(adder: &Adder, a: u64, b: u64) -> (Vec<bool>, bool) {
        let bit = |v: u64, i: u32| v >> i & 1 == 1;
        let mut g = Vec::new();
        let mut p = Vec::new();
        for leaf in &adder.leaves {
            let (mut lg, mut lp) = (false, true);
            for i in leaf.start..leaf.start + leaf.width {
                lg = bit(a, i) && bit(b, i) || (bit(a, i) ^ bit(b, i)) && lg;
                lp &= bit(a, i) ^ bit(b, i);
            }
            g.push(lg);
            p.push(lp);
        }
        let mut has_p: Vec<bool> = vec![true; p.len()];
        for level in &adder.levels {
            for gate in level {
                assert!(has_p[gate.high] || gate.high == 0);
                g[gate.high] ^= p[gate.high] && g[gate.low];
                if gate.propagate {
                    assert!(has_p[gate.low]);
                    p[gate.high] &= p[gate.low];
                } else {
                    has_p[gate.high] = false;
                }
            }
        }
        let below = adder.below();
        let carry_into = |j: usize| below + j > 0 && g[below + j - 1];
        let sums = (0..adder.sums())
            .map(|j| bit(a, adder.low + j) ^ bit(b, adder.low + j) ^ carry_into(j as usize))
            .collect();
        let carry = if adder.leaves.is_empty() { false } else { carry_into(0) };
        (sums, carry)
    }

    #[test]
    fn adders_add() {
        let mut state = 1u64;
        for low in 0..20 {
            for high in low..low + 9 {
                let adder = Adder::new(low, high);
                for _ in 0..50 {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let (a, b) = (state >> 20 & 0xfff_ffff, (state.rotate_left(29) >> 7) & 0xfff_ffff);
                    let (sums, carry) = add_bits(&adder, a, b);
                    for (j, s) in sums.iter().enumerate() {
                        assert_eq!(
                            *s,
                            (a + b) >> (low as usize + j) & 1 == 1,
                            "{low}..{high} bit {j} of {a} + {b}"
                        );
                    }
                    let mask = (1u64 << low) - 1;
                    assert_eq!(carry, (a & mask) + (b & mask) > mask, "carry into {low}");
                }
            }
        }
    }

    /// The formula of the design: carry(n) = 11⌊n/3⌋ + {0, 5, 7}[n mod 3] + 6(G−1) − 3⌈log2 G⌉, of which a sign of n+1 bits takes 1 less.
    #[test]
    fn signs_cost_no_more_than_the_formula() {
        for n in 1u32..255 {
            let adder = Adder::new(n, n + 1);
            let groups = u64::from(n.div_ceil(3));
            let log = u64::from(groups.next_power_of_two().trailing_zeros());
            let carry = 11 * u64::from(n / 3) + [0, 5, 7][n as usize % 3] + 6 * (groups - 1) - 3 * log;
            let ands: u64 = adder.levels.iter().map(|l| Adder::ands(l)).sum();
            let bits = adder.monomial_planes() + 2 * adder.exchange_planes() + 3 * ands;
            assert!(bits < carry, "{n}: {bits} against {carry}");
            assert_eq!(u64::from(adder.rounds()), 2 + log);
        }
    }
}
