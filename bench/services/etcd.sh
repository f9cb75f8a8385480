# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: locks of etcd, to what its own library for Go takes for
# them.  Both over TLS, and what etcd acknowledges is on the disk.
# shellcheck shell=bash disable=SC2154
SL_TEST_DURABLE=1 tests/services/etcd.sh start "$work/services" >/dev/null
. "$work/services/etcd.env"
settings="endpoints = \"$SL_TEST_ETCD_TLS_URL\"
user = \"$SL_TEST_ETCD_USER\"
password = \"$SL_TEST_ETCD_PASSWORD\"
ca = \"$SL_TEST_CA\""
etcd_locks=$(scripts/services/etcd.sh)/etcd-locks
ours=0 theirs=0 shared=0
for _ in 1 2 3; do # in turn, so that what else the machine does meets both
    ours=$((ours + $("$build/bench/bench-locks" lockd.etcd "$settings" $((scale * 20)) | per_call lock 0)))
    "$etcd_locks" "$SL_TEST_ETCD_TLS_URL" "$SL_TEST_ETCD_USER" \
        "$SL_TEST_ETCD_PASSWORD" "$SL_TEST_CA" $((scale * 20)) >"$work/locks"
    theirs=$((theirs + $(awk 'NR == 1 { printf "%.0f", $1 * 1000 }' "$work/locks")))
    shared=$((shared + $(awk 'NR == 2 { printf "%.0f", $1 * 1000 }' "$work/locks")))
done
row "lockd.etcd: acquire and release" "$((ours / 3000))" us
row "etcd's library for Go: session, lock, unlock, close" "$((theirs / 3000))" us
row "etcd's library for Go: lock, unlock, one session for all" "$((shared / 3000))" us
row "lockd.etcd: to etcd's library" "$(ratio $ours $theirs)" x 1.5 le
