#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Operators' questions are answered whatever others do at the management listener:
# connections that say nothing, or one byte a second, from one address; requests
# that take their time; pages of other sites that ask by their own name.  And what
# came from the environment is told to nobody.
. "$(dirname "$0")/lib.sh"

export SL_TEST_URL="redis://someone:hidden@no-such-host.invalid:6379/3"
{
    printf 'slight = 1\nname = "app"\n'
    victim | sed 's/^listen = "127.0.0.1:0"/&\nallowed-hosts = ["slight.example"]/'
    cat <<'END'
[[resource]]
name = "values"
type = "kv.redis"
url = "${env:SL_TEST_URL}"
timeout = "1s"
[[component]]
name = "attacker"
source = "api.wasm"
resources = ["values"]
[[trigger]]
type = "http"
component = "attacker"
listen = "127.0.0.2:0"
max-connections-per-peer = 4
END
} >app.toml
cp "$SL_TEST_GUESTS/http-kv-c.wasm" api.wasm
serve_hostile --log-level info

# --- 300 connections of one address, of all kinds at once; and new ones all the
# while in the place of those that were closed.
cat >hold.py <<'END'
import socket, sys, time
host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
kinds = [b"", b"GET /healthz HTTP/1.1\r\nHost: x", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]
def begin(kind):
    one = socket.create_connection((host, int(port)), 300)
    one.setblocking(False)
    try:
        one.send(kinds[kind])
    except OSError:
        pass
    return one
held = [begin(n % 3) for n in range(300)]
print("held", flush=True)
while True:
    for n, one in enumerate(held):
        try:
            if n % 3 == 1:
                one.send(b"x")
            if one.recv(4096) == b"":
                raise ConnectionError
        except BlockingIOError:
            pass
        except OSError:
            one.close()
            if n % 10 == 0:
                held[n] = begin(n % 3)
    time.sleep(1)
END
probe_start
/usr/bin/python3 hold.py "$HEALTH" >held 2>&1 &
HOLD=$!
PIDS="$PIDS $HOLD"
wait_for grep -q held held
sleep 8
WHAT="whoever holds the connections"
holds kill -0 "$HOLD"
open=$(metric 'process_threads')
holds test -n "$open"
probe_stop
kill "$HOLD"

# --- Slow questions: more than are answered at once. /healthz is beside them.
probe_start
curl -s -m 300 -Z --parallel-immediate --parallel-max 24 -o slow "$HEALTH/readyz?[1-96]" &
PIDS="$PIDS $!"
sleep 6
probe_stop

# --- A page of another site.
URL=$HEALTH
PORT=${HEALTH##*:}
get 421 /metrics -H 'Host: evil.example'
says body "allowed-hosts"
lacks body slight_
get 421 /metrics -H "Host: localhost.evil.example:$PORT"
get 421 /healthz -H 'Host: 127.1'
get 200 /metrics -H "Host: localhost:$PORT"
get 200 /metrics -H "Host: [::1]:$PORT"
get 200 /metrics -H 'Host: 10.1.2.3:9090'
get 200 /metrics -H 'Host: slight.example'
get 421 /metrics --request-target "http://evil.example/metrics"

# --- What came from the environment.
get 503 /readyz
says body 'resource "values"'
URL=$ATTACKER
get 503 /apple
WHAT="what came from the environment"
for file in body served served.out; do
    for word in someone hidden no-such-host; do
        lacks "$file" "$word"
    done
done
curl -s "$HEALTH/readyz" >body
for word in someone hidden no-such-host; do
    lacks body "$word"
done

# --- A public listener, whose peers have a limit.
WHAT="more connections than one address may have"
cat >many.py <<'END'
import socket, sys
host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
held = []
for n in range(6):
    one = socket.create_connection((host, int(port)), 300)
    one.settimeout(300)
    held.append(one)
    if n < 4:
        one.send(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(5) == b"HTTP/", n
    else:
        try:
            one.send(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.recv(5) == b"", n
        except ConnectionError:
            pass
END
holds /usr/bin/python3 many.py "$ATTACKER"
rss_below 200
stop TERM 0
finish
