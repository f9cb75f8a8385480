#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# etcd with passwords, on a plain port and on one with TLS.  The administrator is
# `root`, whom `tell` is (etcdctl's arguments); tests are `slight`, who may read
# and write all keys and nothing else.
#
# SL_TEST_ETCD_CLIENTS=1: the port with TLS wants its clients' certificates.
# SL_TEST_ETCD_ARGS: more arguments of etcd.
# SL_TEST_ETCD_CLUSTER="a=PORT b=PORT c=PORT", SL_TEST_ETCD_MEMBER=a: one of a
# cluster, by the ports at which its members talk to each other; without users.
NAME=${NAME:-etcd}
. "$(dirname "$0")/common.sh"

# The folder of etcd and etcdctl, which are built if they are missing.
binaries() {
    [ "$NAME" = etcd ] || { echo /usr/bin; return; } # Debian's
    [ -s "$DIR/binaries" ] ||
        "$HERE/../../scripts/services/etcd.sh" >"$DIR/binaries" || return 1
    cat "$DIR/binaries"
}

launch() {
    ports PORT TLS_PORT PEER_PORT
    member=${SL_TEST_ETCD_MEMBER:-one}
    cluster=
    for pair in ${SL_TEST_ETCD_CLUSTER:-one=$PEER_PORT}; do
        cluster=$cluster${cluster:+,}${pair%=*}=http://$HOST:${pair#*=}
        [ "${pair%=*}" != "$member" ] || PEER_PORT=${pair#*=}
    done
    folder=$(binaries) || return 1
    set --
    if [ -z "${SL_TEST_DURABLE:-}" ] && "$folder/etcd" --help 2>&1 | grep -q unsafe-no-fsync; then
        set -- --unsafe-no-fsync
    fi
    # shellcheck disable=SC2086 # words are meant
    set -- "$@" ${SL_TEST_ETCD_ARGS:-}
    [ -z "${SL_TEST_ETCD_CLIENTS:-}" ] || set -- "$@" --client-cert-auth --trusted-ca-file "$CERTS/ca.pem"
    # Each connection logs in, with a password that nobody guesses here.
    spawn "$folder/etcd" --name "$member" --data-dir "$DIR/data" --bcrypt-cost 4 \
        --listen-client-urls "http://$HOST:$PORT,https://$HOST:$TLS_PORT" \
        --advertise-client-urls "http://$HOST:$PORT" \
        --listen-peer-urls "http://$HOST:$PEER_PORT" \
        --initial-advertise-peer-urls "http://$HOST:$PEER_PORT" \
        --initial-cluster "$cluster" \
        --cert-file "$CERTS/$CERT.pem" --key-file "$CERTS/$CERT.key" "$@"
}

ctl() {
    "$(binaries)/etcdctl" --endpoints "http://$HOST:$PORT" \
        --dial-timeout 20s --command-timeout 60s "$@"
}

tell() {
    if [ -n "${SL_TEST_ETCD_CLUSTER:-}" ]; then
        ctl "$@"
    else
        ctl --user "root:$PASSWORD" "$@"
    fi
}

# The users exist once it is ready for the first time.
ready() {
    ports
    if [ -n "${SL_TEST_ETCD_CLUSTER:-}" ]; then # the others may not be up yet
        (exec 3<>"/dev/tcp/$HOST/$PORT")
        return
    fi
    has_users || { make_users && has_users; } || return 1
    tell get x
}

# Authentication is enabled last, so that all users exist where the server refuses
# a client without one.  Another error, such as a timeout, tells nothing.
has_users() {
    ctl get x 2>&1 | grep -q 'user name is empty'
}

make_users() {
    once user add "root:$PASSWORD" && once user grant-role root root &&
        once role add keys && once role grant-permission keys --prefix=true readwrite "" &&
        once user add "slight:$PASSWORD" && once user grant-role slight keys &&
        once auth enable
}

# etcdctl, for a step that may have been done before.
once() {
    local said
    said=$(ctl "$@" 2>&1) && return
    case $said in
    *already*) ;;
    *) echo "$said"; return 1 ;;
    esac
}

describe() {
    name=$(echo "$NAME" | tr 'a-z.-' 'A-Z__')
    cat <<END
SL_TEST_${name}_PORT=$PORT
SL_TEST_${name}_TLS_PORT=$TLS_PORT
SL_TEST_${name}_USER=slight
SL_TEST_${name}_PASSWORD=$PASSWORD
SL_TEST_${name}_URL=http://$HOST:$PORT
SL_TEST_${name}_TLS_URL=https://localhost:$TLS_PORT
SL_TEST_CA=$CERTS/ca.pem
END
}

service_main "$@"
