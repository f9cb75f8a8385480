# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: one row by its key through guests, to pgbench with prepared
# statements on the same server, over TLS, at the same number of connections.
# shellcheck shell=bash disable=SC2154
tests/services/postgres.sh start "$work/services" >/dev/null
. "$work/services/postgres.env"
pgbench=$(find /usr/lib/postgresql -name pgbench | sort -V | tail -n 1)
pg_url="postgresql${SL_TEST_POSTGRES_URL#postgres}?sslmode=require"
"$pgbench" -i -q -s 1 "$pg_url" 2>/dev/null >/dev/null
for connections in 1 8; do
    {
        printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n' \
            "$build/bench/bench-select.wasm"
        printf '[[resource]]\nname = "store"\ntype = "sql.postgres"\n'
        printf 'url = "%s"\nca = "%s"\nconnections = %d\n' \
            "$SL_TEST_POSTGRES_URL" "$SL_TEST_CA" $connections
    } >"$work/postgres.toml"
    for guests in "$connections" $((connections * 8)); do
        ours=0 theirs=0
        for _ in 1 2 3; do # in turn, so that what else the machine does meets both
            ours=$((ours + $(many postgres "$guests" select store 100000 \
                $((scale * 10000 / guests)) | rate)))
            theirs=$((theirs + $("$pgbench" -n -S -M prepared -c "$connections" \
                -j $((connections < 2 ? 1 : 2)) -t $((scale * 10000 / connections)) "$pg_url" 2>/dev/null |
                awk '/^tps/ { printf "%.0f", $3 }')))
        done
        at="$connections connections, $guests guests"
        row "sql.postgres: one row by key, $at" $((ours / 3)) 1/s
        row "pgbench -S -M prepared -c $connections" $((theirs / 3)) 1/s
        row "sql.postgres: to pgbench, $at" "$(ratio $ours $theirs)" x 0.8 ge
    done
done
