// SPDX-License-Identifier: Apache-2.0
//! The HTTP server in front of components: listeners and connections.

use std::ffi::c_void;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{watch, AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::abi::{
    fail, ffi_guard, ffi_guard_or, required, slice, Failure, Fallible, SlBytes, SlError,
    SlHttpConfig, SlHttpEnd, SlHttpLimits, Status,
};
use crate::connection::{first_of, serve, First};
use crate::engine::Engine;
use crate::peers::{Kept, Peers};
use crate::program::Program;
use crate::route::{Route, Target};

/// Where no file descriptor is left, some connection has to end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const CUT_TIME: Duration = Duration::from_secs(1);

/// C's callback, and whom it is for.
pub struct Ended {
    pub call: unsafe extern "C" fn(*mut c_void, *const SlHttpEnd),
    pub context: *mut c_void,
}

// SAFETY: the callback may run on any thread (slight_bridge.h).
unsafe impl Send for Ended {}
// SAFETY: as above.
unsafe impl Sync for Ended {}

/// C's choice of a route by a path.
pub struct Find {
    call: unsafe extern "C" fn(*mut c_void, SlBytes) -> usize,
    context: *mut c_void,
}

// SAFETY: the function may be called on any thread (slight_bridge.h).
unsafe impl Send for Find {}
// SAFETY: as above.
unsafe impl Sync for Find {}

pub enum Found {
    Route(usize),
    None,
    /// It depends on how the path is read.
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
    call: unsafe extern "C" fn(*mut c_void, SlBytes) -> bool,
    context: *mut c_void,
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

/// What all connections share.
pub struct Shared {
    pub routes: Vec<Route>,
    find: Find,
    pub max_header_bytes: usize,
    pub max_body_bytes: u64,
    pub idle_timeout: Duration,
    /// Until a response begins.
    pub request_timeout: Duration,
    /// Until the next piece of a body, one way or the other.
    pub between_bytes_timeout: Duration,
    /// Of a request and its response in all.
    pub total_timeout: Option<Duration>,
    /// What a client takes at least, in bytes a second, where bytes wait for it.
    pub min_rate: u64,
    pub max_connections: u32,
    pub connections: Arc<Semaphore>,
    pub ended: Ended,
    pub may_ask: Option<MayAsk>,
    pub limits: SlHttpLimits,
    peers: Arc<Peers>,
    /// Of one peer; 0: as many as there are.
    max_peer_connections: u32,
    close_idle: bool,
}

impl Shared {
    fn min_idle(&self) -> Duration {
        Duration::from_millis(self.limits.min_idle_ms)
    }

    pub fn find_route(&self, path: &str) -> Found {
        self.find.find(path, self.routes.len())
    }
}

/// What is told to the listeners and connections of a server.
#[derive(Clone, Copy, PartialEq)]
pub enum Phase {
    Serving,
    Draining,
    Cut,
}

pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    engine: *const Engine,
}

// --- Accepting -------------------------------------------------------------

/// A place for a connection. Where all are taken, and C wants that, the one that is
/// idle for longest goes; else somebody has to leave.
async fn place(shared: &Shared) -> Result<OwnedSemaphorePermit, AcquireError> {
    loop {
        if !shared.close_idle {
            return shared.connections.clone().acquire_owned().await;
        }
        if shared.connections.available_permits() == 0 {
            let _ = shared.peers.close_idle(None);
        }
        let free = shared.connections.clone().acquire_owned();
        if let Ok(permit) = tokio::time::timeout(shared.min_idle(), free).await {
            return permit;
        }
    }
}

/// Whether one more connection of this peer is within its limit, if need be with
/// one less that is idle.
async fn may_enter(shared: &Shared, peer: IpAddr) -> bool {
    let has_room = || {
        let max = shared.max_peer_connections;
        max == 0 || shared.peers.count(peer) < max
    };
    if has_room() || !shared.close_idle {
        return has_room();
    }
    match shared.peers.close_idle(Some(peer)) {
        Ok(()) => true,
        Err(Kept::Busy) => false,
        Err(Kept::Young) => {
            tokio::time::sleep(shared.min_idle()).await;
            has_room() || shared.peers.close_idle(Some(peer)).is_ok()
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, mut phase: watch::Receiver<Phase>) {
    loop {
        let next = pin!(async {
            let permit = place(&shared).await;
            (permit, listener.accept().await)
        });
        let First::One(next) = first_of(next, pin!(phase.changed())).await else {
            return;
        };
        match next {
            (Ok(permit), Ok((stream, address))) => {
                if !may_enter(&shared, address.ip()).await {
                    continue;
                }
                let seat = shared.peers.enter(address.ip());
                let (shared, phase) = (shared.clone(), phase.clone());
                tokio::spawn(async move {
                    serve(shared, stream, phase, seat).await;
                    drop(permit);
                });
            }
            _ => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

// --- The server -------------------------------------------------------------

fn listen(address: SocketAddr, limits: &SlHttpLimits) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Its connections inherit what follows.
    socket.set_keepalive(true)?;
    let keepalive = [
        (libc::TCP_KEEPIDLE, limits.keepalive_idle_s),
        (libc::TCP_KEEPINTVL, limits.keepalive_interval_s),
        (libc::TCP_KEEPCNT, limits.keepalive_probes),
    ];
    for (option, value) in keepalive {
        let (value, size) = ((&raw const value).cast(), size_of::<libc::c_int>());
        // SAFETY: an open socket, and an option that is an int. It may be without it.
        unsafe {
            let fd = socket.as_raw_fd();
            libc::setsockopt(fd, libc::IPPROTO_TCP, option, value, size as libc::socklen_t);
        }
    }
    socket.bind(address)?;
    socket.listen(limits.backlog)
}

fn bind(text: &str, limits: &SlHttpLimits) -> Fallible<(TcpListener, SocketAddr)> {
    let cannot = |error: std::io::Error| {
        Failure(Status::UNAVAILABLE, format!("cannot listen at {text}: {error}"))
    };
    let mut failure =
        Failure(Status::INVALID_ARGUMENT, format!("cannot listen at {text}: no such address"));
    for address in text.to_socket_addrs().map_err(cannot)? {
        match listen(address, limits) {
            Ok(listener) => {
                let address = listener.local_addr().map_err(cannot)?;
                return Ok((listener, address));
            }
            Err(error) => failure = cannot(error),
        }
    }
    Err(failure)
}

/// # Safety
/// `config` is as slight_bridge.h says.
unsafe fn routes_of(config: &SlHttpConfig) -> Fallible<Vec<Route>> {
    let mut routes = Vec::new();
    // SAFETY: the caller's promise.
    for route in unsafe { slice(config.routes, config.route_count) } {
        // SAFETY: bytes borrowed for this call.
        let content_type = unsafe { route.content_type.text("a content type")? };
        // SAFETY: a live program, or none.
        let target = match (unsafe { route.program.cast::<Program>().as_ref() }, config.answer) {
            (Some(program), _) => Target::component(program.0.clone(), route.reuse)?,
            (None, Some(call)) => Target::host(call, config.context, content_type)?,
            (None, None) => return fail(Status::INVALID_ARGUMENT, "nobody answers a route"),
        };
        let max_requests =
            if route.max_requests == 0 { config.max_requests } else { route.max_requests };
        let requests = Arc::new(Semaphore::new(max_requests as usize));
        routes.push(Route { target, max_requests, requests });
    }
    Ok(routes)
}

/// # Safety
/// As `routes_of`; the engine outlives the server.
unsafe fn start(engine: *const Engine, config: &SlHttpConfig) -> Fallible<Server> {
    // SAFETY: the caller's promise.
    let (runtime, routes, address, limits) = unsafe {
        let address = config.listen.text("an address")?;
        (&(*engine).runtime, routes_of(config)?, address, *config.limits)
    };
    let ms = Duration::from_millis;
    let _entered = runtime.enter();
    let (listener, address) = bind(address, &limits)?;
    let shared = Arc::new(Shared {
        routes,
        find: Find { call: required(config.find), context: config.context },
        max_header_bytes: usize::try_from(config.max_header_bytes).unwrap_or(usize::MAX),
        max_body_bytes: config.max_body_bytes,
        idle_timeout: ms(config.idle_timeout_ms),
        request_timeout: ms(config.request_timeout_ms),
        between_bytes_timeout: ms(match config.between_bytes_timeout_ms {
            0 => config.request_timeout_ms,
            own => own,
        }),
        total_timeout: (config.total_timeout_ms > 0).then(|| ms(config.total_timeout_ms)),
        min_rate: config.min_rate,
        max_connections: config.max_connections,
        connections: Arc::new(Semaphore::new(config.max_connections as usize)),
        ended: Ended { call: required(config.ended), context: config.context },
        may_ask: config.may_ask.map(|call| MayAsk { call, context: config.context }),
        limits,
        peers: Peers::new(ms(limits.min_idle_ms)),
        max_peer_connections: config.max_peer_connections,
        close_idle: config.close_idle,
    });
    let (phase, phases) = watch::channel(Phase::Serving);
    runtime.spawn(accept(shared.clone(), listener, phases));
    Ok(Server { shared, address, phase, engine })
}

/// Every connection and every guest is gone.
async fn all_gone(shared: &Shared) {
    let _ = shared.connections.acquire_many(shared.max_connections).await;
    for route in &shared.routes {
        let _ = route.requests.acquire_many(route.max_requests).await;
    }
}

struct Drained {
    done: unsafe extern "C" fn(*mut c_void),
    context: *mut c_void,
}

// SAFETY: done runs on a thread of the engine (slight_bridge.h).
unsafe impl Send for Drained {}

impl Drained {
    fn call(self) {
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (self.done)(self.context) }
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_http_start(
    engine: *mut Engine,
    config: *const SlHttpConfig,
    out: *mut *mut Server,
    err: *mut SlError,
) -> Status {
    // SAFETY: the header's contract: valid pointers, config borrowed for this call.
    unsafe {
        ffi_guard(err, || {
            *out = Box::into_raw(Box::new(start(engine, &*config)?));
            Ok(())
        })
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_http_port(server: *const Server) -> u16 {
    // SAFETY: a live server.
    unsafe { (*server).address.port() }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_http_load(
    server: *const Server,
    connections: *mut u32,
    requests: *mut u32,
) {
    // SAFETY: a live server, and two places to write to.
    unsafe {
        let shared = &(*server).shared;
        let used = |most: u32, free: &Semaphore| {
            most.saturating_sub(u32::try_from(free.available_permits()).unwrap_or(most))
        };
        *connections = used(shared.max_connections, &shared.connections);
        let routes = shared.routes.iter();
        *requests = routes.map(|route| used(route.max_requests, &route.requests)).sum();
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_http_drain(
    server: *mut Server,
    done: unsafe extern "C" fn(*mut c_void),
    context: *mut c_void,
) {
    let drained = Drained { done, context };
    // SAFETY: a live server, whose engine lives too.
    let (server, engine) = unsafe { (&*server, &*(*server).engine) };
    server.phase.send_replace(Phase::Draining);
    let shared = server.shared.clone();
    engine.runtime.spawn(async move {
        all_gone(&shared).await;
        drained.call();
    });
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_http_free(server: *mut Server) {
    if server.is_null() {
        return;
    }
    // SAFETY: it came from sl_bridge_http_start, and this is its end; the engine
    // lives.
    let (server, engine) = unsafe {
        let server = Box::from_raw(server);
        let engine = &*server.engine;
        (server, engine)
    };
    ffi_guard_or((), || {
        server.phase.send_replace(Phase::Cut);
        let _ = engine.runtime.block_on(tokio::time::timeout(CUT_TIME, all_gone(&server.shared)));
    })
}
