#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Apache Kafka and its tools: prints the folder of jars.
set -eu
version=4.4.0
exec "$(dirname "$0")/maven.sh" kafka $version \
    "org.apache.kafka:kafka_2.13:$version" "org.apache.kafka:kafka-tools:$version" \
    org.apache.logging.log4j:log4j-slf4j-impl:2.25.5
