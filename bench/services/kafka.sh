# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: topics of Kafka, to what Kafka's own tool publishes on the
# same broker.  Both without a password and with acks=all, idempotent, the same
# events and batches; the tool's rate is its own, which leaves the start of its JVM out.
# shellcheck shell=bash disable=SC2154
tests/services/kafka.sh start "$work/services" >/dev/null
. "$work/services/kafka.env"
kafka_count=$((scale * 20000))
kafka_received=200000 # to join the group takes as long as some thousands
kafka_guests=8
kafka_broker=127.0.0.1:$SL_TEST_KAFKA_INSIDE_PORT
kafka_manifest() { # COMPONENT PREFIX
    printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "events"\ntype = "pubsub.kafka"\nbrokers = "%s"\nprefix = "%s"\ntimeout = "30s"\n' \
        "$build/bench/bench-$1.wasm" "$kafka_broker" "$2"
}
kafka_publish() { # GUESTS PREFIX: events a second
    kafka_manifest publish "$2" >"$work/kafka.toml"
    "$build/bench/bench-many" "$work/kafka.toml" "$1" publish events 1024 \
        $((kafka_count / 100 / $1)) >"$calls"
    awk -F '\t' 'NR == 1 { printf "%.0f", $3 * 100 * 1e9 / $4 }' "$calls"
}
one=0 ours=0 theirs=0 handled=0
for round in 1 2 3; do # in turn, so that what else the machine does meets both
    one=$((one + $(kafka_publish 1 "one$round-")))
    ours=$((ours + $(kafka_publish $kafka_guests "all$round-")))
    tests/services/kafka.sh tell "$work/services" org.apache.kafka.tools.TopicCommand \
        --create --topic "tool$round" >/dev/null
    java -Xmx512m -cp "$SL_TEST_KAFKA_JARS/*" org.apache.kafka.tools.ProducerPerformance \
        --topic "tool$round" --num-records "$kafka_count" --record-size 1024 --throughput -1 \
        --producer-props bootstrap.servers="$kafka_broker" acks=all enable.idempotence=true \
        batch.size=131072 linger.ms=5 \
        >"$work/perf" 2>/dev/null
    theirs=$((theirs + $(tail -n 1 "$work/perf" | sed 's/.*sent, \([0-9]*\).*/\1/')))
    {
        kafka_manifest subscriber ''
        printf '[[trigger]]\ntype = "pubsub"\nresource = "events"\nconcurrency = 256\ntopic = "t%s"\ngroup = "g"\nstart = "earliest"\n' $round
    } >"$work/kafka.toml"
    "$build/bench/bench-deliver" "$work/kafka.toml" $kafka_received 1024 >"$calls"
    handled=$((handled + $(awk -F '\t' '$1 == "handle" { printf "%.0f", $3 * 1e9 / $4 }' "$calls")))
done
row "pubsub.kafka: published, 1 KiB, 100 a call, $kafka_guests guests" "$((ours / 3))" 1/s
row "pubsub.kafka: the same, one guest" "$((one / 3))" 1/s
row "kafka-producer-perf-test, 1 KiB, acks=all, idempotent" "$((theirs / 3))" 1/s
row "pubsub.kafka: publishing to kafka-producer-perf-test" "$(ratio $ours $theirs)" x 0.5 ge
row "pubsub.kafka: received, handled in C, committed" "$((handled / 3))" 1/s 30000 ge
row "pubsub.kafka: one, from its sending to its settling" \
    "$(awk -F '\t' '$1 == "settled" { printf "%.2f", $4 / 1e6 }' "$calls")" ms
tests/services/kafka.sh stop "$work/services" >/dev/null
