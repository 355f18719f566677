//! Where the elements of panels are, along the index that is summed over.

/// Offsets of the inner indices of a panel, and which of them are neighbours in memory.
#[derive(Debug)]
pub(super) struct Inner {
    /// What each index adds to a position.
    pub(super) offsets: Vec<usize>,
    /// Indices whose elements are read together. Some may overlap.
    pub(super) eights: Vec<Eight>,
    /// The other indices.
    pub(super) ones: Vec<usize>,
}

/// Eight inner indices whose elements are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Eight {
    /// The first index.
    pub(super) first: usize,
    /// The lowest of their offsets: that of the first index, or of the last one if the offsets fall.
    pub(super) lowest: usize,
    /// Whether they do.
    pub(super) falling: bool,
}

/// Up to this many indices that are left over at the end of a run are cheaper one by one than as an eight that overlaps another.
const FEW: usize = 2;

impl Inner {
    pub(super) fn new(offsets: &[usize]) -> Self {
        let mut inner = Self { offsets: offsets.to_vec(), eights: Vec::new(), ones: Vec::new() };
        let mut first = 0;
        while first < offsets.len() {
            first += inner.take_run(first);
        }
        inner
    }

    /// Sorts the run that begins at index `first` into eights and ones; returns its length.
    fn take_run(&mut self, first: usize) -> usize {
        let step = |pair: &[usize]| pair[1].wrapping_sub(pair[0]) as isize;
        let mut steps = self.offsets[first..].windows(2).map(step);
        let way = steps.next().filter(|way| way.abs() == 1);
        let len = way.map_or(1, |way| 2 + steps.take_while(|&step| step == way).count());
        let (whole, rest) = if len < 8 { (0, len) } else { (len / 8, len % 8) };
        let mut starts: Vec<usize> = (0..whole).map(|i| first + 8 * i).collect();
        if whole > 0 && rest > FEW {
            starts.push(first + len - 8);
        } else {
            self.ones.extend(first + len - rest..first + len);
        }
        let falling = way == Some(-1);
        self.eights.extend(starts.into_iter().map(|first| Eight {
            first,
            lowest: self.offsets[if falling { first + 7 } else { first }],
            falling,
        }));
        len
    }
}

impl Eight {
    /// The inner index of the element at `lowest` + `i`.
    #[inline(always)]
    pub(super) fn index(self, i: usize) -> usize {
        self.first + if self.falling { 7 - i } else { i }
    }
}
