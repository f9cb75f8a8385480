#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Without /dev and /proc, as in a chroot: not even /dev/null is there.
. "$(dirname "$0")/lib.sh"

MAP=
[ "$(id -u)" = 0 ] || MAP=--map-root-user
bare() {
    WHAT="slight $* without /dev and /proc"
    # shellcheck disable=SC2016,SC2086 # of the inner shell; none, or one
    unshare $MAP --mount sh -c 'mount -t tmpfs none /dev &&
        mount -t tmpfs none /proc && test ! -e /dev/null && exec "$@"' sh \
        timeout -k 5 300 "$SLIGHT" "$@" || fail "exit code $?"
}
for words in version help "completion bash"; do
    # shellcheck disable=SC2086 # words are meant
    "$SLIGHT" $words >expected
    # shellcheck disable=SC2086 # words are meant
    bare $words >out 2>err </dev/null
    holds cmp expected out
    is err </dev/null
done
bare run "$GUEST" -- set default key bare >out 2>err </dev/null
bare run "$GUEST" -- get default key >out 2>err </dev/null
is out <<END
value: bare
END
bare run "$GUEST" -- cat <&- >&- 2>err
is err <<END
reading
0 bytes
END
bare run "$GUEST" -- set default key closed <&- >&- 2>&-
slight 0 run "$GUEST" -- get default key
is out <<END
value: closed
END

finish
