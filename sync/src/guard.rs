//! Running Automerge on bytes it may not survive: a panic in it becomes an error here.
//!
//! `catch_unwind` leaves the process's panic hook as it is, so by default each caught panic is also printed. A shell
//! that wants silence installs a hook once that does nothing while [`is_guarded`] is true: the flag belongs to the
//! thread, so every other panic is still reported.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Automerge gave up on the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Whether this thread is inside a guarded call, so that a panic here is caught and answered.
pub fn is_guarded() -> bool {
    DEPTH.get() > 0
}

/// Runs `work`, which must only change what is thrown away when it panics.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_flag_falls_again() {
        assert_eq!(guarded(is_guarded), Ok(true));
        assert_eq!(guarded(|| panic!("caught, as the test wants")).map(|()| 1), Err(Panicked));
        assert!(!is_guarded());
    }
}
