// SPDX-License-Identifier: Apache-2.0
//! One connection of a client: HTTP over its socket, until either side ends it.

use std::pin::pin;
use std::sync::Arc;

use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::http_service::answer;
use crate::http_state::{HttpState, Phase};
use crate::link::{first_of, First, Link};
use crate::peers::Seat;
use crate::wire::{Patience, Patient};

/// hyper's least.
const HEADER_BYTES_MIN: usize = 8192;

/// Answer requests until the client or the server ends the connection.
async fn talk(
    shared: &Arc<HttpState>,
    link: &Link,
    phase: &mut watch::Receiver<Phase>,
    seat: &Seat,
) -> Result<(), hyper::Error> {
    let config = &shared.config;
    let patience = Patience { longest: config.between_bytes_timeout, min_rate: config.min_rate };
    let io = TokioIo::new(Patient::new(&link.stream, patience, link.wire.clone()));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .half_close(true)
        .header_read_timeout(config.idle_timeout)
        .max_buf_size(config.max_header_bytes.max(HEADER_BYTES_MIN))
        .max_headers(config.limits.max_header_fields as usize);
    let service =
        hyper::service::service_fn(|request| answer(shared.clone(), link, seat.busy(), request));
    let mut connection = pin!(builder.serve_connection(io, service));
    loop {
        let changed = match first_of(connection.as_mut(), pin!(phase.changed())).await {
            First::One(done) => return done,
            First::Other(changed) => changed,
        };
        if changed.is_err() || *phase.borrow_and_update() == Phase::Cut {
            return Ok(());
        }
        connection.as_mut().graceful_shutdown();
    }
}

pub async fn serve(
    shared: Arc<HttpState>,
    stream: TcpStream,
    mut phase: watch::Receiver<Phase>,
    seat: Seat,
) {
    let _ = stream.set_nodelay(true);
    let link = Link { stream, wire: Arc::default(), limits: shared.config.limits };
    let closed = seat.closed();
    let session = async {
        // After an error the client was told, or is gone; but it may still be sending
        // what was refused.
        let done = talk(&shared, &link, &mut phase, &seat).await;
        let is_unread = link.wire.is_unread();
        if done.map_or_else(|error| error.is_parse(), |()| is_unread) {
            link.linger(&mut phase).await;
        }
    };
    let over = async { first_of(pin!(closed.notified()), pin!(link.gone())).await };
    let _ = first_of(pin!(session), pin!(over)).await;
}
