// SPDX-License-Identifier: Apache-2.0
//! The method and the authority of a request: Wasmtime takes those of any length, and
//! they are no headers, whose length it limits. Longer ones are refused as wrong ones
//! are.

use wasmtime::component::{Linker, Resource};
use wasmtime::Result;
use wasmtime_wasi_http::{p2, p3, WasiHttpView};

use crate::instance::State;

type Done = (std::result::Result<(), ()>,);

fn limit_p2(linker: &mut Linker<State>, max: usize) -> Result<()> {
    use p2::bindings::http::types::{HostOutgoingRequest, Method};
    type This = Resource<p2::types::HostOutgoingRequest>;

    let mut types = linker.instance("wasi:http/types@0.2.12")?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        move |mut store, (this, method): (This, Method)| -> Result<Done> {
            match &method {
                Method::Other(name) if name.len() > max => Ok((Err(()),)),
                _ => Ok((HostOutgoingRequest::set_method(
                    &mut store.data_mut().http(),
                    this,
                    method,
                )?,)),
            }
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        move |mut store, (this, authority): (This, Option<String>)| -> Result<Done> {
            match &authority {
                Some(name) if name.len() > max => Ok((Err(()),)),
                _ => {
                    let mut http = store.data_mut().http();
                    Ok((HostOutgoingRequest::set_authority(&mut http, this, authority)?,))
                }
            }
        },
    )
}

fn limit_p3(linker: &mut Linker<State>, max: usize) -> Result<()> {
    use p3::bindings::http::types::{HostRequest, Method};
    type This = Resource<p3::Request>;

    let mut types = linker.instance("wasi:http/types@0.3.0")?;
    types.func_wrap(
        "[method]request.set-method",
        move |mut store, (this, method): (This, Method)| -> Result<Done> {
            match &method {
                Method::Other(name) if name.len() > max => Ok((Err(()),)),
                _ => Ok((HostRequest::set_method(&mut store.data_mut().http(), this, method)?,)),
            }
        },
    )?;
    types.func_wrap(
        "[method]request.set-authority",
        move |mut store, (this, authority): (This, Option<String>)| -> Result<Done> {
            match &authority {
                Some(name) if name.len() > max => Ok((Err(()),)),
                _ => {
                    let mut http = store.data_mut().http();
                    Ok((HostRequest::set_authority(&mut http, this, authority)?,))
                }
            }
        },
    )
}

/// Replace Wasmtime's functions, which are linked already. `max` is in bytes.
pub fn limit(linker: &mut Linker<State>, max: usize, has_p3: bool) -> Result<()> {
    linker.allow_shadowing(true);
    limit_p2(linker, max)?;
    if has_p3 {
        limit_p3(linker, max)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}
