//! What happens when the system has no more memory for this process.
//!
//! Most collections cannot say that memory was refused to them: the standard library ends the process on the spot, with
//! a signal and without a word to anybody (decision 0014). [`Telling`] is an allocator that first calls what the process has
//! set with [`when_refused`], which says in its own words what is missing and tells whom it concerns; then the process
//! ends with an error. Work that goes on without what it asked for is [`tried`].

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::collections::TryReserveError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{ptr, thread};

use crate::kept;

/// What a process does about it.
#[derive(Debug, Clone, Copy)]
pub struct Handler {
    /// Gets the bytes that were refused, and says so. It may allocate some tens of kilobytes.
    pub say: fn(usize),
    /// Ends the process.
    pub end: fn() -> !,
}

/// Tells somebody that the process ends.
pub type Witness = dyn Fn() + Send + Sync;

static HANDLER: Mutex<Option<Handler>> = Mutex::new(None);
/// Told between the two.
static WITNESSES: Mutex<Vec<(u64, Arc<Witness>)>> = Mutex::new(Vec::new());
/// Whether a thread is at the end of this process already.
static ENDING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether this thread can do without what it asks for.
    static TRYING: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread ends the process.
    static LAST: Cell<bool> = const { Cell::new(false) };
}

/// An allocator that says when memory is refused to it.
#[derive(Debug, Default)]
pub struct Telling<A>(pub A);

/// From now on, `handler` is called when memory is refused and whoever asked for it cannot do without. There is one, the latest.
pub fn when_refused(handler: Handler) {
    *HANDLER.lock().unwrap_or_else(PoisonError::into_inner) = Some(handler);
}

/// Is told when the process ends since memory was refused to it, while this value lives.
#[derive(Debug)]
pub struct Told(u64);

impl Told {
    /// `witness` may do what [`Handler::say`] may.
    pub fn new(witness: Arc<Witness>) -> Told {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        WITNESSES.lock().unwrap_or_else(PoisonError::into_inner).push((id, witness));
        Told(id)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        WITNESSES.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| *id != self.0);
    }
}

/// Does work that notices by itself that memory was refused, and can do without.
pub fn tried<T>(work: impl FnOnce() -> T) -> T {
    let before = TRYING.replace(true);
    let result = work();
    TRYING.set(before);
    result
}

/// Room for exactly so many more elements.
///
/// # Errors
/// If the system has none.
pub fn reserve<T>(vector: &mut Vec<T>, more: usize) -> Result<(), TryReserveError> {
    tried(|| vector.try_reserve_exact(more))
}

/// So many zeros, which take memory as they are overwritten.
///
/// # Errors
/// [`Refused`], if the system has no room for them.
pub fn zeros<T: bytemuck::Zeroable>(len: usize) -> Result<Vec<T>, Refused> {
    tried(|| bytemuck::allocation::try_zeroed_vec(len)).map_err(|()| Refused)
}

/// The system has no room for what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Ends the process, unless this thread can do without or is ending it. Of another convention than Rust's, since an
/// allocator must not unwind: a handler that panics ends the process too.
#[cold]
extern "C" fn refused(bytes: usize) {
    if TRYING.get() || LAST.get() {
        return;
    }
    let Some(handler) = *HANDLER.lock().unwrap_or_else(PoisonError::into_inner) else { return };
    if ENDING.swap(true, Ordering::SeqCst) {
        // The thread that is ending the process does not wait for this one.
        loop {
            thread::sleep(Duration::from_secs(1));
        }
    }
    LAST.set(true);
    (handler.say)(bytes);
    // Nobody waits for this lock while it allocates, but a thread that was about to may be asleep by now.
    if let Ok(witnesses) = WITNESSES.try_lock() {
        witnesses.iter().for_each(|(_, witness)| witness());
    }
    (handler.end)();
}

/// Memory for the thread that ends the process, when there is no other. Of what is given back only the block that was taken last is used
/// again: records of TLS come and go that way, for all that is still to be sent before the last word.
struct Spare<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    used: AtomicUsize,
}

const SPARE: usize = 4 << 20;

static SPARE_BYTES: Spare<SPARE> = Spare { bytes: UnsafeCell::new([0; SPARE]), used: AtomicUsize::new(0) };

#[allow(unsafe_code)]
// SAFETY: parts of the bytes are handed out through the atomic counter, to one owner at a time; nobody else looks at them.
unsafe impl<const N: usize> Sync for Spare<N> {}

impl<const N: usize> Spare<N> {
    /// A block of zeros, or null.
    fn take(&self, layout: Layout) -> *mut u8 {
        let base = self.bytes.get().cast::<u8>();
        let begin = |used: usize| used + (base.addr() + used).wrapping_neg() % layout.align();
        let end = |used| begin(used).checked_add(layout.size()).filter(|end| *end <= N);
        match self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, end) {
            Ok(used) => base.wrapping_add(begin(used)),
            Err(_) => ptr::null_mut(),
        }
    }

    fn give_back(&self, block: *mut u8, layout: Layout) {
        let begin = block.addr() - self.bytes.get().addr();
        let end = begin + layout.size();
        // SAFETY: nobody else has the block, which is all of `layout`. Who gets it next gets zeros.
        #[allow(unsafe_code)]
        unsafe {
            block.write_bytes(0, layout.size());
        }
        // one that is not the last stays as it is
        let _ = self.used.compare_exchange(end, begin, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn has(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.bytes.get().addr()) < N
    }
}

