#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Little address space, as in some containers: slight says how many instances have
# room, those run, and one more is 503.
. "$(dirname "$0")/lib.sh"

printf '#!/bin/sh\nulimit -v 16000000\nexec "%s" "$@"\n' "$SLIGHT" >little
chmod +x little
SLIGHT=./little

# route LISTENER ROUTE CONCURRENCY: of the manifest asked.toml.
route() {
    printf '[[trigger]]\ntype = "http"\nlisten = "%s:0"\nroute = "%s"\nconcurrency = %s\n' \
        "$1" "$2" "$3" >>asked.toml
}

# asked MEMORY: begins that manifest.
asked() {
    printf 'slight = 1\nname = "app"\n[component]\nsource = "%s"\nmemory = "%s"\n' \
        "$SL_TEST_GUESTS/e2e-http.wasm" "$1" >asked.toml
}

# A number that does not fit is an error at the start, with the one that would;
# of the routes of a listener the largest counts.
asked 64MiB
route 127.0.0.1 / 2000
slight 4 run asked.toml
says err 'asked.toml:10:15: "concurrency": 2000 instances at once are asked for'
says err 'fit: the address space (ulimit -v) has no more room'
fits=$(sed -n 's/.* and \([0-9]*\) fit: .*/\1/p' err)
WHAT="a number that fits"
holds test "$fits" -ge 100 -a "$fits" -lt 2000
less=$((fits * 3 / 4))
asked 64MiB
route 127.0.0.1 / $less
route 127.0.0.1 /second $less
slight 0 check asked.toml
says err 'event=few-instances'
route 127.0.0.2 / $less
slight 4 check asked.toml
says err "\"concurrency\": $((2 * less)) instances at once are asked for"
asked 4GiB
route 127.0.0.1 / 100000
slight 4 check asked.toml
says err '"concurrency": 100000 instances at once are asked for'

{
    printf 'slight = 1\nname = "app"\n'
    victim
    printf '[[component]]\nname = "attacker"\nsource = "%s"\n' \
        "$SL_TEST_GUESTS/e2e-http.wasm"
    printf '[[trigger]]\ntype = "http"\ncomponent = "attacker"\n'
    printf 'listen = "127.0.0.2:0"\n'
} >app.toml
serve_hostile
says served 'event=few-instances wanted=2000'
says served 'ulimit -v'
room=$(sed -n 's/.*event=few-instances.* room=\([0-9]*\).*/\1/p' served)
holds test "$room" -ge 100

# ask COUNT: requests of a second at once; what they answer is in the file codes.
ask() {
    rm -f codes
    JOBS=
    i=0
    while [ $i -lt "$1" ]; do
        i=$((i + 1))
        curl -s -m 300 -o /dev/null -w '%{http_code}\n' "$ATTACKER/sleep" >>codes &
        JOBS="$JOBS $!"
    done
    # shellcheck disable=SC2086 # words are meant
    wait $JOBS
}
ask 12
WHAT="a dozen at once"
holds test "$(grep -c '^200$' codes)" = 12
ask $((room + 150))
WHAT="more than there is room for"
holds test "$(grep -vc '^200$\|^503$' codes)" = 0
holds test "$(grep -c '^200$' codes)" -ge 12
URL=$VICTIM
get 200 /hello
stop TERM 0

# Compiling in little address space ends with an error that names it, not with a
# crash.
"$SL_TEST_HOSTILE/hostile-bomb" loops 400 >loops.wasm
sed 's/16000000/200000/' little >least
chmod +x least
SLIGHT=./least
export SLIGHT_CACHE_DIR=off
for command in check run; do
    slight 4 $command loops.wasm
    says err "loops.wasm: compiling it takes more address space than the process may have ("
    says err "; raise that limit (ulimit -v)"
done

finish
