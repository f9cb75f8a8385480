// SPDX-License-Identifier: Apache-2.0
//! The body of a request, as its guest gets it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Sleep;
use wasmtime_wasi_http::Error as HttpError;

use crate::body::length_of_wrapped;
use crate::transaction::HttpTransaction;
use crate::upload::Upload;

/// What the client sends, within its limit. A guest may keep it for longer than
/// its transaction takes.
pub struct RequestBody {
    upload: Arc<Upload>,
    max: u64,
    left: u64,
    transaction: Weak<HttpTransaction>,
    /// The longest that the guest waits for a piece of it.
    patience: Duration,
    idle: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub fn new(upload: &Arc<Upload>, transaction: &Arc<HttpTransaction>) -> RequestBody {
        let max = transaction.config.max_body_bytes;
        let patience = transaction.config.between_bytes_timeout;
        let transaction = Arc::downgrade(transaction);
        RequestBody { upload: upload.clone(), max, left: max, transaction, patience, idle: None }
    }

    pub fn upload(&self) -> Arc<Upload> {
        self.upload.clone()
    }

    /// Ready when the guest has waited for too long.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(idle.as_mut().poll(context));
        if let Some(transaction) = self.transaction.upgrade() {
            transaction.note_client_late();
        }
        Poll::Ready(())
    }

    /// Note whether the guest waits for the client, which then is the one that is late.
    fn note_awaits(&self, awaits: bool) {
        if let Some(transaction) = self.transaction.upgrade() {
            transaction.set_awaits_client(awaits);
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
        if let Some(transaction) = this.transaction.upgrade() {
            transaction.count_in(len);
        }
        let Some(left) = this.left.checked_sub(len) else {
            return Poll::Ready(Some(Err(HttpError::HttpRequestBodySize(Some(this.max)))));
        };
        this.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    length_of_wrapped!(upload);
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.note_awaits(false);
        self.upload.end();
    }
}
