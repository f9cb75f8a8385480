# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: locks of ZooKeeper, to what its own C client takes for
# them.  Both without TLS, which Debian's client has not, both logged in, and
# what ZooKeeper acknowledges is on the disk.
# shellcheck shell=bash disable=SC2154
SL_TEST_DURABLE=1 tests/services/zookeeper.sh start "$work/services" >/dev/null
. "$work/services/zookeeper.env"
zookeeper=127.0.0.1:$SL_TEST_ZOOKEEPER_PORT/slight-test
settings="servers = \"$zookeeper\"
user = \"slight\"
password = \"$SL_TEST_ZOOKEEPER_PASSWORD\""
cc -O2 -DTHREADED -o "$work/zookeeper_locks" bench/services/zookeeper_locks.c -lzookeeper_mt -lpthread
ours() { "$build/bench/bench-locks" lockd.zookeeper "$settings" $((scale * 100)) | per_call lock 0; }
theirs() { "$work/zookeeper_locks" "$zookeeper" "slight:$SL_TEST_ZOOKEEPER_PASSWORD" $((scale * 100)); }
ours=0 theirs=0
for _ in 1 2 3 4 5; do # what Java runs for the first time is slow
    ours >/dev/null
    theirs >/dev/null
done
for _ in 1 2 3; do # in turn, so that what else the machine does meets both
    ours=$((ours + $(ours)))
    theirs=$((theirs + $(theirs)))
done
row "lockd.zookeeper: acquire and release" "$((ours / 3000))" us
row "ZooKeeper's C client: create, children, delete" "$((theirs / 3000))" us
row "lockd.zookeeper: to ZooKeeper's C client" "$(ratio $ours $theirs)" x 1.5 le
tests/services/zookeeper.sh stop "$work/services" >/dev/null
