// SPDX-License-Identifier: Apache-2.0
//! Generates what the crate takes from elsewhere: the structs and constants of
//! slight_bridge.h, and the versions in Cargo.lock.

use std::fmt::Write;
use std::path::Path;

use bindgen::callbacks::{ItemInfo, ItemKind, ParseCallbacks};

const PARTS: [&str; 7] = [
    "wasmtime",
    "wasmtime-wasi",
    "tokio",
    "toml",
    "wit-bindgen-c",
    "wit-component",
    "wasi-preview1-component-adapter-provider",
];

/// Rust's names for C's: `sl_bridge_http_config` is `SlHttpConfig`, and `SL_KV_GET` of
/// `sl_kv_verb` is `GET`.
#[derive(Debug)]
struct Names;

fn camel_case(name: &str) -> String {
    let mut camel = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

impl ParseCallbacks for Names {
    fn item_name(&self, item: ItemInfo<'_>) -> Option<String> {
        let name = item.name.strip_prefix("sl_")?;
        let name = name.strip_prefix("bridge_").unwrap_or(name);
        match item.kind {
            ItemKind::Type => Some(format!("Sl{}", camel_case(name))),
            _ => None,
        }
    }

    fn enum_variant_name(
        &self,
        enum_name: Option<&str>,
        variant: &str,
        _value: bindgen::callbacks::EnumVariantValue,
    ) -> Option<String> {
        let mut own = variant;
        for word in enum_name?.trim_start_matches("enum ").split('_') {
            let prefix = format!("{}_", word.to_ascii_uppercase());
            match own.strip_prefix(&prefix) {
                Some(rest) => own = rest,
                None => break,
            }
        }
        Some(own.to_owned())
    }
}

/// The structs that both languages use. bindgen asserts their layouts for Rust.
fn generate_abi(out: &Path) {
    const CALLS: &str = "sl_(kv|sql|lockd|mq|pubsub)_(request|answer|verb)";
    let bindings = bindgen::builder()
        .header("slight_bridge.h")
        .header("../src/service/attributes.h")
        .clang_args(["-I.", "-I../src", "-D_GNU_SOURCE", "-std=c17"])
        .parse_callbacks(Box::new(Names))
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
        .allowlist_file(".*slight_(bridge|toml)\\.h")
        .allowlist_type(CALLS)
        .allowlist_type("sl_(answer|status|kv_condition|sql_type)")
        .allowlist_var("SL_(KV|SQL|LOCKD|MQ|PUBSUB)_[A-Z_]+_MAX|SL_ATTRIBUTE[A-Z_]+_MAX")
        .ignore_functions()
        .default_enum_style(bindgen::EnumVariation::NewType {
            is_bitfield: false,
            is_global: false,
        })
        .anon_fields_prefix("data")
        .no_copy("sl_([a-z]+_answer|held|buf)")
        .derive_default(true)
        .derive_debug(false)
        .generate_comments(false)
        .use_core()
        .formatter(bindgen::Formatter::None)
        .generate()
        .expect("slight_bridge.h");
    bindings.write_to_file(out.join("abi.rs")).expect("abi.rs");
}

fn generate_versions(out: &Path) {
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
    std::fs::write(out.join("versions.rs"), table).expect("versions.rs");
}

fn main() {
    let out = std::env::var_os("OUT_DIR").expect("OUT_DIR");
    generate_abi(Path::new(&out));
    generate_versions(Path::new(&out));
}
