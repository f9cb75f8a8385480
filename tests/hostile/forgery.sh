#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Text from outside tries to look like slight's own, or to work a terminal: what a
# guest writes, names in a component, paths, arguments, files.  In text and JSON,
# in a pipe and on a terminal.
. "$(dirname "$0")/lib.sh"

# What no output of slight has: control characters but newline and tab, the C1
# controls, bidirectional and zero width characters, separators.
cat >clean.py <<'END'
import re, sys
text = open(sys.argv[1], "rb").read()
if len(sys.argv) > 2:  # of a terminal, which ends lines so
    text = text.replace(b"\r\n", b"\n")
try:
    found = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f"
                      "\u2028-\u202e\u2060-\u206f\ufeff]", text.decode())
except UnicodeDecodeError as error:
    sys.exit("no UTF-8: %s" % error)
if found:
    sys.exit("%r, in %r" % (found.group(),
                            text.decode()[max(0, found.start() - 40):][:80]))
END

clean() {
    message=$(python3 clean.py "$@" 2>&1) || fail "$1 has $message"
}

# terminal FILE COMMAND...: on a terminal of its own; what it shows is in FILE.
cat >terminal.py <<'END'
import os, pty, subprocess, sys
master, slave = pty.openpty()
# Colours are slight's own; of those nothing is to be seen here.
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=slave,
                         stderr=slave, env=dict(os.environ, NO_COLOR="1"))
os.close(slave)
with open(sys.argv[1], "wb", buffering=0) as out:
    try:
        while data := os.read(master, 65536):
            out.write(data)
    except OSError:
        pass
sys.exit(child.wait())
END

ESC=$(printf '\033')
CR=$(printf '\r')
BEL=$(printf '\007')
CSI=$(printf '\302\233')
RLO=$(printf '\342\200\256')
LS=$(printf '\342\200\250')
ZW=$(printf '\342\200\213')
FORGED="a${CR}FORGED ${ESC}[2J$BEL ${CSI}31m ${RLO}evil $LS$ZW tail"
SHOWN='a\rFORGED \u001b[2J\u0007 \u009b31m \u202eevil \u2028\u200b tail'

# --- What a component that is called writes -----------------------------------

app() {
    printf 'slight = 1\nname = "app"\n'
    printf '[[component]]\nname = "attacker"\nsource = "%s"\n' \
        "$SL_TEST_HOSTILE/hostile-forger.wasm"
    printf '[[trigger]]\ntype = "http"\ncomponent = "attacker"\n'
    printf 'listen = "127.0.0.2:0"\n'
    victim
}

attack() {
    URL=$(address_at 127.0.0.2)
    printf '%s\nraw \377\233 bytes\n' "$FORGED" >body.in
    get 200 /out --data-binary @body.in
    get 200 /err --data-binary @body.in
    get 500 /forge
    get 200 "/x%1b%0a" -H "x-request-id: a%1b" --path-as-is
    wait_for grep -q trapped "$1"
    wait_for grep -q "raw .*bytes" "$2"
}

app >app.toml
serve_hostile --log-level info
attack served served.out
stop TERM 0
WHAT="text in a pipe"
clean served
clean served.out
says served.out "[attacker] $SHOWN"
says served.out '[attacker] raw \xff\x9b bytes'
says served "[attacker] $SHOWN"
# The newline in a name neither begins a frame nor an entry.
says served 'evil\\n  9: FORGED (host.c:1)\\nerror: FORGED\\r\\u{1b}[2J'
for file in served served.out; do
    ! grep -q '^ *9: FORGED\|^error: FORGED\|^FORGED' $file || fail "a forged line"
done

SLIGHT_LOG_FORMAT=json
serve_hostile --log-level info
attack served served.out
stop TERM 0
WHAT="JSON in a pipe"
clean served
clean served.out
python3 - served served.out "$FORGED" <<'END' || fail "not JSON, or something else"
import json, sys
lines = [json.loads(line) for file in sys.argv[1:3]
         for line in open(file, encoding="utf-8").read().split("\n")[:-1]]
