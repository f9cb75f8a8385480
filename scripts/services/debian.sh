#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packages of another release of Debian, and all that they depend on, unpacked
# into a folder of the cache, to be run with the C library that stands there too:
#
#     scripts/services/debian.sh SUITE NAME PACKAGES...
#
# Nothing is installed on this machine, and nothing needs root.  Prints the
# folder, in which `run usr/sbin/mysqld …` runs a program.  The versions are what
# the suite has on the day.
set -euo pipefail

suite=$1
name=$2
shift 2

cache=${SLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slight}/services
prefix=$cache/$name

# With the folders of its libraries, which are looked for once, not at every run.
launcher() {
    cat <<'END'
#!/bin/bash
here=${0%/*}
program=$here/$1
shift
if [ ! -s "$here/libraries" ]; then
    {
        find "$here"/usr/lib* -name 'ld-linux-*.so.*' | head -n 1
        { find "$here/usr/lib" -maxdepth 2 -name '*.so.*' -printf '%h\n' | sort -u
          find "$here/usr/lib" -path '*/private' -type d; } | paste -sd :
    } >"$here/libraries.$$"
    mv "$here/libraries.$$" "$here/libraries"
fi
{ read -r loader; read -r libraries; } <"$here/libraries"
exec "$loader" --library-path "$libraries" --argv0 "$program" "$program" "$@"
END
}

is_there() {
    [ -f "$prefix/run" ] && [ "$(<"$prefix/run")" = "$(launcher)" ]
}

write_launcher() { # FOLDER
    launcher >"$1/run.new"
    chmod 755 "$1/run.new"
    mv "$1/run.new" "$1/run"
}

! is_there || { echo "$prefix"; exit 0; }
mkdir -p "$cache"
exec 9>"$cache/$name.lock"
flock 9
# Unpacked by an older version of this script.
[ ! -f "$prefix/run" ] || { write_launcher "$prefix"; echo "$prefix"; exit 0; }

# The mirror that this machine uses.
mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] ||
    mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list 2>/dev/null | head -n 1)
[ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt" >&2; exit 1; }

work=$prefix.new
rm -rf "$work"
apt=$work/.apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
: >"$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
apt_get() {
    apt-get -q -o Dir::Etc::sourcelist="$apt/sources.list" \
        -o Dir::Etc::sourceparts=- -o Dir::Etc::preferencesparts=- \
        -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" \
        -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" \
        -o APT::Install-Recommends=0 -o APT::Get::Assume-Yes=1 "$@" >>"$apt/log" 2>&1 ||
        { tail -n 20 "$apt/log" >&2; exit 1; }
}
apt_get update
apt_get --download-only install "$@"

# /usr holds all: packages with /lib in their paths land in /usr/lib.
for folder in bin sbin lib lib64; do
    mkdir -p "$work/usr/$folder"
    ln -s "usr/$folder" "$work/$folder"
done
for file in "$apt"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$file" | tar -x -C "$work" --keep-directory-symlink
done
rm -rf "$apt"
chmod -R go+rX "$work"
write_launcher "$work"
rm -rf "$prefix"
mv "$work" "$prefix"
echo "$prefix"
