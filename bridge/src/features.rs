// SPDX-License-Identifier: Apache-2.0
//! What is wrong with code that the compiler refuses: it is damaged, or it needs a
//! feature of WebAssembly that slight does not have.

use wasmparser::{Validator, WasmFeatures};

/// The error of the validator, if it is not valid with these features.
fn refusal_with(wasm: &[u8], features: WasmFeatures) -> Option<String> {
    let error = Validator::new_with_features(features).validate_all(wasm).err()?;
    Some(format!("{} (at offset {:#x})", error.message(), error.offset()))
}

/// Why it is not valid, with all the features that there are.
pub fn defect_of(wasm: &[u8]) -> Option<String> {
    refusal_with(wasm, WasmFeatures::all())
}

/// "CM_FIXED_LENGTH_LISTS" to "fixed-length-lists of the component model".
fn name_of(flag: &str) -> String {
    let name = flag.to_ascii_lowercase().replace('_', "-");
    match name.strip_prefix("cm-") {
        Some(name) => format!("{name} of the component model"),
        None => name,
    }
}

/// The feature without which the validator says the same. Those that are off by
/// default come first: they are the likely ones.
fn missing_feature(wasm: &[u8], refusal: &str) -> Option<String> {
    let is_off = |flag: &WasmFeatures| !WasmFeatures::default().contains(*flag);
    let flags = || WasmFeatures::all().iter_names();
    let likely = flags().filter(|(_, flag)| is_off(flag));
    let others = flags().filter(|(_, flag)| !is_off(flag));
    likely.chain(others).find_map(|(name, flag)| {
        let without = refusal_with(wasm, WasmFeatures::all().difference(flag))?;
        refusal.contains(&without).then(|| name_of(name))
    })
}

/// What to say of a component that the compiler refused.
pub fn explain(wasm: &[u8], refusal: &str) -> String {
    if let Some(defect) = defect_of(wasm) {
        return format!("not a valid component: {defect}");
    }
    match missing_feature(wasm, refusal) {
        Some(feature) => format!(
            "it is valid, but needs a feature of WebAssembly that this slight does not have: \
             {feature}: {refusal}"
        ),
        None => format!("it is valid, but this slight cannot compile it: {refusal}"),
    }
}
