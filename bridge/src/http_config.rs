// SPDX-License-Identifier: Apache-2.0
//! The limits of an HTTP server, and the callback at the end of each transaction.

use std::ffi::c_void;
use std::time::Duration;

use crate::abi::{required, size, SlHttpConfig, SlHttpEnd, SlHttpLimits};

/// C's callback, with its context.
pub struct Ended {
    call: unsafe extern "C" fn(*mut c_void, *const SlHttpEnd),
    context: *mut c_void,
}

// SAFETY: the callback may run on any thread (slight_bridge.h).
unsafe impl Send for Ended {}
// SAFETY: as above.
unsafe impl Sync for Ended {}

impl Ended {
    pub fn call(&self, end: &SlHttpEnd) {
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (self.call)(self.context, end) }
    }
}

pub struct HttpConfig {
    pub max_header_bytes: usize,
    pub max_body_bytes: u64,
    pub idle_timeout: Duration,
    /// Until a response begins.
    pub request_timeout: Duration,
    /// Until the next piece of a body, one way or the other.
    pub between_bytes_timeout: Duration,
    /// Of a request and its response in all.
    pub total_timeout: Option<Duration>,
    /// The bytes per second that a client has to read while bytes wait for it.
    pub min_rate: u64,
    pub limits: SlHttpLimits,
    pub ended: Ended,
}

impl HttpConfig {
    pub fn new(config: &SlHttpConfig, limits: SlHttpLimits) -> HttpConfig {
        let ms = Duration::from_millis;
        let between_bytes_ms = match config.between_bytes_timeout_ms {
            0 => config.request_timeout_ms,
            own => own,
        };
        HttpConfig {
            max_header_bytes: size(config.max_header_bytes),
            max_body_bytes: config.max_body_bytes,
            idle_timeout: ms(config.idle_timeout_ms),
            request_timeout: ms(config.request_timeout_ms),
            between_bytes_timeout: ms(between_bytes_ms),
            total_timeout: (config.total_timeout_ms > 0).then(|| ms(config.total_timeout_ms)),
            min_rate: config.min_rate,
            limits,
            ended: Ended { call: required(config.ended), context: config.context },
        }
    }

    pub fn min_idle(&self) -> Duration {
        Duration::from_millis(self.limits.min_idle_ms)
    }
}
