// SPDX-License-Identifier: Apache-2.0
//! A future whose panic is a value.

use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

pub struct CatchUnwind<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> CatchUnwind<T> {
    pub fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        CatchUnwind(Box::pin(work))
    }

    pub fn pinned(work: Pin<Box<dyn Future<Output = T> + Send>>) -> Self {
        CatchUnwind(work)
    }
}

impl<T> Future for CatchUnwind<T> {
    type Output = std::thread::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let work = &mut self.0;
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
