#!/usr/bin/env bash
# Runs the models of the protocols between threads in the model checker, loom; with arguments (a name, or what else `cargo test`
# takes), those. Optimised a little, for there are millions of schedules: more takes longer to build than it saves.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export CARGO_PROFILE_BENCH_{OPT_LEVEL=1,LTO=off,CODEGEN_UNITS=16,DEBUG=none}
[ $# -gt 0 ] || set -- loom_
exec cargo test -p actor-core --lib --features testing --profile bench "$@"
