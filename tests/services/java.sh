# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced behind common.sh by the services that are in Java; LIB is the folder of
# their jars.
#
# Most of what a JVM does as it starts is to load classes.  The first start on a
# machine runs a server that only leaves them in an archive beside the jars; from
# then on each start, and each tool, does about half the work.
JVM="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Djava.net.preferIPv4Stack=true"

# What depends on the scripts, and on the JVM, and is kept beside the jars.
KEPT=$LIB/../kept-$({ cat "$0" "$HERE/java.sh"; stat -L -c %Y "$(command -v java)"; } |
    cksum | cut -d ' ' -f 1)
ARCHIVE=$KEPT/classes.jsa

# java_options OPTIONS...: those, and the ones of all.
java_options() {
    echo "$JVM $([ ! -s "$ARCHIVE" ] || echo "-XX:SharedArchiveFile=$ARCHIVE") $*"
}

# learn_classes COMMAND...: COMMAND spawns a server with the options of java that
# are appended.  Where that fails there is no archive, and the real start says why.
learn_classes() {
    [ ! -f "$ARCHIVE" ] || return 0
    mkdir -p "$KEPT"
    (
        flock 9
        [ ! -f "$ARCHIVE" ] || exit 0
        "$@" "-XX:ArchiveClassesAtExit=$ARCHIVE.new"
        wait_ready || exit 0
        # shellcheck disable=SC2154 # of common.sh
        kill "$pid"
        # Its ports are the real server's.
        wait_gone || { kill -9 "$pid"; wait_gone; exit 0; }
        # Empty: this JVM has no archives.
        [ -f "$ARCHIVE.new" ] || : >"$ARCHIVE.new"
        mv -f "$ARCHIVE.new" "$ARCHIVE"
        # What nobody made anew for a month is of older scripts.
        find "$LIB/.." -maxdepth 1 -name 'kept-*' -mtime +30 -exec rm -rf {} +
    ) 9>"$KEPT/lock"
}
