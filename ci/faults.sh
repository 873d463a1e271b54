#!/usr/bin/env bash
# Compiles each seeded fault (`fault!("name")` or `cfg!(fault = "name")` in the source) and runs the tests of its file's
# module: loom's models first, then the ordinary ones. Prints a line for each: the tests that failed (or did not end), or
# NOT CAUGHT. With names as arguments, only those. Takes about half a minute a fault.
set -u
cd "$(dirname "$0")/.." || exit 1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/faults}" CARGO_PROFILE_BENCH_LTO=off
here=actor-core/src
pattern='(fault!\(|cfg!\(fault = )"[a-z_]+"'
faults=$(grep -rhoE "$pattern" "$here" --include='*.rs' | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u)
[ $# -gt 0 ] && faults=$*

modules() { # fault -> the test paths of the modules it is in, as a pattern
    grep -rlE "(fault!\(|cfg!\(fault = )\"$1\"" "$here" --include='*.rs' |
        sed -E "s|^$here/||; s|\.rs$||; s|/mod$||; s|/|::|g; s|^((rt\|actor\|stack\|sys)::[a-z_]+).*|\1|; s|^sync::.*|sync|" | sort -u | paste -sd'|'
}

build() { # flavour, fault -> the test binary
    local flags=""
    [ "$1" = loom ] && flags="--cfg loom"
    CARGO_TARGET_DIR="$CARGO_TARGET_DIR/$1" RUSTFLAGS="$flags" cargo rustc -q -p actor-core --lib --profile bench \
        --message-format=json -- --cfg "fault=\"$2\"" 2>/dev/null | grep -oE '"executable":"[^"]+"' | cut -d'"' -f4 | tail -1
}

missed=0
for fault in $faults; do
    caught=""
    where=$(modules "$fault")
    for flavour in loom std; do
        binary=$(build "$flavour" "$fault")
        [ -n "$binary" ] || { echo "$fault: does not build ($flavour)"; exit 1; }
        # The std stress tests are left to the normal run: a lost wake-up would hang them.
        for test in $("$binary" --list 2>/dev/null | sed -n 's/: test$//p' | grep -E "^($where|rt::models)::" | grep -vE 'stress_|::bench::'); do
            timeout -k 1 20 "$binary" --exact "$test" >/dev/null 2>&1 || caught="$caught ${test##*::}"
        done
        # A fault that loom catches need not run elsewhere.
        [ -n "$caught" ] && break
    done
    [ -n "$caught" ] && echo "$fault:$caught" || { echo "$fault: NOT CAUGHT"; missed=1; }
done
exit $missed
