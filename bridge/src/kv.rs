// SPDX-License-Identifier: Apache-2.0
//! `slight:kv/store@0.1.0`: arguments as they lie in the guest's memory go to C,
//! answers go back. Only typed functions; nothing is decided here.

use std::borrow::Cow;
use std::ffi::c_void;
use std::future::{ready, Future};
use std::mem::MaybeUninit;

use bytes::Bytes;
use wasmtime::component::{
    ComponentType, Lift, Linker, Lower, Resource, ResourceType, WasmList, WasmStr,
};
use wasmtime::{Result, StoreContextMut};

use crate::abi::{
    Answer, Condition, Held, SlBytes, SlError, SlKvAnswer, SlKvRequest, SlKvTable, Verb,
    KV_MANY_MAX,
};
use crate::program::State;
use crate::wait::{Wait, Woken};

/// The resource type `bucket`; what it stands for, only C knows.
struct Bucket;

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
enum ErrorCode {
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "not-found")]
    NotFound,
    #[component(name = "already-exists")]
    AlreadyExists,
    #[component(name = "conflict")]
    Conflict,
    #[component(name = "permission-denied")]
    PermissionDenied,
    #[component(name = "unauthenticated")]
    Unauthenticated,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "unavailable")]
    Unavailable,
    #[component(name = "unsupported")]
    Unsupported,
    #[component(name = "internal")]
    Internal,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Error {
    code: ErrorCode,
    message: String,
    retryable: bool,
}

type KvResult<T> = std::result::Result<T, Error>;

