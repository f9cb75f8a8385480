# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by every service's script, which sets NAME, defines `launch` (calls
# spawn; with the data and ports that are there, if any), `ready` (succeeds once
# the server answers), `describe` (prints the environment for tests) and `tell`
# (the service's own client, as its administrator), and ends with
# `service_main "$@"`:
#
#     tests/services/NAME.sh start FOLDER     with no data
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

# fill_data VERSION: what the service's `make_data` puts into $DATA takes seconds,
# so that each version of a server does it once on a machine; then it is copied.
fill_data() {
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
    tries=0
    until listens "$PORT" && ready >/dev/null 2>&1; do
        tries=$((tries + 1))
        if ! alive || [ "$tries" -gt 3000 ]; then
            echo "$NAME does not start; the end of $DIR/log:" >&2
            tail -n 20 "$DIR/log" >&2
            return 1
        fi
        sleep 0.1
    done
}

# until_gone SECONDS: the server's process is.
until_gone() {
    tries=$(($1 * 20))
    while alive && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.05
    done
    ! alive
}

end() {
    kill -9 "$pid"
}

# What is elsewhere than in $FOLDER.
forget() { :; }

# At once: nobody wants its data any more.
stop() {
    ! alive || { end; until_gone 10; }
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
        ! alive || { kill -9 "$pid"; until_gone 10; }
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
