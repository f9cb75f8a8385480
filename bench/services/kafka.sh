# SPDX-License-Identifier: Apache-2.0
# Sourced by bench.sh: topics of Kafka, to what Kafka's own tool publishes on the
# same broker.  Both without a password, and with acks=all.
# shellcheck shell=bash disable=SC2154
tests/services/kafka.sh start "$work/services" >/dev/null
. "$work/services/kafka.env"
kafka_count=$((scale * 10000))
kafka_broker=127.0.0.1:$SL_TEST_KAFKA_INSIDE_PORT
kafka_rate() { # NAME: of the lines of bench-deliver
    awk -F '\t' -v n="$1" '$1 == n { printf "%.0f", $3 * 1e9 / $4 }' "$calls"
}
ours=0 theirs=0 handled=0
for round in 1 2 3; do # in turn, so that what else the machine does meets both
    printf 'slight = 1\nname = "bench"\n[component]\nsource = "%s"\n[[resource]]\nname = "events"\ntype = "pubsub.kafka"\nbrokers = "%s"\ntimeout = "30s"\n[[trigger]]\ntype = "pubsub"\nresource = "events"\nconcurrency = 256\ntopic = "t%s"\ngroup = "g%s"\nstart = "earliest"\n' \
        "$build/bench/bench-subscriber.wasm" "$kafka_broker" $round $round >"$work/kafka.toml"
    "$build/bench/bench-deliver" "$work/kafka.toml" "$kafka_count" 1024 >"$calls"
    ours=$((ours + $(kafka_rate send)))
    handled=$((handled + $(kafka_rate handle)))
    java -Xmx256m -cp "$SL_TEST_KAFKA_JARS/*" org.apache.kafka.tools.ProducerPerformance \
        --topic "t$round" --num-records "$kafka_count" --record-size 1024 --throughput -1 \
        --producer-props bootstrap.servers="$kafka_broker" acks=all >"$work/perf" 2>/dev/null
    theirs=$((theirs + $(tail -n 1 "$work/perf" | sed 's/.*sent, \([0-9]*\).*/\1/')))
done
row "pubsub.kafka: published, 1 KiB, 100 a call" "$((ours / 3))" 1/s
row "kafka-producer-perf-test, 1 KiB, acks=all" "$((theirs / 3))" 1/s
row "pubsub.kafka: publishing to kafka-producer-perf-test" "$(ratio $ours $theirs)" x 0.5 ge
row "pubsub.kafka: received, handled in C, committed" "$((handled / 3))" 1/s 30000 ge
row "pubsub.kafka: one, from its sending to its settling" \
    "$(awk -F '\t' '$1 == "settled" { printf "%.2f", $4 / 1e6 }' "$calls")" ms
tests/services/kafka.sh stop "$work/services" >/dev/null
