# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by every service's script, which sets NAME, defines `launch` (calls
# spawn, with the existing data and ports, if any), `ready` (succeeds once the
# server answers and is set up), `describe` (prints the environment for tests) and
# `tell` (the service's own client, as its administrator), and ends with
# `service_main "$@"`.
#
# `ready` is called again until it succeeds, so that each of its steps may be
# repeated.  It runs without errexit: it must fail itself where a step failed, and
# a step that failed or timed out may have been done.
#
#     tests/services/NAME.sh start FOLDER     without data
#     tests/services/NAME.sh stop FOLDER
#     tests/services/NAME.sh kill FOLDER      as kill -9
#     tests/services/NAME.sh restart FOLDER   after kill, with its data
#     tests/services/NAME.sh status FOLDER
#     tests/services/NAME.sh ended FOLDER     its log's end, if it ended by itself
#     tests/services/NAME.sh tell FOLDER WORDS...
#
# The server's data, log and process id are in FOLDER/NAME, its certificates in
# FOLDER/certs, what tests need to know in FOLDER/NAME.env.  SL_TEST_CERT is the
# certificate that it shows (certs.sh); with SL_TEST_DURABLE=1 what it
# acknowledges is on disk.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
HOST=127.0.0.1
PASSWORD=slight-test-password # of every service
CERT=${SL_TEST_CERT:-server}
SAVED=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services/data
# Limits against what hangs; a busy machine stays far below them.
START_SECONDS=900 STOP_SECONDS=120

# When the process began; nothing where it has no thread any more. The first of
# them may be a zombie while others still hold its ports.
started_at() {
    local stat line fields since=
    for stat in "/proc/$1/stat" "/proc/$1"/task/*/stat; do
        read -r line 2>/dev/null <"$stat" || continue
        read -r -a fields <<<"${line##*) }"
        since=${since:-${fields[19]}}
        case ${fields[0]} in Z | X) ;; *) echo "$since"; return ;; esac
    done
}

# In a session of its own, and known by its id and the time it started, so that
# no other process that has the id later is taken for it.
spawn() {
    rm -f "$DIR/killed"
    setsid nohup "$@" >>"$DIR/log" 2>&1 </dev/null 9>&- &
    echo "$! $(started_at $!)" >"$DIR/pid"
}

alive() {
    [ -f "$DIR/pid" ] || return 1
    read -r pid began <"$DIR/pid" || return 1
    [ -n "$began" ] && [ "$(started_at "$pid")" = "$began" ]
}

# fill_data VERSION: put what the service's `make_data` makes into $DATA.  That
# takes seconds, so that it is done once for each version of a server, and copied
# from then on.
fill_data() {
    [ -n "$1" ] || { echo "$NAME: the version of the server is unknown" >&2; return 1; }
    kept=$SAVED/$NAME-$(echo "$1 $PASSWORD $(declare -f make_data)" | cksum | cut -d ' ' -f 1)
    rm -rf "$DATA"
    if [ -d "$kept" ]; then
        cp -a "$kept" "$DATA"
        return
    fi
    make_data || return 1
    (umask 077; mkdir -p "$SAVED")
    # Another start may have been first; and where there is no room for it, the
    # next one makes its own.
    { cp -a "$DATA" "$kept.$$" && mv -T "$kept.$$" "$kept"; } 2>/dev/null ||
        rm -rf "$kept.$$"
}

listens() {
    (exec 3<>"/dev/tcp/$HOST/$1") 2>/dev/null
}

# ports NAME...: set each variable to a port, the same as before where the server
# has run already.
ports() {
    # shellcheck disable=SC1091 # written below
    [ ! -f "$DIR/ports" ] || . "$DIR/ports"
    [ $# -gt 0 ] || return 0
    for port_name in "$@"; do
        eval "[ -n \"\${$port_name:-}\" ]" || eval "$port_name=$("$HERE/free_port.sh")"
        eval "echo $port_name=\$$port_name"
    done >"$DIR/ports"
}

# A client is run no sooner than it can connect.
wait_ready() {
    local give_up=$((SECONDS + START_SECONDS))
    until listens "$PORT" && ready >"$DIR/ready.log" 2>&1; do
        if ! alive || [ "$SECONDS" -gt "$give_up" ]; then
            echo "$NAME does not start; the ends of $DIR/log and $DIR/ready.log:" >&2
            tail -n 20 "$DIR/log" "$DIR/ready.log" >&2
            return 1
        fi
        sleep 0.1
    done
}

# Wait until the server's process is gone.
wait_gone() {
    local give_up=$((SECONDS + STOP_SECONDS))
    while alive && [ "$SECONDS" -le "$give_up" ]; do
        sleep 0.05
    done
    ! alive
}

end() {
    kill -9 "$pid"
}

# What is elsewhere than in $FOLDER.
forget() { :; }

# Its data are not needed any more.
stop() {
    ! alive || { end; wait_gone; }
    forget
    rm -f "$DIR/pid" "$FOLDER/$NAME.env"
}

# Where it ends by itself it is started again, twice: of one that was killed the
# ports may not be free yet, and MariaDB 10.11.19 now and then fails an assertion
# of its own after a kill -9 (trx0purge.cc: flst_add_first).
up() {
    starts=1
    launch
    until wait_ready; do
        if alive || [ "$starts" -eq 3 ]; then
            stop
            return 1
        fi
        starts=$((starts + 1))
        sleep 1
        launch
    done
    describe >"$FOLDER/$NAME.env"
    echo "$NAME is up; see $FOLDER/$NAME.env"
}

service_main() {
    FOLDER=${2:?usage: $0 start|stop|kill|restart|status|ended|tell FOLDER}
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
        up
        ;;
    stop) stop ;;
    kill)
        touch "$DIR/killed"
        ! alive || { kill -9 "$pid"; wait_gone; }
        ;;
    restart) up ;;
    status) alive && ready >/dev/null && echo "$NAME is up" ;;
    ended)
        alive || [ ! -f "$DIR/pid" ] || [ -f "$DIR/killed" ] || {
            echo "$NAME has ended by itself; the end of $DIR/log:"
            tail -n 20 "$DIR/log"
        }
        ;;
    tell)
        ports
        shift 2
        tell "$@"
        ;;
    *) echo "usage: $0 start|stop|kill|restart|status|ended|tell FOLDER" >&2; return 2 ;;
    esac
}
