#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measure what was built: `make bench`, or bench/bench.sh BUILD-FOLDER.
#
# Prints a table, each target beside its figure, and writes BUILD/bench.json.
# Compares within one run; absolute times are this machine's, at its best.
# QUICK=1 measures a tenth as long.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
guest=$build/bench/bench-guest.wasm
scale=$([ "${QUICK:-}" = 1 ] && echo 1 || echo 10)
export SLIGHT_LOG_FORMAT=text
work=$(mktemp -d "${TMPDIR:-/tmp}/slight-bench-XXXXXX")
rows=$work/rows
: >"$rows"

stop() {
    for service in "$work/services"/*.env; do
        name=$(basename "$service" .env)
        tests/services/"$name.sh" stop "$work/services" >/dev/null 2>&1 || true
    done
    rm -rf "$work"
}
trap stop EXIT

# row NAME VALUE UNIT [TARGET le|ge]: one line of the table, printed at once.
row() {
    met=
    [ -z "${4:-}" ] || met=$(awk -v v="$2" -v t="$4" -v how="$5" \
        'BEGIN { print (how == "le" ? v <= t : v >= t) ? "yes" : "NO" }')
    target=${4:+$([ "$5" = le ] && echo "<=" || echo ">=") $4}
    printf '%-58s %12s %-8s %-10s %s\n' "$1" "$2" "$3" "$target" "$met"
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$target" "$met" >>"$rows"
}

# The lines of a benchmark ("name size calls ns") on standard input: ns per call
# of one name and size.
per_call() {
    awk -F '\t' -v n="$1" -v s="$2" '$1 == n && $2 == s { printf "%.0f\n", $4 / $3; exit }'
}

# fastest FILE COMMAND...: run a benchmark five times; of each name and size the
# fastest goes to FILE. Absolute times: what else the machine does only adds.
fastest() {
    for _ in 1 2 3 4 5; do "${@:2}"; done |
        awk -F '\t' '{ key = $1 FS $2; each = $4 / $3 }
            !(key in best) || each < best[key] { best[key] = each; line[key] = $0 }
            END { for (key in line) print line[key] }' >"$1"
}

rate() {
    awk -F '\t' '$1 != "threads" { printf "%.0f\n", $3 * 1e9 / $4; exit }'
}

ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

manifest() { # NAME TYPE SETTING...
    {
        printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "store"\ntype = "%s"\n' "$guest" "$2"
        printf '%s\n' "${@:3}"
    } >"$work/$1.toml"
}

slight() {
    "$build/slight" run "$work/$1.toml" -- "${@:2}"
}

echo "slight on $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
printf '%-58s %12s %-8s %-10s %s\n' what figure unit target met

tests/services/redis.sh start "$work/services" >/dev/null
. "$work/services/redis.env"
manifest memory kv.memory
manifest sqlite kv.sqlite "path = \"$work/bench.db\""
manifest redis kv.redis "url = \"$SL_TEST_REDIS_URL\""

# --- One call over the bridge ---------------------------------------------
calls=$work/calls
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

# --- Through a guest, by driver and size ----------------------------------
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

# --- Many guests ----------------------------------------------------------
many() {
    "$build/bench/bench-many" "$work/$1.toml" "${@:2}"
}

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

# --- Components that are called ---------------------------------------------
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

# --- HTTP -------------------------------------------------------------------
# The same component under slight and under wasmtime serve, each in turn.
servers=
stop_servers() {
    # shellcheck disable=SC2086 # words are meant
    [ -z "$servers" ] || kill $servers 2>/dev/null || true
    servers=
}
trap 'stop_servers; stop' EXIT

serve_slight() { # GUEST: sets url and server
    printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "store"\ntype = "kv.sqlite"\npath = "%s"\n[[trigger]]\ntype = "http"\nlisten = "127.0.0.1:0"\n' \
        "$build/bench/bench-$1.wasm" "$work/http.db" >"$work/$1.toml"
    "$build/slight" run "$work/$1.toml" 2>"$work/$1.log" &
    server=$!
    servers="$servers $server"
    until grep -q 'http://' "$work/$1.log"; do sleep 0.1; done
    url=$(sed -n 's|.*\(http://[^/]*\)/.*|\1|p' "$work/$1.log")
}

serve_wasmtime() { # OPTIONS...: sets url
    log=$work/wasmtime.$#
    "$wasmtime" serve -S cli --addr 127.0.0.1:0 "$@" \
        "$build/bench/bench-hello.wasm" 2>"$log" &
    servers="$servers $!"
    until grep -q 'http://' "$log"; do sleep 0.1; done
    url=$(sed -n 's|.*\(http://[^/]*\)/.*|\1|p' "$log")
}

load() { # URL CONNECTIONS: "requests-per-second p99-in-ms"
    wrk -t 1 -c "$2" -d "$((scale / 4 + 1))s" --latency "$1" | awk '
        $1 == "99%" { unit = $2; sub(/[0-9.]+/, "", unit)
            p99 = $2 * (unit == "us" ? 0.001 : unit == "s" ? 1000 : 1) }
        $1 == "Requests/sec:" { rate = $2 }
        END { printf "%.0f %.2f\n", rate, p99 }'
}

# The figure of a name, from a file of "name rate p99" lines of several rounds:
# the highest rate, the lowest p99.
best() {
    awk -v n="$1" -v f="$2" '$1 == n { v = $(f + 1)
        if (!(n in b) || (f == 1 ? v > b[n] : v < b[n])) b[n] = v }
        END { print b[n] }' "$calls"
}

wasmtime=$(scripts/wasmtime.sh)
serve_slight hello
hello=$url
hello_server=$server
serve_slight stored
stored=$url
serve_wasmtime -O pooling-allocator=y
pooled=$url
serve_wasmtime -O pooling-allocator=y -O pooling-total-core-instances=8000 \
    -O pooling-total-component-instances=1000 -O pooling-total-memories=1000 \
    -O pooling-total-tables=4000 -O pooling-total-stacks=1000 \
    -O pooling-max-unused-warm-slots=1000 \
    -O pooling-memory-keep-resident=1048576 \
    -O pooling-table-keep-resident=65536 \
    -O pooling-async-stack-keep-resident=32768 -O pooling-pagemap-scan=y
tuned=$url
for connections in 1 64 512; do
    : >"$calls"
    for _ in 1 2 3; do
        for name in hello stored pooled tuned; do
            echo "$name $(load "${!name}" $connections)" >>"$calls"
        done
    done
    at="$connections connections"
    row "http: hello, $at" "$(best hello 1)" 1/s
    row "http: wasmtime serve, pooled, $at" "$(best pooled 1)" 1/s
    row "http: wasmtime serve, tuned, $at" "$(best tuned 1)" 1/s
    if [ $connections = 1 ]; then
        row "http: hello to tuned, $at" \
            "$(ratio "$(best hello 1)" "$(best tuned 1)")" x 1 ge
    else
        row "http: hello to pooled, $at" \
            "$(ratio "$(best hello 1)" "$(best pooled 1)")" x 2.5 ge
        row "http: hello to tuned, $at" \
            "$(ratio "$(best hello 1)" "$(best tuned 1)")" x 1.1 ge
    fi
    row "http: hello, p99, $at" "$(best hello 2)" ms "$(best tuned 2)" le
    row "http: with a get of kv.sqlite, $at" "$(best stored 1)" 1/s
    row "http: that, to hello, $at" \
        "$(ratio "$(best stored 1)" "$(best hello 1)")" x 0.7 ge
done
"$build/bench/bench-idle" "${hello##*:}" "$hello_server" $((scale * 1000)) >"$calls"
row "http: an idle connection, of $((scale * 1000))" \
    "$(awk -F '\t' '$1 == "each" { printf "%.1f", $4 / 1024 }' "$calls")" KiB 20 le
row "http: a request of another one meanwhile, to one before" \
    "$(awk -F '\t' '{ t[$1] = $4 } END { printf "%.2f", t["meanwhile"] / t["before"] }' "$calls")" x 1.25 le
stop_servers

# --- Services ----------------------------------------------------------------
for part in bench/services/*.sh; do
    . "$part"
done

# --- The program ----------------------------------------------------------
slight memory hello >/dev/null
"$build/bench/bench-start" $((scale * 2)) "$build/slight" run "$work/memory.toml" -- wait >"$calls"
row "slight run: to the first line, code cached" \
    "$(awk -F '\t' '$1 == "start" { printf "%.1f", $4 / 1e6 }' "$calls")" ms 40 le
row "slight run: resident, one idle guest" \
    "$(awk -F '\t' '$1 == "rss" { printf "%.1f", $4 / 1048576 }' "$calls")" MiB 40 le
row "build/slight, stripped" "$(stat -c %s "$build/slight" | awk '{ printf "%.1f", $1 / 1e6 }')" MB 40 le

awk -F '\t' 'BEGIN { print "[" }
    { gsub(/"/, "\\\"")
      printf "%s  {\"what\": \"%s\", \"figure\": %s, \"unit\": \"%s\", \"target\": \"%s\", \"met\": \"%s\"}", (NR > 1 ? ",\n" : ""), $1, $2, $3, $4, $5 }
    END { print "\n]" }' "$rows" >"$build/bench.json"
missed=$(awk -F '\t' '$5 == "NO"' "$rows" | wc -l)
echo "written to $build/bench.json; $missed target(s) missed"
