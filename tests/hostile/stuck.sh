#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An attacker asks SQLite for what takes minutes, in functions that SQLite cannot
# interrupt, on a database that a shop uses as well: everybody is answered by the
# deadline, the shop's statements work again a little later, /readyz tells, and
# slight ends when it is told to.
. "$(dirname "$0")/lib.sh"

{
    app
    called attacker "$SL_TEST_HOSTILE/hostile-sql.wasm" 127.0.0.2 'resources = ["ledger"]'
    called shop "$SL_TEST_HOSTILE/hostile-sql.wasm" 127.0.0.4 'resources = ["ledger"]'
    resource ledger sql.sqlite 'path = "ledger.db"' 'timeout = "1s"' \
        'connections = 1' 'max-stuck = 1'
} >app.toml
serve_hostile --grace 3s
SHOP=$(address_at 127.0.0.4)

# post ADDRESS PATH STATEMENT: answered, into out, long before a statement that
# takes minutes would end.
post() {
    WHAT=$(printf '%.80s' "$3")
    code=$(curl -s -m 30 -o out -w '%{http_code}' --data-binary "$3" "$1$2") ||
        fail "not answered by its deadline"
}

shop_works() {
    post "$SHOP" /query "SELECT cast(count(*) AS TEXT) FROM prices"
    [ "$code" = 200 ]
}

value_of() {
    metric "$1{resource=\"ledger\",type=\"sql.sqlite\"}"
}

is_stuck() {
    [ "$(value_of slight_resource_stuck)" = "$1" ]
}

post "$SHOP" /execute "CREATE TABLE prices (n INTEGER)"
probe_start

# Functions whose time is a product end by themselves, at the deadline.
a="replace(hex(zeroblob(8000000)), '0', 'a')"
few="replace(hex(zeroblob(2000)), '0', 'a')"
for statement in \
    "SELECT instr(zeroblob(32000000), zeroblob(16000000) || x'01')" \
    "SELECT replace($a, hex(zeroblob(4000000)) || 'b', '')" \
    "SELECT trim($a, replace(hex(zeroblob(8000000)), '0', 'b'))" \
    "SELECT $a LIKE '%' || $few || 'b'" \
    "SELECT $a GLOB '*' || $few || 'b'" \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        SELECT i FROM n ORDER BY random()"; do
    post "$ATTACKER" /query "$statement"
    WHAT="behind $statement"
    wait_for shop_works
done
[ "$(value_of slight_resource_given_up_total)" = 0 ] || fail "a connection was given up"

# A statement without a loop: SQLite looks at nothing until it is over.
term="length(hex(randomblob(8000000)))"
long="SELECT $term"
i=0
while [ $i -lt 180 ]; do
    long="$long+$term"
    i=$((i + 1))
done

post "$ATTACKER" /query "$long" # its connection is replaced
[ "$code" = 400 ] || fail "answered $code"
says out "did not answer within 1000 ms"
post "$SHOP" /query "SELECT 'queued behind it'" # whatever the answer is
wait_for is_stuck 1
wait_for shop_works
WHAT="readyz"
curl -s -m 300 "$HEALTH/readyz" >ready || fail "no answer"
says ready 'resource "ledger": 1 of its calls never came back'
grep -qx ready ready || fail "not ready: $(cat ready)"

post "$ATTACKER" /query "$long" # and this one's is not
wait_for is_stuck 2
shop_works && fail "a connection was made beyond max-stuck"
says out "raise max-stuck"
WHAT="readyz without a connection"
is_not_ready() { [ "$(curl -s -m 300 -o ready -w '%{http_code}' "$HEALTH/readyz")" = 503 ]; }
wait_for is_not_ready
says ready 'resource "ledger": 2 of its calls never came back'
probe_stop
rss_below 400

stop TERM 0
says served "ends without it"
finish
