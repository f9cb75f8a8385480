// SPDX-License-Identifier: Apache-2.0
//! The last candidate of WASI 0.3 has the types of 0.3.0, under another name: its
//! imports and exports get that one before the component is compiled.

use std::borrow::Cow;
use std::collections::HashSet;

use wasmparser::{
    BinaryReader, ComponentExportSectionReader, ComponentImportSectionReader, FromReader,
    SectionLimited,
};

use crate::sections::{leb128, sections};

const CANDIDATE: &str = "@0.3.0-rc-2026-03-15";
const RELEASE: &str = "@0.3.0";
const IMPORTS: u8 = 10;
const EXPORTS: u8 = 11;
const HEADER: usize = 8;

/// The name that it has from now on, if it is another one.
fn name_of(name: &str) -> Option<String> {
    let interface = name.strip_suffix(CANDIDATE)?;
    interface.starts_with("wasi:").then(|| format!("{interface}{RELEASE}"))
}

fn push_leb128(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An item of a section: a byte of its kind, the name, the rest.
fn push_item(out: &mut Vec<u8>, names: &mut HashSet<String>, item: &[u8]) -> Option<()> {
    let (&kind, rest) = item.split_first()?;
    let (len, rest) = leb128(rest)?;
    let name = std::str::from_utf8(rest.get(..len)?).ok()?;
    let new = name_of(name).unwrap_or_else(|| name.to_owned());
    out.push(kind);
    push_leb128(out, new.len());
    out.extend(new.as_bytes());
    out.extend(rest.get(len..)?);
    // Two may not have one name.
    names.insert(new).then_some(())
}

/// Where each item of a section starts, and the last one ends.
fn starts_of<'a, T: FromReader<'a>>(section: SectionLimited<'a, T>) -> Option<Vec<usize>> {
    let end = section.range().end;
    let mut starts = Vec::new();
    for item in section.into_iter_with_offsets() {
        starts.push(item.ok()?.0);
    }
    starts.push(end);
    Some(starts)
}

fn rename_section(id: u8, body: &[u8], names: &mut HashSet<String>) -> Option<Vec<u8>> {
    let reader = BinaryReader::new(body, 0);
    let starts = match id {
        IMPORTS => starts_of(ComponentImportSectionReader::new(reader).ok()?)?,
        _ => starts_of(ComponentExportSectionReader::new(reader).ok()?)?,
    };
    let mut renamed = Vec::new();
    push_leb128(&mut renamed, starts.len() - 1);
    for bounds in starts.windows(2) {
        push_item(&mut renamed, names, body.get(bounds[0]..bounds[1])?)?;
    }
    Some(renamed)
}

fn rename(wasm: &[u8]) -> Option<Vec<u8>> {
    let mut renamed = wasm.get(..HEADER)?.to_vec();
    let mut names = [HashSet::new(), HashSet::new()];
    let mut read = HEADER;
    for (id, body) in sections(wasm) {
        let of_section = match id {
            IMPORTS | EXPORTS => {
                Cow::Owned(rename_section(id, body, &mut names[usize::from(id - IMPORTS)])?)
            }
            _ => Cow::Borrowed(body),
        };
        renamed.push(id);
        push_leb128(&mut renamed, of_section.len());
        renamed.extend(&*of_section);
        read = body.as_ptr() as usize - wasm.as_ptr() as usize + body.len();
    }
    // A file that is broken is the compiler's to refuse.
    (read == wasm.len()).then_some(renamed)
}

/// The component with the names of the release; itself where there is nothing to rename.
pub fn renamed(wasm: &[u8]) -> Cow<'_, [u8]> {
    if !wasm.windows(CANDIDATE.len()).any(|window| window == CANDIDATE.as_bytes()) {
        return Cow::Borrowed(wasm);
    }
    rename(wasm).map_or(Cow::Borrowed(wasm), Cow::Owned)
}
