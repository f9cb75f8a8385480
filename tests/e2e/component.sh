#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What cannot be loaded, linked or started: exit code 4, and what to do.
. "$(dirname "$0")/lib.sh"

# refused FILE: by run and by check, with one error, which is in err.
refused() {
    slight 4 check "$1"
    one_error
    cp err checked
    slight 4 run "$1"
    one_error
    is out </dev/null
    is err <checked
    says err "$1"
}

# --- Not there, or no component ---
refused none.wasm
is err <<END
error: none.wasm: no such file or folder
END

mkdir -p empty
slight 3 run empty
is err <<END
error: there is no slightfile.toml in empty; write one (docs/manifest.md), or name a component: slight run app.wasm
END
slight 3 run
says err "there is no slightfile.toml in this folder"

echo hello >text.wasm
refused text.wasm
says err "text.wasm: not WebAssembly; a component is a .wasm file"
: >nothing.wasm
refused nothing.wasm
says err "not WebAssembly"
printf '(component)\n' >wat.wasm
refused wat.wasm
says err "WebAssembly as text; make it binary first"
printf '\n  ;; a comment\n(module)\n' >module.wat
refused module.wat
says err "wasm-tools parse module.wat"

cp "$SL_TEST_GUESTS/e2e-reactor.core.wasm" core.wasm
refused core.wasm
is err <<END
error: core.wasm: a core module, not a component; make it one with: slight componentize core.wasm -o app.wasm
END

# --- Damaged: cut anywhere, and changed in many places ---
size=$(stat -c %s "$GUEST")
for part in 8 9 100 $((size / 3)) $((size / 2)) $((size - 1)); do
    head -c "$part" "$GUEST" >cut.wasm
    [ "$part" -eq 8 ] || refused cut.wasm
done
for at in 8 20 1000 $((size / 2)) $((size - 100)); do
    cp "$GUEST" broken.wasm
    printf '\377\377\377\377\377\377' |
        dd of=broken.wasm bs=1 seek="$at" conv=notrunc 2>/dev/null
    timeout -k 5 300 "$SLIGHT" check broken.wasm >out 2>err
    code=$?
    WHAT="broken at $at"
    [ $code -eq 4 ] || [ $code -eq 0 ] || fail "exit code $code"
    no_insides
done

# Valid, with a type that is a list of four bytes: that feature is off.
printf '\0asm\015\0\001\0\007\004\001\147\175\004' >feature.wasm
refused feature.wasm
says err "feature.wasm: it is valid, but needs a feature of WebAssembly that this slight"
says err "fixed-length-lists of the component model"
printf '\0asm\015\0\001\0\007\004\001\147\175' >feature.wasm
refused feature.wasm
says err "feature.wasm: not a valid component: unexpected end-of-file"

# The program that says what to do does not take a damaged module either.
head -c 100 core.wasm >cut.core.wasm
slight 1 componentize cut.core.wasm -o made.wasm
one_error
holds test ! -e made.wasm
# A section that describes the world, cut, is found in the module first.
size=$(stat -c %s "${GUEST%.wasm}.core.wasm")
for part in 100 $((size / 3)) $((size / 2)) $((size - 1)); do
    head -c "$part" "${GUEST%.wasm}.core.wasm" >cut.core.wasm
    slight 1 componentize cut.core.wasm -o made.wasm
    one_error
    says err "cut.core.wasm: not a valid module: unexpected end-of-file"
    holds test ! -e made.wasm
done
slight 1 componentize "$GUEST" -o made.wasm
says err "component"
holds test ! -e made.wasm

# --- Imports that nobody provides: all of them, each with the reason ---
cp "$SL_TEST_GUESTS/e2e-missing.wasm" missing.wasm
refused missing.wasm
sort err >sorted
is sorted <<END
  acme:warehouse/prices@1.0.0: this slight does not provide the package
  acme:warehouse/stock@1.0.0: this slight does not provide the package
  plain: a plain import, which belongs to no interface
  slight:kv/stor@0.2.0: no such interface; did you mean store?
  wasi:cli/keyboard@0.2.0: the package has no such interface here
error: missing.wasm imports what this slight does not provide:
END

cp "$SL_TEST_GUESTS/e2e-version.wasm" version.wasm
refused version.wasm
is err <<END
error: version.wasm imports what this slight does not provide:
  slight:kv/store@0.9.0: this slight provides 0.2.0
END

cp "$SL_TEST_GUESTS/e2e-shape.wasm" shape.wasm
refused shape.wasm
is err <<END
error: shape.wasm: it does not fit the interfaces of this slight: component imports instance \`slight:kv/store@0.2.0\`, but a matching implementation was not found in the linker: instance export \`[static]bucket.open\` has the wrong type: type mismatch with parameters: expected \`string\` found \`u32\`
END

# --- Nothing to run ---
cp "$SL_TEST_GUESTS/e2e-reactor.wasm" reactor.wasm
refused reactor.wasm
is err <<END
error: reactor.wasm: the component exports no wasi:cli/run, so it is no program that can be run
END

# --- By a manifest: its line is the place. ---
manifest
sed -i 's/^source = .*/source = "none.wasm"/' slightfile.toml
slight 4 run
is err <<END
slightfile.toml:5:10: error: none.wasm: no such file or folder
END
cp reactor.wasm none.wasm
slight 4 check slightfile.toml
says err "wasi:cli/run"
one_error

# More memory at the start than it may have.
manifest 'memory = "64KiB"'
slight 4 run . -- args
one_error
says err "raise memory in [component]"

finish
