//! Memory that is overwritten before it is given back.
//!
//! Shares, operands and messages live in thousands of vectors that come and go every round. What they leave behind in freed memory would wait
//! there for a fault that reads it, for a core dump or for a page that goes to disk. Whoever holds secrets switches [`erase_from_now_on`]; from then on
//! every allocation of the process is overwritten with zeros when it is freed, whichever library made it. Vectors that operations hand to each other
//! through the pool of the protocol are not freed in between and cost nothing. Large blocks are overwritten whether it is switched on or not: they are
//! given out again as zeros.
//!
//! What is on stacks and in registers is not covered, nor what other processes, such as the kernel, have copied.

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::kept;

/// Bytes of freed blocks that wait for their next use, at most.
pub const KEPT: usize = kept::MOST;

static ON: AtomicBool = AtomicBool::new(false);

/// An allocator that overwrites what it gives back to `A`, once it is switched on.
#[derive(Debug, Default)]
pub struct Erasing<A>(pub A);

/// From now on, all [`Erasing`] allocators of this process overwrite what is freed.
pub fn erase_from_now_on() {
    ON.store(true, Ordering::Relaxed);
}

fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

#[allow(unsafe_code)]
// SAFETY: every call is passed on to `A`, which keeps the contract; blocks are written to only while they are allocated, within their size.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Erasing<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match kept::rounded(layout) {
            // SAFETY: the size is not 0.
            Some(rounded) => unsafe { self.large(rounded) },
            None => unsafe { self.0.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match kept::rounded(layout) {
            // SAFETY: the size is not 0.
            Some(rounded) => unsafe { self.large(rounded) },
            None => unsafe { self.0.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let rounded = kept::rounded(layout);
        if rounded.is_some() || is_on() {
            // SAFETY: the block is allocated with this layout until it is given back. Its address goes through `black_box`, so that writing to memory
            // that nobody reads again is not left out.
            unsafe { black_box(block).write_bytes(0, layout.size()) };
            black_box(block);
        }
        match rounded {
            // SAFETY: it was allocated as rounded, and is zero throughout: what was added to it was never written.
            Some(rounded) => unsafe { self.keep(block, rounded) },
            None => unsafe { self.0.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the size.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let [before, after] = [layout, wanted].map(kept::rounded);
        if !is_on() && before.is_none() && after.is_none() {
            return unsafe { self.0.realloc(block, layout, size) };
        }
        if before.is_some() && before == after {
            let less = layout.size().saturating_sub(size);
            // SAFETY: the same block, of which what is beyond its size stays zero.
            unsafe { block.add(size.min(layout.size())).write_bytes(0, less) };
            return block;
        }
        // `A` would leave the old block as it is if it moves it.
        // SAFETY: the new block is another one, and both have the bytes that are copied.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[allow(unsafe_code)]
impl<A: GlobalAlloc> Erasing<A> {
    /// Zeros of a size that is kept.
    ///
    /// # Safety
    /// As of [`GlobalAlloc::alloc_zeroed`].
    unsafe fn large(&self, rounded: Layout) -> *mut u8 {
        // SAFETY: passed on.
        kept::take(rounded.size()).unwrap_or_else(|| unsafe { self.0.alloc_zeroed(rounded) })
    }

    /// Keeps a block, and gives back what there is no room for any more.
    ///
    /// # Safety
    /// The block is allocated with this layout, and zero.
    unsafe fn keep(&self, block: *mut u8, rounded: Layout) {
        while let Err((oldest, layout)) = kept::give(block, rounded.size()) {
            // SAFETY: it was allocated so, and nobody else has it any more.
            unsafe { self.0.dealloc(oldest, layout) };
        }
    }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use std::alloc::System;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Looks at what comes back to it.
    struct Looking;

    static LEFT: AtomicUsize = AtomicUsize::new(0);
    static FREED: AtomicUsize = AtomicUsize::new(0);

    unsafe impl GlobalAlloc for Looking {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            unsafe { System.alloc(layout) }
        }
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            LEFT.fetch_add(bytes.iter().filter(|&&byte| byte != 0).count(), Ordering::Relaxed);
            FREED.fetch_add(layout.size(), Ordering::Relaxed);
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[test]
    fn what_is_freed_or_moved_is_zero() {
        erase_from_now_on();
        let allocator = Erasing(Looking);
        for size in [1, 7, 64, 4096, 20_000] {
            let layout = Layout::array::<u8>(size).unwrap();
            // SAFETY: blocks are used within their sizes, and freed with the layout that they have.
            unsafe {
                let block = allocator.alloc(layout);
                block.write_bytes(0xa5, size);
                let larger = allocator.realloc(block, layout, 3 * size);
                assert!((0..size).all(|i| *larger.add(i) == 0xa5), "what was there moves along");
                larger.write_bytes(0x5a, 3 * size);
                let smaller = allocator.realloc(larger, Layout::array::<u8>(3 * size).unwrap(), size);
                assert!((0..size).all(|i| *smaller.add(i) == 0x5a));
                allocator.dealloc(smaller, layout);
            }
        }
        assert_eq!(LEFT.load(Ordering::Relaxed), 0);
        assert_eq!(FREED.load(Ordering::Relaxed), 5 * (1 + 7 + 64 + 4096 + 20_000));
    }

    /// Blocks of all sizes that are kept, moved, made smaller and larger, by two threads: each is zero where nobody has written since it was given out.
    #[test]
    fn large_blocks_are_zero_when_they_come_again() {
        let work = |seed: u64| {
            let allocator = Erasing(System);
            let mut next = crate::ring::tests::sequence(seed);
            let mut held: Vec<(usize, Layout)> = Vec::new();
            let is = |block: *mut u8, range: std::ops::Range<usize>, byte: u8| {
                // SAFETY: within the block.
                range.step_by(509).all(|i| unsafe { *block.add(i) } == byte)
            };
            for _ in 0..400 {
                let size = 50_000 + (next() % 6_000_000) as usize;
                let layout = Layout::array::<u8>(size).unwrap();
                let to = 50_000 + (next() % 6_000_000) as usize;
                // SAFETY: as above.
                unsafe {
                    let block = if next().is_multiple_of(2) {
                        allocator.alloc_zeroed(layout)
                    } else {
                        allocator.alloc(layout)
                    };
                    let zero = kept::rounded(layout).is_none() || is(block, 0..size, 0);
                    assert!(zero, "seed {seed}: {size} bytes are not zero");
                    block.write_bytes(0xa5, size);
                    let moved = allocator.realloc(block, layout, to);
                    assert!(is(moved, 0..size.min(to), 0xa5), "seed {seed}: {size} bytes moved to {to}");
                    moved.write_bytes(0x5a, to);
                    held.push((moved.expose_provenance(), Layout::array::<u8>(to).unwrap()));
                    if held.len() > 6 {
                        let (block, layout) = held.swap_remove((next() % 6) as usize);
                        allocator.dealloc(std::ptr::with_exposed_provenance_mut(block), layout);
                    }
                }
            }
            for (block, layout) in held {
                // SAFETY: as above.
                unsafe { allocator.dealloc(std::ptr::with_exposed_provenance_mut(block), layout) };
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| work(1));
            scope.spawn(|| work(2));
        });
    }
}
