#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A component that is small and takes the compiler minutes and gigabytes: slight
# ends it at a limit, and says which; a signal ends slight meanwhile.
. "$(dirname "$0")/lib.sh"

# Nothing of it is kept, and nothing is there already.
export SLIGHT_CACHE_DIR=off
"$SL_TEST_HOSTILE/hostile-bomb" loops 4000 >loops.wasm
"$SL_TEST_HOSTILE/hostile-bomb" targets 110 >targets.wasm
holds test "$(wc -c <loops.wasm)" -lt 65536

# The most that a process of $1's or one of its children ever had, in KiB, while
# it runs.
watch_memory() {
    most=0
    while ! ended "$1"; do
        for one in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
            kib=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' \
                "/proc/$one/status" 2>/dev/null)
            [ "${kib:-0}" -le "$most" ] || most=$kib
        done
        sleep 0.05
    done
}

# limited MIB TEXT ARGS...: it ends with 4 and says so, and neither process ever
# has more memory.
limited() {
    most_mib=$1 text=$2
    shift 2
    WHAT="slight $*"
    rm -f out err
    "$SLIGHT" "$@" >out 2>err &
    pid=$!
    PIDS="$PIDS $pid"
    watch_memory "$pid"
    wait "$pid"
    got=$?
    [ $got -eq 4 ] || fail "exit code $got, expected 4"
    says err "$text"
    no_insides
    echo "slight $*: at most $((most / 1024)) MiB"
    [ -n "$SL_TEST_SANITIZED" ] || [ "$most" -lt $((most_mib * 1024)) ] ||
        fail "$most KiB, more than $most_mib MiB"
}

time_text='compiling it takes more time than compile-timeout allows (3s); raise it in [component] of the manifest, or by --compile-timeout'
memory_text='compiling it takes more memory than compile-memory allows (256MiB); raise it in [component] of the manifest, or by --compile-memory'
for command in check run; do
    limited 2200 "error: loops.wasm: $time_text" \
        $command loops.wasm --compile-timeout 3s
    limited 400 "error: loops.wasm: $memory_text" \
        $command loops.wasm --compile-memory 256MiB
done
# What is slow before anything is compiled.
limited 400 "error: targets.wasm: $time_text" check targets.wasm --compile-timeout 3s

# The same by the manifest, whose components are compiled one after the other.
cat >app.toml <<END
slight = 1
name = "app"
[[component]]
name = "a"
source = "$GUEST"
[[component]]
name = "b"
source = "loops.wasm"
compile-timeout = "3s"
[[trigger]]
type = "http"
component = "a"
listen = "127.0.0.1:0"
END
limited 2200 "error: loops.wasm: $time_text" run app.toml
sed -i 's/compile-timeout = .*/max-size = "32KiB"/' app.toml
slight 4 check app.toml
says err "loops.wasm: larger than 32768 bytes; raise max-size in [component]"

# Both signals end it at once, and nothing stays behind.  The log tells what it
# is that takes so long.
interrupted TERM 143 'event=compiling file=loops.wasm' check loops.wasm --compile-timeout 100s
interrupted INT 130 'event=compiling file=loops.wasm' run loops.wasm --compile-timeout 100s
lacks err event=compile-end

# Whoever is killed takes the compiler along.
WHAT="SIGKILL"
rm -f out err
"$SLIGHT" check targets.wasm >out 2>err &
pid=$!
PIDS="$PIDS $pid"
wait_for grep -qs 'event=compiling' err
child=$(cat "/proc/$pid/task/$pid/children")
holds grep -q compile-child "/proc/${child% }/cmdline"
kill -9 "$pid"
wait "$pid"
wait_for ended "${child% }"

# It has no more than it needs: three streams, no variables.
WHAT="the process that compiles"
rm -f out err
SECRET=hidden "$SLIGHT" check targets.wasm >out 2>err &
pid=$!
PIDS="$PIDS $pid"
wait_for grep -qs 'event=compiling' err
child=$(cat "/proc/$pid/task/$pid/children")
child=${child% }
holds test "$(ls "/proc/$child/fd" | tr '\n' ' ')" = "0 1 2 "
cp "/proc/$child/environ" environ
lacks environ SECRET
holds grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$child/status"
holds grep -q '^Max core file size *0' "/proc/$child/limits"
kill -9 "$child"
wait "$pid"
says err "targets.wasm: compiling it was ended from outside (SIGKILL)"

# Without /proc the child is a fork: the same limits, the same words.  (The
# library is none for a program that a sanitizer watches.)
if [ -z "$SL_TEST_SANITIZED" ]; then
    printf '#!/bin/sh\nLD_PRELOAD="%s/libnoproc.so" exec "%s" "$@"\n' \
        "$SL_TEST_HOSTILE" "$SLIGHT" >without-proc
    chmod +x without-proc
    with_proc=$SLIGHT SLIGHT=./without-proc
    limited 2200 "error: loops.wasm: $time_text" check loops.wasm --compile-timeout 3s
    limited 400 "error: loops.wasm: $memory_text" check loops.wasm --compile-memory 256MiB
    slight 0 run "$GUEST" -- args without /proc
    says out /proc
    WHAT="the process that compiles, without /proc"
    rm -f out err
    "$SLIGHT" check targets.wasm >out 2>err &
    pid=$!
    PIDS="$PIDS $pid"
    wait_for grep -qs 'event=compiling' err
    child=$(cat "/proc/$pid/task/$pid/children")
    child=${child% }
    holds [ -n "$child" ]
    lacks "/proc/$child/cmdline" compile-child
    kill -TERM "$pid"
    wait "$pid"
    wait_for ended "$child"
    SLIGHT=$with_proc
fi

# After it has compiled, slight has the memory back, also of what took much.
WHAT="memory after the first compilation"
"$SL_TEST_HOSTILE/hostile-bomb" functions 1500 >loops.wasm
sed -e '/max-size/d' \
    -e "s|$GUEST|$SL_TEST_GUESTS/e2e-http.wasm|" app.toml >served.toml
serve served.toml
get 200 /hello
kib=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$SERVER/status")
echo "$((kib / 1024)) MiB after compiling"
[ -n "$SL_TEST_SANITIZED" ] || [ "$kib" -lt $((40 * 1024)) ] ||
    fail "$kib KiB, more than 40 MiB"
stop TERM 0
finish
