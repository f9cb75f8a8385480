// SPDX-License-Identifier: Apache-2.0
//! The state of one instance of a component.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::abi::{required, size, SlHost, SlLimits};
use crate::background::is_background;
use crate::engine::Guests;
use crate::holdings::Holdings;
use crate::outbound::{Client, Outbound, Policy};
use crate::sockets::Sockets;

/// What one instance has: WASI, limits, and C's half.
pub struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
    sockets: Arc<Sockets>,
    table: ResourceTable,
    holdings: Holdings,
    /// In place of the table where the instance holds too much: nothing is in it,
    /// and nothing may be, so that every call traps.
    none: ResourceTable,
    limits: Limits,
    host: Arc<Host>,
    instance: *mut c_void,
    /// When its time is over.
    end: Option<Instant>,
}

// SAFETY: C's instance may be used from any thread, one at a time.
unsafe impl Send for State {}

impl State {
    /// A new instance, on C's side too.
    pub fn new(
        host: &Arc<Host>,
        wasi: WasiCtx,
        sockets: Arc<Sockets>,
        max_memory: u64,
        timeout: Option<Duration>,
    ) -> Self {
        // SAFETY: the caller of the bridge vouches for both.
        let instance = unsafe { required(host.functions.instance_new)(host.context) };
        let mut table = ResourceTable::new();
        table.set_max_capacity(host.limits.max_resources as usize);
        let mut none = ResourceTable::new();
        none.set_max_capacity(0);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(size(host.limits.max_fields_bytes));
        State {
            wasi,
            http,
            outbound: Outbound::new(&host.client),
            sockets,
            table,
            holdings: Holdings::new(&host.limits),
            none,
            limits: Limits { max_memory: size(max_memory), memory: 0, max_elements: 0 },
            host: host.clone(),
            instance,
            end: timeout.map(|timeout| Instant::now() + timeout),
        }
    }

    /// For how long a host function may keep its thread: the next guest comes on
    /// another one, and nothing else of this guest goes on meanwhile. It is not
    /// ended before the function is back.
    pub fn may_block(&self) -> Duration {
        // The background's threads are for those that compute.
        if is_background() || self.host.concurrent || !self.host.guests.one() {
            return Duration::ZERO;
        }
        self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    /// So many in each table.
    pub fn allow_elements(&mut self, max_elements: usize) {
        self.limits.max_elements = max_elements;
    }

    pub fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.limits
    }

    pub fn host(&self) -> &SlHost {
        &self.host.functions
    }

    pub fn socket_uses(&self) -> &Arc<Sockets> {
        &self.sockets
    }

    pub fn instance(&self) -> *mut c_void {
        self.instance
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.outbound.end();
        // SAFETY: once, and nothing of this instance runs any more.
        unsafe { required(self.host.functions.instance_free)(self.instance) }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (hold, instance) = (required(self.host.functions.hold), self.instance);
        let may_call = self.holdings.may_call(&mut self.table, |bytes, more| {
            // SAFETY: the instance is alive as long as this.
            unsafe { hold(instance, bytes, more) }
        });
        let table = if may_call { &mut self.table } else { &mut self.none };
        WasiHttpCtxView { ctx: &mut self.http, table, hooks: &mut self.outbound }
    }
}

/// Bytes of linear memory, all memories of an instance together.
struct Limits {
    max_memory: usize,
    memory: usize,
    /// Of each table.
    max_elements: usize,
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if more > self.max_memory.saturating_sub(self.memory) {
            return Ok(false);
        }
        self.memory += more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.max_elements)
    }
}

/// C's functions.
pub struct Host {
    pub functions: SlHost,
    pub context: *mut c_void,
    pub limits: SlLimits,
    client: Arc<Client>,
    guests: Guests,
    /// A guest may have several calls under way.
    concurrent: bool,
}

impl Host {
    pub fn new(
        functions: SlHost,
        limits: SlLimits,
        context: *mut c_void,
        guests: Guests,
        concurrent: bool,
    ) -> Host {
        let client = Arc::new(Client::new(Policy { functions, context, limits }));
        Host { functions, context, limits, client, guests, concurrent }
    }
}

// SAFETY: the table's functions may be called from any thread (slight_bridge.h).
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}
