//! This library beside its peers, with the allocator of the C library. See [`benches::compare`].

fn main() -> std::process::ExitCode {
    benches::compare::main("glibc")
}
