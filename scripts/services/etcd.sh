#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Print the folder that etcd and etcdctl are in, newer ones than Debian 12 has
# (3.4): built from their source where there is a Go for that, together with
# etcd-locks (bench/services); otherwise those of Debian 13 (3.5).
#
# `go install` takes none of them, for their modules have replace directives, so
# that they are built in a module of ours.
set -eu

VERSION=v3.7.3
CACHE=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services
LOCKS=$(cd "$(dirname "$0")/../../bench/services" && pwd)/etcd_locks.go
KEY=$(cat "$0" "$LOCKS" | sha256sum | cut -c 1-12)
FOLDER=$CACHE/etcd-$VERSION-$KEY

build() {
    echo "slight: building etcd $VERSION into $CACHE; the first time takes about 2 minutes" >&2
    rm -rf "$FOLDER.new"
    mkdir -p "$FOLDER.new/source/ctl" "$FOLDER.new/source/locks"
    cd "$FOLDER.new/source"
    cat >main.go <<END
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
END
    cat >ctl/main.go <<END
package main

import "go.etcd.io/etcd/etcdctl/v3/ctlv3"

func main() { ctlv3.MustStart() }
END
    cp "$LOCKS" locks/main.go
    printf 'module slight.test/etcd\n\ngo 1.26\n' >go.mod
    go get "go.etcd.io/etcd/server/v3@$VERSION" "go.etcd.io/etcd/etcdctl/v3@$VERSION" \
        "go.etcd.io/etcd/client/v3@$VERSION"
    go mod tidy
    go build -trimpath -buildvcs=false -o ../etcdctl ./ctl
    go build -trimpath -buildvcs=false -o ../etcd-locks ./locks
    go build -trimpath -buildvcs=false -o ../etcd .
    mv "$FOLDER.new" "$FOLDER"
}

go_is_new() {
    [ "$(printf 'go1.26\n%s\n' "$(go env GOVERSION 2>/dev/null)" | sort -V | head -n 1)" = go1.26 ]
}

# Debian 13's, with a program for each in front.
unpack() {
    debian=$("$(dirname "$0")/debian.sh" trixie etcd-trixie etcd-server etcd-client)
    for program in etcd etcdctl; do
        printf '#!/bin/sh\nexec "%s/run" usr/bin/%s "$@"\n' "$debian" $program >"$debian/$program"
        chmod 755 "$debian/$program"
    done
    echo "$debian"
}

mkdir -p "$CACHE"
if ! go_is_new; then
    unpack
    exit
fi
{
    flock 9
    if [ ! -d "$FOLDER" ]; then
        # In an AND-OR list errexit would not hold within build.
        trap 'tail -n 20 "$FOLDER.log" >&2' EXIT
        (build) >"$FOLDER.log" 2>&1
        trap - EXIT
    fi
} 9>"$CACHE/etcd.lock"
echo "$FOLDER"
