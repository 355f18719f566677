//! Spreading the work of one kernel over threads.
//!
//! The calling thread takes part in the work and the others sleep when there is none: an idle worker gives up its
//! processor at once and blocks after a few dozen attempts to find work (some microseconds). Which thread does
//! which task is not determined, so tasks must not depend on each other.

use std::sync::Mutex;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Element-wise work on fewer elements is done by the calling thread alone: waking another one costs more.
pub const MIN_PARALLEL: usize = 32 * 1024;

/// The threads that kernels of one party may use.
#[derive(Debug, Default)]
pub struct Threads {
    /// The threads besides the caller's; None if there are none.
    helpers: Option<ThreadPool>,
}

/// The operating system refused to start the threads.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {count} worker threads")]
pub struct ThreadsError {
    count: usize,
    source: rayon::ThreadPoolBuildError,
}

impl Threads {
    /// No threads besides the caller's.
    pub const fn single() -> Self {
        Self { helpers: None }
    }

    /// `count` threads, the caller's included; 0 counts as 1. More than are of use are not started: they would only wake each other up.
    ///
    /// # Errors
    /// If the operating system refuses to start them.
    pub fn new(count: usize) -> Result<Self, ThreadsError> {
        let count = count.min(Self::most());
        if count <= 1 {
            return Ok(Self::single());
        }
        let builder = ThreadPoolBuilder::new().num_threads(count - 1).thread_name(|i| format!("kernel-{i}"));
        let helpers = builder.build().map_err(|source| ThreadsError { count, source })?;
        Ok(Self { helpers: Some(helpers) })
    }

    /// The most threads that a party starts: twice the processors of this machine, and some where it does not say how many there are.
    pub fn most() -> usize {
        std::thread::available_parallelism().map_or(16, |processors| (2 * processors.get()).max(16))
    }

    /// Number of threads, the caller's included.
    pub fn count(&self) -> usize {
        1 + self.helpers.as_ref().map_or(0, ThreadPool::current_num_threads)
    }

    /// In how many pieces to cut element-wise work on `elements` elements: 1 if it is small, else a few per thread,
    /// so that a thread that is held up does not hold up the rest.
    pub fn pieces(&self, elements: usize) -> usize {
        if self.helpers.is_none() || elements < MIN_PARALLEL {
            return 1;
        }
        (4 * self.count()).min(elements / (MIN_PARALLEL / 4))
    }

    /// Does `work` on every task, and returns when all are done.
    pub fn for_each<T: Send>(&self, tasks: Vec<T>, work: impl Fn(T) + Sync) {
        self.do_each(tasks, &work);
    }

    /// Does `work` on contiguous pieces of `data`, together with the position of each piece's first element.
    /// Pieces start at multiples of `align` elements.
    pub fn for_pieces<T: Send>(&self, data: &mut [T], align: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        self.do_pieces(data, align, &work);
    }

    /// [`Self::for_each`], compiled once per type of task and not once per operation: a call per task is nothing.
    fn do_each<T: Send>(&self, tasks: Vec<T>, work: &(dyn Fn(T) + Sync)) {
        let Some(helpers) = self.helpers.as_ref().filter(|_| tasks.len() > 1) else {
            return tasks.into_iter().for_each(work);
        };
        let spawned = helpers.current_num_threads().min(tasks.len() - 1);
        let queue = Mutex::new(tasks.into_iter());
        // The lock is held while taking a task, never during work, so a panic in `work` does not poison it.
        let next = || queue.lock().expect("no panic while the lock is held").next();
        let drain = || std::iter::from_fn(next).for_each(work);
        run_on(helpers, spawned, &drain);
    }

    /// [`Self::for_pieces`], compiled once per type of element.
    fn do_pieces<T: Send>(&self, data: &mut [T], align: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
        let pieces = self.pieces(data.len());
        if pieces == 1 && !data.is_empty() {
            return work(0, data);
        }
        let size = data.len().div_ceil(pieces).next_multiple_of(align).max(1);
        let tasks = data.chunks_mut(size).enumerate().collect();
        self.do_each(tasks, &|(i, piece)| work(i * size, piece));
    }
}

/// Calls `work` on so many helpers and on this thread.
fn run_on(helpers: &ThreadPool, spawned: usize, work: &(dyn Fn() + Sync)) {
    helpers.in_place_scope(|scope| {
        for _ in 0..spawned {
            scope.spawn(|_| work());
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_task_is_done_once() {
        for count in [0, 1, 2, 3, 7] {
            let threads = Threads::new(count).unwrap();
            assert_eq!(threads.count(), count.max(1));
            for tasks in [0, 1, 2, 100] {
                let done: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                threads.for_each((0..tasks).collect(), |i| {
                    done[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn threads_of_no_use_are_not_started() {
        assert_eq!(Threads::new(100_000).unwrap().count(), Threads::most());
    }

    #[test]
    fn pieces_cover_the_data_and_are_aligned() {
        let threads = Threads::new(3).unwrap();
        for len in [0, 1, 63, MIN_PARALLEL - 1, MIN_PARALLEL, MIN_PARALLEL + 1, 5 * MIN_PARALLEL + 17] {
            let mut data = vec![0; len];
            threads.for_pieces(&mut data, 64, |start, piece| {
                assert_eq!(start % 64, 0);
                piece.iter_mut().enumerate().for_each(|(i, x)| *x += start + i);
            });
            assert!(data.into_iter().eq(0..len));
        }
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let threads = Threads::new(2).unwrap();
        let failing = || threads.for_each(vec![0, 1, 2], |i| assert_ne!(i, 1));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(failing)).is_err());
        threads.for_each(vec![3, 4], |_| ()); // and the threads live on
    }
}
