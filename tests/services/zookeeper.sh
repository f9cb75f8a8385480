#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ZooKeeper on a plain port and on one with TLS.  Below /slight-test only its
# user may do anything: by ZooKeeper's digest, or by SASL DIGEST-MD5.
# scripts/services/zookeeper.sh gets it.
#
# SL_TEST_ENSEMBLE="ID SERVER SERVER SERVER", each SERVER two ports, "A:B": one
# server of an ensemble.  SL_TEST_CLIENT_AUTH: none, want or need a client's
# certificate.  SL_TEST_ZOOKEEPER_TICK: milliseconds, in place of the default.
NAME=zookeeper
. "$(dirname "$0")/common.sh"

ENSEMBLE=${SL_TEST_ENSEMBLE:-} # ID SERVER SERVER SERVER
LIB=$("$HERE/../../scripts/services/zookeeper.sh")
. "$HERE/java.sh"

# What ZooKeeper has in place of a password: NAME:HASH.
digest() {
    echo "$1:$(printf '%s:%s' "$1" "$PASSWORD" | openssl dgst -sha1 -binary | base64)"
}

config() {
    cat <<END
tickTime=${SL_TEST_ZOOKEEPER_TICK:-2000}
dataDir=$DIR/data
clientPort=$PORT
clientPortAddress=$HOST
secureClientPort=$TLS_PORT
secureClientPortAddress=$HOST
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.location=$DIR/server.pem
ssl.keyStore.type=PEM
ssl.trustStore.location=$CERTS/ca.pem
ssl.trustStore.type=PEM
ssl.clientAuth=${SL_TEST_CLIENT_AUTH:-want}
admin.enableServer=false
4lw.commands.whitelist=*
maxClientCnxns=0
enforceQuota=true
forceSync=$([ -n "${SL_TEST_DURABLE:-}" ] && echo yes || echo no)
authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
END
    number=0
    for server in ${ENSEMBLE#* }; do
        number=$((number + 1))
        echo "server.$number=$HOST:$server:participant"
    done
    [ -z "$ENSEMBLE" ] || printf 'initLimit=10\nsyncLimit=5\n'
}

# spawn_server OPTIONS-OF-JAVA...
spawn_server() {
    # shellcheck disable=SC2046 # words are meant
    spawn java $(java_options -Xmx128m) "$@" \
        -Djava.security.auth.login.config="$DIR/jaas" \
        -Dzookeeper.DigestAuthenticationProvider.superDigest="$(digest super)" \
        -cp "$LIB/*" org.apache.zookeeper.server.quorum.QuorumPeerMain "$DIR/zoo.cfg"
}

launch() {
    ports PORT TLS_PORT
    mkdir -p "$DIR/data"
    cat "$CERTS/$CERT.pem" "$CERTS/$CERT.key" >"$DIR/server.pem"
    [ -f "$DIR/zoo.cfg" ] || config >"$DIR/zoo.cfg"
    [ -z "$ENSEMBLE" ] || echo "${ENSEMBLE%% *}" >"$DIR/data/myid"
    printf 'Server {\n  org.apache.zookeeper.server.auth.DigestLoginModule required\n  user_slight="%s";\n};\n' \
        "$PASSWORD" >"$DIR/jaas"
    # One of an ensemble ends at once only where the others are there.
    [ -n "$ENSEMBLE" ] || learn_classes spawn_server
    spawn_server
}

# As ZooKeeper's own client says it; it tells failures in words only.
tell() {
    # shellcheck disable=SC2046 # words are meant
    answer=$(printf 'addauth digest super:%s\n%s\n' "$PASSWORD" "$*" |
        java $(java_options -Xmx64m) -cp "$LIB/*" \
            org.apache.zookeeper.ZooKeeperMain -server "$HOST:$PORT" 2>&1)
    echo "$answer"
    ! echo "$answer" | grep -qE 'Exception|does not exist|not valid|Insufficient|Usage|ZooKeeper -server'
}

four_letters() (
    exec 3<>"/dev/tcp/$HOST/$PORT"
    printf '%s' "$1" >&3
    timeout 30 cat <&3
)

# The node of the tests exists once it is ready for the first time.
ready() {
    ports
    [ "$(four_letters ruok)" = imok ] || return 1
    [ -z "$ENSEMBLE" ] || return 0
    four_letters srvr | grep -q '^Mode: standalone' || return 1
    [ -f "$DIR/made" ] || { make_node && touch "$DIR/made"; }
}

# The first try may have made it, whatever it said.
make_node() {
    tell "create /slight-test '' digest:$(digest slight):cdrwa,sasl:slight:cdrwa" ||
        tell "stat /slight-test"
}

describe() {
    cat <<END
SL_TEST_ZOOKEEPER_PORT=$PORT
SL_TEST_ZOOKEEPER_TLS_PORT=$TLS_PORT
SL_TEST_ZOOKEEPER_PASSWORD=$PASSWORD
SL_TEST_ZOOKEEPER_SERVERS=localhost:$TLS_PORT/slight-test
SL_TEST_CA=$CERTS/ca.pem
END
}

service_main "$@"
