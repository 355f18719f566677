//! Algebra of strided views: what reshaping, transposing, slicing and windowing do to sizes and strides.
//!
//! Axes of at most one position have stride 0, so equal views compare equal.

use tern_bytecode::View;
use tern_bytecode::program::Dim;

/// One axis.
pub fn dim(size: usize, stride: i64) -> Dim {
    Dim { size: size as u32, stride: if size > 1 { stride } else { 0 } }
}

/// Sizes as the IR has them.
pub fn shape(view: &View) -> Vec<usize> {
    view.dims.iter().map(|d| d.size as usize).collect()
}

fn with(view: &View, dims: Vec<Dim>) -> View {
    View { dims, ..view.clone() }
}

/// Result axis i is operand axis `perm[i]`.
pub fn permute(view: &View, perm: &[usize]) -> View {
    with(view, perm.iter().map(|&i| view.dims[i]).collect())
}

/// Positions `start, start + step, …` of every axis, as many as `shape` says.
pub fn slice(view: &View, start: &[usize], step: &[usize], shape: &[usize]) -> View {
    let mut result = with(view, Vec::with_capacity(shape.len()));
    for (i, d) in view.dims.iter().enumerate() {
        result.dims.push(dim(shape[i], d.stride * step[i] as i64));
        if !shape.contains(&0) {
            result.offset = moved(result.offset, d.stride * start[i] as i64);
        }
    }
    result
}

/// Runs the axes of the mask backwards.
pub fn reverse(view: &View, axes: u32) -> View {
    let mut result = view.clone();
    if view.is_empty() {
        return result;
    }
    for (i, d) in result.dims.iter_mut().enumerate().filter(|(i, _)| axes >> i & 1 == 1) {
        result.offset = moved(result.offset, view.dims[i].stride * (i64::from(d.size) - 1));
        d.stride = -d.stride;
    }
    result
}

/// Repeats axes of one position until the sizes are those of `shape`.
pub fn broadcast(view: &View, shape: &[usize]) -> View {
    let stretch = |(d, &size): (&Dim, &usize)| if d.size as usize == size { *d } else { dim(size, 0) };
    with(
        view,
        view.dims
            .iter()
            .zip(shape)
            .map(|(d, size)| Dim { size: *size as u32, ..stretch((d, size)) })
            .collect(),
    )
}

/// Sliding windows over the axes from `first` on.
pub fn windows(view: &View, first: usize, sizes: &[usize], strides: &[usize]) -> View {
    let mut dims = view.dims.clone();
    for (i, (&size, &stride)) in sizes.iter().zip(strides).enumerate() {
        let d = view.dims[first + i];
        dims[first + i] = dim((d.size as usize - size) / stride + 1, d.stride * stride as i64);
        dims.push(dim(size, d.stride));
    }
    with(view, dims)
}

/// The positions of a padded tensor that hold the operand: `padded` has `low[i]` before it and `interior[i]` between neighbours.
pub fn interior(padded: &View, low: &[usize], interior: &[usize], shape: &[usize]) -> View {
    let step: Vec<usize> = interior.iter().map(|n| n + 1).collect();
    slice(padded, low, &step, shape)
}

/// The same elements in row-major order under another shape, if strides can express that.
pub fn reshape(view: &View, shape: &[usize]) -> Option<View> {
    if view.is_empty() {
        return Some(with(view, shape.iter().map(|&n| dim(n, 0)).collect()));
    }
    let old: Vec<Dim> = view.dims.iter().copied().filter(|d| d.size > 1).collect();
    let mut strides = vec![0i64; shape.len()];
    let (mut taken, mut at) = (0, 0);
    while at < shape.len() {
        // the shortest groups of old and new axes with equally many elements
        let (from, begin) = (taken, at);
        let (mut have, mut want) = (1u64, shape[at] as u64);
        at += 1;
        while have != want {
            if have < want {
                have *= u64::from(old[taken].size);
                taken += 1;
            } else {
                want *= shape[at] as u64;
                at += 1;
            }
        }
        let joint = old[from..taken].windows(2).all(|w| w[0].stride == w[1].stride * i64::from(w[1].size));
        if !joint {
            return None;
        }
        let mut stride = old[from..taken].last().map_or(0, |d| d.stride);
        for i in (begin..at).rev() {
            strides[i] = stride;
            stride *= shape[i] as i64;
        }
    }
    Some(with(view, shape.iter().zip(&strides).map(|(&n, &s)| dim(n, s)).collect()))
}

