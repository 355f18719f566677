//! The shares that a party holds, and what it computes on them alone.
//!
//! A party has a protocol's number of *components*: summands of every value, each known to some others too. Linear operations are done to each by
//! itself. Bits are packed.

use std::io::{self, Read};
use std::ops::Range;

use bytemuck::Pod;
use tern_bytecode::live::Live;
use tern_bytecode::program::Buffer;
use tern_bytecode::{Kind, Program};

use crate::bits::lane::Lane;
use crate::machine::Fault;
use crate::machine::memory::{ranges, row_major, zeros};
use crate::par::Threads;
use crate::ring::{Axis, Layout, Ring, View, ViewMut, slices, views};

/// One summand of every register.
pub(super) struct Component<R> {
    /// By buffer; empty where a buffer has no summand of this type here.
    pub(super) ring: Vec<Vec<R>>,
    /// The same of bits.
    pub(super) bits: Vec<Vec<u64>>,
    buffers: Vec<Buffer>,
}

/// Room for a program's shares, all zero, in so many components; `here` says which kinds a component has.
///
/// # Errors
/// If the system has no room for them.
pub(super) fn new<R: Ring>(
    program: &Program,
    components: usize,
    here: impl Fn(Kind, usize) -> bool,
) -> Result<Vec<Component<R>>, Fault> {
    let component = |i: usize| {
        let buffers = program.buffers.clone();
        let mut component = Component { ring: Vec::new(), bits: Vec::new(), buffers };
        for buffer in &program.buffers {
            let (ring, bits) = match buffer.kind {
                kind if !here(kind, i) => (0, 0),
                Kind::Bit => (0, buffer.len.div_ceil(64)),
                Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half | Kind::Real | Kind::Int => {
                    (buffer.len, 0)
                }
            };
            component.ring.push(zeros(ring)?);
            component.bits.push(zeros(bits)?);
        }
        Ok::<_, Fault>(component)
    };
    (0..components).map(component).collect()
}

impl<R: Ring> Component<R> {
    /// Writes what is live of the buffers of the kinds that are here, for a checkpoint. A vector may be shorter than what counts as live: nothing
    /// has been written there. What is not in a vector `elsewhere` writes.
    pub(super) fn write(
        &self,
        live: &Live,
        here: impl Fn(Kind) -> bool,
        to: &mut dyn io::Write,
        elsewhere: impl Fn(usize, Range<usize>, &mut dyn io::Write) -> Option<io::Result<()>>,
    ) -> io::Result<()> {
        for (at, elements) in ranges(live).filter(|(at, _)| here(self.buffers[*at].kind)) {
            if let Some(written) = elsewhere(at, elements.clone(), to) {
                written?;
                continue;
            }
            match self.buffers[at].kind {
                Kind::Bit => write_part(&self.bits[at], words(elements), to)?,
                Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half | Kind::Real | Kind::Int => {
                    write_part(&self.ring[at], elements, to)?;
                }
            }
        }
        Ok(())
    }

    /// Reads what [`Self::write`] wrote; vectors that are too short for it become as long as their buffers.
    pub(super) fn read(
        &mut self,
        live: &Live,
        here: impl Fn(Kind) -> bool,
        from: &mut dyn Read,
    ) -> io::Result<()> {
        for (at, elements) in ranges(live).filter(|(at, _)| here(self.buffers[*at].kind)) {
            match self.buffers[at].kind {
                Kind::Bit => {
                    from.read_exact(bytemuck::cast_slice_mut(&mut self.bits[at][words(elements)]))?;
                }
                Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half | Kind::Real | Kind::Int => {
                    let ring = &mut self.ring[at];
                    if ring.len() < elements.end {
                        *ring = zeros(self.buffers[at].len).map_err(|_| io::ErrorKind::OutOfMemory)?;
                    }
                    let elements = &mut ring[elements];
                    from.read_exact(bytemuck::cast_slice_mut(elements))?;
                    slices::reduce(elements);
                }
            }
        }
        Ok(())
    }
}

/// The words that have these bits. Two ranges may share one, which is written twice then.
fn words(bits: Range<usize>) -> Range<usize> {
    bits.start / 64..bits.end.div_ceil(64)
}

/// Some elements, those that are not there as 0.
fn write_part<T: Pod>(all: &[T], part: Range<usize>, to: &mut dyn io::Write) -> io::Result<()> {
    let there = part.start.min(all.len())..part.end.min(all.len());
    let missing = (part.len() - there.len()) * size_of::<T>();
    to.write_all(bytemuck::cast_slice(&all[there]))?;
    io::copy(&mut io::repeat(0).take(missing as u64), &mut &mut *to).map(drop)
}

