//! Ring elements to bit planes and back. Plane j of some elements is a tensor of bits: bit j of every element, padded
//! with zeros to whole words.

use super::transpose::{Matrix, Transposer};
use super::words;
use crate::par::Threads;
use crate::ring::{Ring, Target};

/// Elements that are transposed at a time: eight words per plane, a line of the cache.
const GROUP: usize = 512;

/// Writes bit low + j of every element to plane j, for low + j < `high`. Plane j is `dst[j * stride..]`, of which
/// words(src.len()) words are written.
///
/// # Panics
/// If the ring has fewer than `high` bits, or `dst` and `stride` do not have room.
pub fn split<R: Ring>(threads: &Threads, dst: &mut [u64], stride: usize, src: &[R], low: u32, high: u32) {
    split_on(Target::best(), threads, dst, stride, src, low..high);
}

/// Puts elements together: bit j of an element is its bit in plane j, for j < `count`; higher bits are 0. Plane j is
/// `src[j * stride..]`.
///
/// # Panics
/// If the ring has fewer than `count` bits, or the planes are shorter than the elements need.
pub fn join<R: Ring>(threads: &Threads, dst: &mut [R], src: &[u64], stride: usize, count: u32) {
    join_on(Target::best(), threads, dst, src, stride, count);
}

/// [`split`] with given instructions.
pub(super) fn split_on<R: Ring>(
    target: Target,
    threads: &Threads,
    dst: &mut [u64],
    stride: usize,
    src: &[R],
    bits: std::ops::Range<u32>,
) {
    let width = words(src.len());
    assert!(bits.end <= R::BITS, "bit {} of a ring of {}", bits.end, R::BITS);
    if width == 0 || bits.is_empty() {
        return;
    }
    assert!(width <= stride, "planes of {width} words overlap at a distance of {stride}");
    let needed = stride * (bits.len() - 1) + width;
    // Every thread has some of the elements, and the part of each plane that belongs to them.
    let groups = src.len().div_ceil(GROUP).div_ceil(threads.pieces(src.len()));
    let mut tasks: Vec<(&[R], Vec<&mut [u64]>)> =
        src.chunks(groups * GROUP).map(|src| (src, Vec::with_capacity(bits.len()))).collect();
    for plane in dst[..needed].chunks_mut(stride) {
        let parts = plane[..width].chunks_mut(groups * GROUP / 64);
        tasks.iter_mut().zip(parts).for_each(|((_, planes), part)| planes.push(part));
    }
    let transposer = Transposer::new(target);
    threads.for_each(tasks, |(src, mut planes)| {
        transposer.enter(
            #[inline(always)]
            || {
                for (i, src) in src.chunks(GROUP).enumerate() {
                    split_group(transposer, &mut planes, i * (GROUP / 64), src, bits.start);
                }
            },
        );
    });
}

/// [`join`] with given instructions.
pub(super) fn join_on<R: Ring>(
    target: Target,
    threads: &Threads,
    dst: &mut [R],
    src: &[u64],
    stride: usize,
    count: u32,
) {
    assert!(count <= R::BITS, "{count} planes for a ring of {} bits", R::BITS);
    let width = words(dst.len());
    if count == 1 {
        return spread(target, threads, dst, &src[..width]);
    }
    let planes: Vec<&[u64]> = (0..count as usize).map(|j| &src[j * stride..][..width]).collect();
    let transposer = Transposer::new(target);
    threads.for_pieces(dst, GROUP, |at, dst| {
        transposer.enter(
            #[inline(always)]
            || {
                for (i, dst) in dst.chunks_mut(GROUP).enumerate() {
                    join_group(transposer, dst, &planes, at / 64 + i * (GROUP / 64));
                }
            },
        );
    });
}

/// The bits of one plane as elements.
fn spread<R: Ring>(target: Target, threads: &Threads, dst: &mut [R], plane: &[u64]) {
    threads.for_pieces(dst, 64, |at, dst| {
        target.run(
            #[inline(always)]
            || {
                for (dst, word) in dst.chunks_mut(64).zip(&plane[at / 64..]) {
                    for (j, x) in dst.iter_mut().enumerate() {
                        *x = R::from_u64(word >> j & 1);
                    }
                }
            },
        );
    });
}

/// Up to 512 elements, to word `at` and following of the planes, the first of which is bit `low`.
#[inline(always)]
fn split_group<R: Ring>(transposer: Transposer, planes: &mut [&mut [u64]], at: usize, src: &[R], low: u32) {
    let (low, high) = (low as usize, low as usize + planes.len());
    for limb in low / 64..high.div_ceil(64) {
        let mut lines = [[0u64; GROUP / 64]; 64];
        for (word, src) in src.chunks(64).enumerate() {
            let mut matrix: Matrix = [0; 64];
            matrix.iter_mut().zip(src).for_each(|(row, x)| *row = x.limbs()[limb]);
            let columns = transposer.transpose(&matrix);
            lines.iter_mut().zip(columns).for_each(|(line, column)| line[word] = column);
        }
        let width = words(src.len());
        for bit in low.max(64 * limb)..high.min(64 * limb + 64) {
            planes[bit - low][at..][..width].copy_from_slice(&lines[bit % 64][..width]);
        }
    }
}

/// Up to 512 elements, from word `at` and following of the planes.
#[inline(always)]
fn join_group<R: Ring>(transposer: Transposer, dst: &mut [R], planes: &[&[u64]], at: usize) {
    dst.fill(R::ZERO);
    for (limb, planes) in planes.chunks(64).enumerate() {
        let mut lines = [[0u64; GROUP / 64]; 64];
        let width = words(dst.len());
        for (line, plane) in lines.iter_mut().zip(planes) {
            line[..width].copy_from_slice(&plane[at..][..width]);
        }
        for (word, dst) in dst.chunks_mut(64).enumerate() {
            let mut columns: Matrix = [0; 64];
            columns.iter_mut().zip(&lines).for_each(|(column, line)| *column = line[word]);
            let rows = transposer.transpose(&columns);
            dst.iter_mut().zip(rows).for_each(|(x, row)| x.limbs_mut()[limb] = row);
        }
    }
}
