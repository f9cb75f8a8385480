#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wrong manifests: exit code 3, and all that is wrong, each with its place.
# manifest/NAME.toml is answered with what stands in manifest/NAME.err.
. "$(dirname "$0")/lib.sh"

# What the manifests name.
cp "$HERE"/manifest/*.toml "$HERE"/manifest/*.err .
echo "no component" >guest.wasm
SL_E2E_SECRET=hunter2-is-secret
export SL_E2E_SECRET
echo "$SL_E2E_SECRET" >secret.txt
unset SL_E2E_UNSET

# wrong FILE: run and check say the same, and no secret.
wrong() {
    for command in check run; do
        slight 3 $command "$1"
        is out </dev/null
        is err <"${1%.toml}.err"
        lacks err hunter2
        # Nothing but lines of FILE:LINE:COLUMN: error: TEXT.
        holds test "$(grep -cv "^$1:[0-9]*:[0-9]*: error: ." err)" -eq 0
    done
}

count=0
for file in *.toml; do
    wrong "$file"
    count=$((count + 1))
done
WHAT="all manifests"
holds test "$count" -ge 15
# No manifest with an error runs anything, not even by its first lines.
holds test ! -e .slight

# The same, by the folder and by --manifest.
mkdir folder
cp wrong-type.toml folder/slightfile.toml
sed 's,^wrong-type.toml,folder/slightfile.toml,' wrong-type.err >folder.err
slight 3 run folder
is err <folder.err
slight 3 run guest.wasm --manifest folder/slightfile.toml
is err <folder.err
cd folder || exit 1
sed 's,^wrong-type.toml,slightfile.toml,' ../wrong-type.err >here.err
slight 3 run
is err <here.err
cd ..

# --- Files that are no manifest at all ---
slight 3 run none.toml
is err <<END
error: none.toml: no such file or folder
END
slight 3 run "$GUEST" --manifest none.toml
is err <<END
error: none.toml: no such file or folder
END
slight 3 run "$GUEST" --manifest folder
is err <<END
error: folder: is a folder
END
head -c 1048577 /dev/zero | tr '\0' '#' >large.toml
slight 3 check large.toml
is err <<END
error: large.toml: larger than 1048576 bytes
END
head -c 100000 /dev/urandom >noise.toml
slight 3 check noise.toml
says err "noise.toml:"

# Deep and long, but not without end: at most 100 errors are told.
{
    printf 'slight = 1\nname = "a"\n[component]\nsource = "guest.wasm"\n'
    seq -f 'wrong-%g = 1' 1 5000
} >many.toml
slight 3 check many.toml
holds test "$(wc -l <err)" -eq 100
{
    printf 'slight = '
    head -c 500000 /dev/zero | tr '\0' '['
} >deep.toml
slight 3 check deep.toml
says err "deep.toml:1:"

finish
