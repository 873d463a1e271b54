//! Runs the key-value service, or its demo: see `--help`, and for how it is made [`kv`].

use std::process::ExitCode;

fn main() -> ExitCode {
    kv::cli::run(std::env::args().skip(1))
}
