# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced behind lib.sh: a Redis of the test's own, which it may stop and kill.

free_port() {
    "$HERE/../services/free_port.sh"
}

server_ready() {
    redis-cli -s "$SERVER_FOLDER/socket" ping 2>/dev/null | grep -q PONG
}

# server_start FOLDER --port|--tls-port PORT [OPTIONS...]: sets SERVER, its
# process, and SERVER_PORT.
server_start() {
    SERVER_FOLDER=$1
    SERVER_PORT=$3
    shift
    mkdir -p "$SERVER_FOLDER"
    redis-server --bind 127.0.0.1 "$@" --save "" --appendonly no \
        --dir "$SERVER_FOLDER" --unixsocket "$SERVER_FOLDER/socket" \
        >"$SERVER_FOLDER/log" 2>&1 </dev/null &
    SERVER=$!
    PIDS="$PIDS $SERVER"
    wait_for server_ready
}