/// The axes in order of memory: largest stride first, those that move nowhere before all others.
pub fn memory_order(view: &View) -> Vec<usize> {
    let mut order: Vec<usize> = (0..view.dims.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(distance(&view.dims[i])));
    order
}

fn distance(d: &Dim) -> u64 {
    if d.size > 1 && d.stride != 0 { d.stride.unsigned_abs() } else { u64::MAX }
}

/// Axes of more than one position that repeat one element.
pub fn repeats(d: &Dim) -> bool {
    d.size > 1 && d.stride == 0
}

/// The view with its repeated axes cut down to one position where `axes` says so.
pub fn compact(view: &View, axes: &[bool]) -> View {
    let cut = |(d, &cut): (&Dim, &bool)| if cut { dim(1, 0) } else { *d };
    with(view, view.dims.iter().zip(axes).map(cut).collect())
}

/// Whether every index of the view has an element of its own.
pub fn distinct(view: &View) -> bool {
    let mut dims: Vec<Dim> = view.dims.iter().copied().filter(|d| d.size > 1).collect();
    dims.sort_by_key(|d| d.stride.unsigned_abs());
    let mut reach = 0;
    view.is_empty()
        || dims.iter().all(|d| {
            let apart = d.stride.unsigned_abs() > reach;
            reach += d.stride.unsigned_abs() * u64::from(d.size - 1);
            apart
        })
}

/// First and last element that a view touches; `None` if it is empty. Views are built within their stores, so nothing overflows.
pub fn extent(view: &View) -> Option<(u64, u64)> {
    if view.is_empty() {
        return None;
    }
    let (mut low, mut high) = (view.offset as i64, view.offset as i64);
    for d in &view.dims {
        let reach = d.stride * (i64::from(d.size) - 1);
        low += reach.min(0);
        high += reach.max(0);
    }
    Some((low as u64, high as u64))
}

fn moved(offset: u64, by: i64) -> u64 {
    offset.wrapping_add_signed(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(dims: &[(usize, i64)]) -> View {
        View { buffer: 0, offset: 0, dims: dims.iter().map(|&(n, s)| dim(n, s)).collect() }
    }

    /// All positions in row-major order.
    fn positions(view: &View) -> Vec<u64> {
        view.dims.iter().fold(vec![view.offset], |all, d| {
            all.iter().flat_map(|&p| (0..d.size).map(move |i| moved(p, d.stride * i64::from(i)))).collect()
        })
    }

    #[test]
    fn reshapes_keep_the_order_of_elements() {
        let dense = view(&[(4, 6), (6, 1)]);
        for shape in [vec![24], vec![2, 2, 6], vec![8, 3], vec![4, 1, 2, 3, 1], vec![1, 24]] {
            let other = reshape(&dense, &shape).expect("dense");
            assert_eq!(positions(&other), positions(&dense), "{shape:?}");
        }
        let transposed = view(&[(6, 1), (4, 6)]);
        assert_eq!(reshape(&transposed, &[24]), None);
        let split = reshape(&transposed, &[2, 3, 2, 2]).expect("splits only");
        assert_eq!(positions(&split), positions(&transposed));
        let repeated = view(&[(3, 0), (2, 1)]);
        assert_eq!(reshape(&repeated, &[6]), None);
        assert_eq!(positions(&reshape(&repeated, &[3, 1, 2]).expect("no change")), positions(&repeated));
        assert_eq!(reshape(&view(&[]), &[1, 1]).map(|v| v.len()), Some(1));
        assert_eq!(reshape(&view(&[(0, 1), (3, 1)]), &[5, 0]).map(|v| v.len()), Some(0));
    }

    #[test]
    fn slices_windows_and_reversals_address_what_they_should() {
        let dense = view(&[(4, 5), (5, 1)]);
        assert_eq!(positions(&slice(&dense, &[1, 0], &[2, 3], &[2, 2])), [5, 8, 15, 18]);
        assert_eq!(positions(&reverse(&view(&[(3, 1)]), 1)), [2, 1, 0]);
        let w = windows(&view(&[(5, 1)]), 0, &[3], &[2]);
        assert_eq!(positions(&w), [0, 1, 2, 2, 3, 4]);
        assert!(!distinct(&w) && distinct(&dense));
        assert_eq!(positions(&broadcast(&view(&[(1, 7), (2, 1)]), &[2, 2])), [0, 1, 0, 1]);
    }
}
