// SPDX-License-Identifier: Apache-2.0
//! The attributes of messages and events, in and out.

use std::borrow::Cow;

use wasmtime::component::{WasmList, WasmStr};
use wasmtime::Result;

use crate::abi::{slice, SlBytes, SlPair};
use crate::call::Store;

/// In the guest's memory.
pub type Attributes = WasmList<(WasmStr, WasmStr)>;

/// A name and its value as they lie there; converted where the guest's strings are
/// not UTF-8.
pub type TextPair<'a> = (Cow<'a, str>, Cow<'a, str>);

pub const ATTRIBUTES_MAX: usize = 64;

pub fn attribute_texts<'a>(
    store: &'a Store<'_>,
    list: &[(WasmStr, WasmStr)],
) -> Result<Vec<TextPair<'a>>> {
    list.iter().map(|(name, value)| Ok((name.to_str(store)?, value.to_str(store)?))).collect()
}

/// In C's terms; they borrow from the texts.
pub fn pairs_of(texts: &[TextPair<'_>]) -> Vec<SlPair> {
    let pair = |(name, value): &TextPair<'_>| SlPair {
        name: SlBytes::of(name.as_bytes()),
        value: SlBytes::of(value.as_bytes()),
    };
    texts.iter().map(pair).collect()
}

/// # Safety
/// The bytes live, unchanged, as long as what is made of this. C promises UTF-8.
pub unsafe fn text(bytes: SlBytes) -> &'static str {
    // SAFETY: the caller's promise.
    std::str::from_utf8(unsafe { slice(bytes.ptr, bytes.len) }).unwrap_or("")
}

/// # Safety
/// As `text`, of each of `count` pairs.
pub unsafe fn lowered(pairs: *const SlPair, count: usize) -> Vec<(&'static str, &'static str)> {
    // SAFETY: the caller's promise.
    unsafe { slice(pairs, count).iter().map(|pair| (text(pair.name), text(pair.value))).collect() }
}
