// SPDX-License-Identifier: Apache-2.0
//! The host's memory that WASI uses for an instance: headers, bodies, handles.
//!
//! Wasmtime limits handles, and the bytes of one set of headers, but not their sum. The
//! table of an instance is scanned for it: not at every call, but when the calls since
//! the last scan may have added as much as C allowed then.

use std::any::Any;

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::p2::bindings::http::types::Method;
use wasmtime_wasi_http::p2::body::{HostIncomingBody, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{
    HostIncomingRequest, HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse,
};
use wasmtime_wasi_http::{p3, FieldMap};

use crate::abi::{size, SlLimits};

/// About what a handle costs, and a header beside its name and value.
const HANDLE: usize = 512;
const HEADER: usize = 160;

/// Of one instance.
pub struct Holdings {
    /// The bytes that a body may hold.
    body: usize,
    /// More than one call of wasi:http adds: a full set of headers, or a body.
    call: usize,
    /// What calls may still add before the next scan.
    left: usize,
    over: bool,
}

fn fields(map: &FieldMap) -> usize {
    map.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER).sum()
}

/// The bytes of an entry, of which a body has `body`.
fn entry(entry: &dyn Any, body: usize) -> usize {
    let body_of = |is_there: bool| if is_there { body } else { 0 };
    if let Some(map) = entry.downcast_ref::<FieldMap>() {
        return fields(map);
    }
    if let Some(request) = entry.downcast_ref::<HostOutgoingRequest>() {
        let path = request.path_with_query.as_ref().map_or(0, String::len);
        let authority = request.authority.as_ref().map_or(0, String::len);
        let method = match &request.method {
            Method::Other(name) => name.len(),
            _ => 0,
        };
        let body = body_of(request.body.is_some());
        return fields(&request.headers) + body + path + authority + method;
    }
    if let Some(response) = entry.downcast_ref::<HostOutgoingResponse>() {
        return fields(&response.headers) + body_of(response.body.is_some());
    }
    if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
        return fields(&response.headers) + body_of(response.body.is_some());
    }
    if let Some(request) = entry.downcast_ref::<p3::Request>() {
        let path = request.path_with_query.as_ref().map_or(0, |path| path.as_str().len());
        let authority = request.authority.as_ref().map_or(0, |name| name.as_str().len());
        return fields(&request.headers) + body + path + authority + request.method.as_str().len();
    }
    if let Some(response) = entry.downcast_ref::<p3::Response>() {
        return fields(&response.headers) + body;
    }
    body_of(
        entry.is::<HostOutgoingBody>()
            || entry.is::<HostIncomingBody>()
            || entry.is::<HostIncomingRequest>(),
    )
}

impl Holdings {
    pub fn new(limits: &SlLimits) -> Holdings {
        let body = size(limits.body_chunk_bytes).saturating_mul(2);
        let call = size(limits.max_fields_bytes).saturating_mul(3).max(body);
        Holdings { body, call, left: 0, over: false }
    }

    /// A call of wasi:http comes. False: the instance holds too much. `hold` tells C
    /// what it holds and may add; C says whether that is within its budget.
    pub fn may_call(
        &mut self,
        table: &mut ResourceTable,
        hold: impl FnOnce(usize, usize) -> bool,
    ) -> bool {
        if self.over {
            return false;
        }
        if self.left < self.call {
            let now: usize = table.iter_mut().map(|any| HANDLE + entry(any, self.body)).sum();
            // A scan takes time that grows with what is held, and so does the interval.
            self.left = self.call.saturating_mul(4).max(now / 8);
            self.over = !hold(now, self.left);
        }
        self.left -= self.call;
        !self.over
    }
}
