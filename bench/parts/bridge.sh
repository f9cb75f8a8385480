# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: one call over the bridge, and an instance.
# shellcheck shell=bash disable=SC2154
fastest "$calls" "$build/bench/bench-hostcall" "$guest" $((scale * 10))
row "bridge: exists (string in, bool out)" "$(per_call exists 1024 <"$calls")" ns
row "bridge: increment (string and s64 in, s64 out)" "$(per_call increment 1024 <"$calls")" ns
row "bridge: set 1 KiB (string and bytes in)" "$(per_call set 1024 <"$calls")" ns
row "bridge: set 1 MiB (no copy: the same as 1 KiB)" "$(per_call set 1048576 <"$calls")" ns \
    "$(($(per_call set 1024 <"$calls") * 3 / 2))" le
row "bridge: get 1 KiB (bytes out)" "$(per_call get 1024 <"$calls")" ns
row "bridge: the same without the guest's own malloc and free" \
    "$(($(per_call get 1024 <"$calls") - $(per_call own 1024 <"$calls")))" ns 500 le
get_1m=$(per_call get 1048576 <"$calls")
row "bridge: get 1 MiB (one memcpy)" "$get_1m" ns
row "bridge: get 1 MiB, bytes per time" "$(awk -v ns="$get_1m" 'BEGIN { printf "%.1f", 1048576 / ns }')" GB/s 4 ge
row "instance: fresh, C guest with stdio" \
    "$(per_call instance 0 <"$calls" | awk '{ printf "%.1f", $1 / 1000 }')" us
fastest "$calls" "$build/bench/bench-hostcall" "$build/bench/bench-small.wasm" 1
row "instance: fresh, small C guest" \
    "$(per_call instance 0 <"$calls" | awk '{ printf "%.1f", $1 / 1000 }')" us 15 le
