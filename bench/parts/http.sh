# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: the same component under slight and under wasmtime serve, each in turn.
# shellcheck shell=bash disable=SC2154
serve_slight() { # GUEST: sets url and server
    printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "store"\ntype = "kv.sqlite"\npath = "%s"\n[[trigger]]\ntype = "http"\nlisten = "127.0.0.1:0"\n' \
        "$build/bench/bench-$1.wasm" "$work/http.db" >"$work/$1.toml"
    "$build/slight" run "$work/$1.toml" 2>"$work/$1.log" &
    server=$!
    servers="$servers $server"
    await_url "$work/$1.log"
}

serve_wasmtime() { # OPTIONS...: sets url
    log=$work/wasmtime.$#
    "$wasmtime" serve -S cli --addr 127.0.0.1:0 "$@" \
        "$build/bench/bench-hello.wasm" 2>"$log" &
    servers="$servers $!"
    await_url "$log"
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
for _ in 1 2 3; do # in turn, so that what else the machine does meets both
    "$build/bench/bench-idle" "${hello##*:}" "$hello_server" $((scale * 1000))
done >"$calls"
row "http: an idle connection, of $((scale * 1000))" \
    "$(awk -F '\t' '$1 == "each" { printf "%.1f", $4 / 1024; exit }' "$calls")" KiB 20 le
row "http: a request of another one meanwhile, to one before" \
    "$(awk -F '\t' '{ t[$1] += $4 } END { printf "%.2f", t["meanwhile"] / t["before"] }' "$calls")" x 1.25 le
stop_servers

# A component whose neighbour loops: alone, and with a hundred of those requests.
{
    printf 'slight = 1\nname = "bench"\n'
    for name in hello looping; do
        printf '[[component]]\nname = "%s"\nsource = "%s"\n[[trigger]]\ntype = "http"\ncomponent = "%s"\nlisten = "127.0.0.1:0"\nroute = "/%s"\n' \
            "$name" "$build/bench/bench-$name.wasm" "$name" "$name"
        printf 'timeout = "5m"\n'
    done
} >"$work/looping.toml"
"$build/slight" run "$work/looping.toml" --grace 1s 2>"$work/looping.log" &
servers="$servers $!"
await_url "$work/looping.log"
: >"$calls"
for _ in 1 2 3; do echo "before $(load "$url/hello" 16)" >>"$calls"; done
for _ in $(seq 100); do
    curl -s -m 300 -o /dev/null "$url/looping" &
    servers="$servers $!"
done
sleep 1
for _ in 1 2 3; do echo "beside $(load "$url/hello" 16)" >>"$calls"; done
row "http: hello beside 100 requests that loop, p99" "$(best beside 2)" ms 25 le
row "http: that, to hello before, 16 connections" \
    "$(ratio "$(best beside 1)" "$(best before 1)")" x
stop_servers
