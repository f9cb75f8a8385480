#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# slight run: what a component gets, and what becomes of what it gives.
. "$(dirname "$0")/lib.sh"

# --- Its end is ours. WASI's exit knows success and failure only. ---
slight 0 run "$GUEST" -- end 0
slight 1 run "$GUEST" -- end 1
slight 1 run "$GUEST" -- end 7
is err </dev/null

# --- Arguments ---
slight 0 run "$GUEST" -- args one 'two words' '' -- --env '*' 'ä'
is out <<END
one
two words

--
--env
*
ä
END
manifest 'args = ["args", "of", "the manifest"]'
slight 0 run
is out <<END
of
the manifest
END
slight 0 run . -- args others
is out <<END
others
END

# Text is UTF-8, whoever gives it.
no_text=$(printf 'no\377')
mkdir "$no_text"
not_text() {
    slight 4 run "$GUEST" "$@"
    one_error
    says err "is not UTF-8"
}
not_text -- args "$no_text"
not_text --env "A=$no_text"
not_text --dir "$no_text::/d"

# --- Streams: bytes as they are, each where it belongs. ---
head -c 300000 /dev/urandom >bytes
INPUT=bytes
slight 0 run "$GUEST" -- cat
holds cmp bytes out
is err <<END
reading
300000 bytes
END
INPUT=/dev/null

# A reader that goes away ends it, and that is no crash.
WHAT="a closed pipe"
{ timeout -k 5 300 "$SLIGHT" run "$GUEST" -- flood 2>err; echo $? >code; } |
    head -n 1 >out
holds wait_for test -s code
is out <<END
a line
END
is code <<END
0
END
cat >broken <<END
flood: Broken pipe
once more: Broken pipe
END
is err <broken
# The same where the guest waits for the reader when that goes.
{ timeout -k 5 300 "$SLIGHT" run "$GUEST" -- flood 2>err; echo $? >code; } |
    { head -n 1 >out; sleep 0.5; }
holds wait_for test -s code
is code <<END
0
END
is err <broken
# And what cannot be written is what it is.
timeout -k 5 300 "$SLIGHT" run "$GUEST" -- flood >/dev/full 2>err
is err <<END
flood: No space left on device
once more: No space left on device
END

# Streams that are closed stay empty; no file of ours takes their numbers.
mkdir closed
cd closed || exit 1
WHAT="closed streams"
"$SLIGHT" run "$GUEST" -- set default key value <&- >&- 2>&- ||
    fail "set: exit code $?"
timeout -k 5 300 "$SLIGHT" run "$GUEST" -- cat <&- >&- 2>&- ||
    fail "cat: exit code $?"
slight 0 run "$GUEST" -- get default key
is out <<END
value: value
END
cd ..

# --- Nothing is granted that was not given: variables, folders, network. ---
mkdir data
echo content >data/file
SECRET_OF_THE_HOST=1
export SECRET_OF_THE_HOST
slight 0 run "$GUEST" -- env
is out </dev/null
slight 1 run "$GUEST" -- list .
slight 1 run "$GUEST" -- list /
slight 1 run "$GUEST" -- show data/file
lacks out content
slight 1 run "$GUEST" -- show "$PWD/data/file"
lacks out content
slight 1 run "$GUEST" -- put here text
holds test ! -e here
slight 0 run "$SL_TEST_GUESTS/e2e-network.wasm"

# --- And what was given is there. ---
slight 0 run "$GUEST" --env A=1 --env B= --env 'C=a=b c' -- env
is out <<END
A=1
B=
C=a=b c
END
slight 0 run "$GUEST" --dir data::/d:ro -- show /d/file
is out <<END
content
END
slight 1 run "$GUEST" --dir data::/d:ro -- put /d/new text
holds test ! -e data/new
slight 0 run "$GUEST" --dir data::/d -- put /d/new text
holds test -s data/new
slight 1 run "$GUEST" --dir data::/d -- show /d/../bytes
slight 1 run "$GUEST" --dir data::/d -- list /
ln -s ../bytes data/way-out
slight 1 run "$GUEST" --dir data::/d -- show /d/way-out
rm data/way-out data/new

manifest 'env = { A = "1", B = "${env:SECRET_OF_THE_HOST}" }' \
    'directories = [{ host = "data", guest = "/d" }]'
slight 0 run . --env A=2 --env C=3 -- env
is out <<END
A=2
B=1
C=3
END
slight 0 run . -- list /d
is out <<END
file
END
slight 1 run . -- put /d/new text
holds test ! -e data/new
sed -i 's/ }\]/, writable = true }]/' slightfile.toml
slight 0 run . -- put /d/new text
holds test -s data/new

# Paths are the manifest's, wherever slight is started.
mkdir elsewhere
cd elsewhere || exit 1
slight 0 run .. -- show /d/file
is out <<END
content
END
slight 0 run ../slightfile.toml -- show /d/file
cd ..

# --- Without a manifest there is one store, of the working directory. ---
rm slightfile.toml
mkdir -p fresh/inner
cd fresh || exit 1
holds test ! -e .slight
slight 0 run "$GUEST" -- set default key value
holds test -s .slight/default.db
slight 0 run "$GUEST" -- get default key
is out <<END
value: value
END
cd inner || exit 1
slight 0 run "$GUEST" -- get default key
is out <<END
none
END
cd ../..

# --- --manifest takes the place of the source. ---
mkdir named
printf 'slight = 1\nname = "other"\n[component]\nsource = "none.wasm"\nenv = { N = "named" }\n' \
    >named/other.toml
slight 0 run "$GUEST" --manifest named/other.toml -- env
is out <<END
N=named
END
slight 1 run "$GUEST" --manifest named/other.toml -- get default key
says out "add [[resource]] name = \"default\" to named/other.toml"

# --- Signals end it at once, whatever it does, with the store closed. ---
mkfifo never
sleep 600 >never &
PIDS="$PIDS $!"

INPUT=never
for act in loop:looping sleep:sleeping cat:reading; do
    for signal in INT:130 TERM:143; do
        interrupted "${signal%:*}" "${signal#*:}" "${act#*:}" \
            run "$GUEST" -- "${act%:*}"
    done
done
INPUT=/dev/null

# --- Compiled code is kept, used, and made again where it is damaged. ---
export SLIGHT_CACHE_DIR="$FOLDER/cache"
SLIGHT_LOG=debug slight 0 run "$GUEST" -- args first
lacks err cache-dropped
holds test "$(ls cache/*.code | wc -l)" -eq 1
code_file=$(ls cache/*.code)
inode=$(stat -c %i "$code_file")
slight 0 run "$GUEST" -- args second
is out <<END
second
END
holds test "$(stat -c %i "$code_file")" -eq "$inode"

# damaged HOW COMMAND...
damaged() {
    WHAT="$1"
    shift
    "$@" 2>/dev/null
    slight 0 run "$GUEST" -- args healed
    is out <<END
healed
END
    slight 0 run "$GUEST" -- args again
    is err </dev/null
    holds test "$(stat -c %s "$code_file")" -gt 100000
}
damaged "cut short" truncate -s 1000 "$code_file"
damaged "empty" truncate -s 0 "$code_file"
damaged "other bytes" dd if=/dev/urandom of="$code_file" bs=1000 seek=20 count=5 conv=notrunc
damaged "removed" rm "$code_file"

finish
