# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: one row by its key through guests, to the client library
# alone on the same server, over TLS, at the same number of connections.
# shellcheck shell=bash disable=SC2154
for server in mysql mariadb; do
    "tests/services/$server.sh" start "$work/services" >/dev/null
    . "$work/services/$server.env"
    upper=$(printf %s "$server" | tr '[:lower:]' '[:upper:]')
    mysql_url=SL_TEST_${upper}_URL mysql_port=SL_TEST_${upper}_PORT
    mysql_password=SL_TEST_${upper}_PASSWORD
    "tests/services/$server.sh" tell "$work/services" -D slight -e "
        CREATE TABLE pgbench_accounts (aid INT PRIMARY KEY, abalance INT, filler CHAR(84));
        INSERT INTO pgbench_accounts WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i, 0, '' FROM n"
    for connections in 1 8; do
        {
            printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n' \
                "$build/bench/bench-select.wasm"
            printf '[[resource]]\nname = "store"\ntype = "sql.mysql"\n'
            printf 'url = "%s"\nca = "%s"\nconnections = %d\n' \
                "${!mysql_url}" "$SL_TEST_CA" $connections
        } >"$work/$server.toml"
        for guests in "$connections" $((connections * 8)); do
            ours=0 theirs=0
            for _ in 1 2 3; do # in turn, so that what else the machine does meets both
                ours=$((ours + $(many "$server" "$guests" select store 100000 \
                    $((scale * 10000 / guests)) | rate)))
                theirs=$((theirs + $("$build/bench/bench-mysql_loop" localhost \
                    "${!mysql_port}" "${!mysql_password}" "$SL_TEST_CA" \
                    "$connections" $((scale * 10000 / connections)) 100000)))
            done
            at="$server, $connections connections, $guests guests"
            row "sql.mysql: one row by key, $at" $((ours / 3)) 1/s
            row "libmariadb alone, $server, $connections connections" $((theirs / 3)) 1/s
            row "sql.mysql: to libmariadb, $at" "$(ratio $ours $theirs)" x
        done
    done
done
