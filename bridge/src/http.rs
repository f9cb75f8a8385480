// SPDX-License-Identifier: Apache-2.0
//! The HTTP server in front of components that export
//! `wasi:http/incoming-handler`: an instance for each request.

use std::convert::Infallible;
use std::ffi::c_void;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{ready, Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch, OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::ProxyIndices;
use wasmtime_wasi_http::{Error as HttpError, WasiBody, WasiHttpView};

use crate::abi::{
    border, fail, quiet_border, slice, End, Failure, Fallible, SlBytes, SlError, SlHttpConfig,
    SlHttpEnd, Status,
};
use crate::component::one_line;
use crate::engine::Engine;
use crate::program::Linked;
use crate::run::{not_started, Outcome};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX: usize = 64;
const BACKLOG: u32 = 4096;
const HEADERS_MAX: usize = 100;
/// hyper's least.
const HEADER_BYTES_MIN: usize = 8192;
/// Where no file descriptor is left, some connection has to end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const CUT_TIME: Duration = Duration::from_secs(1);
/// How long a request waits for another one to end.
const BUSY_WAIT: Duration = Duration::from_millis(250);

struct Route {
    prefix: String,
    linked: Arc<Linked>,
    indices: ProxyIndices,
}

/// C's callback, and whom it is for.
struct Ended {
    call: unsafe extern "C" fn(*mut c_void, *const SlHttpEnd),
    context: *mut c_void,
}

// SAFETY: the callback may run on any thread (slight_bridge.h).
unsafe impl Send for Ended {}
// SAFETY: as above.
unsafe impl Sync for Ended {}

/// What all connections share.
struct Shared {
    routes: Vec<Route>,
    max_header_bytes: usize,
    max_body_bytes: u64,
    idle_timeout: Duration,
    request_timeout: Duration,
    max_connections: u32,
    max_requests: u32,
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    ended: Ended,
}

/// What is told to the listeners and connections of a server.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
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

// --- One request ------------------------------------------------------------

/// A request and its response, until both are over and the guest has ended.
struct Exchange {
    shared: Arc<Shared>,
    begin: Instant,
    method: http::Method,
    path: String,
    id: String,
    status: AtomicU16,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    route: Mutex<Option<usize>>,
    outcome: Mutex<Option<Outcome>>,
}

impl Exchange {
    fn note(&self, outcome: Outcome) {
        let mut noted = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get_or_insert(outcome);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = outcome.unwrap_or_else(|| Outcome::new(End::Returned, 0, ""));
        let route = *self.route.get_mut().unwrap_or_else(PoisonError::into_inner);
        let end = SlHttpEnd {
            route: route.map_or(usize::MAX, |route| route),
            method: SlBytes::of(self.method.as_str().as_bytes()),
            path: SlBytes::of(self.path.as_bytes()),
            request_id: SlBytes::of(self.id.as_bytes()),
            status: u32::from(self.status.load(Relaxed)),
            end: outcome.end,
            ns: u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            message: SlBytes::of(outcome.message.as_bytes()),
            backtrace: SlBytes::of(outcome.backtrace.as_bytes()),
        };
        let ended = &self.shared.ended;
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (ended.call)(ended.context, &end) }
    }
}

