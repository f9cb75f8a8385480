// SPDX-License-Identifier: Apache-2.0
//! What WASI holds of the host's memory for an instance: headers, bodies, handles.
//!
//! Wasmtime counts handles, and bytes within one set of headers, but no sum. The
//! table of an instance is looked through for it: not at every call, but when the
//! calls since the last time may have added as much as C allowed then.

use std::any::Any;

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::p2::bindings::http::types::Method;
use wasmtime_wasi_http::p2::body::{HostIncomingBody, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{
    HostIncomingRequest, HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse,
};
use wasmtime_wasi_http::{p3, FieldMap};

/// The bytes of one set of headers, names and values and what Wasmtime adds.
pub const FIELDS_MAX: usize = 128 << 10;
/// What is written to a body at once; two such pieces may wait to be sent.
pub const BODY_PIECE: usize = 64 << 10;

const BODY: usize = 2 * BODY_PIECE;
/// Any handle, and a header beside its name and value: about what they cost.
const HANDLE: usize = 512;
const HEADER: usize = 160;
/// One call of wasi:http adds less: a full set of headers, or a body.
const CALL: usize = 384 << 10;

/// Of one instance.
#[derive(Default)]
pub struct Holdings {
    /// What calls may still add before the next look.
    left: usize,
    over: bool,
}

fn fields(map: &FieldMap) -> usize {
    map.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER).sum()
}

fn body<T>(body: &Option<T>) -> usize {
    body.as_ref().map_or(0, |_| BODY)
}

fn entry(entry: &dyn Any) -> usize {
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
        return fields(&request.headers) + body(&request.body) + path + authority + method;
    }
    if let Some(response) = entry.downcast_ref::<HostOutgoingResponse>() {
        return fields(&response.headers) + body(&response.body);
    }
    if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
        return fields(&response.headers) + body(&response.body);
    }
    if let Some(request) = entry.downcast_ref::<p3::Request>() {
        let path = request.path_with_query.as_ref().map_or(0, |path| path.as_str().len());
        let authority = request.authority.as_ref().map_or(0, |name| name.as_str().len());
        return fields(&request.headers) + BODY + path + authority + request.method.as_str().len();
    }
    if let Some(response) = entry.downcast_ref::<p3::Response>() {
        return fields(&response.headers) + BODY;
    }
    if entry.is::<HostOutgoingBody>() || entry.is::<HostIncomingBody>() {
        return BODY;
    }
    if entry.is::<HostIncomingRequest>() {
        return BODY;
    }
    0
}

fn held(table: &mut ResourceTable) -> usize {
    table.iter_mut().map(|any| HANDLE + entry(any)).sum()
}

impl Holdings {
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
        if self.left < CALL {
            let now = held(table);
            // Looking takes time that grows with what is held: so does the distance
            // to the next time.
            self.left = (4 * CALL).max(now / 8);
            self.over = !hold(now, self.left);
        }
        self.left -= CALL;
        !self.over
    }
}
