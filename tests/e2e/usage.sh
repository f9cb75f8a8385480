#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wrong command lines (2), and the help that keeps one from writing them.
. "$(dirname "$0")/lib.sh"

COMMANDS="run check providers wit bindgen componentize completion version help"

# wrong ERROR ARGS...
wrong() {
    text=$1
    shift
    slight 2 "$@"
    says err "error: $text"
    holds test "$(wc -l <err)" -eq 1
    is out </dev/null
}

wrong 'unknown command "rnu"; did you mean "run"?' rnu
wrong 'unknown command "chekc"; did you mean "check"?' chekc
wrong 'unknown command "xyzzy"; "slight help" lists the commands' xyzzy
wrong 'unknown command ""' ''
wrong 'unknown option --nothing' --nothing
wrong 'unknown option --timout; did you mean --timeout?' run --timout 5s a.wasm
wrong 'unknown option --xyzzy; "slight help run" lists the options' run --xyzzy
wrong 'unknown option -z' run -z
wrong '--timeout needs a value: DURATION' run a.wasm --timeout
wrong '--timeout was given more than once' run --timeout 1s --timeout 2s a.wasm
wrong '--timeout soon: expected a duration' run --timeout soon a.wasm
wrong '--timeout 5: expected a duration' run --timeout 5 a.wasm
wrong '--env A: expected NAME=VALUE' run --env A a.wasm
wrong '--dir nowhere::/d: there is no folder "nowhere"' run --dir nowhere::/d a.wasm
wrong 'unexpected "b"; arguments of the component go after "--"' run a.wasm b
wrong '--manifest needs a component' run . --manifest a.toml
wrong 'unexpected "x"' check a.wasm -- x
wrong 'missing argument; usage: slight completion' completion
wrong 'missing argument; usage: slight componentize' componentize -o a.wasm
wrong '--out is missing' componentize a.wasm
wrong '--world is missing' bindgen c
wrong 'unknown command "nothing"' help nothing
wrong 'unexpected "more"' help run more
# What is run once and what serves have options of their own.
manifest '[[trigger]]' 'type = "http"' 'listen = "127.0.0.1:0"'
wrong '--timeout applies to manifests without [[trigger]]s' run --timeout 1s
wrong '--raw-output applies to manifests without [[trigger]]s' run --raw-output
manifest
wrong '--grace applies to manifests with [[trigger]]s, and this one has none' run --grace 1s
export SLIGHT_LOG=loud
wrong 'SLIGHT_LOG is "loud"; expected error, warn, info or debug' version
unset SLIGHT_LOG

# What was typed cannot play with the terminal.
wrong 'unknown command' "$(printf 'a\033[31m\nb')"
lacks err "$(printf '\033')"

# Help, of everything.
slight 0
says out Commands
cp out all
slight 0 help
holds cmp all out
slight 0 --help
holds cmp all out
for command in $COMMANDS; do
    says all "  $command "
    slight 0 help "$command"
    says out "Usage"
    says out "slight $command"
    is err </dev/null
    cp out help
    slight 0 "$command" --help
    holds cmp help out
    slight 0 "$command" -h
    holds cmp help out
done

slight 0 version
says out "slight "
says out "wasmtime "

for shell in bash zsh fish; do
    slight 0 completion $shell
    holds test -s out
    for command in $COMMANDS; do
        says out "$command"
    done
done
slight 0 completion bash
holds bash -n out

finish
