#!/usr/bin/env bash
# Counts the instructions that the hot paths take, by callgrind, and compares them with benches/instructions.txt. A path that
# takes more than the tolerance above the figure recorded there fails: make it cheaper, or move the figure and say why in the
# commit. One that takes less by as much is told, so that the figure follows. With --record the file is written anew.
#
# Instructions are no measure of time, but they are the same in every run: what changes them is a change of the code, or of the
# compiler. With another compiler than the one the figures were recorded with, differences are shown and nothing fails.
set -euo pipefail
cd "$(dirname "$0")/.."
recorded=benches/instructions.txt
tolerance=3 # per cent
rounds=20000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v valgrind >/dev/null || { apt-get update -qq && apt-get install -y -qq valgrind; }
cargo build --release -p benches --bin hot
hot=${CARGO_TARGET_DIR:-target}/release/hot

count() { # path, rounds
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$hot" "$1" "$2" 2>&1 |
        sed -nE 's/^==[0-9]+== Collected : ([0-9]+)$/\1/p'
}

for path in $("$hot" --list); do
    once=$(count "$path" $rounds)
    twice=$(count "$path" $((2 * rounds)))
    echo "$path $(((twice - once + rounds / 2) / rounds))"
done >"$work/now"

compiler=$(rustc --version)
if [ "${1:-}" = --record ]; then
    { echo "# $compiler"; cat "$work/now"; } | tee "$recorded"
    exit
fi
binding=1
if ! grep -qxF "# $compiler" "$recorded"; then
    echo "recorded with another compiler: $(head -1 "$recorded")"
    binding=0
fi
join -a1 -a2 -e- -o 0,1.2,2.2 <(grep -v '^#' "$recorded" | sort) <(sort "$work/now") | awk -v tolerance=$tolerance -v binding=$binding '
    $2 == "-" { print $1 ": " $3 " instructions, and no figure recorded"; failed = 1; next }
    $3 == "-" { print $1 ": recorded, and there is no such path"; failed = 1; next }
    { change = 100 * ($3 - $2) / $2; printf "%-12s %6d instructions, recorded %6d (%+.1f %%)\n", $1, $3, $2, change }
    change > tolerance { failed = 1 }
    change < -tolerance { print $1 ": record the lower figure" }
    END { exit failed && binding }'
