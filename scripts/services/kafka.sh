#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Get Apache Kafka from Maven Central, once, and print the folder of its jars.
set -eu
version=4.4.0
cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services
folder=$cache/kafka-$version

mkdir -p "$cache"
exec 9>"$cache/kafka.lock"
flock 9
if [ ! -f "$folder/done" ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    cat >"$folder/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>slight</groupId><artifactId>kafka</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.5</version></dependency>
  </dependencies>
</project>
END
    (cd "$folder" && mvn -q -B \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DoutputDirectory=lib -DincludeScope=runtime) >"$folder/log" 2>&1 9>&- || {
        tail -n 20 "$folder/log" >&2
        exit 1
    }
    touch "$folder/done"
fi
echo "$folder/lib"
