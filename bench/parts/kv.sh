# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: key-value stores through a guest, by driver and size, and through many.
# shellcheck shell=bash disable=SC2154
tests/services/redis.sh start "$work/services" >/dev/null
. "$work/services/redis.env"
manifest memory kv.memory
manifest sqlite kv.sqlite "path = \"$work/bench.db\""
manifest redis kv.redis "url = \"$SL_TEST_REDIS_URL\""

slight memory calls store $((scale * 50)) >"$calls"
row "kv.memory: get 1 KiB through a guest" "$(per_call get 1024 <"$calls")" ns
for driver in memory sqlite redis; do
    for size in 100 1024 65536 1048576; do
        count=$((scale * (size > 500000 ? 20 : size > 50000 ? 100 : 500)))
        for verb in set get; do
            row "kv.$driver: $verb $size B" \
                "$(slight $driver $verb store $size $count | rate)" 1/s
        done
    done
    for verb in set-many get-many; do
        row "kv.$driver: $verb, 100 x 1 KiB a call" \
            "$(slight $driver $verb store 1024 $((scale * 1000)) | rate)" 1/s
    done
done

one=$(many sqlite 1 set store 100 $((scale * 100)) | rate)
all=$(many sqlite 64 set store 100 $((scale * 50)) | rate)
row "kv.sqlite: durable sets, one guest" "$one" 1/s
row "kv.sqlite: durable sets, 64 guests" "$all" 1/s
row "kv.sqlite: 64 guests to one (group commit)" "$(ratio "$all" "$one")" x 5 ge

# Rounds of both in turn, so that what else the machine does meets both.
ours=0 theirs=0
for _ in 1 2 3; do
    many redis 64 get store 1024 $((scale * 150)) >"$calls"
    ours=$((ours + $(rate <"$calls")))
    threads=$(awk -F '\t' '$1 == "threads" { print $4 }' "$calls")
    yardstick=$(redis-benchmark -h 127.0.0.1 -p "$SL_TEST_REDIS_PORT" \
        -a "$SL_TEST_REDIS_PASSWORD" -c 64 -n $((scale * 10000)) -d 1024 -t get --csv 2>/dev/null |
        awk -F '","' '$1 ~ /GET/ { printf "%.0f", $2 }')
    theirs=$((theirs + yardstick))
done
row "kv.redis: gets of 1 KiB, 64 guests" "$((ours / 3))" 1/s
row "redis-benchmark -c 64 -d 1024 -t get" "$((theirs / 3))" 1/s
row "kv.redis: 64 guests to redis-benchmark" "$(ratio $ours $theirs)" x 0.7 ge
row "threads meanwhile (2 connections)" "$threads" "" 12 le
