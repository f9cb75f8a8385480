#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Components of other tools: versions of WASI, HTTP without a manifest, imports that
# nobody answers.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

# --- Both versions of wasi:cli/run: the one of 0.3 is the program's ---
both=$SL_TEST_GUESTS/e2e-both.wasm
slight 0 check "$both"
says out "wasi:cli/run@0.2."
says out "wasi:cli/run@0.3.0"
slight 0 run "$both"
is out <<END
the entry of 0.3
END

# --- The last candidate of WASI 0.3, whose types are those of 0.3.0 ---
# renamed FROM TO: with the names of that candidate, at the top level.
renamed() {
    /usr/bin/python3 - "$1" "$2" <<'END'
import sys
def leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
def to_leb(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])
data = open(sys.argv[1], "rb").read()
out, at = data[:8], 8
while at < len(data):
    number, (size, at) = data[at], leb(data, at + 1)
    body, at = data[at:at + size], at + size
    if number in (10, 11):
        # A name is behind its length, which has one byte.
        place = body.find(b"@0.3.0")
        while place >= 0:
            begin = body.rfind(b"\0", 0, place) + 1
            name = body[begin + 1:place + 6] + b"-rc-2026-03-15"
            body = body[:begin] + to_leb(len(name)) + name + body[place + 6:]
            place = body.find(b"@0.3.0", begin + len(name))
    out += bytes([number]) + to_leb(len(body)) + body
open(sys.argv[2], "wb").write(out)
END
}
renamed "$both" candidate.wasm
slight 0 check candidate.wasm
says out "wasi:cli/run@0.3.0-rc-2026-03-15"
slight 0 run candidate.wasm
is out <<END
the entry of 0.3
END
renamed "$SL_TEST_GUESTS/e2e-responses3.wasm" api.wasm
slight 0 check api.wasm
says out "wasi:http/types@0.3.0-rc-2026-03-15"
says out "wasi:http/handler@0.3.0-rc-2026-03-15"
serve api.wasm --listen 127.0.0.1:0
get 200 /write-5/finish
holds test "$(cat body)" = xxxxx
stop TERM 0
# Another one is another version.
sed 's/@0\.3\.0-rc-2026-03-15/@0.3.0-rc-2026-03-16/g' api.wasm >other.wasm
slight 4 check other.wasm
says err "wasi:http/types@0.3.0-rc-2026-03-16: this slight provides 0.2.12 and 0.3.0"

# --- A handler of HTTP requests is checked and served without a manifest ---
for api in e2e-http e2e-responses3; do
    slight 0 check "$SL_TEST_GUESTS/$api.wasm"
    says out "exports"
    says out "trigger http, 127.0.0.1:8080/"
    says out "ready to run"
done
cp "$SL_TEST_GUESTS/e2e-http.wasm" api.wasm
serve api.wasm --listen 127.0.0.1:0
get 200 /
stop TERM 0
slight 2 run "$GUEST" --listen 127.0.0.1:0
says err "--listen needs a component that exports wasi:http/incoming-handler@0.2 or wasi:http/handler@0.3"
slight 2 run api.wasm --listen nowhere
says err "--listen nowhere: "
one_error
slight 2 run api.wasm --listen '127.0.0.1:0" x = "'
says err "--listen"
one_error
manifest
slight 2 run . --listen 127.0.0.1:0
says err "--listen needs a component; . is a folder"
slight 2 run api.wasm --manifest slightfile.toml --listen 127.0.0.1:0
says err '--listen is for a component without a manifest; set "listen" in [[trigger]]'

# --- What nobody answers, on demand: a trap, and only when it is called ---
cp "$SL_TEST_GUESTS/e2e-missing.wasm" missing.wasm
manifest 'unanswered = "trap"'
sed -i 's/^source = .*/source = "missing.wasm"/' slightfile.toml
slight 0 check
says out "  acme:warehouse/stock@1.0.0  traps when called: this slight does not provide the package"
says out "  plain  traps when called: "
says out "ready to run"
slight 5 run
says err "nobody answers plain: the manifest has unanswered"
slight 0 run . -- none
is out <<END
called nobody
END
sed -i 's/"trap"/"ignore"/' slightfile.toml
slight 3 check
says err '"unanswered": expected "refuse" or "trap"'
sed -i 's/"ignore"/"refuse"/' slightfile.toml
slight 4 run
says err "missing.wasm imports what this slight does not provide"

# --- What is missing is said before the component is compiled ---
manifest 'compile-timeout = "1ms"'
sed -i 's/^source = .*/source = "missing.wasm"/' slightfile.toml
SLIGHT_CACHE_DIR=off
slight 4 check
says out "plain  missing: "
says err "missing.wasm imports what this slight does not provide"
lacks err "compile-timeout"

finish
