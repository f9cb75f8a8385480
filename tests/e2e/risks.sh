#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# slight check, and the log of slight run, warn about passwords that would be sent to
# another machine in clear; and of none that stay here, or have TLS.
. "$(dirname "$0")/lib.sh"

# risky WARNINGS TYPE LINES...
risky() {
    count=$1 type=$2
    shift 2
    manifest '[[resource]]' 'name = "remote"' "type = \"$type\"" "$@"
    slight 0 check
    [ "$(grep -c '^warning: resource "remote": the password would be sent to db.example.com' err)" -eq "$count" ] ||
        fail "not $count warnings of $type $*"
    lacks err secret
    lacks out secret
}

here='127.0.0.1'
there='db.example.com'
risky 1 mq.redis "url = \"redis://u:secret@$there\"" 'queue = "q"'
for type in kv.redis lockd.redis pubsub.redis; do
    risky 1 "$type" "url = \"redis://u:secret@$there\""
done
risky 1 kv.redis "url = \"redis://$there\"" 'password = "secret"'
risky 0 kv.redis "url = \"redis://$there\""
risky 0 kv.redis "url = \"rediss://u:secret@$there\""
risky 0 kv.redis "url = \"redis://u:secret@$here\""
risky 0 kv.redis 'url = "redis://u:secret@[::1]:6379"'
risky 0 kv.redis 'url = "redis://u:secret@localhost"'

for type in kv.etcd lockd.etcd; do
    risky 1 "$type" "endpoints = \"http://$there:2379\"" 'user = "u"' 'password = "secret"'
    risky 1 "$type" "endpoints = \"http://$here:2379,http://$there:2379\"" 'user = "u"' 'password = "secret"'
    risky 0 "$type" "endpoints = \"http://$there:2379\""
    risky 0 "$type" "endpoints = \"https://$there:2379\"" 'user = "u"' 'password = "secret"'
    risky 0 "$type" "endpoints = \"http://$here:2379\"" 'user = "u"' 'password = "secret"'
done

risky 1 sql.mysql "url = \"mysql://u:secret@$there/a\""
risky 0 sql.mysql "url = \"mysqls://u:secret@$there/a\""
risky 0 sql.mysql "url = \"mysql://u:secret@$here/a\""

for type in sql.postgres kv.postgres lockd.postgres; do
    for tls in prefer disable; do
        risky 1 "$type" "url = \"postgres://u:secret@$there/a\"" "tls = \"$tls\""
        risky 0 "$type" "url = \"postgres://u:secret@$here/a\"" "tls = \"$tls\""
    done
    for tls in auto require verify-full; do
        risky 0 "$type" "url = \"postgres://u:secret@$there/a\"" "tls = \"$tls\""
    done
done

risky 1 lockd.zookeeper "servers = \"$there:2181/chroot\"" 'user = "u"' 'password = "secret"'
risky 0 lockd.zookeeper "servers = \"$there:2181\""
risky 0 lockd.zookeeper "servers = \"$there:2181\"" 'tls = true' 'user = "u"' 'password = "secret"'
risky 0 lockd.zookeeper "servers = \"$here:2181,localhost\"" 'user = "u"' 'password = "secret"'

for mechanism in plain scram-sha-256 scram-sha-512; do
    set -- "mechanism = \"$mechanism\"" 'user = "u"' 'password = "secret"'
    risky 1 pubsub.kafka "brokers = \"$there:9092\"" 'tls = false' "$@"
    risky 0 pubsub.kafka "brokers = \"$here:9092\"" 'tls = false' "$@"
    risky 0 pubsub.kafka "brokers = \"$there:9093\"" 'tls = true' "$@"
done

# --strict makes it a failure; a run logs it once.
manifest '[[resource]]' 'name = "remote"' 'type = "kv.redis"' "url = \"redis://u:secret@$there\""
slight 1 check --strict
says err "with --strict"
slight 1 run
[ "$(grep -c 'event=risk resource=remote' err)" -eq 1 ] || fail "not one entry"
lacks err secret
manifest '[[resource]]' 'name = "here"' 'type = "kv.memory"'
slight 0 check --strict

# A capability without a resource of its kind.
manifest "[[resource]]" 'name = "here"' 'type = "lockd.sqlite"' 'path = "here.db"'
slight 1 check --strict
says err 'component "guest" imports slight:kv, but slightfile.toml has no such resource'
says err 'add [[resource]] with type = "kv.sqlite"'

# Of each kind: one that has no grant is told which it could have.
for kind in kv lockd mq pubsub sql; do
    cat >few.toml <<END
slight = 1
name = "few"
[component]
source = "$SL_TEST_GUESTS/../../conformance/conformance-$kind.wasm"
resources = []
[[resource]]
name = "there"
type = "$kind.sqlite"
path = "there.db"
END
    slight 1 check few.toml --strict
    says err "imports slight:$kind, but few.toml grants it no such resource"
    says err 'add "there" to its "resources"'
    sed '/^resources/d' few.toml >all.toml
    slight 0 check all.toml --strict
done

# Files and folders that are named and not there.
manifest '[[resource]]' 'name = "kv"' 'type = "kv.sqlite"' 'path = "none/none/kv.db"'
slight 1 check --strict
says err 'resource "kv": "path": the folder none: No such file or directory'
sed -i 's|none/none/|none/|' slightfile.toml
slight 0 check --strict
finish
