#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Apache Kafka, one broker (KRaft), with passwords (PLAIN and SCRAM) on a plain
# port and on one with TLS.  Tests are `slight`, by SCRAM `scram`; `limited` may do nothing;
# `tell` gives the administrator's arguments to a tool of Kafka
# with its class first, as the port for the inside needs no password.
#
# SL_TEST_KAFKA_PROXY: the port that the plain listener says it has.
# SL_TEST_KAFKA_REAUTH: how long a connection is trusted, in ms.
# SL_TEST_KAFKA_FILE_MAX: no file of the broker becomes larger, in KiB, as if its
# disk were full.
# SL_TEST_KAFKA_RESTRICTED=1: who is not an administrator needs an ACL.
NAME=kafka
. "$(dirname "$0")/common.sh"

LIB=$("$HERE/../../scripts/services/kafka.sh")
. "$HERE/java.sh"

java_() {
    java_options -Xmx320m "-Dlog4j2.configurationFile=$DIR/log4j2.yaml"
}

configure() {
    jaas="org.apache.kafka.common.security.plain.PlainLoginModule required \
user_slight=\"$PASSWORD\" user_limited=\"$PASSWORD\" user_\$ConnectionString=\"Endpoint=sb://localhost/;SharedAccessKey=$PASSWORD\";"
    scram="org.apache.kafka.common.security.scram.ScramLoginModule required;"
    cat >"$DIR/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$HOST:$CONTROLLER_PORT
listeners=INSIDE://$HOST:$INSIDE_PORT,SASL_PLAINTEXT://$HOST:$PORT,SASL_SSL://$HOST:$TLS_PORT,MUTUAL://$HOST:$MUTUAL_PORT,CONTROLLER://$HOST:$CONTROLLER_PORT
advertised.listeners=INSIDE://$HOST:$INSIDE_PORT,SASL_PLAINTEXT://$HOST:${SL_TEST_KAFKA_PROXY:-$PORT},SASL_SSL://localhost:$TLS_PORT,MUTUAL://localhost:$MUTUAL_PORT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,MUTUAL:SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=INSIDE
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
connections.max.reauth.ms=${SL_TEST_KAFKA_REAUTH:-0}
ssl.keystore.location=$DIR/server.p12
ssl.keystore.password=changeit
ssl.keystore.type=PKCS12
ssl.truststore.location=$CERTS/ca.pem
ssl.truststore.type=PEM
listener.name.mutual.ssl.client.auth=required
log.dirs=$DIR/data
num.partitions=4
default.replication.factor=1
num.network.threads=2
num.io.threads=2
background.threads=2
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
log.index.size.max.bytes=65536
log.segment.bytes=16777216
END
    for listener in sasl_plaintext sasl_ssl; do
        echo "listener.name.$listener.plain.sasl.jaas.config=$jaas"
        echo "listener.name.$listener.scram-sha-256.sasl.jaas.config=$scram"
        echo "listener.name.$listener.scram-sha-512.sasl.jaas.config=$scram"
    done >>"$DIR/server.properties"
    [ -z "${SL_TEST_KAFKA_RESTRICTED:-}" ] || cat >>"$DIR/server.properties" <<END
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:slight;User:scram;User:passing;User:CN=client
END
    # What is acknowledged is on disk.
    [ -z "${SL_TEST_DURABLE:-}" ] || echo log.flush.interval.messages=1 >>"$DIR/server.properties"
    cat >"$DIR/log4j2.yaml" <<END
Configuration:
  Appenders: { Console: { name: C, PatternLayout: { pattern: "[%d] %p %m (%c)%n" } } }
  Loggers: { Root: { level: WARN, AppenderRef: { ref: C } } }
END
    [ -f "$DIR/server.p12" ] || openssl pkcs12 -export -in "$CERTS/$CERT.pem" \
        -inkey "$CERTS/$CERT.key" -out "$DIR/server.p12" -passout pass:changeit
}

# An empty folder of data; it is the same for every broker.
format() {
    if [ ! -d "$KEPT/data" ]; then
        # shellcheck disable=SC2046 # words are meant
        java $(java_) -cp "$LIB/*" kafka.tools.StorageTool format \
            -t MkU3OEVBNTcwNTJENDM2Qg -c "$DIR/server.properties" \
            --add-scram "SCRAM-SHA-256=[name=scram,password=$PASSWORD]" \
            --add-scram "SCRAM-SHA-512=[name=scram,password=$PASSWORD]" \
            >>"$DIR/log" 2>&1 || { tail -n 20 "$DIR/log" >&2; return 1; }
        mkdir -p "$KEPT"
        cp -r "$DIR/data" "$KEPT/data.$$"
        # Another start may have been first.
        mv -T "$KEPT/data.$$" "$KEPT/data" 2>/dev/null || rm -rf "$KEPT/data.$$"
    else
        cp -r "$KEPT/data" "$DIR/data"
    fi
}

# spawn_broker OVERRIDES OPTIONS-OF-JAVA...
spawn_broker() {
    overrides=$1
    shift
    # shellcheck disable=SC2046,SC2086
    spawn java $(java_) "$@" -cp "$LIB/*" kafka.Kafka "$DIR/server.properties" $overrides
}

# One that comes back waits until the controller takes it for dead that was
# killed: 9 s, unless told.
launch() {
    ports PORT TLS_PORT MUTUAL_PORT INSIDE_PORT CONTROLLER_PORT
    [ -f "$DIR/server.properties" ] || configure
    overrides=
    if [ -f "$DIR/data/meta.properties" ]; then
        overrides="--override broker.session.timeout.ms=4000 --override broker.heartbeat.interval.ms=400"
    else
        format
    fi
    learn_classes spawn_broker ""
    [ -z "${SL_TEST_KAFKA_FILE_MAX:-}" ] || ulimit -f "$SL_TEST_KAFKA_FILE_MAX"
    spawn_broker "$overrides"
}

# tell CLASS ARGUMENTS...: a tool of Kafka, such as org.apache.kafka.tools.TopicCommand
tell() {
    class=$1
    shift
    # shellcheck disable=SC2046
    java $(java_) -cp "$LIB/*" "$class" --bootstrap-server "$HOST:$INSIDE_PORT" "$@"
}

# kcat waits 2 s where nothing listens yet.
ready() {
    ports
    listens "$INSIDE_PORT" || return 1
    timeout 60 kcat -L -b "$HOST:$INSIDE_PORT" -m 20 | grep -q 'broker 1 at'
}

describe() {
    cat <<END
SL_TEST_KAFKA_PORT=$PORT
SL_TEST_KAFKA_TLS_PORT=$TLS_PORT
SL_TEST_KAFKA_MUTUAL_PORT=$MUTUAL_PORT
SL_TEST_KAFKA_INSIDE_PORT=$INSIDE_PORT
SL_TEST_KAFKA_JARS=$LIB
SL_TEST_KAFKA_PASSWORD=$PASSWORD
SL_TEST_KAFKA_BROKERS=$HOST:$PORT
SL_TEST_KAFKA_TLS_BROKERS=localhost:$TLS_PORT
SL_TEST_CA=$CERTS/ca.pem
END
}

service_main "$@"
