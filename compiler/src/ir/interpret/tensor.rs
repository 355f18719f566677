//! Dense tensors of doubles, and the moves of data between them.

use tern_bytecode::instr::Axes;

/// A tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost axis first.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor of these elements; there must be as many as the shape says.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f64>) -> Tensor {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), data.len(), "elements of a tensor {shape:?}");
        Tensor { shape, data }
    }

    /// A tensor of rank 0.
    pub fn scalar(number: f64) -> Tensor {
        Tensor::new([], vec![number])
    }

    /// Calls `element` for each, in row-major order.
    pub(super) fn fill(shape: &[usize], mut element: impl FnMut() -> f64) -> Tensor {
        let len: usize = shape.iter().product();
        Tensor::new(shape, (0..len).map(|_| element()).collect())
    }

    /// By a function of the index.
    pub(super) fn from_index(shape: &[usize], element: impl Fn(&[usize]) -> f64) -> Tensor {
        let mut index = vec![0; shape.len()];
        Tensor::fill(shape, || {
            let x = element(&index);
            step(&mut index, shape);
            x
        })
    }

    pub(super) fn at(&self, index: &[usize]) -> f64 {
        self.data[self.offset(index)]
    }

    fn offset(&self, index: &[usize]) -> usize {
        index.iter().zip(&self.shape).fold(0, |at, (i, size)| at * size + i)
    }

    /// Element by element.
    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Tensor {
        Tensor::new(self.shape.clone(), self.data.iter().map(|x| f(*x)).collect())
    }

    /// Element by element with another of the same shape.
    pub(super) fn zip(&self, other: &Tensor, f: impl Fn(f64, f64) -> f64) -> Tensor {
        let data = self.data.iter().zip(&other.data).map(|(x, y)| f(*x, *y)).collect();
        Tensor::new(self.shape.clone(), data)
    }

    pub(super) fn permute(&self, perm: &[usize]) -> Tensor {
        let shape: Vec<usize> = perm.iter().map(|axis| self.shape[*axis]).collect();
        Tensor::from_index(&shape, |index| {
            let mut from = vec![0; index.len()];
            perm.iter().zip(index).for_each(|(axis, i)| from[*axis] = *i);
            self.at(&from)
        })
    }

    pub(super) fn slice(&self, start: &[usize], step: &[usize], shape: &[usize]) -> Tensor {
        Tensor::from_index(shape, |index| {
            let from: Vec<usize> = index.iter().zip(start).zip(step).map(|((i, s), d)| s + i * d).collect();
            self.at(&from)
        })
    }

    pub(super) fn pad(&self, low: &[usize], high: &[usize], interior: &[usize]) -> Tensor {
        let size = |a: usize| {
            let n = self.shape[a];
            low[a] + high[a] + n + n.saturating_sub(1) * interior[a]
        };
        let shape: Vec<usize> = (0..self.shape.len()).map(size).collect();
        Tensor::from_index(&shape, |index| {
            let from = index.iter().enumerate().map(|(a, i)| {
                let behind = i.checked_sub(low[a])?;
                let at = behind / (interior[a] + 1);
                (behind % (interior[a] + 1) == 0 && at < self.shape[a]).then_some(at)
            });
            from.collect::<Option<Vec<usize>>>().map_or(0.0, |from| self.at(&from))
        })
    }

    pub(super) fn reverse(&self, axes: u32) -> Tensor {
        Tensor::from_index(&self.shape, |index| {
            let turn = |(a, i): (usize, &usize)| if axes >> a & 1 == 1 { self.shape[a] - 1 - i } else { *i };
            self.at(&index.iter().enumerate().map(turn).collect::<Vec<_>>())
        })
    }

    pub(super) fn concat(all: &[&Tensor], axis: usize) -> Tensor {
        let mut shape = all[0].shape.clone();
        shape[axis] = all.iter().map(|t| t.shape[axis]).sum();
        Tensor::from_index(&shape, |index| {
            let mut from = index.to_vec();
            let mut parts = all.iter();
            loop {
                // The sizes along the axis add up to the result's.
                let part = parts.next().expect("an index inside");
                if from[axis] < part.shape[axis] {
                    return part.at(&from);
                }
                from[axis] -= part.shape[axis];
            }
        })
    }

    pub(super) fn broadcast(&self, shape: &[usize]) -> Tensor {
        Tensor::from_index(shape, |index| {
            let from = index.iter().zip(&self.shape).map(|(i, size)| if *size == 1 { 0 } else { *i });
            self.at(&from.collect::<Vec<_>>())
        })
    }

    pub(super) fn windows(&self, first: usize, sizes: &[usize], strides: &[usize]) -> Tensor {
        let mut shape = self.shape.clone();
        for (i, (size, stride)) in sizes.iter().zip(strides).enumerate() {
            shape[first + i] = (shape[first + i] - size) / stride + 1;
        }
        shape.extend(sizes);
        Tensor::from_index(&shape, |index| self.at(&window(index, first, strides, self.shape.len())))
    }

    pub(super) fn overlay(&self, first: usize, strides: &[usize], shape: &[usize]) -> Tensor {
        let mut result = Tensor::fill(shape, || 0.0);
        let mut index = vec![0; self.shape.len()];
        for x in &self.data {
            let at = result.offset(&window(&index, first, strides, shape.len()));
            result.data[at] += x;
            step(&mut index, &self.shape);
        }
        result
    }

    pub(super) fn sum(&self, axes: u32) -> Tensor {
        let stays = |a: &usize| axes >> a & 1 == 0;
        let shape: Vec<usize> = (0..self.shape.len()).filter(stays).map(|a| self.shape[a]).collect();
        let mut result = Tensor::fill(&shape, || 0.0);
        let mut index = vec![0; self.shape.len()];
        for x in &self.data {
            let to: Vec<usize> = (0..index.len()).filter(stays).map(|a| index[a]).collect();
            let at = result.offset(&to);
            result.data[at] += x;
            step(&mut index, &self.shape);
        }
        result
    }

    pub(super) fn contract(&self, other: &Tensor, axes: Axes) -> Tensor {
        let [n, r, i, _] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
        let size = |part: &[usize]| part.iter().product::<usize>();
        let (rows, inner) = (size(&self.shape[n..n + r]), size(&self.shape[n + r..]));
        let cols = size(&other.shape[n + i..]);
        let shape = [&self.shape[..n + r], &other.shape[n + i..]].concat();
        let flat = [size(&self.shape[..n]), rows, cols];
        let result = Tensor::from_index(&flat, |index| {
            let [batch, row, col] = [index[0], index[1], index[2]];
            let term = |k| {
                self.data[(batch * rows + row) * inner + k] * other.data[(batch * inner + k) * cols + col]
            };
            (0..inner).map(term).sum()
        });
        Tensor::new(shape, result.data)
    }
}

/// The index that a window index stands for.
fn window(index: &[usize], first: usize, strides: &[usize], rank: usize) -> Vec<usize> {
    let mut from = index[..rank].to_vec();
    for (i, stride) in strides.iter().enumerate() {
        from[first + i] = from[first + i] * stride + index[rank + i];
    }
    from
}

/// The next index in row-major order.
fn step(index: &mut [usize], shape: &[usize]) {
    for (i, size) in index.iter_mut().zip(shape).rev() {
        *i += 1;
        if *i < *size {
            return;
        }
        *i = 0;
    }
}
