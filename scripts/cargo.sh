# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sets CARGO and RUSTC to a toolchain that is new enough (1.95): the one in the
# PATH, else Debian's, which scripts/deps.sh installs where there is none.
# Sourced.

new_enough() {
    version=$("$1" --version 2>/dev/null | cut -d ' ' -f 2) || return 1
    [ -n "$version" ] || return 1
    [ "$(printf '%s\n1.95.0\n' "$version" | sort -V | head -n 1)" = 1.95.0 ]
}

find_cargo() {
    for folder in "$(dirname "$(command -v cargo || echo /none)")" \
        "$HOME/.cargo/bin" /usr/bin; do
        if [ -x "$folder/cargo" ] && new_enough "$folder/cargo" &&
            new_enough "$folder/rustc"; then
            CARGO=$folder/cargo RUSTC=$folder/rustc
            return 0
        fi
    done
    return 1
}

if ! find_cargo && [ "${SLIGHT_CARGO_OPTIONAL:-}" != 1 ]; then
    echo "slight: cargo 1.95 or newer is missing; run: make deps" >&2
    exit 1
fi
