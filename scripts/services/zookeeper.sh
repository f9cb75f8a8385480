#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Apache ZooKeeper's server and its own client, by Maven, into a folder of the
# cache.  Prints the folder of jars.
set -eu

cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services
version=3.9.5
folder=$cache/zookeeper-$version

[ ! -f "$folder/done" ] || { echo "$folder/lib"; exit 0; }
mkdir -p "$cache"
exec 9>"$cache/zookeeper.lock"
flock 9
[ ! -f "$folder/done" ] || { echo "$folder/lib"; exit 0; }
command -v mvn >/dev/null || { echo "no mvn; run: scripts/deps.sh test" >&2; exit 1; }

# ZooKeeper declares those as provided, and does not start without.
rm -rf "$folder"
mkdir -p "$folder"
cat >"$folder/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>slight</groupId><artifactId>zookeeper</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId><version>$version</version></dependency>
    <dependency><groupId>io.dropwizard.metrics</groupId><artifactId>metrics-core</artifactId><version>4.1.12.1</version></dependency>
    <dependency><groupId>org.xerial.snappy</groupId><artifactId>snappy-java</artifactId><version>1.1.10.5</version></dependency>
    <dependency><groupId>commons-cli</groupId><artifactId>commons-cli</artifactId><version>1.5.0</version></dependency>
  </dependencies>
</project>
END
(cd "$folder" && mvn -q -B \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DoutputDirectory=lib -DincludeScope=runtime >log 2>&1) ||
    { tail -n 20 "$folder/log" >&2; exit 1; }
touch "$folder/done"
echo "$folder/lib"
