#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What operators read of a slight that serves: metrics, by Prometheus' own
# parser; whether it is ready; and its log, each entry of which is JSON.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"
. "$HERE/server.sh"

python() {
    /usr/bin/python3 "$@"
}

server_start "$FOLDER/redis" --port "$(free_port)"
REDIS=$SERVER
cat >app.toml <<END
slight = 1
name = "app"
[management]
listen = "127.0.0.1:0"
[[component]]
name = "web"
source = "$SL_TEST_GUESTS/e2e-http.wasm"
resources = ["default"]
[[component]]
name = "worker"
source = "$SL_TEST_GUESTS/e2e-worker.wasm"
resources = ["seen"]
[[resource]]
name = "default"
type = "kv.redis"
url = "redis://127.0.0.1:$SERVER_PORT"
timeout = "5s"
[[resource]]
name = "seen"
type = "kv.sqlite"
path = "seen.db"
[[resource]]
name = "jobs"
type = "mq.sqlite"
path = "jobs.db"
[[resource]]
name = "elsewhere"
type = "kv.redis"
url = "redis://127.0.0.1:1"
required = false
[[trigger]]
type = "http"
component = "web"
listen = "127.0.0.1:0"
timeout = "10s"
[[trigger]]
type = "mq"
component = "worker"
resource = "jobs"
backoff = "10ms"
END
cat >send.toml <<END
slight = 1
name = "send"
[component]
source = "$SL_TEST_GUESTS/e2e-sender.wasm"
[[resource]]
name = "jobs"
type = "mq.sqlite"
path = "jobs.db"
END

# metric NAME LABEL=VALUE...: the sum of the samples with these labels, from the
# file metrics.
cat >metric.py <<'END'
import sys
from prometheus_client.parser import text_string_to_metric_families
wanted = dict(pair.split("=", 1) for pair in sys.argv[2:])
families = list(text_string_to_metric_families(open("metrics").read()))
names = [family.name for family in families]
assert len(names) == len(set(names)), "a metric stands at two places"
samples = [s for family in families for s in family.samples]
keys = [(s.name, tuple(sorted(s.labels.items()))) for s in samples]
assert len(keys) == len(set(keys)), "a sample is there twice"
for family in families:
    assert family.documentation and family.type != "unknown", family.name
found = [s.value for s in samples if s.name == sys.argv[1]
         and wanted.items() <= s.labels.items()]
print("%g" % sum(found) if found else "none")
END
metric() {
    python metric.py "$@"
}
scrape() {
    curl -s -m 300 -o metrics -D head "$MANAGEMENT/metrics"
}
# counts NUMBER NAME LABELS...: this is what a scrape says, or soon will.
counts() {
    number=$1
    shift
    scrape
    [ "$(metric "$@")" = "$number" ]
}
ready() { # CODE
    [ "$(curl -s -m 300 -o body -w '%{http_code}' "$MANAGEMENT/readyz")" = "$1" ]
}

serve app.toml --grace 60s --log-level info --log-format json
MANAGEMENT=$(python - served <<'END'
import json, sys
for line in open(sys.argv[1]):
    entry = json.loads(line)
    if entry["event"] == "management":
        print(entry["text"].split()[1])
END
)
WHAT="management at $MANAGEMENT"
holds test -n "$MANAGEMENT"

# --- Readiness ---
holds test "$(curl -s -m 300 "$MANAGEMENT/healthz")" = ok
holds ready 200
is body <<END
ready
END
holds test "$(curl -s -m 300 -o body -w '%{http_code}' "$MANAGEMENT/other")" = 404
holds test "$(curl -s -m 300 -X POST -o body -w '%{http_code}' "$MANAGEMENT/metrics")" = 405
holds test "$(curl -s -m 300 -I -o body -w '%{http_code}' "$MANAGEMENT/healthz")" = 200
kill -STOP "$REDIS"
wait_for ready 503
says body 'resource "default": '
lacks body 'elsewhere'
get 503 /count
kill -CONT "$REDIS"
wait_for ready 200

# --- Counts ---
WHAT="metrics"
for _ in 1 2 3 4 5; do get 200 /count; done
get 200 / -H 'x-request-id: req-"7'
get 500 /trap
get 504 /spin
printf '%s\n' plain reject retry >lines
INPUT=lines slight 0 run send.toml -- mq jobs
wait_for counts 1 slight_trigger_dead_letters_total resource=jobs
says head "content-type: text/plain; version=0.0.4"
holds counts 1 slight_trigger_calls_total component=web end=trapped
holds counts 1 slight_trigger_calls_total component=web end=timed-out
holds counts 1 slight_trigger_calls_total component=worker end=rejected
holds counts 6 slight_http_responses_total component=web code=200
holds counts 1 slight_http_responses_total component=web code=504
holds counts 5 slight_resource_calls_total resource=default component=web \
    operation=increment code=ok
holds counts 6 slight_resource_call_duration_seconds_count resource=default \
    operation=increment
holds counts 1 slight_resource_calls_total resource=jobs component= \
    operation=dead-letter
holds counts none slight_resource_calls_total resource=elsewhere
holds counts 0 slight_http_requests
holds counts 1 slight_build_info
holds test "$(metric process_resident_memory_bytes)" != 0
holds test "$(metric slight_component_instances component=web)" = 0
holds test "$(metric slight_resource_connections resource=default)" -ge 1

# --- Read under load, by Prometheus' own parser ---
for path in / /count /echo /trap; do
    while [ ! -e over ]; do
        curl -s -m 300 -o /dev/null --data-binary @"$GUEST" "$URL$path?[1-20]"
    done &
    JOBS="${JOBS:-} $!"
done
before=$(metric slight_trigger_calls_total component=web)
for _ in $(seq 20); do
    scrape
    after=$(metric slight_trigger_calls_total component=web) ||
        fail "cannot be read"
    holds test "$after" -ge "$before"
    [ "$(metric slight_trigger_call_duration_seconds_count component=web)" \
        -ge "$before" ] || fail "fewer durations than calls"
    before=$after
done
: >over
# shellcheck disable=SC2086 # words are meant
wait $JOBS

# --- The end ---
hold
kill -TERM "$SERVER"
wait_for ready 503
is body <<END
slight is ending
END
let_go
wait "$SERVER"
holds test $? = 0

# --- The log: entries of JSON, all of them ---
WHAT="the log"
cat >log.py <<'END'
import json
entries = [json.loads(line) for line in open("served")]
for entry in entries:
    assert entry["time"].endswith("Z") and entry["level"] and entry["event"]
def one(**wanted):
    assert any(wanted.items() <= e.items() for e in entries), wanted
one(event="trigger", name="app")
one(event="request", method="GET", path="/", request='req-"7', status=200)
one(event="trapped", component="web", path="/trap")
one(event="rejected", component="worker", queue="jobs", reason="never")
assert any("\n" in e.get("backtrace", "") for e in entries)
END
holds python log.py
cat >served.py <<'END'
import json
for line in open("served.out"):
    entry = json.loads(line)
    assert entry["component"] == "web" and entry["stream"] == "stdout"
END
holds python served.py

# An address that is taken is said, and nothing is left running.
sed -i "4s|127.0.0.1:0|127.0.0.1:$SERVER_PORT|" app.toml
slight 4 run app.toml
says err ": error: [management]: cannot listen at 127.0.0.1:$SERVER_PORT"

finish
