//! Memory that is overwritten before it is given back.
//!
//! Shares, operands and messages live in thousands of vectors that come and go every round. What they leave behind in freed memory would wait
//! there for a fault that reads it, for a core dump or for a page that goes to disk. Whoever holds secrets switches [`erase_from_now_on`]; from then on
//! every allocation of the process is overwritten with zeros when it is freed, whichever library made it. Vectors that operations hand to each other
//! through the pool of the protocol are not freed in between and cost nothing.
//!
//! What is on stacks and in registers is not covered, nor what other processes, such as the kernel, have copied.

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

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
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_on() {
            // SAFETY: the block is allocated with this layout until the next line. Its address goes through `black_box`, so that writing to memory
            // that nobody reads again is not left out.
            unsafe { black_box(block).write_bytes(0, layout.size()) };
            black_box(block);
        }
        unsafe { self.0.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_on() {
            return unsafe { self.0.realloc(block, layout, size) };
        }
        // `A` would leave the old block as it is if it moves it.
        // SAFETY: the caller vouches for the size; the new block is another one, and both have the bytes that are copied.
        unsafe {
            let moved = self.0.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
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
        for size in [1, 7, 64, 4096, 1 << 20] {
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
        assert_eq!(FREED.load(Ordering::Relaxed), 5 * (1 + 7 + 64 + 4096 + (1 << 20)));
    }
}