/// A register as the kernels here take it.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    /// Index of the buffer.
    pub(super) buffer: usize,
    /// The elements in view.
    pub(super) layout: &'a Layout,
}

/// The elements of a view in row-major order without gaps.
pub(super) fn load<R: Ring, T: Lane<R>>(threads: &Threads, from: View<T>) -> Vec<T> {
    let mut copy = vec![T::zeroed(); T::room(from.layout.len())];
    let layout = row_major(from.layout);
    T::copy(threads, ViewMut::new(&mut copy, &layout), from);
    copy
}

/// Overwrites a register with elements in row-major order.
pub(super) fn save<R: Ring, T: Lane<R>>(threads: &Threads, buffers: &mut [Vec<T>], dst: Slot, values: &[T]) {
    let layout = row_major(dst.layout);
    let to = ViewMut::new(&mut buffers[dst.buffer], dst.layout);
    T::copy(threads, to, View::new(values, &layout));
}

/// dst = a.
pub(super) fn copy<R: Ring, T: Lane<R>>(threads: &Threads, buffers: &mut [Vec<T>], dst: Slot, a: Slot) {
    with(buffers, dst, a, |out, a| {
        if let Some(a) = a {
            T::copy(threads, out, a);
        }
    });
}

/// dst = f(a), also in place.
pub(super) fn map<R: Ring, T: Lane<R>>(
    threads: &Threads,
    buffers: &mut [Vec<T>],
    dst: Slot,
    a: Slot,
    f: impl Fn(T) -> T + Sync,
) {
    with(buffers, dst, a, |out, a| match a {
        Some(a) => T::apply(threads, out, [a], |_, [x]| f(x)),
        None => T::apply(threads, out, [], |x, []| f(x)),
    });
}

/// dst = f(a, b) with `b` from elsewhere, also in place of `a`.
pub(super) fn zip_with<R: Ring, T: Lane<R>>(
    threads: &Threads,
    buffers: &mut [Vec<T>],
    dst: Slot,
    a: Slot,
    b: View<T>,
    f: impl Fn(T, T) -> T + Sync,
) {
    with(buffers, dst, a, |out, a| match a {
        Some(a) => T::apply(threads, out, [a, b], |_, [x, y]| f(x, y)),
        None => T::apply(threads, out, [b], |x, [y]| f(x, y)),
    });
}

/// dst = f(a, b), also in place.
pub(super) fn zip<R: Ring, T: Lane<R>>(
    threads: &Threads,
    buffers: &mut [Vec<T>],
    dst: Slot,
    [a, b]: [Slot; 2],
    f: impl Fn(T, T) -> T + Sync,
) {
    if b.buffer == dst.buffer && b.layout == dst.layout {
        // the operand is what is overwritten
        return with(buffers, dst, a, |out, a| match a {
            Some(a) => T::apply(threads, out, [a], |old, [x]| f(x, old)),
            None => T::apply(threads, out, [], |old, []| f(old, old)),
        });
    }
    if b.buffer == dst.buffer {
        let copy = load::<R, T>(threads, View::new(&buffers[b.buffer], b.layout));
        return zip_with(threads, buffers, dst, a, View::new(&copy, &row_major(b.layout)), f);
    }
    let b_data = std::mem::take(&mut buffers[b.buffer]);
    if a.buffer == b.buffer {
        let [a, b] = [a, b].map(|slot| View::new(&b_data, slot.layout));
        let out = ViewMut::new(&mut buffers[dst.buffer], dst.layout);
        T::apply(threads, out, [a, b], |_, [x, y]| f(x, y));
    } else {
        zip_with(threads, buffers, dst, a, View::new(&b_data, b.layout), f);
    }
    buffers[b.buffer] = b_data;
}

/// Moves rows of elements or of bits: dst\[i, …\] = a\[rows\[i\], …\] to gather, else dst\[rows\[i\], …\] = a\[i, …\].
pub(super) fn move_rows<R: Ring>(
    threads: &Threads,
    component: &mut Component<R>,
    bits: bool,
    gather_them: bool,
    dst: Slot,
    a: Slot,
    rows: &[usize],
) {
    match (bits, gather_them) {
        (true, true) => gather::<R, u64>(threads, &mut component.bits, dst, a, rows),
        (true, false) => scatter::<R, u64>(threads, &mut component.bits, dst, a, rows),
        (false, true) => gather::<R, R>(threads, &mut component.ring, dst, a, rows),
        (false, false) => scatter::<R, R>(threads, &mut component.ring, dst, a, rows),
    }
}

