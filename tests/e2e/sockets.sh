#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sockets of components: nothing without allowed-sockets, and with it what an entry
# names, as it is found when the socket connects.
. "$(dirname "$0")/lib.sh"

cp "$SL_TEST_GUESTS/e2e-sockets.wasm" sockets.wasm

# Two listeners of TCP and one of UDP; the system chooses their ports.
mkfifo never
/usr/bin/python3 - 9<>never >ports <<'END' &
import socket
kept = []
for kind in (socket.SOCK_STREAM, socket.SOCK_STREAM, socket.SOCK_DGRAM):
    one = socket.socket(socket.AF_INET, kind)
    one.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        one.listen(64)
    kept.append(one)
print(*(one.getsockname()[1] for one in kept), flush=True)
open(9, "rb").read()
END
PIDS="$PIDS $!"
wait_for test -s ports
read -r port other udp <ports

# granted ENTRIES: a manifest with these.
granted() {
    {
        printf 'slight = 1\nname = "sockets"\n\n[component]\nsource = "sockets.wasm"\n'
        [ -z "$1" ] || printf 'allowed-sockets = [%s]\n' "$1"
    } >slightfile.toml
}

# tries WORD=END...: each word ends so, in one run.
tries() {
    : >wanted
    words=
    for pair in "$@"; do
        echo "${pair%=*}: ${pair##*=}" >>wanted
        words="$words ${pair%=*}"
    done
    # shellcheck disable=SC2086 # words have no spaces
    slight 0 run . -- $words
    cmp -s wanted out || {
        fail "not as expected:"
        diff wanted out
    }
}

# --- Nothing by default ---
granted ''
tries "tcp=127.0.0.1:$port=denied" "tcp2=127.0.0.1:$port=denied" \
    "udp=127.0.0.1:$udp=denied" "udp2=127.0.0.1:$udp=denied" \
    "bind=127.0.0.1:0=denied" "listen=127.0.0.1:0=denied" \
    "name=localhost=denied" "name2=localhost=denied"
says err "socket-denied"
says err "allowed-sockets"

# --- An address and a port, of one protocol ---
granted "\"tcp://127.0.0.1:$port\""
tries "tcp=127.0.0.1:$port=ok" "tcp2=127.0.0.1:$port=ok" \
    "tcp=127.0.0.1:$other=denied" "tcp2=127.0.0.1:$other=denied" \
    "tcp=127.0.0.2:$port=denied" "udp=127.0.0.1:$udp=denied" \
    "bind=127.0.0.1:0=ok" "bind=127.0.0.1:$other=denied" \
    "listen=127.0.0.1:0=denied" "name=example.com=denied"
granted "\"udp://127.0.0.1:$udp\""
tries "udp=127.0.0.1:$udp=ok" "udp2=127.0.0.1:$udp=ok" "udp=127.0.0.1:$other=denied" \
    "tcp=127.0.0.1:$port=denied"

# --- Every host is every host of the public internet ---
granted '"tcp://*:*", "udp://*:*"'
tries "tcp=127.0.0.1:$port=denied" "tcp2=127.0.0.1:$port=denied" \
    "tcp=169.254.169.254:80=denied" "tcp=10.0.0.1:80=denied" \
    "tcp=[::1]:$port=denied" "tcp=[64:ff9b::a9fe:a9fe]:80=denied" \
    "tcp=[2002:7f00:1::]:$port=denied" "tcp=[fd00:ec2::254]:80=denied" \
    "udp=127.0.0.1:$udp=denied" "udp=169.254.169.254:53=denied" \
    "listen=127.0.0.1:0=denied"
# WASI has no mapped addresses, and none without a host.
for hostile in "[::ffff:127.0.0.1]:$port" "[::ffff:169.254.169.254]:80" "0.0.0.0:$port" "[::]:$port"; do
    slight 0 run . -- "tcp=$hostile" "tcp2=$hostile" "udp=$hostile"
    lacks out ": ok"
done

# --- A name: looked up first, and checked again at its address ---
granted "\"tcp://localhost:$port\""
tries "tcp=127.0.0.1:$port=denied" "name=localhost=ok" "tcp=@:$port=ok" \
    "tcp=@:$other=denied" "tcp=127.0.0.2:$port=denied"
tries "name2=localhost=ok" "tcp2=@:$port=ok" "tcp2=@:$other=denied"
for hostile in localhost.example.com example.localhost 'local%68ost' 'xlocalhost'; do
    slight 0 run . -- "name=$hostile" "name2=$hostile"
    lacks out ": ok"
done
# One that leads to this machine, where no entry says so.
granted "\"tcp://*:$port\""
tries "name=localhost=ok" "tcp=@:$port=denied" "name2=localhost=ok" \
    "tcp2=@:$port=denied"
granted "\"tcp://*:$port\", \"127.0.0.0/8\", \"::1/128\""
tries "name=localhost=ok" "tcp=127.0.0.1:$port=ok" "tcp=127.0.0.1:$other=denied"

# --- Listening ---
granted '"tcp-listen://127.0.0.1:0"'
tries "listen=127.0.0.1:0=ok" "listen=127.0.0.2:0=denied" "listen=0.0.0.0:0=denied" \
    "listen=127.0.0.1:$other=denied" "tcp=127.0.0.1:$port=denied"
slight 0 check
says out "sockets to tcp-listen://127.0.0.1:0"

# --- Wrong entries ---
granted '"tcp://db.example.com", "http://a", "tcp-listen://db.example.com:1", "udp://:1", "tcp://a:b"'
slight 3 check
is err <<END
slightfile.toml:6:20: error: "allowed-sockets": expected : and a port after the host
slightfile.toml:6:44: error: "allowed-sockets": expected tcp://, udp://, tcp-listen:// or udp-listen:// and a host, or a range of addresses such as 10.0.0.0/8
slightfile.toml:6:56: error: "allowed-sockets": expected an address of this machine, or *, to listen at
slightfile.toml:6:89: error: "allowed-sockets": expected a name, an address, *.name for all names below it, or *; without a user, path or query
slightfile.toml:6:101: error: "allowed-sockets": expected a port from 1 to 65535, or * for every port
END

finish