said = [line["line"] for line in lines if line["event"] == "output"]
assert said.count(sys.argv[3]) == 2, said
assert said.count("raw \ufffd\ufffd bytes") == 2, said
END
SLIGHT_LOG_FORMAT=text

WHAT="text on a terminal"
: >served
python3 terminal.py served "$SLIGHT" run app.toml --log-level info &
TERMINAL=$!
PIDS="$PIDS $TERMINAL"
wait_for grep -q 'management http://127.0.0.1:' served
attack served served
SERVER=$(cut -d ' ' -f 1 "/proc/$TERMINAL/task/$TERMINAL/children")
kill -TERM "$SERVER"
wait "$TERMINAL" || fail "exit code $?"
clean served terminal
says served "[attacker] $SHOWN"

# --- A program that is run once -----------------------------------------------

# To a pipe or a file it writes what it will.
slight 0 run "$GUEST" -- args "$FORGED"
[ "$(cat out)" = "$FORGED" ] || fail "something else was written"

WHAT="a program on a terminal"
python3 terminal.py shown "$SLIGHT" run "$GUEST" -- args "$FORGED"
clean shown terminal
says shown "$SHOWN"
python3 terminal.py shown "$SLIGHT" run --raw-output "$GUEST" -- args "$FORGED"
says shown "$FORGED"

# A character may come in pieces, or not at all.
printf 'caf\303\251 \302' >pieces
cat >cat.sh <<END
exec "$SLIGHT" run "$GUEST" -- cat <pieces
END
python3 terminal.py shown sh cat.sh
clean shown terminal
says shown "$(printf 'caf\303\251 ')"
says shown '\xc2'

# --- Errors -------------------------------------------------------------------

# Each ends with an error.
forges() {
    WHAT="slight $*"
    timeout 60 "$SLIGHT" "$@" >out 2>err </dev/null
    clean out
    clean err
    ! grep -q '^FORGED' out err || fail "a forged line"
    says err "error: "
}

NAME="x${ESC}[2J${CSI}${RLO}
FORGED"
forges run "$NAME"
forges "$NAME"
forges run "--$NAME"
forges run app.toml --timeout "$NAME"
forges run app.toml --env "$NAME"
forges run app.toml --dir "$NAME"
forges run app.toml --log-level "$NAME"
forges run "$NAME.toml"
forges bindgen "$NAME"
forges bindgen c --world "$NAME"
forges componentize "$NAME"
forges providers "$NAME"
forges completion "$NAME"

mkdir "$NAME"
forges run "$NAME"
printf 'slight = 2\n' >"$NAME/slightfile.toml"
forges run "$NAME"
forges check "$NAME"
printf 'no component' >"$NAME/app.wasm"
forges run "$NAME/app.wasm"

# Values in a manifest.
toml="x\\u001b[2J\\u009b\\u202e\\nFORGED"
for line in "source = \"$toml\"" "\"$toml\" = 1" "memory = \"$toml\"" \
    "source = \"a.wasm\"
resources = [\"$toml\"]" \
    "source = \"a.wasm\"
allowed-hosts = [\"$toml\"]" \
    "source = \"a.wasm\"
directories = [{ host = \"$toml\", guest = \"x\" }]"; do
    printf 'slight = 1\nname = "app"\n[component]\n%s\n' "$line" >bad.toml
    forges check bad.toml
done

# What `check` lists.
WHAT="slight check"
mkdir "folder"
cat >good.toml <<END
slight = 1
name = "app"
[component]
source = "$GUEST"
env = { "$toml" = "1" }
directories = [{ host = "folder", guest = "$toml" }]
END
"$SLIGHT" check good.toml >out 2>err || fail "$(cat err)"
clean out
says out 'variable x\u001b[2J\u009b\u202e\nFORGED'
says out 'folder folder as x\u001b[2J\u009b\u202e\nFORGED'

finish
