// SPDX-License-Identifier: Apache-2.0
//! A response as its client gets it, and the guest that goes on making it. What the
//! guest has not finished never looks whole: the connection is cut instead.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use crate::abi::End;
use crate::background::Fair;
use crate::frames::Frames;
use crate::route::{Ended, Reading};
use crate::run::Outcome;
use crate::transaction::HttpTransaction;

/// When nothing has moved for too long. The timer is set where something is waited
/// for, and looked at where it goes off: what moves often costs nothing.
#[derive(Default)]
pub struct Clock(Option<Pin<Box<Sleep>>>);

impl Clock {
    /// Ready with the limit that has passed: of the time since then, or of all that
    /// the transaction may take.
    pub fn poll_late(
        &mut self,
        context: &mut Context<'_>,
        transaction: &HttpTransaction,
        since: Instant,
        limit: Duration,
    ) -> Poll<Duration> {
        loop {
            let due = since.max(transaction.last_in()) + limit;
            let (due, limit) = match transaction.total() {
                Some((end, total)) if end < due => (end, total),
                _ => (due, limit),
            };
            if due <= Instant::now() {
                return Poll::Ready(limit);
            }
            let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            ready!(sleep.as_mut().poll(context));
            sleep.as_mut().reset(due);
        }
    }
}

/// A guest's work on its request.
pub struct Work {
    guest: Fair<Ended>,
    over: Option<oneshot::Sender<()>>,
    is_awaited: Arc<AtomicBool>,
}

impl Work {
    pub fn new(begin: impl FnOnce(Reading) -> Fair<Ended>) -> Work {
        let (sender, over) = oneshot::channel();
        let is_awaited = Arc::new(AtomicBool::new(false));
        let guest = begin(Reading { over, is_awaited: is_awaited.clone() });
        Work { guest, over: Some(sender), is_awaited }
    }

    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        Pin::new(&mut self.guest).poll(context)
    }

    fn end_response(&mut self) {
        if let Some(over) = self.over.take() {
            let _ = over.send(());
        }
    }

    /// Let the guest go on after its response: that may take as long as a response.
    pub fn go_on(mut self, transaction: Arc<HttpTransaction>) {
        self.end_response();
        // Without a runtime the engine is ending.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let (begin, limit) = (Instant::now(), transaction.config.request_timeout);
            let mut clock = Clock::default();
            let ended = poll_fn(|context| match self.poll(context) {
                Poll::Ready(ended) => Poll::Ready(Ok(ended)),
                Poll::Pending => clock.poll_late(context, &transaction, begin, limit).map(Err),
            });
            match ended.await {
                Ok(ended) => ended.note_and_keep(&transaction),
                Err(limit) => {
                    let ms = limit.as_millis();
                    let text = format!("it went on for longer than {ms} ms after its response");
                    transaction.note(Outcome::new(End::TIMED_OUT, 0, text));
                }
            }
        });
    }
}

/// What the client gets. The guest goes on as this is read, in the same task;
/// where the client leaves before all is said, the guest ends with it.
pub struct ResponseBody {
    frames: Frames,
    transaction: Arc<HttpTransaction>,
    work: Option<Work>,
    /// When the client last got something.
    moved: Instant,
    clock: Clock,
    /// Before the connection is cut what the guest has sent is flushed: how often
    /// that had been done when the end came.
    flushes: Option<u64>,
    size: Option<u64>,
}

impl ResponseBody {
    pub fn of_text(text: Full<Bytes>, transaction: &Arc<HttpTransaction>) -> ResponseBody {
        let size = text.size_hint().exact();
        let body = text.map_err(|never| match never {}).boxed_unsync();
        let mut response = ResponseBody::of_guest(body, None, transaction, None);
        response.size = size;
        let _ = response.frames.drain();
        response
    }

    /// declared: the response's content-length.
    pub fn of_guest(
        body: WasiBody,
        declared: Option<u64>,
        transaction: &Arc<HttpTransaction>,
        work: Option<Work>,
    ) -> ResponseBody {
        ResponseBody {
            frames: Frames::new(body, declared),
            transaction: transaction.clone(),
            work,
            moved: Instant::now(),
            clock: Clock::default(),
            flushes: None,
            size: None,
        }
    }

