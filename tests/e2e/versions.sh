#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Versions of slight's packages: a guest and a host of different patches, and what
# `slight bindgen` binds.
. "$(dirname "$0")/lib.sh"

# with COMPONENT: a manifest for it, with a store.
with() {
    cp "$SL_TEST_GUESTS/$1.wasm" app.wasm
    manifest '[[resource]]' 'name = "store"' 'type = "kv.memory"'
    sed -i 's/^source = .*/source = "app.wasm"/' slightfile.toml
}

# --- A guest of 0.2.1 on this host of 0.2.0 ---
with e2e-newer
slight 0 check
says out "slight:kv/store@0.2.1"
slight 0 run
is out <<END
value: of a newer guest
END

# It calls what 0.2.0 has not.
with e2e-newer-call
slight 4 run
is err <<END
error: app.wasm: it needs slight:kv 0.2.1, and this slight provides 0.2.0: it does not fit the interfaces of this slight: component imports instance \`slight:kv/store@0.2.1\`, but a matching implementation was not found in the linker: instance export \`[method]bucket.touch\` has the wrong type: function implementation is missing
END

# --- A guest of 0.2.0 on a host of 0.2.1: this program, with the version changed ---
sed 's|slight:kv/store@0\.2\.0|slight:kv/store@0.2.1|g' "$SLIGHT" >later
chmod +x later
holds grep -q 'slight:kv/store@0\.2\.1' later
THIS=$SLIGHT
SLIGHT=$FOLDER/later
with e2e-guest
slight 0 run . -- set store key value
is out <<END
set
END
with e2e-newer
slight 0 run
says out "value: of a newer guest"
SLIGHT=$THIS

# --- bindgen binds the version that is asked for ---
# bound WORLD [OPTIONS...]: the functions of the store that were bound.
bound() {
    slight 0 bindgen c --world "$@" --out made
    grep -o 'slight_kv[a-z0-9_]*_bucket_[a-z_]*(' made/imports.h >names
}
NEWER=$SL_TEST_GUESTS/newer

bound slight:kv/imports@0.2.0 --wit "$NEWER"
says names "slight_kv_store_method_bucket_get("
lacks names "touch"
bound slight:kv/imports@0.2.1 --wit "$NEWER"
says names "slight_kv_store_method_bucket_touch("
lacks names "move_to"
# The user's own comes first; the built-in one is not in its way.
bound slight:kv/imports --wit "$NEWER"
says names "slight_kv_store_method_bucket_touch("
bound slight:kv/imports
says names "slight_kv_store_method_bucket_get("
lacks names "touch"
slight 1 bindgen c --world slight:kv/imports@0.2.2 --wit "$NEWER" --out made
is err <<END
error: there is no world slight:kv/imports@0.2.2; there are: slight:kv/imports@0.2.1
END

# Two versions of which each has the world.
mkdir -p both/a both/b
cp "$NEWER/kv.wit" both/a
sed 's/slight:kv@0\.2\.1/slight:kv@0.2.2/' both/a/kv.wit >both/b/kv.wit
slight 1 bindgen c --world slight:kv/imports --wit both --out made
is err <<END
error: several packages have a world slight:kv/imports; name one: slight:kv/imports@0.2.1, slight:kv/imports@0.2.2
END
bound slight:kv/imports@0.2.2 --wit both
says names "slight_kv_store_method_bucket_get("

# --- What is not stable is bound where it is asked for ---
bound slight:kv/imports@0.2.1 --wit "$NEWER" --features moving
says names "slight_kv_store_method_bucket_move_to("
slight 1 bindgen c --world slight:kv/imports@0.2.1 --wit "$NEWER" --features movin --out made
is err <<END
error: no item of the WIT is @unstable(feature = movin)
END
slight 2 componentize x.wasm -o y.wasm --features moving
says err "--features needs --world"

finish
