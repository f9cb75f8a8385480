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
    fail, ffi_guard, ffi_guard_or, required, slice, Failure, Fallible, SlError, SlHttpConfig,
    SlHttpLimits, Status,
};
use crate::connection::serve;
use crate::engine::Engine;
use crate::http_config::HttpConfig;
use crate::http_state::{Find, HttpState, MayAsk, Phase};
use crate::link::{first_of, First};
use crate::peers::{Kept, Peers};
use crate::program::Program;
use crate::route::{Route, Target};

/// The pause after a failed accept: without a free file descriptor, a connection has to
/// end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const CUT_TIME: Duration = Duration::from_secs(1);

pub struct Server {
    shared: Arc<HttpState>,
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    engine: *const Engine,
}

// --- Accepting -------------------------------------------------------------

/// A slot for a connection. If none is free and C wants that, the connection that is
/// idle for longest is closed; otherwise this waits for one to end.
async fn place(shared: &HttpState) -> Result<OwnedSemaphorePermit, AcquireError> {
    loop {
        if !shared.close_idle {
            return shared.connections.clone().acquire_owned().await;
        }
        if shared.connections.available_permits() == 0 {
            let _ = shared.peers.close_idle(None);
        }
        let free = shared.connections.clone().acquire_owned();
        if let Ok(permit) = tokio::time::timeout(shared.config.min_idle(), free).await {
            return permit;
        }
    }
}

/// Whether the peer may have one more connection, after one that is idle was closed if
/// need be.
async fn may_enter(shared: &HttpState, peer: IpAddr) -> bool {
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
            tokio::time::sleep(shared.config.min_idle()).await;
            has_room() || shared.peers.close_idle(Some(peer)).is_ok()
        }
    }
}

async fn accept(shared: Arc<HttpState>, listener: TcpListener, mut phase: watch::Receiver<Phase>) {
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
    // Accepted connections inherit these options.
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
    let _entered = runtime.enter();
    let (listener, address) = bind(address, &limits)?;
    let shared = Arc::new(HttpState {
        config: Arc::new(HttpConfig::new(config, limits)),
        routes,
        find: Find { call: required(config.find), context: config.context },
        may_ask: config.may_ask.map(|call| MayAsk { call, context: config.context }),
        max_connections: config.max_connections,
        connections: Arc::new(Semaphore::new(config.max_connections as usize)),
        peers: Peers::new(Duration::from_millis(limits.min_idle_ms)),
        max_peer_connections: config.max_peer_connections,
        close_idle: config.close_idle,
    });
    let (phase, phases) = watch::channel(Phase::Serving);
    runtime.spawn(accept(shared.clone(), listener, phases));
    Ok(Server { shared, address, phase, engine })
}

/// Every connection and every guest is gone.
async fn all_gone(shared: &HttpState) {
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