#[derive(ComponentType, Lower)]
#[component(record)]
struct Entry {
    value: Bytes,
    version: String,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum WriteCondition {
    #[component(name = "always")]
    Always,
    #[component(name = "absent")]
    Absent,
    #[component(name = "version")]
    Version(WasmStr),
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct SetOptions {
    condition: WriteCondition,
    #[component(name = "ttl-ms")]
    ttl_ms: Option<u64>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Page {
    keys: Vec<String>,
    next: Option<String>,
}

impl Error {
    fn of(err: &SlError, retryable: bool) -> Error {
        // A code is its status less one (src/base/error.h).
        const CODES: [ErrorCode; 11] = [
            ErrorCode::InvalidArgument,
            ErrorCode::NotFound,
            ErrorCode::AlreadyExists,
            ErrorCode::Conflict,
            ErrorCode::PermissionDenied,
            ErrorCode::Unauthenticated,
            ErrorCode::TooLarge,
            ErrorCode::Timeout,
            ErrorCode::Unavailable,
            ErrorCode::Unsupported,
            ErrorCode::Internal,
        ];
        let index = usize::try_from(err.status - 1).unwrap_or(usize::MAX);
        Error {
            code: CODES.get(index).copied().unwrap_or(ErrorCode::Internal),
            message: err.text().into_owned(),
            retryable,
        }
    }
}

/// What each function makes of its answer.
fn check(answer: &SlKvAnswer) -> KvResult<()> {
    match answer.err.status {
        0 => Ok(()),
        _ => Err(Error::of(&answer.err, answer.retryable)),
    }
}

fn value(answer: &mut SlKvAnswer) -> KvResult<Option<Bytes>> {
    check(answer)?;
    Ok(answer.found.then(|| Bytes::from_owner(Held::take(&mut answer.value))))
}

fn entry(answer: &mut SlKvAnswer) -> KvResult<Option<Entry>> {
    let version = answer.version();
    Ok(value(answer)?.map(|value| Entry { value, version }))
}

fn found(answer: &mut SlKvAnswer) -> KvResult<bool> {
    check(answer).map(|()| answer.found)
}

fn nothing(answer: &mut SlKvAnswer) -> KvResult<()> {
    check(answer)
}

fn version(answer: &mut SlKvAnswer) -> KvResult<String> {
    check(answer).map(|()| answer.version())
}

fn number(answer: &mut SlKvAnswer) -> KvResult<i64> {
    check(answer).map(|()| answer.number)
}

fn page(answer: &mut SlKvAnswer) -> KvResult<Page> {
    check(answer)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let keys = answer.keys.bytes();
    let keys = keys.strip_suffix(b"\0").unwrap_or(keys);
    let keys = match answer.key_count {
        0 => Vec::new(),
        _ => keys.split(|byte| *byte == 0).map(text).collect(),
    };
    let next = answer.next.bytes();
    Ok(Page { keys, next: (!next.is_empty()).then(|| text(next)) })
}

/// Each answer by itself, unless the call as a whole was refused.
fn each<T>(
    answers: &mut [Answer],
    convert: fn(&mut SlKvAnswer) -> KvResult<T>,
) -> KvResult<Vec<KvResult<T>>> {
    match answers.first() {
        Some(first) if first.0.refused => Err(Error::of(&first.0.err, first.0.retryable)),
        _ => Ok(answers.iter_mut().map(|answer| convert(&mut answer.0)).collect()),
    }
}

/// The first that fails fails all.
fn all<T>(answers: &mut [Answer], convert: fn(&mut SlKvAnswer) -> KvResult<T>) -> KvResult<Vec<T>> {
    answers.iter_mut().map(|answer| convert(&mut answer.0)).collect()
}

/// A call that C completes later.
struct Pending {
    call: *mut c_void,
    table: SlKvTable,
    count: usize,
}

// SAFETY: a call may be collected and released on any thread (slight_bridge.h).
unsafe impl Send for Pending {}

impl Drop for Pending {
    fn drop(&mut self) {
        // SAFETY: once, whether the guest waited for the answer or is gone.
        unsafe { (self.table.release)(self.call) }
    }
}

impl Pending {
    async fn answers(self, woken: Woken) -> Vec<Answer> {
        woken.await;
        // SAFETY: woken, so that the call is complete; collect fills count
        // answers.
        unsafe {
            filled(self.count, |answers| {
                (self.table.collect)(self.call, answers);
            })
        }
    }
}

/// # Safety
/// `fill` initialises `count` answers.
unsafe fn filled(count: usize, fill: impl FnOnce(*mut SlKvAnswer)) -> Vec<Answer> {
    let mut answers: Vec<MaybeUninit<SlKvAnswer>> = Vec::with_capacity(count);
    fill(answers.as_mut_ptr().cast());
    let mut answers = std::mem::ManuallyDrop::new(answers);
    // SAFETY: an Answer is an SlKvAnswer, and count are initialised.
    unsafe { Vec::from_raw_parts(answers.as_mut_ptr().cast(), count, answers.capacity()) }
}

type Reply<'a, T> = Box<dyn Future<Output = Result<(T,)>> + Send + 'a>;

fn now<'a, T: Send + 'a>(reply: Result<T>) -> Reply<'a, T> {
    Box::new(ready(reply.map(|reply| (reply,))))
}

/// One request: answered on the stack where C answers at once.
fn one<'a, T: Send + 'static>(
    store: &StoreContextMut<'_, State>,
    bucket: &Resource<Bucket>,
    request: &SlKvRequest,
    convert: fn(&mut SlKvAnswer) -> T,
) -> Reply<'a, T> {
    let state = store.data();
    let mut answer = MaybeUninit::<Answer>::uninit();
    let mut wait = Wait::default();
    let mut call = std::ptr::null_mut();
    // SAFETY: the request borrows from the guest's memory, which does not
    // change before C returns; after true the answer is filled, and it is used
    // where it lies: it is large.
    unsafe {
        let table = state.host().kv;
        if (table.call)(
            state.instance(),
            bucket.rep(),
            request,
            1,
            answer.as_mut_ptr().cast(),
            &mut wait,
            &mut call,
        ) {
            let reply = convert(&mut answer.assume_init_mut().0);
            answer.assume_init_drop();
            return now(Ok(reply));
        }
        let pending = Pending { call, table, count: 1 };
        let Some(woken) = wait.woken() else {
            return now(Err(wasmtime::Error::msg("the host neither answered nor waits")));
        };
        Box::new(async move {
            let mut answers = pending.answers(woken).await;
            match answers.first_mut() {
                Some(answer) => Ok((convert(&mut answer.0),)),
                None => Err(wasmtime::Error::msg("no answer")),
            }
        })
    }
}

/// Many requests in one call.
fn many<'a, T: Send + 'static>(
    store: &StoreContextMut<'_, State>,
    bucket: &Resource<Bucket>,
    requests: &[SlKvRequest],
    convert: impl FnOnce(&mut [Answer]) -> T + Send + 'static,
) -> Reply<'a, T> {
    let state = store.data();
    let count = requests.len();
    let table = state.host().kv;
    let mut wait = Wait::default();
    let mut call = std::ptr::null_mut();
    let mut done = false;
    // SAFETY: as in `one`; where C says false nothing is filled, and the
    // vector is taken as empty.
    let mut answers = unsafe {
        let mut answers: Vec<MaybeUninit<SlKvAnswer>> = Vec::with_capacity(count);
        if count > 0 {
            done = (table.call)(
                state.instance(),
                bucket.rep(),
                requests.as_ptr(),
                count,
                answers.as_mut_ptr().cast(),
                &mut wait,
                &mut call,
            );
        }
        let mut answers = std::mem::ManuallyDrop::new(answers);
        let filled = if done { count } else { 0 };
        Vec::<Answer>::from_raw_parts(answers.as_mut_ptr().cast(), filled, answers.capacity())
    };
    if done || count == 0 {
        return now(Ok(convert(&mut answers)));
    }
    let pending = Pending { call, table, count };
    let Some(woken) = wait.woken() else {
        return now(Err(wasmtime::Error::msg("the host neither answered nor waits")));
    };
    Box::new(async move { Ok((convert(&mut pending.answers(woken).await),)) })
}

