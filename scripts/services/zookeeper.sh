#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Apache ZooKeeper's server and its own client: prints the folder of jars.
set -eu
version=3.9.5
# All but the first it declares as provided, and does not start without.
exec "$(dirname "$0")/maven.sh" zookeeper $version \
    "org.apache.zookeeper:zookeeper:$version" io.dropwizard.metrics:metrics-core:4.1.12.1 \
    org.xerial.snappy:snappy-java:1.1.10.5 commons-cli:commons-cli:1.5.0
