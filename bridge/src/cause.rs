// SPDX-License-Identifier: Apache-2.0
//! The causes of an error of Wasmtime: their text, and their types.

use wasmtime::OutOfMemory;

/// The chain of causes in one line, without repetitions.
pub fn one_line(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.ends_with(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// Whether one of the causes is of this type.
pub fn has_cause<E: std::error::Error + 'static>(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.is::<E>())
}

/// Whether the kernel or the allocator ran out of memory.
pub fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    has_cause::<OutOfMemory>(error)
        || error.chain().any(|cause| cause.downcast_ref() == Some(&rustix::io::Errno::NOMEM))
}
