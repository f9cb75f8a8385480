#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is installed builds guests by itself, from an empty folder that knows
# nothing of the checkout: by hand, by make and by CMake, in C and C++, and in Rust
# and JavaScript, as docs/guests.md shows it.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

cmake --install "$SL_TEST_BUILD" --prefix "$FOLDER/prefix" >installed 2>&1 || fail "not installed: $(cat installed)"
# The program that is tested: another one, where this script must fail.
cp "$SLIGHT" prefix/bin/slight
SLIGHT=$FOLDER/prefix/bin/slight
SHARE=$FOLDER/prefix/share/slight
GUEST_CC=${GUEST_CC:-clang-19}
mkdir empty
cd empty || exit 1

# --- Manual pages, completions and notices are those of the program. ---
for file in bin/slight share/man/man1/slight.1 share/man/man1/slight-run.1 share/man/man5/slightfile.toml.5 \
    share/bash-completion/completions/slight share/zsh/site-functions/_slight share/fish/vendor_completions.d/slight.fish \
    share/doc/slight/third-party-notices.txt share/doc/slight/LICENSE; do
    holds test -s "../prefix/$file"
done
slight 0 completion zsh
holds cmp out ../prefix/share/zsh/site-functions/_slight
slight 0 version --licenses
holds cmp out ../prefix/share/doc/slight/third-party-notices.txt

# runs COMMAND...: it succeeds; what it says is shown where it does not.
runs() {
    WHAT="$*"
    "$@" >out 2>err </dev/null || fail "exit code $?"
}

# --- By hand, as `slight help bindgen` says it. ---
cat >hello.c <<'END'
#include <stdio.h>
#include <stdlib.h>

#include "command.h"

/* How deep it goes is how much stack it takes. */
static int deep(int n);
static int (*volatile deeper)(int) = deep;

static int deep(int n)
{
    volatile char room[1024];
    for (int i = 0; i < 1024; i++)
        room[i] = (char)n;
    return n == 0 ? room[3] : deeper(n - 1) + room[5];
}

int main(int argc, char **argv)
{
    printf("hello\n");
    fflush(stdout);
    return argc > 1 ? deep(atoi(argv[1])) == 1 : 0;
}
END
slight 0 help bindgen
sed -n 's/^  \(clang-19\|    -Wl\|    command\|slight componentize\)/  \1/p' out | sed 's/^ *//' >commands
holds test "$(grep -c . commands)" -eq 4
export PATH="$FOLDER/prefix/bin:$PATH"
runs "$SLIGHT" bindgen c --world command
runs sh -e commands
slight 0 run hello.wasm
is out <<END
hello
END

# A stack that overflows traps, before it is anything else's.
slight 5 run hello.wasm -- 1000
says err "out of bounds memory access"

# --- make: names of functions are in a backtrace; the stack is settable. ---
mkdir make
cp hello.c make
cat >make/Makefile <<END
GUEST := hello
SOURCES := hello.c
include $SHARE/guest.mk
END
runs make -C make GUEST_CFLAGS="-O1 -Wall" SLIGHT="$SLIGHT"
slight 0 run make/hello.wasm
slight 5 run make/hello.wasm -- 1000
says err ": deep"
runs make -C make guest-clean
runs make -C make GUEST_CFLAGS="-O1 -Wall" SLIGHT="$SLIGHT" STACK=33554432
slight 0 run make/hello.wasm -- 1000

# --- CMake, of each world; an HTTP handler in C and in C++, of a world of its own. ---
mkdir -p cmake/wit
cat >cmake/wit/app.wit <<END
package my:app@1.0.0;
world my-web {
  import slight:kv/store@0.2.0;
  import wasi:http/types@0.2.12;
  export wasi:http/incoming-handler@0.2.12;
}
END
cat >cmake/web.c <<'END'
#include "http_reply.h"

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t request,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    (void)request;
    http_reply_text(out, 200, "installed\n");
}
END
cat >cmake/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.25)
project(guests LANGUAGES NONE)
list(APPEND CMAKE_MODULE_PATH "$SHARE")
include(SlightGuest)
slight_guest_c(hello SOURCES ../hello.c)
slight_guest_c(web SOURCES web.c WORLD slight:slight/http)
slight_guest_c(mine SOURCES web.c WORLD my:app/my-web WIT wit STACK 65536)
END
runs cmake -S cmake -B cmake/build -G Ninja -DSLIGHT_PROGRAM="$SLIGHT"
runs cmake --build cmake/build
for name in web mine; do
    printf 'slight = 1\nname = "%s"\n[component]\nsource = "cmake/build/%s.wasm"\n' $name $name >$name.toml
    printf '[[trigger]]\ntype = "http"\nlisten = "127.0.0.1:0"\n' >>$name.toml
    serve $name.toml
    get 200 /
    says body installed
    stop TERM 0
