//! Large blocks of memory that were freed, and wait for their next use.
//!
//! What a layer has on its way comes and goes every round, in blocks of megabytes. From the system it comes page by page, each cleared by
//! the kernel when it is touched first, and an allocator clears what it gives out as zeros: a fifth of a party's time went into that. A block that waits here is zero
//! already, since it was overwritten when it was freed, and is given out as it is.
//!
//! Sizes are rounded up to one of eight per doubling, so that a block serves for what is about as large. What is added so is never written.

use std::alloc::Layout;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The smallest block that is kept: smaller ones the allocator keeps itself.
const LEAST: usize = 64 << 10;
/// Bytes that wait, at most.
pub(crate) const MOST: usize = 96 << 20;
/// The largest block that is kept: what a batch has on its way is smaller, and data sets and their files are larger.
const LARGEST: usize = MOST / 4;
/// Blocks that wait, at most.
const SLOTS: usize = 256;
/// What blocks that are kept are aligned to.
const ALIGN: usize = 16;

/// The blocks of a process that wait.
static WAITING: Mutex<Waiting> =
    Mutex::new(Waiting { blocks: [Block { address: 0, size: 0 }; SLOTS], count: 0, bytes: 0 });

/// Those that wait, in the order in which they came.
struct Waiting {
    blocks: [Block; SLOTS],
    count: usize,
    bytes: usize,
}

#[derive(Clone, Copy)]
struct Block {
    address: usize,
    size: usize,
}

/// What is asked for in the place of `layout`, if such blocks are kept.
pub(crate) fn rounded(layout: Layout) -> Option<Layout> {
    let size = layout.size();
    if !(LEAST..=LARGEST).contains(&size) || layout.align() > ALIGN {
        return None;
    }
    let step = 1 << (size.ilog2() - 3);
    Layout::from_size_align(size.next_multiple_of(step), ALIGN).ok()
}

/// A block of zeros of exactly this size, the one that came last.
pub(crate) fn take(size: usize) -> Option<*mut u8> {
    let mut waiting = waiting();
    let at = waiting.blocks[..waiting.count].iter().rposition(|block| block.size == size)?;
    Some(waiting.remove(at))
}

/// Keeps a block of zeros, or names the oldest of those that wait, which has to go first.
pub(crate) fn give(block: *mut u8, size: usize) -> Result<(), (*mut u8, Layout)> {
    let mut waiting = waiting();
    if waiting.count == SLOTS || waiting.bytes + size > MOST {
        return waiting.oldest().map_or(Ok(()), Err);
    }
    let at = waiting.count;
    waiting.blocks[at] = Block { address: block.expose_provenance(), size };
    waiting.count += 1;
    waiting.bytes += size;
    Ok(())
}

/// The oldest of those that wait, which waits no more.
pub(crate) fn oldest() -> Option<(*mut u8, Layout)> {
    waiting().oldest()
}

impl Waiting {
    fn oldest(&mut self) -> Option<(*mut u8, Layout)> {
        let block = self.blocks[..self.count].first()?;
        let layout = Layout::from_size_align(block.size, ALIGN).ok()?;
        Some((self.remove(0), layout))
    }

    fn remove(&mut self, at: usize) -> *mut u8 {
        let Block { address, size } = self.blocks[at];
        self.blocks.copy_within(at + 1..self.count, at);
        self.count -= 1;
        self.bytes -= size;
        std::ptr::with_exposed_provenance_mut(address)
    }
}

/// No thread can panic while it has the lock, and none allocates.
fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}
