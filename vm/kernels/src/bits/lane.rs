//! Shares of elements and of bits under one name, so that what is done to both alike is written once.

use bytemuck::Pod;

use crate::bits;
use crate::par::Threads;
use crate::ring::{Ring, View, ViewMut, views};

/// What summands are made of: ring elements, or words of 64 bits, of which views count the bits.
pub trait Lane<R>: Pod + Send + Sync {
    /// How many of this type hold so many elements.
    fn room(len: usize) -> usize;
    /// dst = f(dst, src).
    fn apply<const S: usize>(
        threads: &Threads,
        dst: ViewMut<Self>,
        src: [View<Self>; S],
        f: impl Fn(Self, [Self; S]) -> Self + Sync,
    );
    /// dst = src.
    fn copy(threads: &Threads, dst: ViewMut<Self>, src: View<Self>);
}

impl<R: Ring> Lane<R> for R {
    fn room(len: usize) -> usize {
        len
    }
    fn apply<const S: usize>(
        threads: &Threads,
        dst: ViewMut<R>,
        src: [View<R>; S],
        f: impl Fn(R, [R; S]) -> R + Sync,
    ) {
        views::apply(threads, dst, src, f);
    }
    fn copy(threads: &Threads, dst: ViewMut<R>, src: View<R>) {
        views::copy(threads, dst, src);
    }
}

impl<R: Ring> Lane<R> for u64 {
    fn room(len: usize) -> usize {
        bits::words(len)
    }
    fn apply<const S: usize>(
        threads: &Threads,
        dst: ViewMut<u64>,
        src: [View<u64>; S],
        f: impl Fn(u64, [u64; S]) -> u64 + Sync,
    ) {
        bits::views::apply(threads, dst, src, f);
    }
    fn copy(threads: &Threads, dst: ViewMut<u64>, src: View<u64>) {
        bits::views::apply(threads, dst, [src], |_, [x]| x);
    }
}