fn open(
    store: &mut StoreContextMut<'_, State>,
    name: &WasmStr,
) -> Result<KvResult<Resource<Bucket>>> {
    let name = name.to_str(&*store)?;
    let state = store.data();
    let mut bucket = 0;
    let mut err = MaybeUninit::<SlError>::uninit();
    // SAFETY: name is borrowed until C returns; err is filled where it fails.
    unsafe {
        let open = state.host().kv.open;
        let name = SlBytes::of(name.as_bytes());
        match open(state.instance(), name, &mut bucket, err.as_mut_ptr()) {
            0 => Ok(Ok(Resource::new_own(bucket))),
            _ => Ok(Err(Error::of(&err.assume_init(), false))),
        }
    }
}

/// A request made of texts and bytes that lie in the guest's memory.
macro_rules! requests_one {
    ($store:ident, $bucket:ident, $verb:expr, $key:ident, $convert:expr, |$request:ident| $fill:block) => {{
        let started = (|| {
            let key = $key.to_str(&$store)?;
            let mut $request = SlKvRequest::new($verb, key.as_bytes());
            $fill
            Ok(one(&$store, &$bucket, &$request, $convert))
        })();
        started.unwrap_or_else(|error| now(Err(error)))
    }};
}

/// The first keys of a list, at most one more than a call may have.
fn head<T: Lift>(store: &mut StoreContextMut<'_, State>, list: &WasmList<T>) -> Result<Vec<T>> {
    list.iter(store)?.take(KV_MANY_MAX + 1).collect()
}

fn texts<'a>(store: &'a StoreContextMut<'_, State>, list: &[WasmStr]) -> Result<Vec<Cow<'a, str>>> {
    list.iter().map(|text| text.to_str(store)).collect()
}

fn many_keys<T: Send + 'static>(
    mut store: StoreContextMut<'_, State>,
    bucket: &Resource<Bucket>,
    verb: Verb,
    keys: &WasmList<WasmStr>,
    convert: impl FnOnce(&mut [Answer]) -> T + Send + 'static,
) -> Result<Reply<'static, T>> {
    let keys = head(&mut store, keys)?;
    let keys = texts(&store, &keys)?;
    let requests: Vec<_> = keys.iter().map(|key| SlKvRequest::new(verb, key.as_bytes())).collect();
    Ok(many(&store, bucket, &requests, convert))
}

fn set_many(
    mut store: StoreContextMut<'_, State>,
    bucket: &Resource<Bucket>,
    entries: &WasmList<(WasmStr, WasmList<u8>)>,
) -> Result<Reply<'static, KvResult<Vec<KvResult<()>>>>> {
    let entries = head(&mut store, entries)?;
    let keys: Vec<_> = entries.iter().map(|(key, _)| key.to_str(&store)).collect::<Result<_>>()?;
    let requests: Vec<_> = keys
        .iter()
        .zip(&entries)
        .map(|(key, (_, value))| {
            let mut request = SlKvRequest::new(Verb::Set, key.as_bytes());
            request.value = SlBytes::of(value.as_le_slice(&store));
            request
        })
        .collect();
    Ok(many(&store, bucket, &requests, |answers| each(answers, nothing)))
}

