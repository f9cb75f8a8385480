// SPDX-License-Identifier: Apache-2.0
//! TOML as a tree with the place of every key and value.

use std::ffi::{c_char, c_void, CString};
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::Spanned;

use crate::abi::{ffi_guard_or, panic_text, SlBytes, SlToml, SlTomlPlace, SlTomlType};

const MAX_ERRORS: usize = 100;

/// Owns everything the tree points to. What is in a box stays where it is when
/// the vectors grow.
pub struct Document {
    root: Box<[SlToml]>,
    nodes: Vec<Box<[SlToml]>>,
    texts: Vec<CString>,
}

/// Where bytes stand: lines and characters, from 1.
struct Places<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Places { text, line_starts: std::iter::once(0).chain(starts).collect() }
    }

    fn of(&self, offset: usize) -> SlTomlPlace {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |text| text.chars().count()) + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        SlTomlPlace { line: number(line), column: number(column) }
    }
}

struct Builder<'a> {
    places: Places<'a>,
    document: Document,
    errors: Vec<(SlTomlPlace, String)>,
}

impl Builder<'_> {
    fn error(&mut self, at: SlTomlPlace, message: impl Into<String>) {
        self.errors.push((at, message.into()));
    }

    fn text(&mut self, text: &str, at: SlTomlPlace) -> *const c_char {
        let text = CString::new(text).unwrap_or_else(|_| {
            self.error(at, "a NUL character is not allowed here");
            CString::default()
        });
        let ptr = text.as_ptr();
        self.document.texts.push(text);
        ptr
    }

    fn children(&mut self, children: Vec<SlToml>) -> (*const SlToml, usize) {
        let children = children.into_boxed_slice();
        let found = (children.as_ptr(), children.len());
        self.document.nodes.push(children);
        found
    }

    fn table(&mut self, table: &DeTable<'_>) -> (*const SlToml, usize) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let children = entries
            .into_iter()
            .map(|(key, value)| {
                let at = self.places.of(key.span().start);
                let mut node = self.value(value);
                node.key_place = at;
                node.key = self.text(key.get_ref(), at);
                node
            })
            .collect();
        self.children(children)
    }

    fn integer(&mut self, text: &str, radix: u32, at: SlTomlPlace) -> i64 {
        i64::from_str_radix(text, radix).unwrap_or_else(|_| {
            self.error(at, "the number is too large: 64 bits with a sign are allowed");
            0
        })
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> SlToml {
        let place = self.places.of(value.span().start);
        let mut node = empty(place);
        match value.get_ref() {
            DeValue::String(text) => {
                node.type_ = SlTomlType::STRING;
                node.text = self.text(text, place);
            }
            DeValue::Integer(number) => {
                node.type_ = SlTomlType::INTEGER;
                node.integer = self.integer(number.as_str(), number.radix(), place);
            }
            DeValue::Float(number) => {
                node.type_ = SlTomlType::FLOAT;
                node.text = self.text(number.as_str(), place);
            }
            DeValue::Boolean(boolean) => {
                node.type_ = SlTomlType::BOOLEAN;
                node.boolean = *boolean;
            }
            DeValue::Datetime(time) => {
                node.type_ = SlTomlType::DATETIME;
                node.text = self.text(&time.to_string(), place);
            }
            DeValue::Array(array) => {
                node.type_ = SlTomlType::ARRAY;
                let children = array.iter().map(|item| self.value(item)).collect();
                (node.children, node.child_count) = self.children(children);
            }
            DeValue::Table(table) => {
                node.type_ = SlTomlType::TABLE;
                (node.children, node.child_count) = self.table(table);
            }
        }
        node
    }
}

fn empty(place: SlTomlPlace) -> SlToml {
    SlToml {
        type_: SlTomlType::TABLE,
        key_place: place,
        place,
        key: c"".as_ptr(),
        text: c"".as_ptr(),
        integer: 0,
        boolean: false,
        children: std::ptr::null(),
        child_count: 0,
    }
}

/// The text up to what is not UTF-8, and where that is.
fn utf8(bytes: &[u8]) -> (&str, Option<usize>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (std::str::from_utf8(good).unwrap_or_default(), Some(error.valid_up_to()))
        }
    }
}

fn read(bytes: &[u8]) -> (Document, Vec<(SlTomlPlace, String)>) {
    let (text, broken) = utf8(bytes);
    let mut builder = Builder {
        places: Places::new(text),
        document: Document { root: Box::default(), nodes: Vec::new(), texts: Vec::new() },
        errors: Vec::new(),
    };
    // What is behind broken text would only be told as cut off.
    let parsed = if broken.is_none() { text } else { "" };
    let (table, errors) = DeTable::parse_recoverable(parsed);
    for error in errors {
        let Range { start, .. } = error.span().unwrap_or(0..0);
        let at = builder.places.of(start);
        builder.error(at, error.message().lines().collect::<Vec<_>>().join(" "));
    }
    if let Some(at) = broken {
        let at = builder.places.of(at);
        builder.error(at, "the file is not UTF-8 from here on");
    }
    let mut root = empty(SlTomlPlace { line: 1, column: 1 });
    (root.children, root.child_count) = builder.table(table.get_ref());
    builder.document.root = Box::new([root]);
    builder.errors.sort_by_key(|(place, _)| (place.line, place.column));
    builder.errors.truncate(MAX_ERRORS);
    (builder.document, builder.errors)
}

type ErrorFn = unsafe extern "C" fn(*mut c_void, SlTomlPlace, *const c_char);

/// # Safety
/// See slight_toml.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_toml_read(
    text: SlBytes,
    error: ErrorFn,
    context: *mut c_void,
) -> *mut Document {
    let tell = |place: SlTomlPlace, message: &str| {
        let message = CString::new(message.replace('\0', "?")).unwrap_or_default();
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { error(context, place, message.as_ptr()) }
    };
    // SAFETY: text is borrowed for this call.
    let bytes = unsafe { text.get() };
    match std::panic::catch_unwind(|| read(bytes)) {
        Ok((document, errors)) => {
            for (place, message) in &errors {
                tell(*place, message);
            }
            Box::into_raw(Box::new(document))
        }
        Err(panic) => {
            tell(SlTomlPlace { line: 1, column: 1 }, &panic_text(&*panic));
            std::ptr::null_mut()
        }
    }
}

/// # Safety
/// See slight_toml.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_toml_root(document: *const Document) -> *const SlToml {
    // SAFETY: a live document.
    unsafe { (*document).root.as_ptr() }
}

/// # Safety
/// See slight_toml.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_toml_free(document: *mut Document) {
    if !document.is_null() {
        // SAFETY: it came from sl_bridge_toml_read, and this is its end.
        ffi_guard_or((), || drop(unsafe { Box::from_raw(document) }));
    }
}
