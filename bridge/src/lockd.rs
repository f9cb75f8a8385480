// SPDX-License-Identifier: Apache-2.0
//! `slight:lockd/locks@0.2.0`.

use std::mem::MaybeUninit;

use wasmtime::component::{ComponentType, Lift, Linker, Resource, ResourceType};
use wasmtime::Result;

use crate::abi::{
    required, slice, Answer, SlLockState, SlLockdAnswer, SlLockdRequest, SlLockdVerb, SlView,
    LOCKD_KEY_MAX,
};
use crate::call::{check, drop_handle, make, now, one, open, tell, Later, Reply, Store};
use crate::instance::State;
use crate::lift::{Converted, Text};

/// The resource types. Only C knows what their handles mean.
struct Service;
struct Lock;

#[derive(ComponentType, Lift)]
#[component(record)]
struct Options {
    #[component(name = "ttl-ms")]
    ttl_ms: u64,
    #[component(name = "wait-ms")]
    wait_ms: Option<u64>,
    #[component(name = "keep-alive")]
    keep_alive: bool,
}

fn acquire<'a>(
    store: Store<'a>,
    service: &Resource<Service>,
    key: &Text,
    options: &Options,
) -> Later<'a, Reply<Resource<Lock>>> {
    let mut texts = Converted::default();
    let key = match key.read(LOCKD_KEY_MAX, &mut texts) {
        Ok(key) => key,
        Err(error) => return now(Err(error)),
    };
    let mut request = SlLockdRequest { key, ..SlLockdRequest::new(SlLockdVerb::ACQUIRE) };
    request.ttl_ms = options.ttl_ms;
    request.has_wait = options.wait_ms.is_some();
    request.wait_ms = options.wait_ms.unwrap_or(0);
    request.keep_alive = options.keep_alive;
    make(store, service.rep(), &request, |_: &mut SlLockdAnswer, made| Resource::new_own(made))
}

fn is_locked(
    store: &Store<'_>,
    service: &Resource<Service>,
    key: &Text,
) -> Later<'static, Reply<bool>> {
    let mut texts = Converted::default();
    let key = match key.read(LOCKD_KEY_MAX, &mut texts) {
        Ok(key) => key,
        Err(error) => return now(Err(error)),
    };
    let request = SlLockdRequest { key, ..SlLockdRequest::new(SlLockdVerb::IS_LOCKED) };
    one(store, service.rep(), &request, |answer: &mut SlLockdAnswer| {
        check(answer.head()).map(|()| answer.locked)
    })
}

fn renew<'a>(store: Store<'a>, lock: &Resource<Lock>) -> Later<'a, Reply<()>> {
    let request = SlLockdRequest::new(SlLockdVerb::RENEW);
    tell::<_, SlLockdAnswer>(store, lock.rep(), &request, false)
}

/// The handle stays: a request that failed may be made again.
fn release<'a>(store: Store<'a>, lock: &Resource<Lock>) -> Later<'a, Reply<()>> {
    let request = SlLockdRequest::new(SlLockdVerb::RELEASE);
    tell::<_, SlLockdAnswer>(store, lock.rep(), &request, false)
}

/// What the host knows of a lock, for `convert`, which copies what it keeps.
fn state<T>(
    store: &Store<'_>,
    lock: &Resource<Lock>,
    convert: impl FnOnce(&SlLockState) -> T,
) -> Result<(T,)> {
    let state = store.data();
    let mut known = MaybeUninit::<SlLockState>::uninit();
    // SAFETY: where C answers true it is filled; the key lives as long as the
    // lock.
    unsafe {
        let out = known.as_mut_ptr().cast();
        if required(state.host().view)(state.instance(), lock.rep(), SlView::LOCK, out) {
            return Ok((convert(known.assume_init_ref()),));
        }
    }
    Err(wasmtime::Error::msg("the host does not know the lock"))
}

fn key_of(known: &SlLockState) -> String {
    // SAFETY: see `state`.
    String::from_utf8_lossy(unsafe { slice(known.key.ptr, known.key.len) }).into_owned()
}

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    let mut lockd = linker.instance("slight:lockd/locks@0.2.0")?;

    lockd.resource("service", ResourceType::host::<Service>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    lockd.resource("lock", ResourceType::host::<Lock>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    lockd.func_wrap("[static]service.open", |store: Store<'_>, (name,): (Text,)| {
        Ok((open(&store, c"lockd", &name)?.map(Resource::<Service>::new_own),))
    })?;
    lockd.func_wrap_async(
        "[method]service.acquire",
        |store, (this, key, options): (Resource<Service>, Text, Options)| {
            acquire(store, &this, &key, &options)
        },
    )?;
    lockd.func_wrap_async(
        "[method]service.is-locked",
        |store, (this, key): (Resource<Service>, Text)| is_locked(&store, &this, &key),
    )?;
    lockd.func_wrap("[method]lock.key", |store: Store<'_>, (this,): (Resource<Lock>,)| {
        state(&store, &this, key_of)
    })?;
    lockd.func_wrap(
        "[method]lock.fencing-token",
        |store: Store<'_>, (this,): (Resource<Lock>,)| {
            state(&store, &this, |known| known.fencing_token)
        },
    )?;
    lockd.func_wrap("[method]lock.ttl-ms", |store: Store<'_>, (this,): (Resource<Lock>,)| {
        state(&store, &this, |known| known.ttl_ms)
    })?;
    lockd.func_wrap("[method]lock.is-held", |store: Store<'_>, (this,): (Resource<Lock>,)| {
        state(&store, &this, |known| known.held)
    })?;
    lockd.func_wrap_async("[method]lock.renew", |store, (this,): (Resource<Lock>,)| {
        renew(store, &this)
    })?;
    lockd.func_wrap_async("[method]lock.release", |store, (this,): (Resource<Lock>,)| {
        release(store, &this)
    })?;
    Ok(())
}
