#!/usr/bin/env bash
# Runs the models of the protocols between threads in the model checker, loom; with arguments (a name, or what else `cargo test`
# takes), those. Optimised, for there are millions of schedules; not at link time, which they gain nothing from.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export CARGO_PROFILE_BENCH_LTO=off CARGO_PROFILE_BENCH_CODEGEN_UNITS=16
[ $# -gt 0 ] || set -- loom_
exec cargo test -p actor-core --lib --features testing --profile bench "$@"
