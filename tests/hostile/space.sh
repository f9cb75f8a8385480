#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Little address space, as in some containers: slight says how many instances have
# room, those run, and one more is 503.
. "$(dirname "$0")/lib.sh"

printf '#!/bin/sh\nulimit -v 16000000\nexec "%s" "$@"\n' "$SLIGHT" >little
chmod +x little
SLIGHT=./little
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
        curl -s -m 60 -o /dev/null -w '%{http_code}\n' "$ATTACKER/sleep" >>codes &
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

finish