/// What the client sends, within its limit.
struct RequestBody {
    body: Incoming,
    left: u64,
    exchange: Arc<Exchange>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(HttpError::Hyper)?;
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        this.exchange.bytes_in.fetch_add(len, Relaxed);
        let Some(left) = this.left.checked_sub(len) else {
            let max = this.exchange.shared.max_body_bytes;
            return Poll::Ready(Some(Err(HttpError::HttpRequestBodySize(Some(max)))));
        };
        this.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A guest's work on its request, to its end or its deadline.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the client gets. The guest goes on as this is read, in the same task;
/// where the client leaves before all is said, the guest ends with it.
struct ResponseBody {
    body: WasiBody,
    exchange: Arc<Exchange>,
    work: Option<Work>,
}

impl ResponseBody {
    /// The next frame; where there is none yet, once the guest has done more.
    fn poll_both(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if let Some(work) = &mut self.work {
            if work.as_mut().poll(context).is_ready() {
                self.work = None;
            }
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    /// All is said; what the guest does after that nobody waits for.
    fn ended(&mut self) {
        // At the end of everything there is no runtime any more.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let frame = ready!(this.poll_both(context));
        match &frame {
            Some(Ok(frame)) => {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.exchange.bytes_out.fetch_add(len, Relaxed);
                if this.body.is_end_stream() {
                    this.ended();
                }
            }
            Some(Err(_)) => {}
            None => this.ended(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A body of no bytes is never read.
        if self.body.is_end_stream() {
            self.ended();
        }
    }
}

/// The answer where there is none of a guest: the client is told no details.
struct Refusal(StatusCode, &'static str);

fn plain(refusal: &Refusal, exchange: &Arc<Exchange>) -> Response<ResponseBody> {
    let text = Full::new(Bytes::from_static(refusal.1.as_bytes()));
    let body = text.map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(ResponseBody { body, exchange: exchange.clone(), work: None });
    *response.status_mut() = refusal.0;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if refusal.0 == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The longest prefix that ends where a segment of the path does.
fn find_route(routes: &[Route], path: &str) -> Option<usize> {
    let matches = |prefix: &str| match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
        None => false,
    };
    (0..routes.len())
        .filter(|&index| matches(&routes[index].prefix))
        .max_by_key(|&index| routes[index].prefix.len())
}

/// A guest's work on one request, which goes on when the response has begun.
async fn run_guest(
    linked: Arc<Linked>,
    mut store: wasmtime::Store<crate::instance::State>,
    shared: Arc<Shared>,
    route: usize,
    request: wasmtime::component::Resource<wasmtime_wasi_http::p2::types::HostIncomingRequest>,
    out: wasmtime::component::Resource<wasmtime_wasi_http::p2::types::HostResponseOutparam>,
) -> Option<Outcome> {
    let _running = linked.engine().running();
    let instance = match linked.pre.instantiate_async(&mut store).await {
        Ok(instance) => instance,
        Err(error) => return Some(not_started(&error)),
    };
    let called = match shared.routes[route].indices.load(&mut store, &instance) {
        Ok(proxy) => proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await,
        Err(error) => Err(error),
    };
    called.err().map(|error| Outcome::of(&error))
}

/// hyper stops reading at about its limit only.
fn header_bytes(request: &Request<Incoming>) -> usize {
    let fields = request.headers().iter();
    let bytes: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let path = request.uri().path_and_query();
    bytes + path.map_or(0, |path| path.as_str().len())
}

async fn respond(
    shared: &Arc<Shared>,
    exchange: &Arc<Exchange>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Refusal> {
    const FAILED: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n");
    const LATE: Refusal = Refusal(StatusCode::GATEWAY_TIMEOUT, "the request timed out\n");
    const BUSY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once\n");

    let Some(route) = find_route(&shared.routes, request.uri().path()) else {
        return Err(Refusal(StatusCode::NOT_FOUND, "not found\n"));
    };
    *exchange.route.lock().unwrap_or_else(PoisonError::into_inner) = Some(route);
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        return Err(Refusal(StatusCode::BAD_REQUEST, "no host\n"));
    }
    if header_bytes(&request) > shared.max_header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal(status, "the header is too large\n"));
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse::<u64>().ok()) > Some(shared.max_body_bytes) {
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"));
    }
    // The one before may have been answered, and its instance be just ending.
    let turn = shared.requests.clone().acquire_owned();
    let Ok(Ok(permit)) = tokio::time::timeout(BUSY_WAIT, turn).await else {
        return Err(BUSY);
    };
    let linked = shared.routes[route].linked.clone();
    let defect = |message: String| {
        exchange.note(Outcome::new(End::Failed, 0, message));
        FAILED
    };
    let mut store = linked.store(linked.settings()).map_err(|failure| defect(failure.1))?;
    let left = shared.max_body_bytes;
    let request = request.map(|body| RequestBody { body, left, exchange: exchange.clone() });
    let (sender, receiver) = oneshot::channel();
    let made = {
        let mut http = store.data_mut().http();
        http.new_incoming_request(Scheme::Http, request)
            .and_then(|request| Ok((request, http.new_response_outparam(sender)?)))
    };
    let (request, out) = made.map_err(|error| defect(one_line(&error)))?;
    let deadline = tokio::time::Instant::now() + shared.request_timeout;
    let (noted, limit) = (exchange.clone(), shared.request_timeout);
    let guest = run_guest(linked, store, shared.clone(), route, request, out);
    let mut work: Work = Box::pin(async move {
        let _permit: OwnedSemaphorePermit = permit;
        match tokio::time::timeout_at(deadline, guest).await {
            Ok(None) => {}
            Ok(Some(outcome)) => noted.note(outcome),
            Err(_) => {
                let text = format!("it took longer than {} ms", limit.as_millis());
                noted.note(Outcome::new(End::TimedOut, 0, text));
            }
        }
    });
    let mut receiver = pin!(receiver);
    let mut ended = false;
    let received = std::future::poll_fn(|context| {
        if !ended {
            ended = work.as_mut().poll(context).is_ready();
        }
        receiver.as_mut().poll(context)
    })
    .await;
    match received {
        Ok(Ok(response)) => {
            let work = (!ended).then_some(work);
            Ok(response.map(|body| ResponseBody { body, exchange: exchange.clone(), work }))
        }
        Ok(Err(code)) => {
            exchange.note(Outcome::new(End::Failed, 0, format!("it answered with {code:?}")));
            Err(FAILED)
        }
        // The guest has ended, and has said how.
        Err(_) => {
            let why = exchange.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match &*why {
                Some(outcome) if outcome.end == End::TimedOut => Err(LATE),
                Some(outcome) if outcome.message.contains("concurrent limit") => Err(BUSY),
                Some(_) => Err(FAILED),
                None => {
                    drop(why);
                    exchange.note(Outcome::new(End::Failed, 0, "it gave no response"));
                    Err(FAILED)
                }
            }
        }
    }
}

/// The client's, where it is one of printable characters; else a new one.
fn request_id(request: &Request<Incoming>) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    if let Some(id) = given {
        let fits = !id.is_empty() && id.len() <= REQUEST_ID_MAX;
        if fits && id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return id.to_owned();
        }
    }
    // Unique among processes of all machines, as far as one can tell.
    static BASE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let base = BASE.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    });
    format!("{base:016x}{:08x}", NEXT.fetch_add(1, Relaxed))
}

