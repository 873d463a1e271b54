#!/usr/bin/env bash
# Sees that each seeded fault is caught. A fault is `fault!("name")` in the source (see sys/fault.rs); the table in its
# module's docs names the tests that catch it: they are among the tests and the models that are run anyway (by `cargo test
# --workspace` and `ci/models.sh`), and use their builds.
# Fails if
#   - a fault is in no table, or in two; or a table names a fault or a test that does not exist;
#   - a test named does not pass without the fault, or does not fail with it. One that does not end fails only if the row says
#     "does not end".
# With names as arguments, only those faults. Prints a line for each.
set -euo pipefail
cd "$(dirname "$0")/.."
here=actor-core/src
jobs=${JOBS:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

complain() { echo "$*" >&2; touch "$work/failed"; }

# ---- what the code and the tables say ----

grep -rhE 'fault!\("' "$here" --include='*.rs' | grep -vE '^\s*//' | grep -oE 'fault!\("[^"]+"' | cut -d'"' -f2 | sort -u \
    >"$work/faults"
if grep -rnE 'cfg!\(fault *=' "$here" --include='*.rs' | grep -vE ':\s*//'; then
    complain "the above: write fault!(\"name\"), which needs no build of its own"
fi
# A row: fault, whether the test may not end, module path of the file, tests.
grep -rE '^//! \| `[a-z0-9_]+` *\|.*\|.*`' "$here" --include='*.rs' | while IFS= read -r line; do
    file=${line%%:*} row=${line#*:}
    # Only tables of faults: the heading before the row says "caught by".
    name=$(cut -d'`' -f2 <<<"$row")
    grep -qxF "$name" "$work/faults" || grep -B100 -F "$row" "$file" | grep -E '^//! \| *[a-z]' | tail -1 | grep -q 'caught by' || continue
    tests=$(awk -F'|' '{ print $(NF - 1) }' <<<"$row" | grep -oE '`[a-zA-Z0-9_:]+`' | tr -d '`' | paste -sd,)
    ends=yes
    grep -q 'does not end' <<<"$row" && ends=no
    module=$(sed -E "s|^$here/||; s|\.rs$||; s|/mod$||; s|/|::|g" <<<"$file")
    echo "$name $ends $module ${tests:--}"
done | sort >"$work/rows"
cut -d' ' -f1 "$work/rows" >"$work/listed"

for name in "$@"; do
    grep -qxF "$name" "$work/faults" || complain "$name: there is no such fault"
done
while read -r name; do complain "$name: in no table"; done < <(comm -23 "$work/faults" <(sort -u "$work/listed"))
while read -r name; do complain "$name: in a table, but not in the code"; done < <(comm -13 "$work/faults" <(sort -u "$work/listed"))
while read -r name; do complain "$name: in a table twice"; done < <(uniq -d "$work/listed")

# ---- the builds ----

build() { # flavour, the command that builds -> the test binary, at $work/FLAVOUR
    local flavour=$1 binary
    shift
    binary=$("$@" -q --no-run --message-format=json-render-diagnostics | grep '"name":"actor_core"' |
        grep -oE '"executable":"[^"]+"' | cut -d'"' -f4)
    ln -s "$binary" "$work/$flavour"
    "$work/$flavour" --list 2>/dev/null | sed -n 's/: test$//p' >"$work/$flavour.tests"
}
build loom ci/models.sh
build std cargo test --workspace --lib # all of them, for it to be the build that `cargo test --workspace` made

# ---- the runs ----

# The one test of that name: in the module of the table if there is one there, else anywhere.
find_test() { # module, test -> flavour and path
    local flavour=std found
    [[ $2 == *loom_* ]] && flavour=loom
    found=$(grep -E "^$1(::.*)?::$2$" "$work/$flavour.tests" || grep -E "(^|::)$2$" "$work/$flavour.tests" || true)
    [ "$(grep -c . <<<"$found")" = 1 ] && echo "$flavour $found"
}

run() { # seconds, fault or nothing, flavour, test
    # In a shell of its own, which keeps it to itself that the test was aborted.
    bash -c 'ACTOR_FAULT=$2 timeout -k 1 "$1" "$work/$3" --exact "$4"; exit $?' run "$@" >/dev/null 2>&1
}

check_test() { # flavour, test: it passes as things should be
    run 120 "" "$1" "$2" || { echo "$2: does not pass without a fault"; touch "$work/failed"; }
}

check_fault() { # fault, ends, then flavour and test in turn
    local fault=$1 ends=$2 code caught=() missed=()
    shift 2
    while [ $# -gt 0 ]; do
        code=0
        run 30 "$fault" "$1" "$2" || code=$?
        case $code in
        0) missed+=("${2##*::}") ;;
        124 | 137) [ "$ends" = no ] && caught+=("${2##*::} (does not end)") || missed+=("${2##*::} (which does not end)") ;;
        *) caught+=("${2##*::}") ;;
        esac
        shift 2
    done
    if [ ${#missed[@]} -gt 0 ]; then
        echo "$fault: NOT CAUGHT by ${missed[*]}"
        touch "$work/failed"
    else
        echo "$fault: ${caught[*]}"
    fi
}
export work
export -f run check_test check_fault

while read -r name ends module tests; do
    [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
    found=()
    for test in ${tests//,/ }; do
        if one=$(find_test "$module" "$test"); then
            found+=("$one")
        else
            complain "$name: there is no test $test, or more than one"
        fi
    done
    [ ${#found[@]} -gt 0 ] || continue
    printf 'check_test %s\n' "${found[@]}" >>"$work/tests"
    echo "check_fault $name $ends ${found[*]}" >>"$work/runs"
done <"$work/rows"
touch "$work/tests" "$work/runs"
sort -u "$work/tests" | cat - "$work/runs" | xargs -d '\n' -P "$jobs" -I{} bash -c '{}'

[ ! -e "$work/failed" ]
