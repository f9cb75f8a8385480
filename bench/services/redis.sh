# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: a get of kv.redis behind HTTP, to the same guest with a
# call that asks nobody, near and a millisecond away; queues, topics and locks.
# shellcheck shell=bash disable=SC2154
tests/services/redis.sh start "$work/services" >/dev/null
. "$work/services/redis.env"
redis-cli -p "$SL_TEST_REDIS_PORT" -a "$SL_TEST_REDIS_PASSWORD" --no-auth-warning \
    set key "$(head -c 768 /dev/urandom | base64 -w0)" >/dev/null

serve_stored() { # NAME TYPE SETTING...: sets url
    printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "store"\ntype = "%s"\n' \
        "$build/bench/bench-stored.wasm" "$2" >"$work/$1.toml"
    printf '%s\n' "${@:3}" '[[trigger]]' 'type = "http"' \
        'listen = "127.0.0.1:0"' >>"$work/$1.toml"
    "$build/slight" run "$work/$1.toml" 2>"$work/$1.log" &
    servers="$servers $!"
    await_url "$work/$1.log"
}

# The mean rate of a name at so many connections.
mean() {
    awk -v n="$1" -v c="$2" '$1 == n && $2 == c { sum += $3; count++ }
        END { printf "%.0f", sum / count }' "$calls"
}

# The proxy takes its share of the processors, with the delay and without.
mkfifo "$work/open"
for ms in 0 1; do
    "$build/bench/bench-delayed" "$SL_TEST_REDIS_PORT" $ms <"$work/open" >"$work/delayed.$ms" &
done
exec 8>"$work/open" # the proxies end with it
until [ -s "$work/delayed.0" ] && [ -s "$work/delayed.1" ]; do sleep 0.1; done
serve_behind() { # NAME MS: sets url
    serve_stored "$1" kv.redis 'connections = 8' \
        "url = \"redis://:$SL_TEST_REDIS_PASSWORD@127.0.0.1:$(cat "$work/delayed.$2")\""
}
serve_stored nobody kv.memory
nobody=$url
serve_stored near kv.redis "url = \"$SL_TEST_REDIS_URL\""
near=$url
serve_behind proxied 0
proxied=$url
serve_behind far 1
far=$url

: >"$calls"
for _ in 1 2 3; do # in turn, so that what else the machine does meets all
    for connections in 64 256; do
        for name in nobody near; do
            echo "$name $connections $(load "${!name}" $connections)" >>"$calls"
        done
    done
    for connections in 1 16 64; do
        echo "far $connections $(load "$far" $connections)" >>"$calls"
    done
    echo "proxied 64 $(load "$proxied" 64)" >>"$calls"
done
for connections in 64 256; do
    at="$connections connections"
    row "http: with a call that asks nobody, $at" "$(mean nobody $connections)" 1/s
    row "http: with a get of 1 KiB of kv.redis, $at" "$(mean near $connections)" 1/s
    row "http: that, to the one that asks nobody, $at" \
        "$(ratio "$(mean near $connections)" "$(mean nobody $connections)")" x \
        "$([ $connections = 64 ] && echo 0.5 || echo 0.4)" ge
done
row "http: with kv.redis behind the proxy, no delay, 64 connections" "$(mean proxied 64)" 1/s
row "http: with kv.redis 1 ms away (each way), 1 connection" "$(mean far 1)" 1/s
row "http: with kv.redis 1 ms away, 16 connections" "$(mean far 16)" 1/s
row "http: that, to 16 times one connection" \
    "$(ratio "$(mean far 16)" $((16 * $(mean far 1))))" x 0.8 ge
# So many times one would be more than the machine does without the delay.
row "http: with kv.redis 1 ms away, 64 connections" "$(mean far 64)" 1/s
row "http: that, to the rate without delay" "$(ratio "$(mean far 64)" "$(mean proxied 64)")" x
exec 8>&-
stop_servers

called_redis() { # KIND GUEST RESOURCE SETTINGS... : of the resource, then of the trigger
    printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "%s"\ntype = "%s.redis"\nurl = "%s"\n%s\n[[trigger]]\ntype = "%s"\nresource = "%s"\nconcurrency = 256\n' \
        "$build/bench/bench-$2.wasm" "$3" "$1" "$SL_TEST_REDIS_URL" "$4" "$1" "$3" >"$work/$1.toml"
    printf '%s\n' "${@:5}" >>"$work/$1.toml"
}

called_redis mq worker jobs 'queue = "jobs"'
called_redis pubsub subscriber events '' 'topic = "t"' 'group = "g"'
for kind in mq pubsub; do
    "$build/bench/bench-deliver" "$work/$kind.toml" $((scale * 10000)) >"$calls"
    row "$kind.redis: sent, 100 a call" "$(awk -F '\t' '$1 == "send" { printf "%.0f", $3 * 1e9 / $4 }' "$calls")" 1/s
    row "$kind.redis: received, handled in C, settled" \
        "$(awk -F '\t' '$1 == "handle" { printf "%.0f", $3 * 1e9 / $4 }' "$calls")" 1/s
    row "$kind.redis: one, from its sending to its settling" \
        "$(awk -F '\t' '$1 == "settled" { printf "%.2f", $4 / 1e6 }' "$calls")" ms
done
row "lockd.redis: acquire and release" \
    "$("$build/bench/bench-locks" lockd.redis "url = \"$SL_TEST_REDIS_URL\"" $((scale * 100)) |
        per_call lock 0 | awk '{ printf "%.0f", $1 / 1000 }')" us