async fn answer(
    shared: Arc<Shared>,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let id = request_id(&request);
    let id_value = HeaderValue::from_str(&id).ok();
    if let Some(value) = &id_value {
        request.headers_mut().insert(REQUEST_ID, value.clone());
    }
    let exchange = Arc::new(Exchange {
        begin: Instant::now(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        id,
        status: AtomicU16::new(0),
        bytes_in: AtomicU64::new(0),
        bytes_out: AtomicU64::new(0),
        route: Mutex::new(None),
        outcome: Mutex::new(None),
        shared: shared.clone(),
    });
    let mut response = match respond(&shared, &exchange, request).await {
        Ok(response) => response,
        Err(refusal) => plain(&refusal, &exchange),
    };
    exchange.status.store(response.status().as_u16(), Relaxed);
    if let Some(value) = id_value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

// --- Connections ------------------------------------------------------------

enum First<A, B> {
    One(A),
    Other(B),
}

/// Whichever is ready first; the other one goes on where it is asked again.
async fn first_of<A: Future, B: Future>(
    mut one: Pin<&mut A>,
    mut other: Pin<&mut B>,
) -> First<A::Output, B::Output> {
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = one.as_mut().poll(context) {
            return Poll::Ready(First::One(output));
        }
        other.as_mut().poll(context).map(First::Other)
    })
    .await
}

