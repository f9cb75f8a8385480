# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: messages and events into a component.
# shellcheck shell=bash disable=SC2154
called() { # KIND GUEST RESOURCE SETTINGS-OF-TRIGGER...
    printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "%s"\ntype = "%s.sqlite"\npath = "%s"\n[[trigger]]\ntype = "%s"\nresource = "%s"\nconcurrency = 256\n' \
        "$build/bench/bench-$2.wasm" "$3" "$1" "$work/$1.db" "$1" "$3" >"$work/$1.toml"
    printf '%s\n' "${@:4}" >>"$work/$1.toml"
}

called mq worker jobs
called pubsub subscriber events 'topic = "t"' 'group = "g"'
for kind in mq pubsub; do
    "$build/bench/bench-deliver" "$work/$kind.toml" $((scale * 10000)) >"$calls"
    row "$kind.sqlite: sent, durable, 100 a call" "$(awk -F '\t' '$1 == "send" { printf "%.0f", $3 * 1e9 / $4 }' "$calls")" 1/s
    row "$kind.sqlite: received, handled in C, settled, durable" \
        "$(awk -F '\t' '$1 == "handle" { printf "%.0f", $3 * 1e9 / $4 }' "$calls")" 1/s 20000 ge
    row "$kind.sqlite: one, from its sending to its settling" \
        "$(awk -F '\t' '$1 == "settled" { printf "%.2f", $4 / 1e6 }' "$calls")" ms 2 le
done
