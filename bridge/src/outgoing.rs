// SPDX-License-Identifier: Apache-2.0
//! What guests' requests to other servers leave open: a request without a path is one
//! for "/", or with OPTIONS for the server itself ("*").

use http::uri::PathAndQuery;
use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Host as _, Method};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p3::bindings::http::client;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{RequestOptions, WasiHttp, WasiHttpCtxView, WasiHttpView};

use crate::instance::State;

const ROOT: &str = "/";
const SERVER: &str = "*";

type Answer = std::result::Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

/// wasi:http/outgoing-handler's one function.
fn handle(
    mut store: StoreContextMut<'_, State>,
    (request, options): (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>),
) -> Result<(Answer,)> {
    let mut view = store.data_mut().http();
    let of = view.table.get_mut(&request)?;
    if of.path_with_query.is_none() {
        let is_options = matches!(of.method, Method::Options);
        of.path_with_query = Some(if is_options { SERVER } else { ROOT }.to_owned());
    }
    Ok((match view.handle(request, options) {
        Ok(response) => Ok(response),
        Err(error) => Err(view.convert_error_code(error)?),
    },))
}

/// wasi:http/client of WASI 0.3.
struct Client;

impl HasData for Client {
    type Data<'a> = WasiHttpCtxView<'a>;
}

impl client::HostWithStore<State> for Client {
    async fn send(
        store: &Accessor<State, Self>,
        request: Resource<Request>,
    ) -> std::result::Result<Resource<Response>, TrappableError<client::ErrorCode>> {
        store.with(|mut store| {
            // A missing request is reported below.
            if let Ok(of) = store.get().table.get_mut(&request) {
                let is_options = of.method == http::Method::OPTIONS;
                let path = if is_options { SERVER } else { ROOT };
                of.path_with_query.get_or_insert_with(|| PathAndQuery::from_static(path));
            }
        });
        let standard = store.with_getter::<WasiHttp>(State::http);
        <WasiHttp as client::HostWithStore<State>>::send(&standard, request).await
    }
}

/// Replace the functions that are linked already.
pub fn link(linker: &mut Linker<State>, has_client: bool) -> Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wasi:http/outgoing-handler@0.2.12")?.func_wrap("handle", handle)?;
    if has_client {
        client::add_to_linker::<_, Client>(linker, State::http)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}
