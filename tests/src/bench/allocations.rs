//! Counting what a thread of the bench's own program allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use anyhow::{Result, ensure};

/// The system's allocator with a count for each thread. A shared count would slow down those who allocate most.
pub struct CountingAllocator;

thread_local! {
    /// How often memory was asked for, and how many bytes are held.
    static COUNTS: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
}

fn count(requests: u64, bytes: i64) {
    // A thread that ends may free when its count is gone.
    let _ = COUNTS.try_with(|counts| {
        let (requests_before, bytes_before) = counts.get();
        counts.set((requests_before + requests, bytes_before + bytes));
    });
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[expect(unsafe_code, reason = "an allocator cannot be written otherwise; each call goes on to the system's")]
// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract; counting allocates
// nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, signed(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -signed(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, signed(size) - signed(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// How many times `work` asks for memory on this thread; a buffer that grows asks again.
///
/// # Errors
/// When `work` fails, or nothing is counted in this program.
pub fn allocations_of(work: impl Fn() -> Result<()>) -> Result<f64> {
    let before = COUNTS.get().0;
    work()?;
    let requests = COUNTS.get().0 - before;
    ensure!(requests > 0, "this program does not count its allocations");
    Ok(requests as f64)
}

/// The bytes that this thread holds: what it asked for and did not give back.
pub fn held_bytes() -> f64 {
    COUNTS.get().1 as f64
}
