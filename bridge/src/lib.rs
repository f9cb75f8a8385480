// SPDX-License-Identifier: Apache-2.0
//! The bridge: libraries that exist only in Rust, for C. `slight_bridge.h` has the
//! contract of every exported function. C makes the decisions.

mod abi;
mod attributes;
mod background;
mod body;
mod call;
mod catch_unwind;
mod cause;
mod compiler;
mod component;
mod connection;
mod engine;
mod features;
mod frames;
mod handler;
mod holdings;
mod http;
mod http_config;
mod http_service;
mod http_state;
mod instance;
mod kv;
mod lift;
mod lines;
mod link;
mod lockd;
mod mq;
mod names;
mod outbound;
mod outgoing;
mod peers;
mod pool;
mod program;
mod pubsub;
mod refusal;
mod rename;
mod request;
mod response;
mod route;
mod run;
mod sections;
mod settings;
mod sockets;
mod sql;
mod stdio;
mod target;
mod toml;
mod transaction;
mod unanswered;
mod upload;
mod wait;
mod wire;
mod wit;

include!(concat!(env!("OUT_DIR"), "/versions.rs"));

pub(crate) fn version_of(part: &str) -> &'static str {
    VERSIONS.iter().find(|(name, _)| *name == part).map_or("unknown", |(_, version)| version)
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_versions(sink: abi::SlSink) {
    abi::ffi_guard_or((), || {
        for (name, version) in VERSIONS {
            sink.write(format!("{name} {version}\n").as_bytes());
        }
    })
}
