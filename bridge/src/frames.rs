// SPDX-License-Identifier: Apache-2.0
//! The frames of a body that a guest writes, and whether the body is complete.

use std::collections::VecDeque;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::{ready, Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

const UNFINISHED: &str = "it did not finish the body of its response";

/// How a body ends.
enum Rest {
    /// More may come.
    Open,
    Whole,
    /// Incomplete, for this reason.
    Cut(String),
}

pub struct Frames {
    body: WasiBody,
    /// Frames that came before the end was known.
    queued: VecDeque<Frame<Bytes>>,
    rest: Rest,
    /// The declared length, and what is left of it.
    declared: Option<u64>,
    left: u64,
    /// The frame that completes the declared length. A client that has it takes the
    /// response for whole: it waits until the guest has finished the body.
    last: Option<Frame<Bytes>>,
}

impl Frames {
    pub fn new(body: WasiBody, declared: Option<u64>) -> Frames {
        let rest = if body.is_end_stream() { Rest::Whole } else { Rest::Open };
        let left = declared.unwrap_or(0);
        Frames { body, queued: VecDeque::new(), rest, declared, left, last: None }
    }

    /// The body is complete, and all of it was passed on.
    pub fn is_over(&self) -> bool {
        matches!(self.rest, Rest::Whole)
            && self.queued.is_empty()
            && self.last.is_none()
            && self.left == 0
    }

    pub fn cut(&mut self, why: &str) {
        self.queued.clear();
        self.last = None;
        self.rest = Rest::Cut(why.to_owned());
    }

    pub fn why_cut(&self) -> &str {
        match &self.rest {
            Rest::Cut(why) => why,
            Rest::Open | Rest::Whole => "",
        }
    }

    /// Nobody reads the body: it may have another length than declared.
    pub fn forget_length(&mut self) {
        (self.declared, self.left) = (None, 0);
    }

    pub fn finish(&mut self) {
        self.queued.clear();
        (self.rest, self.left, self.last) = (Rest::Whole, 0, None);
    }

    fn end(&mut self, ended: Result<(), HttpError>) {
        self.rest = match ended {
            Ok(()) => Rest::Whole,
            Err(_) if self.declared.is_some() && self.left > 0 => Rest::Cut(self.short()),
            // WASI 0.2 reports a dropped body by this error.
            Err(HttpError::HttpProtocolError) => Rest::Cut(UNFINISHED.into()),
            Err(error) => Rest::Cut(format!("the body of its response broke off: {error}")),
        };
    }

    fn short(&self) -> String {
        let declared = self.declared.unwrap_or(0);
        let queued: usize = self.queued.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let sent = declared - self.left + queued as u64;
        format!("its response has content-length {declared}, and a body of {sent} bytes")
    }

    /// The guest writes no more: take what is queued. False if the body is incomplete.
    pub fn drain(&mut self) -> bool {
        while matches!(self.rest, Rest::Open) {
            match poll_now(|context| Pin::new(&mut self.body).poll_frame(context)) {
                Poll::Ready(Some(Ok(frame))) => self.queued.push_back(frame),
                Poll::Ready(Some(Err(error))) => self.end(Err(error)),
                Poll::Ready(None) => self.end(Ok(())),
                Poll::Pending => self.rest = Rest::Cut(UNFINISHED.into()),
            }
        }
        matches!(self.rest, Rest::Whole)
    }

    /// The frame, if the client may have it now.
    fn pass(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let Some(declared) = self.declared else {
            return Some(frame);
        };
        let Some(len) = frame.data_ref().map(|data| data.len() as u64) else {
            return Some(frame);
        };
        if len > self.left {
            self.cut(&format!("its response has content-length {declared}, and a longer body"));
            return None;
        }
        self.left -= len;
        if self.left > 0 {
            return Some(frame);
        }
        self.last = Some(frame);
        None
    }

    /// The next frame; None at the end, also at an incomplete one.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        loop {
            let next = match (self.queued.pop_front(), &self.rest) {
                (Some(frame), _) => Some(Ok(frame)),
                (None, Rest::Open) => ready!(Pin::new(&mut self.body).poll_frame(context)),
                (None, Rest::Cut(_)) => return Poll::Ready(None),
                (None, Rest::Whole) if self.left > 0 => {
                    self.rest = Rest::Cut(self.short());
                    return Poll::Ready(None);
                }
                (None, Rest::Whole) => return Poll::Ready(self.last.take()),
            };
            match next {
                Some(Ok(frame)) if frame.is_trailers() => {
                    self.rest = Rest::Whole;
                    if self.left == 0 && self.last.is_none() {
                        return Poll::Ready(Some(frame));
                    }
                    // A body with a declared length has no trailers.
                }
                Some(Ok(frame)) if frame.data_ref().is_some_and(|data| data.is_empty()) => {}
                Some(Ok(frame)) => {
                    if let Some(frame) = self.pass(frame) {
                        return Poll::Ready(Some(frame));
                    }
                }
                Some(Err(error)) => self.end(Err(error)),
                None => self.end(Ok(())),
            }
        }
    }
}

/// Poll once, without a waker.
pub fn poll_now<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    // Otherwise tokio's cooperative budget might answer Pending.
    let now = poll_fn(|context| Poll::Ready(poll(context)));
    let now = std::pin::pin!(tokio::task::unconstrained(now));
    match now.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(polled) => polled,
        Poll::Pending => Poll::Pending,
    }
}
