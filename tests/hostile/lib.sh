# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by every script of this folder: one attacker, one victim, one probe.
# Beside the words of ../e2e/lib.sh and ../e2e/serving.sh:
#
#     victim                  prints the tables of a manifest that every case has:
#                             the component "victim", the trigger that calls it, and
#                             the management listener
#     app                     prints what a manifest begins with, and the victim
#     called NAME WASM HOST [LINES...]    prints a component with these lines, and
#                             the trigger that calls it at a port of this host; what
#                             is printed behind it is the trigger's
#     resource NAME TYPE [LINES...]       prints a resource
#     serve_hostile ARGS...   run app.toml; $VICTIM, $HEALTH, and $ATTACKER (of the
#                             component "attacker", if it has an http trigger) are
#                             addresses
#     probe_start [PATH]      from now on the victim (/hello) and /healthz are
#                             watched
#     probe_for COUNT         waits until the victim was asked so often more: a
#                             hundred a second, where it answers at once
#     probe_stop              until now; fails where a neighbour would have noticed
#     rss_below MIB           the most memory that slight ever had is below that
#     metric NAME             prints the value of a metric, by its name and labels
#     answering ADDRESS COUNT so many requests are being answered there
#
# Environment, beside that of ../e2e: SL_TEST_PROBE, the program; SL_TEST_HOSTILE,
# the folder of the attackers; SL_TEST_SANITIZED, not empty where memory is not
# that of a release.
. "$(dirname "$0")/../e2e/lib.sh"
. "$HERE/../e2e/serving.sh"

victim() {
    cat <<END
[management]
listen = "127.0.0.1:0"
[[component]]
name = "victim"
source = "$SL_TEST_GUESTS/e2e-http.wasm"
[[trigger]]
type = "http"
component = "victim"
listen = "127.0.0.3:0"
END
}

app() {
    printf 'slight = 1\nname = "app"\n'
    victim
}

called() {
    printf '[[component]]\nname = "%s"\nsource = "%s"\n' "$1" "$2"
    name=$1 host=$3
    shift 3
    [ $# -eq 0 ] || printf '%s\n' "$@"
    printf '[[trigger]]\ntype = "http"\ncomponent = "%s"\nlisten = "%s:0"\n' \
        "$name" "$host"
}

resource() {
    printf '[[resource]]\nname = "%s"\ntype = "%s"\n' "$1" "$2"
    shift 2
    [ $# -eq 0 ] || printf '%s\n' "$@"
}

# The address of a listener, which each has a host of its own.
address_at() {
    sed -n "s|.*[ \"]\(http://$1:[0-9]*\).*|\1|p" served | head -n 1
}

serve_hostile() {
    serve app.toml "$@"
    wait_for grep -q 'http://127.0.0.3:' served
    wait_for grep -q 'management http://127.0.0.1:' served
    VICTIM=$(address_at 127.0.0.3)
    # shellcheck disable=SC2034 # for the scripts
    ATTACKER=$(address_at 127.0.0.2)
    HEALTH=$(address_at 127.0.0.1)
}

probe_start() {
    rm -f probe-stop
    : >probe-count
    "$SL_TEST_PROBE" "$VICTIM${1:-/hello}" "$HEALTH/healthz" probe-stop probe-count \
        "$SERVER" >probed 2>&1 &
    PROBE=$!
    PIDS="$PIDS $PROBE"
}

probe_for() {
    WHAT="the probe"
    enough=$(($(wc -c <probe-count) + $1))
    has_asked() { [ "$(wc -c <probe-count)" -ge "$enough" ]; }
    wait_for has_asked
}

probe_stop() {
    WHAT="the neighbours"
    : >probe-stop
    wait "$PROBE" || fail "noticed: $(cat probed)"
    cat probed
}

# Sanitizers need several times the memory: nothing is known of it then.
rss_below() {
    WHAT="the memory of slight"
    kib=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$SERVER/status")
    echo "at most $((kib / 1024)) MiB resident"
    [ -n "$SL_TEST_SANITIZED" ] || [ "$kib" -lt $(($1 * 1024)) ] ||
        fail "$kib KiB, more than $1 MiB"
}

metric() {
    curl -s -m 300 "$HEALTH/metrics" | sed -n "s|^$1 ||p"
}

answering() {
    [ "$(metric "slight_http_requests{address=\"$1\"}")" = "$2" ]
}
