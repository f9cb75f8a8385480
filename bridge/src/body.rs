// SPDX-License-Identifier: Apache-2.0
//! Bodies of HTTP messages that wrap another one.

/// The end and the length of a body are those of the one that it wraps.
macro_rules! length_of_wrapped {
    ($body:ident) => {
        fn is_end_stream(&self) -> bool {
            self.$body.is_end_stream()
        }

        fn size_hint(&self) -> http_body::SizeHint {
            self.$body.size_hint()
        }
    };
}

pub(crate) use length_of_wrapped;
