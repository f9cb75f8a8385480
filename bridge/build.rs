// SPDX-License-Identifier: Apache-2.0
//! The versions of what the bridge is made of, out of Cargo.lock.

use std::fmt::Write;

const PARTS: [&str; 7] = [
    "wasmtime",
    "wasmtime-wasi",
    "tokio",
    "toml",
    "wit-bindgen-c",
    "wit-component",
    "wasi-preview1-component-adapter-provider",
];

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = std::fs::read_to_string("Cargo.lock").expect("Cargo.lock");
    let mut table = String::from("pub const VERSIONS: &[(&str, &str)] = &[\n");
    for part in PARTS {
        let entry = format!("name = \"{part}\"\nversion = \"");
        let at = lock.find(&entry).unwrap_or_else(|| panic!("{part} is not in Cargo.lock"));
        let version = lock[at + entry.len()..].split('"').next().expect("a version");
        writeln!(table, "    (\"{part}\", \"{version}\"),").expect("a line");
    }
    table.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("OUT_DIR");
    std::fs::write(format!("{out}/versions.rs"), table).expect("versions.rs");
}
