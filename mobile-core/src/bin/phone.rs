//! `callfield-phone`: a phone without a screen.

use std::process::ExitCode;

fn main() -> ExitCode {
    callfield_mobile_core::headless::main()
}