/// A stream whose reader must go on reading: what cannot be written for the time
/// of a request is not written any more.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if done.is_ready() {
            self.stalled = None;
            return done;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, mut phase: watch::Receiver<Phase>) {
    let _ = stream.set_nodelay(true);
    let patience = shared.request_timeout;
    let io = TokioIo::new(Patient { stream, patience, stalled: None });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(shared.idle_timeout)
        .max_buf_size(shared.max_header_bytes.max(HEADER_BYTES_MIN))
        .max_headers(HEADERS_MAX);
    let service = hyper::service::service_fn(move |request| answer(shared.clone(), request));
    let mut connection = pin!(builder.serve_connection(io, service));
    loop {
        let changed = match first_of(connection.as_mut(), pin!(phase.changed())).await {
            // Whatever went wrong, the client knows, or is gone.
            First::One(_) => return,
            First::Other(changed) => changed,
        };
        if changed.is_err() || *phase.borrow_and_update() == Phase::Cut {
            return;
        }
        connection.as_mut().graceful_shutdown();
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, mut phase: watch::Receiver<Phase>) {
    loop {
        let next = pin!(async {
            let permit = shared.connections.clone().acquire_owned().await;
            (permit, listener.accept().await)
        });
        let First::One(next) = first_of(next, pin!(phase.changed())).await else {
            return;
        };
        match next {
            (Ok(permit), Ok((stream, _))) => {
                let (shared, phase) = (shared.clone(), phase.clone());
                tokio::spawn(async move {
                    serve(shared, stream, phase).await;
                    drop(permit);
                });
            }
            _ => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

// --- The server -------------------------------------------------------------

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn bind(text: &str) -> Fallible<(TcpListener, SocketAddr)> {
    let cannot = |error: std::io::Error| {
        Failure(Status::Unavailable, format!("cannot listen at {text}: {error}"))
    };
    let mut failure =
        Failure(Status::InvalidArgument, format!("cannot listen at {text}: no such address"));
    for address in text.to_socket_addrs().map_err(cannot)? {
        match listen(address) {
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
        // SAFETY: a live program, and bytes borrowed for this call.
        let (linked, prefix) =
            unsafe { ((&*route.program).0.clone(), route.prefix.text("a route")?.to_owned()) };
        match ProxyIndices::new(&linked.pre) {
            Ok(indices) => routes.push(Route { prefix, linked, indices }),
            Err(error) => return fail(Status::InvalidArgument, one_line(&error)),
        }
    }
    Ok(routes)
}

/// # Safety
/// As `routes_of`; the engine outlives the server.
unsafe fn start(engine: *const Engine, config: &SlHttpConfig) -> Fallible<Server> {
    // SAFETY: the caller's promise.
    let (runtime, routes, address) =
        unsafe { (&(*engine).runtime, routes_of(config)?, config.listen.text("an address")?) };
    let ms = Duration::from_millis;
    let _entered = runtime.enter();
    let (listener, address) = bind(address)?;
    let shared = Arc::new(Shared {
        routes,
        max_header_bytes: usize::try_from(config.max_header_bytes).unwrap_or(usize::MAX),
        max_body_bytes: config.max_body_bytes,
        idle_timeout: ms(config.idle_timeout_ms),
        request_timeout: ms(config.request_timeout_ms),
        max_connections: config.max_connections,
        max_requests: config.max_requests,
        connections: Arc::new(Semaphore::new(config.max_connections as usize)),
        requests: Arc::new(Semaphore::new(config.max_requests as usize)),
        ended: Ended { call: config.ended, context: config.context },
    });
    let (phase, phases) = watch::channel(Phase::Serving);
    runtime.spawn(accept(shared.clone(), listener, phases));
    Ok(Server { shared, address, phase, engine })
}

/// Every connection and every guest is gone.
async fn all_gone(shared: &Shared) {
    let _ = shared.connections.acquire_many(shared.max_connections).await;
    let _ = shared.requests.acquire_many(shared.max_requests).await;
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
) -> i32 {
    // SAFETY: the header's contract: valid pointers, config borrowed for this call.
    unsafe {
        border(err, || {
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
    quiet_border((), || {
        server.phase.send_replace(Phase::Cut);
        let _ = engine.runtime.block_on(tokio::time::timeout(CUT_TIME, all_gone(&server.shared)));
    })
}
