// SPDX-License-Identifier: Apache-2.0
//! The handlers of requests: a component, by `wasi:http/incoming-handler` 0.2 or
//! `wasi:http/handler` 0.3, with an instance for each, or for several, one after the
//! other; or C.

use std::ffi::c_void;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{HeaderValue, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::{oneshot, OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme as Scheme2;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyIndices};
use wasmtime_wasi_http::p3::bindings::{Service, ServiceIndices};
use wasmtime_wasi_http::p3::Request as Request3;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use crate::abi::{End, Failure, Fallible, SlBytes, SlSink, Status};
use crate::background::Fair;
use crate::cause::one_line;
use crate::instance::State;
use crate::program::Linked;
use crate::request::RequestBody;
use crate::run::{not_started, Outcome};
use crate::transaction::HttpTransaction;

/// What a guest is told of its response.
pub struct Reading {
    /// The response was read to its end, or nobody reads it.
    pub over: oneshot::Receiver<()>,
    /// Set where the guest waits for nothing else.
    pub is_awaited: Arc<AtomicBool>,
}

/// The guest's response, or the code that it gave instead.
pub type Answer = Result<Response<WasiBody>, String>;

enum Handler {
    P2(ProxyIndices),
    P3(ServiceIndices),
}

enum Guest {
    P2(Proxy),
    P3(Service),
}

/// An instance, between requests or at one.
struct Instance {
    store: Store<State>,
    guest: Guest,
    answered: u32,
}

/// Who answers what.
pub struct Route {
    pub target: Target,
    /// At once. Routes do not wait for each other.
    pub max_requests: u32,
    pub requests: Arc<Semaphore>,
}

pub enum Target {
    Component(Arc<Component>),
    Host(Host),
}

impl Target {
    pub fn component(linked: Arc<Linked>, reuse: u32) -> Fallible<Target> {
        let handler = if linked.exports.http_p3 {
            ServiceIndices::new(&linked.pre).map(Handler::P3)
        } else {
            ProxyIndices::new(&linked.pre).map(Handler::P2)
        };
        let handler =
            handler.map_err(|error| Failure(Status::INVALID_ARGUMENT, one_line(&error)))?;
        let idle = Mutex::default();
        Ok(Target::Component(Arc::new(Component { linked, handler, reuse, idle })))
    }

    pub fn host(call: AnswerFn, context: *mut c_void, content_type: &str) -> Fallible<Target> {
        let content_type = HeaderValue::from_str(content_type)
            .map_err(|error| Failure(Status::INVALID_ARGUMENT, error.to_string()))?;
        Ok(Target::Host(Host { call: AnswerCall { call, context }, content_type }))
    }
}

type AnswerFn = unsafe extern "C" fn(*mut c_void, usize, SlSink) -> u32;

/// C's function, with its context.
#[derive(Clone, Copy)]
struct AnswerCall {
    call: AnswerFn,
    context: *mut c_void,
}

// SAFETY: the function may be called on any thread (slight_bridge.h).
unsafe impl Send for AnswerCall {}
// SAFETY: as above.
unsafe impl Sync for AnswerCall {}

impl AnswerCall {
    fn ask(self, route: usize) -> (u32, Vec<u8>) {
        let mut body = Vec::new();
        let sink = SlSink { context: (&raw mut body).cast(), write: Some(append) };
        // SAFETY: the caller of the bridge vouches for both; the sink is used before
        // it returns.
        let status = unsafe { (self.call)(self.context, route, sink) };
        (status, body)
    }
}

/// # Safety
/// `body` is the vector of `ask`, and the bytes are borrowed for this call.
unsafe extern "C" fn append(body: *mut c_void, bytes: SlBytes) {
    // SAFETY: as above.
    unsafe { (*body.cast::<Vec<u8>>()).extend_from_slice(bytes.get()) }
}

pub struct Host {
    call: AnswerCall,
    content_type: HeaderValue,
}

impl Host {
    /// None if C's answer is not valid.
    pub async fn answer(&self, route: usize) -> Option<Response<Full<Bytes>>> {
        let call = self.call;
        let (status, body) = tokio::task::spawn_blocking(move || call.ask(route)).await.ok()?;
        let status = u16::try_from(status).ok().and_then(|code| StatusCode::from_u16(code).ok())?;
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, self.content_type.clone());
        Some(response)
    }
}

