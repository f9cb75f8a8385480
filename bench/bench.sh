#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measure what was built: `make bench`, or bench/bench.sh BUILD-FOLDER.
# PARTS="http redis" measures only these; see `parts` below.
#
# Prints a table, each target beside its figure, and writes BUILD/bench.json.
# Compares within one run; absolute times are this machine's, at its best.
# QUICK=1 measures a tenth as long.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
guest=$build/bench/bench-guest.wasm
scale=$([ "${QUICK:-}" = 1 ] && echo 1 || echo 10)
export SLIGHT_LOG_FORMAT=text
work=$(mktemp -d "${TMPDIR:-/tmp}/slight-bench-XXXXXX")
rows=$work/rows
calls=$work/calls
servers=
: >"$rows"
parts="bridge kv deliveries http redis etcd zookeeper postgres mysql kafka program"

stop_servers() {
    # shellcheck disable=SC2086 # words are meant
    [ -z "$servers" ] || kill $servers 2>/dev/null || true
    servers=
}

stop() {
    stop_servers
    for service in "$work/services"/*.env; do
        name=$(basename "$service" .env)
        tests/services/"$name.sh" stop "$work/services" >/dev/null 2>&1 || true
    done
    rm -rf "$work"
}
trap stop EXIT

# row NAME VALUE UNIT [TARGET le|ge]: one line of the table, printed at once.
row() {
    met=
    [ -z "${4:-}" ] || met=$(awk -v v="$2" -v t="$4" -v how="$5" \
        'BEGIN { print (how == "le" ? v <= t : v >= t) ? "yes" : "NO" }')
    target=${4:+$([ "$5" = le ] && echo "<=" || echo ">=") $4}
    printf '%-58s %12s %-8s %-10s %s\n' "$1" "$2" "$3" "$target" "$met"
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$target" "$met" >>"$rows"
}

# The lines of a benchmark ("name size calls ns") on standard input: ns per call
# of one name and size.
per_call() {
    # To the end: whoever writes must not find the pipe closed.
    awk -F '\t' -v n="$1" -v s="$2" '$1 == n && $2 == s && !done { printf "%.0f\n", $4 / $3; done = 1 }'
}

# fastest FILE COMMAND...: run a benchmark five times; of each name and size the
# fastest goes to FILE. Absolute times: what else the machine does only adds.
fastest() {
    for _ in 1 2 3 4 5; do "${@:2}"; done |
        awk -F '\t' '{ key = $1 FS $2; each = $4 / $3 }
            !(key in best) || each < best[key] { best[key] = each; line[key] = $0 }
            END { for (key in line) print line[key] }' >"$1"
}

rate() {
    awk -F '\t' '$1 != "threads" && !done { printf "%.0f\n", $3 * 1e9 / $4; done = 1 }'
}

ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

manifest() { # NAME TYPE SETTING...
    {
        printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "store"\ntype = "%s"\n' "$guest" "$2"
        printf '%s\n' "${@:3}"
    } >"$work/$1.toml"
}

slight() {
    "$build/slight" run "$work/$1.toml" -- "${@:2}"
}

many() { # MANIFEST GUESTS ARGUMENTS...
    "$build/bench/bench-many" "$work/$1.toml" "${@:2}"
}

# The address that a server writes into its log: sets url.
await_url() { # LOG
    until grep -q 'http://[^/]*/' "$1"; do sleep 0.1; done
    url=$(sed -n 's|.*\(http://[^/]*\)/.*|\1|p' "$1")
}

load() { # URL CONNECTIONS: "requests-per-second p99-in-ms"
    wrk -t 1 -c "$2" -d "$((scale / 4 + 1))s" --latency "$1" | awk '
        $1 == "99%" { unit = $2; sub(/[0-9.]+/, "", unit)
            p99 = $2 * (unit == "us" ? 0.001 : unit == "s" ? 1000 : 1) }
        $1 == "Requests/sec:" { rate = $2 }
        END { printf "%.0f %.2f\n", rate, p99 }'
}

# The figure of a name, from a file of "name rate p99" lines of several rounds:
# the highest rate, the lowest p99.
best() {
    awk -v n="$1" -v f="$2" '$1 == n { v = $(f + 1)
        if (!(n in b) || (f == 1 ? v > b[n] : v < b[n])) b[n] = v }
        END { print b[n] }' "$calls"
}

echo "slight on $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
printf '%-58s %12s %-8s %-10s %s\n' what figure unit target met

for part in ${PARTS:-$parts}; do
    file=$(find bench/parts bench/services -name "$part.sh")
    [ -n "$file" ] || { echo "no part \"$part\"; there are: $parts" >&2; exit 2; }
    . "$file"
done

awk -F '\t' 'BEGIN { print "[" }
    { gsub(/"/, "\\\"")
      printf "%s  {\"what\": \"%s\", \"figure\": %s, \"unit\": \"%s\", \"target\": \"%s\", \"met\": \"%s\"}", (NR > 1 ? ",\n" : ""), $1, $2, $3, $4, $5 }
    END { print "\n]" }' "$rows" >"$build/bench.json"
missed=$(awk -F '\t' '$5 == "NO"' "$rows" | wc -l)
echo "written to $build/bench.json; $missed target(s) missed"