done
cp cmake/web.c web.cc
runs clang++-19 --target=wasm32-wasi -std=c++17 -Wall -Wextra -Werror -fsyntax-only -Icmake/build/mine.bindings web.cc

# --- An allocator that is not up before main, as Go's: it is not called then. ---
cat >late.c <<'END'
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_up;

__attribute__((export_name("cabi_realloc"))) void *
cabi_realloc(void *ptr, size_t old, size_t align, size_t size)
{
    (void)old;
    (void)align;
    if (!is_up)
        __builtin_trap();
    return realloc(ptr, size);
}

int main(void)
{
    is_up = true;
    puts("up");
    return 0;
}
END
sed 's/hello/late/g' commands >late-commands
runs sh -e late-commands
slight 5 run late.wasm
# Go's linker says who made it, by a section of this name.
printf '\000\013\012go:buildid' >>late.core.wasm
runs "$SLIGHT" componentize late.core.wasm -o late.wasm
slight 0 run late.wasm
is out <<END
up
END

# --- Rust and JavaScript: the files and the commands of docs/guests.md. ---
# of_docs SECTION FOLDER: the files, and the commands as the file commands.
of_docs() {
    WHAT="docs/guests.md, $1"
    mkdir "$2"
    cd "$2" || exit 1
    /usr/bin/python3 - "$HERE/../../docs/guests.md" "$1" <<'END' || fail "no such section"
import pathlib, re, sys
section = re.search(rf"^## {sys.argv[2]}\n(.*?)(?=^## |\Z)", pathlib.Path(sys.argv[1]).read_text(), re.M | re.S)[1]
for name, text in re.findall(r"^`([^`]+)`:\n\n```\w*\n(.*?)^```$", section, re.M | re.S):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
pathlib.Path("commands").write_text("\n".join(re.findall(r"^\$ (.*)", section, re.M)) + "\n")
END
}

of_docs Rust rust
# Debian's toolchain has no such target; the versions are those of the example.
sed 's/^name = "wordcount-rust"/name = "visits"/' "$HERE/../../examples/wordcount-rust/Cargo.lock" >Cargo.lock
built=target/wasm32-wasip2/release
mkdir -p $built
sed -i "s|^cargo build .*|'$HERE/../../scripts/rust-guest.sh' . $built/visits.wasm|" commands
runs sh -e commands
says out "visit 1"
cd ..

of_docs JavaScript javascript
ship=$HERE/../../examples/orders/ship
holds grep -qF "$(grep -F componentize-qjs package.json)" "$ship/package.json"
tools=$("$HERE/../../scripts/js-guest.sh" "$ship")
sed -i "s|^npm install$|ln -s '$tools/node_modules' node_modules|; /^slight run$/d" commands
runs sh -e commands
sed -n '/^slight/,/^\[\[trigger/p' slightfile.toml | grep -v trigger |
    sed "s|greeter.wasm|$SL_TEST_GUESTS/e2e-sender.wasm|" >send.toml
echo hello >lines
INPUT=lines slight 0 run send.toml -- pubsub events greetings
"$SLIGHT" run >out 2>err &
SERVER=$!
PIDS="$PIDS $SERVER"
has_greeted() {
    [ "$(sqlite3 seen.db "SELECT CAST(value AS TEXT) FROM entries WHERE key = 'hello'" 2>/dev/null)" = 1 ]
}
WHAT="a guest in JavaScript"
wait_for has_greeted
says err 'topic=greetings resource=events group=greeter'
stop TERM 0
cd ..

cd ..
finish