pub struct Component {
    linked: Arc<Linked>,
    handler: Handler,
    /// The requests that an instance may answer.
    reuse: u32,
    idle: Mutex<Vec<Instance>>,
}

impl Component {
    async fn instantiate(&self) -> Result<Instance, Outcome> {
        let linked = &self.linked;
        let mut store = linked
            .store(linked.settings())
            .map_err(|failure| Outcome::new(End::FAILED, 0, failure.1))?;
        let instance = linked.pre.instantiate_async(&mut store).await;
        let instance = instance.map_err(|error| not_started(&error))?;
        let guest = match &self.handler {
            Handler::P2(indices) => indices.load(&mut store, &instance).map(Guest::P2),
            Handler::P3(indices) => indices.load(&mut store, &instance).map(Guest::P3),
        };
        let guest = guest.map_err(|error| not_started(&error))?;
        Ok(Instance { store, guest, answered: 0 })
    }

    pub fn fair<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Fair<T> {
        self.linked.fair(work)
    }

    fn take_idle(&self) -> Option<Instance> {
        if self.reuse <= 1 {
            return None;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// There are never more idle instances than requests at once.
    fn keep(&self, mut instance: Instance) {
        instance.answered += 1;
        if instance.answered < self.reuse {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
        }
    }

    /// All of a guest's work, also after its response has begun.
    pub async fn answer(
        self: Arc<Self>,
        request: Request<RequestBody>,
        answer: oneshot::Sender<Answer>,
        reading: Reading,
        turn: OwnedSemaphorePermit,
    ) -> Ended {
        let _running = self.linked.engine().running();
        let mut instance = match self.take_idle() {
            Some(instance) => instance,
            None => match self.instantiate().await {
                Ok(instance) => instance,
                Err(outcome) => {
                    let outcome = Some(outcome);
                    return Ended { instance: None, outcome, component: self.clone(), _turn: turn };
                }
            },
        };
        let (store, upload) = (&mut instance.store, request.body().upload());
        let called = match &instance.guest {
            Guest::P2(proxy) => call_p2(store, proxy, request, answer).await,
            Guest::P3(service) => call_p3(store, service, request, answer, reading).await,
        };
        upload.end();
        let outcome = called.err().map(|error| Outcome::of(&error));
        Ended { instance: Some(instance), outcome, component: self.clone(), _turn: turn }
    }
}

/// A guest that has ended. Its instance lives until it is known what became of the
/// response: a body that it left unfinished would look finished without it.
pub struct Ended {
    instance: Option<Instance>,
    /// What went wrong, if something did.
    outcome: Option<Outcome>,
    component: Arc<Component>,
    /// The request counts for as long as the instance is there.
    _turn: OwnedSemaphorePermit,
}

impl Ended {
    pub fn note(mut self, transaction: &HttpTransaction) {
        if let Some(outcome) = self.outcome.take() {
            transaction.note(outcome);
        }
    }

    /// The same where its response is whole: its instance may have another request.
    pub fn note_and_keep(mut self, transaction: &HttpTransaction) {
        if self.outcome.is_none() {
            if let Some(instance) = self.instance.take() {
                self.component.keep(instance);
            }
        }
        self.note(transaction);
    }
}

async fn call_p2(
    store: &mut Store<State>,
    proxy: &Proxy,
    request: Request<RequestBody>,
    answer: oneshot::Sender<Answer>,
) -> wasmtime::Result<()> {
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme2::Http, request)?;
    let out = http.new_response_outparam_from_callback(move |response| {
        let _ = answer.send(response.map_err(|code| format!("{code:?}")));
    })?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
}

async fn call_p3(
    store: &mut Store<State>,
    service: &Service,
    request: Request<RequestBody>,
    answer: oneshot::Sender<Answer>,
    reading: Reading,
) -> wasmtime::Result<()> {
    let (request, read) = Request3::from_http(store.data_mut().http().hooks, request);
    store
        .run_concurrent(async |accessor| {
            let response = match service.handle(accessor, request).await? {
                Ok(response) => Ok(accessor.with(|store| response.into_http(store, read))?),
                Err(code) => Err(format!("{code:?}")),
            };
            let _ = answer.send(response);
            // Whatever else the guest has begun, and its body, which may be made of a
            // stream of the host's that the guest does not see.
            std::future::poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
            reading.is_awaited.store(true, SeqCst);
            let _ = reading.over.await;
            Ok(())
        })
        .await?
}