    /// The guest has ended. Its instance is alive still: what ends a body now is what
    /// the guest did.
    pub fn settle(&mut self, ended: Ended) {
        self.work = None;
        if self.frames.drain() {
            return ended.note_and_keep(&self.transaction);
        }
        ended.note(&self.transaction);
    }

    /// The next frame; where there is none yet, once the guest has done more.
    fn poll_both(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if let Poll::Ready(frame) = self.frames.poll(context) {
            return Poll::Ready(frame);
        }
        if let Some(work) = &mut self.work {
            if let Poll::Ready(ended) = work.poll(context) {
                self.settle(ended);
            }
            // It may have written something.
            if let Poll::Ready(frame) = self.frames.poll(context) {
                return Poll::Ready(frame);
            }
        }
        let limit = self.transaction.config.between_bytes_timeout;
        let limit =
            ready!(self.clock.poll_late(context, &self.transaction, self.moved, limit)).as_millis();
        let text = format!("it took longer than {limit} ms to go on with its response");
        self.transaction.note(Outcome::new(End::TIMED_OUT, 0, text));
        self.work = None;
        self.frames.cut("it is late");
        Poll::Ready(None)
    }

    /// The response is complete. Nobody waits for what the guest does afterwards.
    fn said(&mut self, context: Option<&mut Context<'_>>) {
        let Some(mut work) = self.work.take() else { return };
        work.end_response();
        if let Some(context) = context.filter(|_| work.is_awaited.load(SeqCst)) {
            if let Poll::Ready(ended) = work.poll(context) {
                return ended.note_and_keep(&self.transaction);
            }
        }
        work.go_on(self.transaction.clone());
    }

    /// The connection ends with what the guest has sent, and without its end. It
    /// flushes what it has where there is nothing more, and asks again then.
    fn poll_cut(&mut self) -> Poll<HttpError> {
        let flushes = self.transaction.wire.flushes();
        if *self.flushes.get_or_insert(flushes) == flushes {
            self.transaction.wire.await_flush();
            return Poll::Pending;
        }
        let why = self.frames.why_cut().to_owned();
        self.transaction.note(Outcome::new(End::FAILED, 0, why));
        self.transaction.note_cut();
        if let Some(work) = self.work.take() {
            work.go_on(self.transaction.clone());
        }
        Poll::Ready(HttpError::HttpResponseIncomplete)
    }

    /// A response that has no body: whatever the guest writes is thrown away, and it
    /// goes on as if somebody read it. Nobody leaves who would end that: it may take
    /// as long as a response. is_empty: it may write nothing, since its response has
    /// content-length 0.
    pub fn discard(mut self, is_empty: bool) {
        if !is_empty {
            self.frames.forget_length();
        }
        if self.frames.is_over() {
            return self.said(None);
        }
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let limit = self.transaction.config.request_timeout;
            let read = async {
                while poll_fn(|context| self.poll_both(context)).await.is_some() {
                    self.moved = Instant::now();
                }
            };
            if tokio::time::timeout(limit, read).await.is_err() {
                let ms = limit.as_millis();
                let text = format!("it wrote for longer than {ms} ms to a response without a body");
                self.transaction.note(Outcome::new(End::TIMED_OUT, 0, text));
                self.work = None;
            }
            if is_empty && !self.frames.is_over() {
                self.transaction.note(Outcome::new(End::FAILED, 0, self.frames.why_cut()));
            }
            self.frames.finish();
            self.said(None);
        });
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
        if let Some(frame) = &frame {
            this.moved = Instant::now();
            this.transaction.count_out(frame.data_ref().map_or(0, |data| data.len() as u64));
        } else if !this.frames.is_over() {
            return this.poll_cut().map(|error| Some(Err(error)));
        }
        if this.frames.is_over() {
            this.said(Some(context));
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // An empty body is never polled.
        if self.frames.is_over() {
            self.said(None);
        } else {
            self.transaction.note_cut();
        }
    }
}
