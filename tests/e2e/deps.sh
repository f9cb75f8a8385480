#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make deps: who is asked before packages are installed, and who is told how.  The
# package manager, sudo and the user are fakes; one package, wrk, is missing.
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/slight-deps-XXXXXX")
trap 'rm -rf "$FOLDER"' EXIT
cd "$FOLDER" || exit 1
unset DEPS MAKEFLAGS
failed=0

fail() {
    echo "FAIL: $WHAT: $1"
    cat called said
    failed=1
}

says() {
    grep -qF -e "$1" said || fail "it does not say: $1"
}

fake() { # NAME: its script is standard input
    { printf '#!/bin/sh\ncd "%s"\n' "$FOLDER"; cat; } >"bin/$1"
    chmod +x "bin/$1"
}

mkdir bin
fake apt-get <<'END'
echo "apt-get $*" >>called
[ ! -e apt-fails ]
END
fake sudo <<'END'
echo "sudo $1" >>called
exec "$@"
END
fake id <<'END'
cat uid
END
fake dpkg-query <<'END'
for package; do :; done
case "$package $(cat missing)" in "wrk wrk") exit 1 ;; esac
echo installed
END
for tool in npm go; do
    fake $tool </dev/null
done

cat >on_terminal.py <<'END'
# on_terminal.py ANSWER COMMAND...: on a terminal, on which ANSWER is typed when it
# asks.
import os, pty, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""
try:
    while piece := os.read(master, 4096):
        shown += piece
        if shown.endswith(b"[y/N] "):
            os.write(master, sys.argv[1].encode() + b"\n")
except OSError:
    pass
print(shown.decode().replace("\r\n", "\n"), end="")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END

# deps CODE COMMAND...: in front of make; what it calls is in the file called.
deps() {
    expected=$1
    shift
    : >called
    PATH=$FOLDER/bin:$PATH "$@" make -s -C "$ROOT" deps-bench >said 2>&1 </dev/null
    got=$?
    [ $got -eq "$expected" ] || fail "exit code $got, expected $expected"
}

called() { # LINES...
    printf '%s\n' "$@" >expected
    cmp -s called expected || fail "it did not call just: $*"
}

INSTALL='apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk'
UPDATED='apt-get update -qq'
INSTALLED='apt-get install -y -qq --no-install-recommends wrk'

told_how() {
    called_nothing
    says "    sudo sh -c '$INSTALL'"
    says DEPS=no
}

called_nothing() {
    [ ! -s called ] || fail "something was called"
}

echo wrk >missing
echo 0 >uid
WHAT="root"
deps 0 env
called "$UPDATED" "$INSTALLED"
WHAT="root on a terminal"
deps 0 python3 on_terminal.py n
called "$UPDATED" "$INSTALLED"
WHAT="root, whose package manager fails"
: >apt-fails
deps 2 env
called "$UPDATED"
rm apt-fails

echo 1000 >uid
WHAT="no root, no terminal"
deps 2 env
told_how
WHAT="no root, on a terminal, no"
for answer in n '' maybe; do
    deps 2 python3 on_terminal.py "$answer"
    says 'packages are missing: wrk'
    told_how
done
WHAT="no root, on a terminal, yes"
deps 0 python3 on_terminal.py y
called "sudo sh" "$UPDATED" "$INSTALLED"
WHAT="no root, no terminal, DEPS=yes"
deps 0 env DEPS=yes
called "sudo sh" "$UPDATED" "$INSTALLED"
for id in 0 1000; do
    WHAT="DEPS=no as user $id"
    echo $id >uid
    deps 0 env DEPS=no
    called_nothing
    [ ! -s said ] || fail "it says something"
done

echo nothing >missing
WHAT="nothing missing"
deps 0 env
called_nothing
[ ! -s said ] || fail "it says something"
exit $failed
