#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build an example and run it, in its folder:
#
#     scripts/run-example.sh NAME [TEXT]
#
# What it is built with is in its Makefile, or it is a crate. TEXT is a file for its
# standard input.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
slight=$root/${BUILD:-build}/slight

[ -f "$root/examples/$1/slightfile.toml" ] || {
    echo "slight: there is no example \"$1\"; there are: $(ls -m "$root/examples")" >&2
    exit 2
}
cd "$root/examples/$1"
if [ -f Makefile ]; then
    make -s SLIGHT="$slight" 1>&2
else
    source=$(sed -n 's/^source = "\(.*\)"/\1/p' slightfile.toml)
    "$root/scripts/rust-guest.sh" . "$source"
fi
echo "slight run examples/$1${2:+ < $2}" >&2
exec "$slight" run <"${2:-/dev/stdin}"