/// dst\[i, …\] = a\[rows\[i\], …\].
fn gather<R: Ring, T: Lane<R>>(
    threads: &Threads,
    buffers: &mut [Vec<T>],
    dst: Slot,
    a: Slot,
    rows: &[usize],
) {
    let pairs = rows.iter().enumerate().map(|(to, &from)| (to, from));
    copy_rows(threads, buffers, dst, a, pairs);
}

/// dst\[rows\[i\], …\] = a\[i, …\].
fn scatter<R: Ring, T: Lane<R>>(
    threads: &Threads,
    buffers: &mut [Vec<T>],
    dst: Slot,
    a: Slot,
    rows: &[usize],
) {
    let pairs = rows.iter().enumerate().map(|(from, &to)| (to, from));
    copy_rows(threads, buffers, dst, a, pairs);
}

fn copy_rows<R: Ring, T: Lane<R>>(
    threads: &Threads,
    buffers: &mut [Vec<T>],
    dst: Slot,
    a: Slot,
    rows: impl Iterator<Item = (usize, usize)>,
) {
    let copied;
    let mut out = std::mem::take(&mut buffers[dst.buffer]);
    let (data, layout) = if a.buffer == dst.buffer {
        copied = load::<R, T>(threads, View::new(&out, a.layout));
        (&copied, row_major(a.layout))
    } else {
        (&buffers[a.buffer], a.layout.clone())
    };
    for (to, from) in rows {
        let (to, from) = (row(dst.layout, to), row(&layout, from));
        T::copy(threads, ViewMut::new(&mut out, &to), View::new(data, &from));
    }
    buffers[dst.buffer] = out;
}

/// Row `i` of a view, without the first axis.
pub(super) fn row(layout: &Layout, i: usize) -> Layout {
    let offset = layout.offset.wrapping_add_signed(i as isize * layout.axes[0].stride);
    Layout { offset, axes: layout.axes[1..].into() }
}

/// dst = the sum of `a` over the axes whose bits are set.
pub(super) fn sum<R: Ring>(threads: &Threads, buffers: &mut [Vec<R>], dst: Slot, a: Slot, axes: u32) {
    let mut kept = dst.layout.axes.iter();
    let axis = |(i, axis): (usize, &Axis)| match axes >> i & 1 {
        1 => Axis { len: axis.len, stride: 0 },
        _ => *kept.next().expect("dst has the axes that are not summed: validated"),
    };
    let axes = a.layout.axes.iter().enumerate().map(axis).collect();
    let target = Layout { offset: dst.layout.offset, axes };
    with(buffers, dst, a, |out, a| {
        let data = out.data;
        views::fill(threads, ViewMut::new(data, out.layout), R::ZERO);
        if let Some(a) = a {
            views::sum(threads, ViewMut::new(data, &target), a);
        }
    });
}

/// Borrows a register to write and an operand to read; no operand if it is the very register.
fn with<T: Pod>(buffers: &mut [Vec<T>], dst: Slot, a: Slot, work: impl FnOnce(ViewMut<T>, Option<View<T>>)) {
    let mut out = std::mem::take(&mut buffers[dst.buffer]);
    let copy;
    let a = if a.buffer != dst.buffer {
        Some(View::new(&buffers[a.buffer][..], a.layout))
    } else if a.layout == dst.layout {
        None
    } else {
        copy = out.clone();
        Some(View::new(&copy[..], a.layout))
    };
    work(ViewMut::new(&mut out, dst.layout), a);
    buffers[dst.buffer] = out;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Z64;

    /// What fills a plane may be sent with it, so it must hold nothing of the elements beside a view.
    #[test]
    fn nothing_but_the_elements_of_a_view_is_loaded() {
        let buffer = [u64::MAX; 4];
        for len in [1, 5, 63, 64, 65, 100] {
            for offset in [0, 3, 64, 70] {
                let mut layout = Layout::contiguous(&[len]);
                layout.offset = offset;
                let plane = load::<Z64, u64>(&Threads::single(), View::new(&buffer[..], &layout));
                let ones: usize = plane.iter().map(|word| word.count_ones() as usize).sum();
                assert_eq!(ones, len, "{len} elements from {offset}");
            }
        }
    }
}
