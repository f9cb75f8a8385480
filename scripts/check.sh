#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Static checks: format, layers, warnings, clang-tidy, banned functions, duplicate
# symbols, shell scripts, documentation, the promises of wit/, the size and the
# hardening of the release.
#
#     scripts/check.sh BUILD-FOLDER
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
failed=0

check() {
    name=$1
    shift
    if "$@"; then
        echo "ok   $name"
    else
        echo "FAIL $name" >&2
        failed=1
    fi
}

own_c() {
    git ls-files '*.c' '*.h'
}

format_c() {
    own_c | xargs clang-format-19 --dry-run -Werror
}

format_rust() {
    . scripts/cargo.sh
    # Debian's toolchain has no rustfmt; without it nothing is checked.
    fmt=$(dirname "$CARGO")/rustfmt
    [ ! -x "$fmt" ] || "$fmt" --version >/dev/null 2>&1 || return 0
    [ ! -x "$fmt" ] || (cd bridge && "$fmt" --check --edition 2021 src/lib.rs)
}

# Functions that may overflow a buffer, or end the process, outside of main.
banned() {
    ! git ls-files 'src/*.c' | grep -vE '_test\.c$|^src/main\.c$' |
        xargs grep -nE '\b(sprintf|strcpy|strcat|strtok|atoi|gets|sscanf|alloca|exit)\('
}

# Paths of a developer's machine.
no_machine_paths() {
    ! git grep -nE '/(root|home)/[a-z]{2,}|/work/' -- . ':!LICENSE' ':!scripts/check.sh'
}

warnings() {
    for compiler in gcc clang-19; do
        cmake -S . -B "$build/check-$compiler" -G Ninja -DBUILD_TESTING=ON \
            "-DCMAKE_C_COMPILER=$compiler" -DSLIGHT_WERROR=ON >/dev/null || return 1
        # The libraries alone: linking the program adds no warnings.
        cmake --build "$build/check-$compiler" --target sl-cli sl-host sl-manifest sl-kv sl-sql sl-lockd sl-mq sl-pubsub >"$build/check.log" 2>&1 || {
            grep -E 'warning|error' "$build/check.log" >&2
            return 1
        }
    done
}

# .clang-tidy lists the checks. The compilation database is that of the warnings.
clang_tidy() {
    git ls-files 'src/*.c' | grep -v '_test\.c$' |
        xargs -n 4 -P "$(nproc)" clang-tidy-19 --quiet -p "$build/check-clang-19" 2>"$build/tidy.log"
}

# External names that two of our objects define. Each test is a program of its own.
duplicate_symbols() {
    # By the objects of the program: the folder may have those of files that moved.
    twice=$(ninja -C "$build" -t inputs slight | grep '^src/.*\.o$' | sed "s|^|$build/|" |
        xargs nm --defined-only --extern-only | awk 'NF == 3 { print $3 }' | sort | uniq -d)
    [ -z "$twice" ] || { echo "defined twice: $twice" >&2; return 1; }
}

hardening() {
    program=$build/slight
    headers=$(readelf -hldW "$program")
    for sign in 'Type:.*DYN' GNU_RELRO 'BIND_NOW|FLAGS.*NOW' ; do
        echo "$headers" | grep -qE "$sign" || { echo "no $sign" >&2; return 1; }
    done
    ! echo "$headers" | grep -E 'GNU_STACK.*RWE' || return 1
    for symbol in __stack_chk_fail _chk; do
        readelf -W --dyn-syms "$program" | grep -q "$symbol" || { echo "no $symbol" >&2; return 1; }
    done
    # cf-protection marks each object. The bridge's objects have no mark, and so the
    # program has none either.
    object=$(find "$build/src/base" -name 'queue.c.o' | head -n 1)
    readelf -nW "$object" | grep -q IBT || { echo "no -fcf-protection" >&2; return 1; }
    ! readelf -SW "$program" | grep -q '\.symtab' || { echo "not stripped" >&2; return 1; }
    size=$(stat -c %s "$program")
    [ "$size" -le $((40 * 1000 * 1000)) ] || { echo "$size bytes" >&2; return 1; }
}

# .shellcheckrc has the options.
shell_scripts() {
    git ls-files '*.sh' .ci/run | xargs shellcheck
}

# Each test that docs/security.md names exists.
promises() {
    tests=$(ctest --test-dir "$build" -N | sed -n 's/^ *Test *#[0-9]*: //p')
    named=$(grep -oE '`(hostile|e2e|host|base)\.[a-z_.]+`' docs/security.md | tr -d '`' | sort -u)
    for test in $named; do
        echo "$tests" | grep -qx "$test" || { echo "docs/security.md: no test $test" >&2; return 1; }
    done
}

check "format of C" format_c
check "format of Rust" format_rust
check "banned functions" banned
check "no paths of a machine" no_machine_paths
check "layers" scripts/check_layers.sh "$build"
check "no warnings (gcc, clang)" warnings
check "clang-tidy" clang_tidy
check "no duplicate symbols" duplicate_symbols
check "docs are generated (make docs)" scripts/docs.sh "$build" --check
check "shell scripts (shellcheck)" shell_scripts
check "links of the documentation" scripts/check_links.py
check "promises have tests (docs/security.md)" promises
check "promises have cases (wit/)" scripts/check_promises.py
check "release: hardened, stripped, at most 40 MB" hardening
exit $failed
