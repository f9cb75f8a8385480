# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: the program itself.
# shellcheck shell=bash disable=SC2154
manifest memory kv.memory
slight memory hello >/dev/null
"$build/bench/bench-start" $((scale * 2)) "$build/slight" run "$work/memory.toml" -- wait >"$calls"
row "slight run: to the first line, code cached" \
    "$(awk -F '\t' '$1 == "start" { printf "%.1f", $4 / 1e6 }' "$calls")" ms 40 le
row "slight run: resident, one idle guest" \
    "$(awk -F '\t' '$1 == "rss" { printf "%.1f", $4 / 1048576 }' "$calls")" MiB 40 le
row "build/slight, stripped" "$(stat -c %s "$build/slight" | awk '{ printf "%.1f", $1 / 1e6 }')" MB 40 le
