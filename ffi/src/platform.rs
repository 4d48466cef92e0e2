//! What must be done once a process, before anything else.

use std::sync::Once;

/// Prepares the core for this process; further calls do nothing.
///
/// A panic inside the core becomes an error of the call that caused it, so nothing of it is printed: its text could
/// hold what a log must not.
#[uniffi::export]
pub fn init_platform() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

/// Panics, so that a test sees how that arrives.
#[cfg(feature = "faults")]
#[uniffi::export]
pub fn panic_on_purpose() -> u32 {
    panic!("on purpose")
}
