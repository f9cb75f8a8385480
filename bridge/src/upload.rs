// SPDX-License-Identifier: Apache-2.0
//! What comes of a request's body: for its guest, and for nobody, where the answer
//! comes before its end.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, EXPECT};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use wasmtime_wasi_http::Error as HttpError;

use crate::abi::SlHttpLimits;
use crate::wire::Wire;

/// How often the connection may read on before the rest counts as not there yet.
const REST_TRIES: u32 = 8;

enum Rest {
    Coming(Incoming),
    /// All of it was read.
    None,
    /// Nobody reads it any more.
    Cut,
}

struct State {
    rest: Rest,
    /// The answer has begun.
    is_answered: bool,
    /// Whoever could read it is gone.
    is_over: bool,
}

impl State {
    /// None where all of it was read.
    fn take(&mut self) -> Option<Incoming> {
        match std::mem::replace(&mut self.rest, Rest::Cut) {
            Rest::Coming(body) if !body.is_end_stream() => Some(body),
            _ => None,
        }
    }
}

/// What the client sends, until its transaction is over: a guest may keep its request
/// for longer.
pub struct Upload {
    state: Mutex<State>,
    /// The client waits to be asked for it, which hyper does where it is read.
    expects: bool,
    is_asked: AtomicBool,
    wire: Arc<Wire>,
    /// A rest that is no longer than this is read, so that the connection can be used
    /// again.
    max_discard: u64,
    discard_timeout: Duration,
}

impl Upload {
    pub fn new(
        headers: &HeaderMap,
        body: Incoming,
        wire: Arc<Wire>,
        limits: &SlHttpLimits,
    ) -> Arc<Upload> {
        let expect = headers.get(EXPECT).map(HeaderValue::as_bytes);
        let rest = if body.is_end_stream() { Rest::None } else { Rest::Coming(body) };
        Arc::new(Upload {
            state: Mutex::new(State { rest, is_answered: false, is_over: false }),
            expects: expect.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue")),
            is_asked: AtomicBool::new(false),
            wire,
            max_discard: limits.max_discard_bytes,
            discard_timeout: Duration::from_millis(limits.discard_timeout_ms),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece; ready with None at the end.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let mut state = self.state();
        let incoming = match &mut state.rest {
            Rest::Coming(incoming) => incoming,
            Rest::None => return Poll::Ready(None),
            Rest::Cut => return Poll::Ready(Some(Err(HttpError::ConnectionTerminated))),
        };
        self.is_asked.store(true, Relaxed);
        let frame = ready!(Pin::new(incoming).poll_frame(context));
        if frame.is_none() {
            state.rest = Rest::None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(HttpError::Hyper)))
    }

    pub fn is_end_stream(&self) -> bool {
        match &self.state().rest {
            Rest::Coming(body) => body.is_end_stream(),
            Rest::None => true,
            Rest::Cut => false,
        }
    }

    pub fn size_hint(&self) -> SizeHint {
        match &self.state().rest {
            Rest::Coming(body) => body.size_hint(),
            Rest::None => SizeHint::with_exact(0),
            Rest::Cut => SizeHint::default(),
        }
    }

    /// The guest has ended, or has thrown it away. Where there is no answer yet, the rest
    /// is dealt with then.
    pub fn end(self: &Arc<Self>) {
        let mut state = self.state();
        state.is_over = true;
        let body = if state.is_answered { state.take() } else { None };
        drop(state);
        // Without a runtime the engine is ending.
        if let (Some(body), Ok(runtime)) = (body, Handle::try_current()) {
            runtime.spawn(self.clone().discard(body));
        }
    }

    /// The answer is there. Whether the connection must end with it, since what the
    /// client still sends is not read. is_refused: it is none of a guest's.
    pub async fn answered(self: &Arc<Self>, is_refused: bool) -> bool {
        let is_waited_for = self.expects && !self.is_asked.load(Relaxed);
        let (is_over, body, is_coming) = {
            let mut state = self.state();
            state.is_answered = true;
            let is_over = is_refused || state.is_over;
            let body = if is_over { state.take() } else { None };
            (is_over, body, matches!(&state.rest, Rest::Coming(_)))
        };
        let closes = match body {
            Some(_) if is_waited_for => true,
            Some(body) => !self.spare(body).await,
            None => !is_over && is_coming && is_waited_for,
        };
        if closes {
            self.wire.leave_unread();
        }
        closes
    }

    /// Whether so little is left that the connection can be used again.
    async fn spare(self: &Arc<Self>, mut body: Incoming) -> bool {
        if read_rest(&mut body, self.max_discard).await {
            return true;
        }
        let is_short = body.size_hint().upper().is_some_and(|left| left <= self.max_discard);
        if is_short {
            tokio::spawn(self.clone().discard(body));
        }
        is_short
    }

    /// Read the rest of a body. Where it is too long, or too slow, the connection is
    /// closed behind its answer.
    async fn discard(self: Arc<Self>, mut body: Incoming) {
        let read = async {
            let mut left = self.max_discard;
            while let Some(Ok(frame)) = body.frame().await {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                match left.checked_sub(len) {
                    Some(rest) => left = rest,
                    None => return false,
                }
            }
            true
        };
        if !tokio::time::timeout(self.discard_timeout, read).await.unwrap_or(false) {
            self.wire.leave_unread();
        }
    }
}

/// Read what is there, `left` bytes at most. Whether that was all.
async fn read_rest(body: &mut Incoming, mut left: u64) -> bool {
    let mut tries = REST_TRIES;
    while tries > 0 {
        let frame = std::future::poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(frame) => Some(frame),
                Poll::Pending => None,
            })
        });
        match frame.await {
            Some(Some(Ok(frame))) => {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(rest) = left.checked_sub(len) else { return false };
                left = rest;
            }
            Some(Some(Err(_))) => return false,
            Some(None) => return true,
            None => {
                tries -= 1;
                tokio::task::yield_now().await;
            }
        }
        if body.is_end_stream() {
            return true;
        }
    }
    false
}
