//! CPU time and heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cpu_time::ProcessTime;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    let now = NOW.fetch_add(by, Relaxed) + by;
    MOST.fetch_max(now, Relaxed);
}

// Safety: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Milliseconds of CPU that `work` takes; dropping its result is not counted.
pub fn time<R>(work: impl FnOnce() -> R) -> f64 {
    let start = ProcessTime::now();
    let result = std::hint::black_box(work());
    let taken = start.elapsed().as_secs_f64() * 1e3;
    drop(result);
    taken
}

/// Heap that what `work` returns keeps, and the most that was held meanwhile, in bytes.
pub fn heap<R>(work: impl FnOnce() -> R) -> (f64, f64) {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let result = std::hint::black_box(work());
    let (kept, most) = (NOW.load(Relaxed), MOST.load(Relaxed));
    drop(result);
    (kept.saturating_sub(before) as f64, most.saturating_sub(before) as f64)
}
