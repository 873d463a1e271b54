//! What `compare` starts for the runs with mimalloc. See [`benches::compare`].

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    benches::compare::main("mimalloc")
}
