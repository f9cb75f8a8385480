#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Print a port of the loopback interface for a server of a test: nothing listens
# on it, and no other test was given it lately, whose server may not have
# started yet, or starts again.  Below the ports that clients get by themselves.
set -eu
FIRST=20000
END=32000

folder=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services
mkdir -p "$folder"
exec 9>>"$folder/port"
flock 9
port=$(cat "$folder/port")
[ -n "$port" ] || port=$(shuf -i "$FIRST-$((END - 1))" -n 1)
while :; do
    port=$((port + 1 < END ? port + 1 : FIRST))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
done
echo "$port" >"$folder/port"
echo "$port"
