#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The jars of a program in Java and of all that it depends on, from Maven
# Central, once, into a folder of the cache, which is printed:
#
#     scripts/services/maven.sh NAME VERSION GROUP:ARTIFACT:VERSION...
set -eu

name=$1
version=$2
shift 2

cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services
folder=$cache/$name-$version

[ ! -f "$folder/done" ] || { echo "$folder/lib"; exit 0; }
mkdir -p "$cache"
exec 9>"$cache/$name.lock"
flock 9
[ ! -f "$folder/done" ] || { echo "$folder/lib"; exit 0; }
command -v mvn >/dev/null || { echo "mvn is missing; run: make deps-test" >&2; exit 1; }

rm -rf "$folder"
mkdir -p "$folder"
cat >"$folder/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>slight</groupId><artifactId>$name</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
$(printf '%s\n' "$@" | sed -E 's|^(.*):(.*):(.*)$|    <dependency><groupId>\1</groupId><artifactId>\2</artifactId><version>\3</version></dependency>|')
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
echo "$folder/lib"
