// SPDX-License-Identifier: Apache-2.0
//! The body of a request, as its guest gets it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use wasmtime_wasi_http::Error as HttpError;

use crate::exchange::Exchange;
use crate::upload::Upload;

/// What the client sends, within its limit. A guest may keep it for longer than
/// its exchange takes.
pub struct RequestBody {
    upload: Arc<Upload>,
    max: u64,
    left: u64,
    exchange: Weak<Exchange>,
    /// The longest that the guest waits for a piece of it.
    patience: Duration,
    idle: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub fn new(upload: &Arc<Upload>, exchange: &Arc<Exchange>) -> RequestBody {
        let max = exchange.shared.max_body_bytes;
        let patience = exchange.shared.between_bytes_timeout;
        let exchange = Arc::downgrade(exchange);
        RequestBody { upload: upload.clone(), max, left: max, exchange, patience, idle: None }
    }

    pub fn upload(&self) -> Arc<Upload> {
        self.upload.clone()
    }

    /// The guest waits: not for ever.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(idle.as_mut().poll(context));
        if let Some(exchange) = self.exchange.upgrade() {
            exchange.note_client_late();
        }
        Poll::Ready(())
    }

    /// Whether the guest waits for the client: who is late then is the client.
    fn note_awaits(&self, awaits: bool) {
        if let Some(exchange) = self.exchange.upgrade() {
            exchange.set_awaits_client(awaits);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let polled = this.upload.poll(context);
        this.note_awaits(polled.is_pending());
        let Poll::Ready(frame) = polled else {
            ready!(this.poll_late(context));
            return Poll::Ready(Some(Err(HttpError::ConnectionReadTimeout)));
        };
        this.idle = None;
        let Some(frame) = frame else {
            return Poll::Ready(None);
        };
        let frame = frame?;
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        if let Some(exchange) = this.exchange.upgrade() {
            exchange.count_in(len);
        }
        let Some(left) = this.left.checked_sub(len) else {
            return Poll::Ready(Some(Err(HttpError::HttpRequestBodySize(Some(this.max)))));
        };
        this.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.upload.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.upload.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.note_awaits(false);
        self.upload.end();
    }
}
