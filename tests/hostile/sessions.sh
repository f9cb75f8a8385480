#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two components share a database and its one connection: whatever the attacker
# leaves on it, by whatever means, the shop's prices stay in the shop's schema.
. "$(dirname "$0")/lib.sh"
. "$SL_TEST_SERVICES/postgres.env"

{
    app
    called attacker "$SL_TEST_HOSTILE/hostile-sql.wasm" 127.0.0.2 'resources = ["ledger"]'
    called shop "$SL_TEST_HOSTILE/hostile-sql.wasm" 127.0.0.4 'resources = ["ledger"]'
    resource ledger sql.postgres "url = \"$SL_TEST_POSTGRES_URL\"" \
        "ca = \"$SL_TEST_CA\"" 'connections = 1'
} >app.toml
serve_hostile
SHOP=$(address_at 127.0.0.4)

# post ADDRESS PATH STATEMENT: what it answers is in the file out.
post() {
    WHAT="$3"
    code=$(curl -s -m 300 -o out -w '%{http_code}' --data-binary "$3" "$1$2")
}

done_by() {
    post "$@"
    [ "$code" = 200 ] || fail "answered $code"
}

done_by "$SHOP" /execute "DROP SCHEMA IF EXISTS shop, evil CASCADE"
done_by "$SHOP" /execute "CREATE SCHEMA shop"
done_by "$SHOP" /execute "CREATE TABLE public.prices_of_shop (n int)"
done_by "$ATTACKER" /execute "CREATE SCHEMA evil"
done_by "$ATTACKER" /execute "CREATE TABLE evil.prices_of_shop (n int)"
done_by "$ATTACKER" /execute \
    "CREATE VIEW evil.path AS SELECT set_config('search_path', 'evil', false)"
done_by "$ATTACKER" /execute "CREATE FUNCTION evil.runs(what text) RETURNS int
    LANGUAGE plpgsql AS \$\$ BEGIN EXECUTE what; RETURN 1; END \$\$"
done_by "$ATTACKER" /execute "CREATE VIEW evil.temp AS SELECT
    evil.runs('CREATE TEMP TABLE IF NOT EXISTS prices_of_shop (n int)')"
done_by "$ATTACKER" /execute "CREATE VIEW evil.prepares AS SELECT
    evil.runs('DEALLOCATE ALL') AS a, evil.runs('PREPARE sl_s1 AS SELECT 1') AS b"

probe_start
rows=0
attack() {
    post "$ATTACKER" /query "$1" # it may as well be refused
    done_by "$SHOP" /execute "INSERT INTO prices_of_shop VALUES (7)"
    rows=$((rows + 1))
    done_by "$SHOP" /query "SELECT count(*)::text FROM public.prices_of_shop"
    WHAT="behind $1"
    [ "$(cat out)" = "$rows" ] || fail "$(cat out) rows are in the shop's table, not $rows"
}
for round in 1 2 3 4 5 6 7 8 9 10; do
    attack "SELECT $round AS \"x\", set_config('search_path','evil',false)"
    attack "SELECT 1 AS n, $round AS insert INTO \"pg_temp\".prices_of_shop"
    attack "SELECT * FROM evil.path"
    attack "SELECT * FROM evil.temp"
    attack "SELECT * FROM evil.prepares"
    attack "SET search_path = evil"
    attack "SELECT pg_terminate_backend(pg_backend_pid())"
done
probe_stop

done_by "$SHOP" /execute "DROP SCHEMA shop, evil CASCADE"
done_by "$SHOP" /execute "DROP TABLE public.prices_of_shop"
stop TERM 0
finish
