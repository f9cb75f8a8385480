#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages render without a warning, one for each command.
. "$(dirname "$0")/lib.sh"

slight 0 help --man-pages pages
slight 0 help
sed -n '/^Commands/,/^Options/s/^  \([a-z-]*\) .*/slight-\1.1/p' out >expected-pages
printf 'slight.1\nslightfile.toml.5\n' >>expected-pages
sort expected-pages >sorted
find pages -type f | sed 's,.*/,,' | LC_ALL=C sort >written
LC_ALL=C sort -o sorted sorted
holds test "$(wc -l <sorted)" -gt 5
holds cmp sorted written

for page in pages/*; do
    WHAT=$page
    groff -man -Tutf8 -ww -b "$page" >text 2>warnings || fail "not rendered"
    holds test -s text
    cp warnings err
    is err </dev/null
done

# Text is text, whatever troff makes of its characters.
groff -man -Tascii pages/slight-run.1 | sed 's/.\x08//g; s/\x1b\[[0-9;]*m//g' >out
says out "slight run [FILE|DIR] [-- ARGS...]"
says out "--dir HOST::GUEST[:ro]"
says out "slight run app.wasm --dir data::/data:ro --env LANG=C --timeout 5s"
groff -man -Tascii pages/slight-bindgen.1 | sed 's/.\x08//g; s/\x1b\[[0-9;]*m//g' >out
says out "clang-19 --target=wasm32-wasi -O2 -nostartfiles -Wl,--no-entry \\"

finish
