// SPDX-License-Identifier: Apache-2.0
//! The sections of a module or a component, as they lie in the file.

/// The sections, with their numbers: WebAssembly Core 2.0, 5.5.2; those of a component
/// are framed in the same way. Ends where one is broken.
pub fn sections(core: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = core.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&id, rest) = at.split_first()?;
        let (len, rest) = leb128(rest)?;
        let body = rest.get(..len)?;
        at = rest.get(len..)?;
        Some((id, body))
    })
}

pub fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}
