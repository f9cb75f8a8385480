// SPDX-License-Identifier: Apache-2.0
//! What all connections of an HTTP server share.

use std::ffi::c_void;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::abi::SlBytes;
use crate::http_config::HttpConfig;
use crate::peers::Peers;
use crate::route::Route;

/// C's choice of a route by a path.
pub struct Find {
    pub call: unsafe extern "C" fn(*mut c_void, SlBytes) -> usize,
    pub context: *mut c_void,
}

// SAFETY: the function may be called on any thread (slight_bridge.h).
unsafe impl Send for Find {}
// SAFETY: as above.
unsafe impl Sync for Find {}

pub enum Found {
    Route(usize),
    None,
    /// The route depends on how the path is decoded.
    Unclear,
}

impl Find {
    fn find(&self, path: &str, count: usize) -> Found {
        // SAFETY: the caller of the bridge vouches for both.
        match unsafe { (self.call)(self.context, SlBytes::of(path.as_bytes())) } {
            usize::MAX => Found::None,
            index if index < count => Found::Route(index),
            _ => Found::Unclear,
        }
    }
}

/// Whether C answers requests to this host.
pub struct MayAsk {
    pub call: unsafe extern "C" fn(*mut c_void, SlBytes) -> bool,
    pub context: *mut c_void,
}

// SAFETY: the function may be called on any thread (slight_bridge.h).
unsafe impl Send for MayAsk {}
// SAFETY: as above.
unsafe impl Sync for MayAsk {}

impl MayAsk {
    pub fn allows(&self, host: &[u8]) -> bool {
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (self.call)(self.context, SlBytes::of(host)) }
    }
}

pub struct HttpState {
    pub config: Arc<HttpConfig>,
    pub routes: Vec<Route>,
    pub find: Find,
    pub may_ask: Option<MayAsk>,
    pub max_connections: u32,
    pub connections: Arc<Semaphore>,
    pub peers: Arc<Peers>,
    /// Of one peer; 0: no limit.
    pub max_peer_connections: u32,
    pub close_idle: bool,
}

impl HttpState {
    pub fn find_route(&self, path: &str) -> Found {
        self.find.find(path, self.routes.len())
    }
}

/// What the listeners and connections of a server are told.
#[derive(Clone, Copy, PartialEq)]
pub enum Phase {
    Serving,
    Draining,
    Cut,
}
