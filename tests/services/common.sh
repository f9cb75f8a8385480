# SPDX-License-Identifier: Apache-2.0
# Sourced by every service's script, which sets NAME, defines `launch` (calls
# spawn), `ready` (succeeds once the server answers) and `describe` (prints the
# environment for tests), and ends with `service_main "$@"`:
#
#     tests/services/NAME.sh start|stop|status FOLDER
#
# The server's data, log and process id are in FOLDER/NAME, its certificates in
# FOLDER/certs, what tests need to know in FOLDER/NAME.env.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
HOST=127.0.0.1

started_at() {
    sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
}

# In a session of its own, and known by its id and the time it started, so that
# no other process that has the id later is taken for it.
spawn() {
    setsid nohup "$@" >>"$DIR/log" 2>&1 </dev/null 9>&- &
    echo "$! $(started_at $!)" >"$DIR/pid"
}

alive() {
    [ -f "$DIR/pid" ] || return 1
    read -r pid since <"$DIR/pid" || return 1
    [ -n "$since" ] && [ "$(started_at "$pid")" = "$since" ]
}

# A port of the loopback interface that nothing listens on.
free_port() {
    while :; do
        port=$(shuf -i 20000-32000 -n 1)
        ! (exec 3<>"/dev/tcp/$HOST/$port") 2>/dev/null || continue
        echo "$port"
        return
    done
}

wait_ready() {
    tries=0
    until ready >/dev/null 2>&1; do
        tries=$((tries + 1))
        if ! alive || [ "$tries" -gt 300 ]; then
            echo "$NAME does not start; the end of $DIR/log:" >&2
            tail -n 20 "$DIR/log" >&2
            return 1
        fi
        sleep 0.1
    done
}

stop() {
    if alive; then
        kill "$pid"
        tries=0
        while alive && [ "$tries" -lt 100 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
        ! alive || kill -9 "$pid"
    fi
    rm -f "$DIR/pid" "$FOLDER/$NAME.env"
}

service_main() {
    FOLDER=${2:?usage: $0 start|stop|status FOLDER}
    mkdir -p "$FOLDER"
    FOLDER=$(cd "$FOLDER" && pwd)
    DIR=$FOLDER/$NAME
    CERTS=$FOLDER/certs
    case $1 in
    start)
        if alive && ready >/dev/null 2>&1; then
            return 0
        fi
        stop
        rm -rf "$DIR"
        mkdir -p "$DIR"
        "$HERE/certs.sh" "$CERTS"
        launch
        wait_ready || { stop; return 1; }
        describe >"$FOLDER/$NAME.env"
        echo "$NAME is up; see $FOLDER/$NAME.env"
        ;;
    stop) stop ;;
    status) alive && ready >/dev/null && echo "$NAME is up" ;;
    *) echo "usage: $0 start|stop|status FOLDER" >&2; return 2 ;;
    esac
}
