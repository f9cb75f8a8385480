#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build an example in C with slight and clang, and run it on a text:
#
#     scripts/run-example.sh wordcount-c TEXT
set -eu
cd "$(dirname "$0")/../examples/$1"
make -s SLIGHT="$OLDPWD/${BUILD:-build}/slight" 1>&2
echo "slight run examples/$1 < $2" >&2
exec "$OLDPWD/${BUILD:-build}/slight" run <"$2"
