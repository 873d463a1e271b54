//! Names who is to blame when the process is about to abort for a panic in a destructor.
//!
//! A panic that escapes a destructor while another panic unwinds ends the process: Rust's rule, which no framework can
//! soften. The message then names a thread, which says nothing about the microthread or actor that ran on it. So the
//! runtime puts a hook in front of the panic hook that it finds, once a process. For an ordinary panic the hook does
//! nothing; for the one that the language raises on the way to the abort it writes one line first.

use std::io::Write;
use std::panic;
use std::sync::Once;

use super::runner;

/// The message of the panic that cannot unwind, raised when another has escaped from a destructor. A compiler that words it
/// differently costs the line, and a test notices.
const ON_THE_WAY_TO_ABORT: &str = "panic in a destructor during cleanup";

/// Puts the hook in place.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let (name, id) = runner::what_runs();
            if id != 0 && info.payload_as_str() == Some(ON_THE_WAY_TO_ABORT) {
                // The process is ending: not through `tracing`, whose subscribers may defer.
                let line = format!("{name}#{id} panicked while a panic was unwinding it\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
            before(info);
        }));
    });
}
