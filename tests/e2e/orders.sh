#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The example orders: three components in three languages, behind each other.
#
#     orders.sh MANIFEST         the commands of its README
#     orders.sh MANIFEST KILLS   orders go in while slight is killed that often;
#                                the manifest is the embedded one
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"
MANIFEST=$1
KILLS=${2:-0}

# What the manifests on real services want to know, as a user would set it.
for service in "$SL_TEST_SERVICES"/*.env; do
    # shellcheck disable=SC1090 # written by the services' scripts
    [ ! -f "$service" ] || . "$service"
done
export CA="${SL_TEST_CA:-}" REDIS_URL="${SL_TEST_REDIS_TLS_URL:-}"
export POSTGRES_URL="${SL_TEST_POSTGRES_URL:-}" MYSQL_URL="${SL_TEST_MYSQL_URL:-}"
export KAFKA_BROKERS="${SL_TEST_KAFKA_TLS_BROKERS:-}" KAFKA_USER=slight
export KAFKA_PASSWORD="${SL_TEST_KAFKA_PASSWORD:-}"
export ETCD_URL="${SL_TEST_ETCD_TLS_URL:-}" ETCD_USER="${SL_TEST_ETCD_USER:-}"
export ETCD_PASSWORD="${SL_TEST_ETCD_PASSWORD:-}"
export ZOOKEEPER_SERVERS="${SL_TEST_ZOOKEEPER_SERVERS:-}" ZOOKEEPER_USER=slight
export ZOOKEEPER_PASSWORD="${SL_TEST_ZOOKEEPER_PASSWORD:-}"

sed -e 's|:8080"|:0"|' \
    -e "s|\"accept/accept.wasm\"|\"$SL_TEST_GUESTS/orders-accept.wasm\"|" \
    -e "s|\"bill.wasm\"|\"$SL_TEST_GUESTS/orders-bill.wasm\"|" \
    -e "s|\"ship.wasm\"|\"$SL_TEST_GUESTS/orders-ship.wasm\"|" \
    "$HERE/../../examples/orders/$MANIFEST" >orders.toml

query() { # SQL: of the ledger
    sqlite3 -cmd '.timeout 60000' ledger.db "$1"
}

# What other runs ordered may still be on a server.
A=A-$$
shows() { # ID TEXT: what GET says of it
    [ "$(curl -s -m 300 "$URL/orders/$1")" = "$2" ]
}

if [ "$KILLS" = 0 ]; then
    serve orders.toml --grace 60s
    get 404 /orders/$A-1
    get 202 /orders/$A-1 -X PUT --data '3 pens'
    get 202 /orders/$A-1 -X PUT --data '3 pens'
    get 202 /orders/$A-2 -X PUT --data "Robert'); DROP TABLE orders; --"
    wait_for shows $A-1 "shipped 3 pens"
    wait_for shows $A-2 "shipped Robert'); DROP TABLE orders; --"
    get 400 /orders/$A-3 -X PUT
    get 404 /orders/$A-3
    get 404 /orders/
    get 404 /other
    get 405 /orders/$A-1 -X DELETE
    if [ "$MANIFEST" = slightfile.toml ]; then
        WHAT="the ledger"
        query 'SELECT id, item FROM orders ORDER BY id' >out
        is out <<END
$A-1|3 pens
$A-2|Robert'); DROP TABLE orders; --
END
    fi
    lacks served "level=error"
    stop TERM 0
    finish
    exit
fi

# Orders go in at every moment; what was accepted is noted.
send() { # SENDER
    i=0
    while [ ! -e over ]; do
        i=$((i + 1))
        code=$(curl -s -m 300 -o /dev/null -w '%{http_code}' -X PUT \
            --data "item $1-$i" "$(cat url)/orders/$1-$i")
        if [ "$code" = 202 ]; then
            echo "$1-$i|item $1-$i" >>"accepted.$1"
        else
            sleep 0.02 # what starts needs the processor, too
        fi
    done
}

kills=0
while [ $kills -lt "$KILLS" ]; do
    serve orders.toml
    echo "$URL" >url
    if [ $kills -eq 0 ]; then
        for sender in a b c; do
            send $sender &
            SENDERS="${SENDERS:-} $!"
        done
    fi
    # At a random moment of its first second.
    sleep "0.$(od -An -N2 -tu2 /dev/urandom | awk '{ printf "%03d", $1 % 1000 }')"
    kill -KILL "$SERVER"
    wait "$SERVER"
    kills=$((kills + 1))
done 2>/dev/null
: >over
# shellcheck disable=SC2086 # words are meant
wait $SENDERS
sort accepted.* >accepted
WHAT="what was accepted meanwhile"
[ "$(wc -l <accepted)" -ge "$KILLS" ] || fail "only $(wc -l <accepted) orders"

# Once more, and it may finish.
serve orders.toml --grace 60s
keys() {
    sqlite3 -cmd '.timeout 60000' shipped.db \
        "SELECT substr(key, 7) FROM entries WHERE key LIKE 'order/%' ORDER BY 1"
}
done_with_all() {
    query 'SELECT id, item FROM orders' 2>/dev/null | sort >billed
    [ -z "$(comm -23 accepted billed)" ] || return 1
    cut -d '|' -f 1 billed | sort >ids
    keys 2>/dev/null | sort >shipped
    cmp -s ids shipped
}
wait_for done_with_all
WHAT="the orders"
comm -23 accepted billed >lost
is lost </dev/null
# A key is there once, since it is the key; and nothing nobody ordered.
holds test "$(wc -l <billed)" -eq "$(sort -u billed | wc -l)"
holds test -z "$(grep -v '^[abc]-[0-9]*|item [abc]-[0-9]*$' billed)"
WHAT="the events"
holds cmp ids shipped
WHAT="the dead letters"
get 202 /orders/last -X PUT --data 'the last'
wait_for shows last "shipped the last"
lacks served "rejected"
stop TERM 0
echo "$KILLS kills, $(wc -l <accepted) orders accepted, $(wc -l <billed) billed and shipped"

finish