type Store<'a> = StoreContextMut<'a, State>;
type This = Resource<Bucket>;

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.instance("slight:types/errors@0.1.0")?;
    let mut kv = linker.instance("slight:kv/store@0.1.0")?;

    kv.resource("bucket", ResourceType::host::<Bucket>(), |store, bucket| {
        let state = store.data();
        // SAFETY: the guest's last handle of this bucket; C hears of it once.
        unsafe { (state.host().kv.drop)(state.instance(), bucket) };
        Ok(())
    })?;
    kv.func_wrap("[static]bucket.open", |mut store: Store<'_>, (name,): (WasmStr,)| {
        Ok((open(&mut store, &name)?,))
    })?;
    kv.func_wrap_async("[method]bucket.get", |store, (this, key): (This, WasmStr)| {
        requests_one!(store, this, Verb::Get, key, value, |_request| {})
    })?;
    kv.func_wrap_async("[method]bucket.get-entry", |store, (this, key): (This, WasmStr)| {
        requests_one!(store, this, Verb::Get, key, entry, |request| {
            request.want_version = true;
        })
    })?;
    kv.func_wrap_async("[method]bucket.exists", |store, (this, key): (This, WasmStr)| {
        requests_one!(store, this, Verb::Exists, key, found, |_request| {})
    })?;
    kv.func_wrap_async(
        "[method]bucket.set",
        |store, (this, key, value): (This, WasmStr, WasmList<u8>)| {
            requests_one!(store, this, Verb::Set, key, nothing, |request| {
                request.value = SlBytes::of(value.as_le_slice(&store));
            })
        },
    )?;
    kv.func_wrap_async(
        "[method]bucket.set-with",
        |store, (this, key, value, options): (This, WasmStr, WasmList<u8>, SetOptions)| {
            let mut held = Cow::Borrowed("");
            requests_one!(store, this, Verb::Set, key, version, |request| {
                request.value = SlBytes::of(value.as_le_slice(&store));
                request.want_version = true;
                request.has_ttl = options.ttl_ms.is_some();
                request.ttl_ms = options.ttl_ms.unwrap_or(0);
                request.condition = match &options.condition {
                    WriteCondition::Always => Condition::Always,
                    WriteCondition::Absent => Condition::Absent,
                    WriteCondition::Version(version) => {
                        held = version.to_str(&store)?;
                        request.version = SlBytes::of(held.as_bytes());
                        Condition::Version
                    }
                };
            })
        },
    )?;
    kv.func_wrap_async("[method]bucket.delete", |store, (this, key): (This, WasmStr)| {
        requests_one!(store, this, Verb::Delete, key, found, |_request| {})
    })?;
    kv.func_wrap_async(
        "[method]bucket.delete-if",
        |store, (this, key, version): (This, WasmStr, WasmStr)| {
            let mut held = Cow::Borrowed("");
            requests_one!(store, this, Verb::Delete, key, nothing, |request| {
                held = version.to_str(&store)?;
                request.version = SlBytes::of(held.as_bytes());
                request.condition = Condition::Version;
            })
        },
    )?;
    kv.func_wrap_async(
        "[method]bucket.increment",
        |store, (this, key, delta): (This, WasmStr, i64)| {
            requests_one!(store, this, Verb::Increment, key, number, |request| {
                request.delta = delta;
            })
        },
    )?;
    kv.func_wrap_async(
        "[method]bucket.keys",
        |store, (this, prefix, cursor, limit): (This, WasmStr, Option<WasmStr>, u32)| {
            let mut held = Cow::Borrowed("");
            requests_one!(store, this, Verb::Keys, prefix, page, |request| {
                if let Some(cursor) = &cursor {
                    held = cursor.to_str(&store)?;
                    request.cursor = SlBytes::of(held.as_bytes());
                }
                request.limit = limit;
            })
        },
    )?;
    kv.func_wrap_async(
        "[method]bucket.get-many",
        |store, (this, keys): (This, WasmList<WasmStr>)| {
            many_keys(store, &this, Verb::Get, &keys, |answers| all(answers, value))
                .unwrap_or_else(|error| now(Err(error)))
        },
    )?;
    kv.func_wrap_async(
        "[method]bucket.set-many",
        |store, (this, entries): (This, WasmList<(WasmStr, WasmList<u8>)>)| {
            set_many(store, &this, &entries).unwrap_or_else(|error| now(Err(error)))
        },
    )?;
    kv.func_wrap_async(
        "[method]bucket.delete-many",
        |store, (this, keys): (This, WasmList<WasmStr>)| {
            many_keys(store, &this, Verb::Delete, &keys, |answers| each(answers, found))
                .unwrap_or_else(|error| now(Err(error)))
        },
    )?;
    Ok(())
}
