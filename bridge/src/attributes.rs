// SPDX-License-Identifier: Apache-2.0
//! The attributes of messages and events, in and out.

use wasmtime::Result;

use crate::abi::{slice, SlBytes, SlPair, ATTRIBUTES_MAX, ATTRIBUTE_BYTES_MAX};
use crate::lift::{Converted, Items, Text, Touched};

/// In the guest's memory.
pub type Attributes = Items<(Text, Text), ATTRIBUTES_MAX>;

impl Attributes {
    pub fn touched(&self, before: Touched) -> Touched {
        self.0.iter().fold(before, |sum, (name, value)| sum.text(name).text(value))
    }

    /// As C has them. If they are too long together, they are not read: C refuses them by
    /// their lengths.
    pub fn pairs(&self, texts: &mut Converted) -> Result<Vec<SlPair>> {
        let together = self.touched(Touched::default()).read;
        let most = if together > ATTRIBUTE_BYTES_MAX { 0 } else { ATTRIBUTE_BYTES_MAX };
        self.0
            .iter()
            .map(|(name, value)| {
                Ok(SlPair { name: name.read(most, texts)?, value: value.read(most, texts)? })
            })
            .collect()
    }
}

/// # Safety
/// The bytes do not change while the result is in use. C promises UTF-8.
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