#[allow(unsafe_code)]
// SAFETY: calls are passed on to `A`, which keeps the contract, or served with parts of static memory, which are aligned, large enough, zero
// and nobody else's; those do not reach `A`.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Telling<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let mut block = unsafe { self.0.alloc(layout) };
        while block.is_null() && self.give_way() {
            block = unsafe { self.0.alloc(layout) };
        }
        heard(block, layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let mut block = unsafe { self.0.alloc_zeroed(layout) };
        while block.is_null() && self.give_way() {
            block = unsafe { self.0.alloc_zeroed(layout) };
        }
        heard(block, layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if SPARE_BYTES.has(block) {
            SPARE_BYTES.give_back(block, layout);
        } else {
            unsafe { self.0.dealloc(block, layout) }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the size; a new block is another one, and both have the bytes that are copied.
        unsafe {
            let wanted = Layout::from_size_align_unchecked(size, layout.align());
            let kept =
                if SPARE_BYTES.has(block) { ptr::null_mut() } else { self.0.realloc(block, layout, size) };
            if !kept.is_null() {
                return kept;
            }
            let moved = heard(ptr::null_mut(), wanted);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[allow(unsafe_code)]
impl<A: GlobalAlloc> Telling<A> {
    /// Gives back a large block that waits for its next use, if there is one.
    fn give_way(&self) -> bool {
        // SAFETY: it came through here with this layout, and nobody else has it.
        kept::oldest().map(|(block, layout)| unsafe { self.dealloc(block, layout) }).is_some()
    }
}

/// A block that was asked for, or null.
fn heard(block: *mut u8, layout: Layout) -> *mut u8 {
    if !block.is_null() {
        return block;
    }
    refused(layout.size());
    if LAST.get() { SPARE_BYTES.take(layout) } else { block }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use std::alloc::System;

    use super::*;

    /// Has nothing beyond a thousand bytes.
    struct Poor;

    unsafe impl GlobalAlloc for Poor {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if layout.size() > 1000 { ptr::null_mut() } else { unsafe { System.alloc(layout) } }
        }
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            unsafe { System.dealloc(block, layout) }
        }
    }

    /// That the process ends is tested with the command, under a limit (`tools/tests/parties/scarce.rs`).
    #[test]
    fn whoever_can_do_without_is_told_itself() {
        let allocator = Telling(Poor);
        let handler = Handler { say: |_| unreachable!("nobody is to be told"), end: || unreachable!() };
        when_refused(handler);
        let (small, large) = (Layout::array::<u8>(10).unwrap(), Layout::array::<u8>(2000).unwrap());
        // SAFETY: the block is freed with the layout that it has.
        let refused = tried(|| unsafe {
            let block = allocator.alloc(small);
            assert!(!block.is_null());
            assert!(allocator.realloc(block, small, 2000).is_null());
            allocator.dealloc(block, small);
            allocator.alloc(large).is_null() && allocator.alloc_zeroed(large).is_null()
        });
        assert!(refused);
    }

    #[test]
    fn spare_blocks_are_aligned_and_apart() {
        let spare = Spare { bytes: UnsafeCell::new([0; 1 << 16]), used: AtomicUsize::new(0) };
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for (size, align) in [(1, 1), (3, 8), (100, 64), (0, 16), (5, 1), (4096, 4096)] {
            let block = spare.take(Layout::from_size_align(size, align).unwrap());
            assert!(spare.has(block) && block.addr().is_multiple_of(align));
            assert!(blocks.iter().all(|(start, end)| block.addr() >= *end || block.addr() + size <= *start));
            blocks.push((block.addr(), block.addr() + size));
        }
        assert!(spare.take(Layout::array::<u8>(1 << 16).unwrap()).is_null());
        // what is given back at once serves again, and is zero
        let record = Layout::array::<u8>(16_384).unwrap();
        for _ in 0..100 {
            let block = spare.take(record);
            // SAFETY: the block has so many bytes.
            assert!(!block.is_null() && unsafe { block.read() } == 0);
            unsafe { block.write_bytes(1, 16_384) };
            spare.give_back(block, record);
        }
        assert!(!spare.has(ptr::null_mut()));
    }

    #[test]
    fn room_or_an_error() {
        let mut cells: Vec<u64> = vec![1];
        reserve(&mut cells, 7).unwrap();
        assert!(cells.capacity() >= 8);
        assert!(reserve(&mut cells, usize::MAX / 16).is_err());
        assert_eq!(zeros::<u64>(3), Ok(vec![0; 3]));
        assert_eq!(zeros::<u64>(usize::MAX / 16), Err(Refused));
        assert_eq!(zeros::<u64>(usize::MAX), Err(Refused));
    }
}
