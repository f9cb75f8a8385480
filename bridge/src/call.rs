// SPDX-License-Identifier: Apache-2.0
//! Calls of the host, of any capability. Requests go to C as they are in the guest's
//! memory; answers come back at once or later.

use std::ffi::c_void;
use std::future::{ready, Future};
use std::mem::MaybeUninit;

use wasmtime::component::{ComponentType, Lower};
use wasmtime::{Result, StoreContextMut};

use crate::abi::{required, Answer, SlAnswer, SlCall, SlDelivery, SlError, SlHost, SlView, Status};
use crate::background::{is_background, to_background};
use crate::instance::State;
use crate::lift::{Converted, Text, Touched, CALL_BYTES_MAX};
use crate::wait::{Wait, Woken};

pub type Store<'a> = StoreContextMut<'a, State>;

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub enum ErrorCode {
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "not-found")]
    NotFound,
    #[component(name = "already-exists")]
    AlreadyExists,
    #[component(name = "conflict")]
    Conflict,
    #[component(name = "aborted")]
    Aborted,
    #[component(name = "permission-denied")]
    PermissionDenied,
    #[component(name = "unauthenticated")]
    Unauthenticated,
    #[component(name = "read-only")]
    ReadOnly,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "resource-exhausted")]
    ResourceExhausted,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "cancelled")]
    Cancelled,
    #[component(name = "unavailable")]
    Unavailable,
    #[component(name = "unsupported")]
    Unsupported,
    #[component(name = "internal")]
    Internal,
}

/// `slight:types/errors.error`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub struct Error {
    code: ErrorCode,
    message: String,
    retryable: bool,
}

/// What a function of an interface answers.
pub type Reply<T> = std::result::Result<T, Error>;

impl Error {
    fn of(err: &SlError, retryable: bool) -> Error {
        let code = match err.status {
            Status::INVALID_ARGUMENT => ErrorCode::InvalidArgument,
            Status::NOT_FOUND => ErrorCode::NotFound,
            Status::ALREADY_EXISTS => ErrorCode::AlreadyExists,
            Status::CONFLICT => ErrorCode::Conflict,
            Status::ABORTED => ErrorCode::Aborted,
            Status::PERMISSION_DENIED => ErrorCode::PermissionDenied,
            Status::UNAUTHENTICATED => ErrorCode::Unauthenticated,
            Status::READ_ONLY => ErrorCode::ReadOnly,
            Status::TOO_LARGE => ErrorCode::TooLarge,
            Status::RESOURCE_EXHAUSTED => ErrorCode::ResourceExhausted,
            Status::TIMEOUT => ErrorCode::Timeout,
            Status::CANCELLED => ErrorCode::Cancelled,
            Status::UNAVAILABLE => ErrorCode::Unavailable,
            Status::UNSUPPORTED => ErrorCode::Unsupported,
            _ => ErrorCode::Internal,
        };
        Error { code, message: err.text().into_owned(), retryable }
    }

    fn from(head: &SlAnswer) -> Error {
        Error::of(&head.err, head.retryable)
    }
}

/// Whether it worked.
pub fn check(head: &SlAnswer) -> Reply<()> {
    match head.err.status {
        Status::OK => Ok(()),
        _ => Err(Error::from(head)),
    }
}

/// A result for each answer, unless the call was refused as a whole.
pub fn each<A: Answer, T>(
    answers: &mut [A],
    convert: fn(&mut A) -> Reply<T>,
) -> Reply<Vec<Reply<T>>> {
    match answers.first() {
        Some(first) if first.head().refused => Err(Error::from(first.head())),
        _ => Ok(answers.iter_mut().map(convert).collect()),
    }
}

/// All results, or the first failure.
pub fn all<A: Answer, T>(answers: &mut [A], convert: fn(&mut A) -> Reply<T>) -> Reply<Vec<T>> {
    answers.iter_mut().map(convert).collect()
}

/// A call that C completes later.
struct Pending {
    call: *mut SlCall,
    release: unsafe extern "C" fn(*mut SlCall),
}

// SAFETY: a call may be collected and released on any thread (slight_bridge.h).
unsafe impl Send for Pending {}

impl Drop for Pending {
    fn drop(&mut self) {
        // SAFETY: once, whether the guest waited for the answer or is gone.
        unsafe { (self.release)(self.call) }
    }
}

impl Pending {
    async fn answers<A: Answer>(self, host: SlHost, count: usize, woken: Woken) -> Vec<A> {
        woken.await;
        let mut answers: Vec<MaybeUninit<A>> = Vec::with_capacity(count);
        // SAFETY: woken, so that the call is complete; collect fills count
        // answers.
        unsafe {
            required(host.collect)(self.call, answers.as_mut_ptr().cast());
            taken(answers, count)
        }
    }
}

/// # Safety
/// The first `count` are initialised.
unsafe fn taken<A>(answers: Vec<MaybeUninit<A>>, count: usize) -> Vec<A> {
    let mut answers = std::mem::ManuallyDrop::new(answers);
    // SAFETY: the layout is the same, and the caller's promise.
    unsafe { Vec::from_raw_parts(answers.as_mut_ptr().cast(), count, answers.capacity()) }
}

/// What a linked function returns.
pub type Later<'a, T> = Box<dyn Future<Output = Result<(T,)>> + Send + 'a>;

pub fn now<'a, T: Send + 'a>(reply: Result<T>) -> Later<'a, T> {
    Box::new(ready(reply.map(|reply| (reply,))))
}

fn defect<'a, T: Send + 'a>() -> Later<'a, T> {
    now(Err(wasmtime::Error::msg("the host neither answered nor waits")))
}

/// A call that was started: answered at once, or pending.
struct Started {
    answered: bool,
    wait: Wait,
    call: *mut SlCall,
}

/// # Safety
/// `requests` are `count` of the capability's, and borrow from what does not
/// change before this returns; `answers` has room for as many.
unsafe fn start<R, A>(
    state: &State,
    handle: u32,
    requests: *const R,
    count: usize,
    answers: *mut A,
    made: *mut u32,
) -> Started {
    let mut wait = Wait::of(state);
    let mut call = std::ptr::null_mut();
    // SAFETY: the caller's promise.
    let answered = unsafe {
        required(state.host().call)(
            state.instance(),
            handle,
            requests.cast(),
            count,
            answers.cast(),
            made,
            (&raw mut wait).cast(),
            &mut call,
        )
    };
    Started { answered, wait, call }
}

fn no_answer() -> wasmtime::Error {
    wasmtime::Error::msg("no answer")
}

/// Finish a call with its answers: those that C gave at once, or those that it gives
/// later. `kept` lives until then.
fn complete<'a, A: Answer + 'static, T: Send + 'a>(
    host: SlHost,
    started: Started,
    answers: Vec<MaybeUninit<A>>,
    count: usize,
    kept: impl Send + 'a,
    finish: impl FnOnce(Vec<A>) -> Result<(T,)> + Send + 'a,
) -> Later<'a, T> {
    if started.answered {
        // SAFETY: C answered, so that all are filled.
        return Box::new(ready(finish(unsafe { taken(answers, count) })));
    }
    let pending = Pending { call: started.call, release: required(host.release) };
    let Some(woken) = started.wait.woken() else {
        return defect();
    };
    Box::new(async move {
        let _kept = kept;
        finish(pending.answers(host, count, woken).await)
    })
}

/// One request: answered on the stack where C answers at once.
pub fn one<'a, R, A: Answer + 'static, T: Send + 'static>(
    store: &Store<'_>,
    handle: u32,
    request: &R,
    convert: fn(&mut A) -> T,
) -> Later<'a, T> {
    let state = store.data();
    let host = *state.host();
    let mut answer = MaybeUninit::<A>::uninit();
    // SAFETY: the request borrows from the guest's memory, which does not
    // change before C returns; where it answered, the answer is filled, and used
    // where it lies: it is large.
    unsafe {
        let none = std::ptr::null_mut();
        let started = start(state, handle, request, 1, answer.as_mut_ptr(), none);
        if started.answered {
            let reply = convert(answer.assume_init_mut());
            answer.assume_init_drop();
            return now(Ok(reply));
        }
        complete(host, started, Vec::new(), 1, (), move |mut answers: Vec<A>| {
            answers.first_mut().map(|answer| (convert(answer),)).ok_or_else(no_answer)
        })
    }
}

/// Many requests in one call.
pub fn many<'a, R, A: Answer + 'static, T: Send + 'static>(
    store: &Store<'_>,
    handle: u32,
    requests: &[R],
    convert: impl FnOnce(&mut [A]) -> T + Send + 'static,
) -> Later<'a, T> {
    let state = store.data();
    let host = *state.host();
    let count = requests.len();
    if count == 0 {
        return now(Ok(convert(&mut [])));
    }
    let mut answers: Vec<MaybeUninit<A>> = Vec::with_capacity(count);
    // SAFETY: as in `one`; where C answered, all are filled.
    let started = unsafe {
        let none = std::ptr::null_mut();
        start(state, handle, requests.as_ptr(), count, answers.as_mut_ptr(), none)
    };
    complete(host, started, answers, count, (), |mut answers| Ok((convert(&mut answers),)))
}

/// One request that creates an object, for which C has a handle at once. The handle is
/// dropped if the request fails or the guest has ended.
pub fn make<'a, R, A: Answer + 'static, T: Send + 'static>(
    store: Store<'a>,
    handle: u32,
    request: &R,
    convert: fn(&mut A, u32) -> T,
) -> Later<'a, Reply<T>> {
    let host = *store.data().host();
    let instance = Instance(store.data().instance());
    let verb = verb_of(request);
    let mut answers: Vec<MaybeUninit<A>> = Vec::with_capacity(1);
    let mut made = u32::MAX;
    // SAFETY: as in `one`.
    let started =
        unsafe { start(store.data(), handle, request, 1, answers.as_mut_ptr(), &mut made) };
    let finish = move |mut answers: Vec<A>| {
        let Some(answer) = answers.first_mut() else {
            return Err(no_answer());
        };
        let checked = check(answer.head());
        // SAFETY: the instance lives as long as the store that is borrowed.
        unsafe {
            let instance = instance;
            match checked {
                Ok(()) => {
                    required(host.attach)(instance.0, made, verb, std::ptr::from_mut(answer).cast())
                }
                Err(_) if made != u32::MAX => required(host.drop)(instance.0, made),
                Err(_) => {}
            }
        }
        Ok((checked.map(|()| convert(answer, made)),))
    };
    complete(host, started, answers, 1, store, finish)
}

/// One request whose answer has at most `most` objects. C makes a handle for each.
pub fn make_many<'a, R, A: Answer + 'static, T: Send + 'static>(
    store: Store<'a>,
    handle: u32,
    request: &R,
    most: usize,
    convert: fn(u32) -> T,
) -> Later<'a, Reply<Vec<T>>> {
    let host = *store.data().host();
    let instance = Instance(store.data().instance());
    let mut answers: Vec<MaybeUninit<A>> = Vec::with_capacity(1);
    // SAFETY: as in `one`.
    let started = unsafe {
        let none = std::ptr::null_mut();
        start(store.data(), handle, request, 1, answers.as_mut_ptr(), none)
    };
    let finish = move |mut answers: Vec<A>| {
        let Some(answer) = answers.first_mut() else {
            return Err(no_answer());
        };
        if let Err(error) = check(answer.head()) {
            return Ok((Err(error),));
        }
        let instance = instance;
        let mut handles = vec![0; most];
        let mut count = 0;
        let mut err = MaybeUninit::<SlError>::uninit();
        // SAFETY: as in `make`; there is room for as many handles as C was asked
        // for, and err is filled where it fails.
        unsafe {
            let answer = std::ptr::from_mut(answer).cast();
            let (to, count_to) = (handles.as_mut_ptr(), &raw mut count);
            if required(host.attach_many)(
                instance.0,
                handle,
                answer,
                to,
                count_to,
                err.as_mut_ptr(),
            ) != Status::OK
            {
                return Ok((Err(Error::of(&err.assume_init(), false)),));
            }
        }
        handles.truncate(count);
        Ok((Ok(handles.into_iter().map(convert).collect()),))
    };
    complete(host, started, answers, 1, store, finish)
}

/// A received message, or event.
///
/// # Safety
/// It is used only while the handle is open.
pub unsafe fn delivery(store: &Store<'_>, handle: u32) -> wasmtime::Result<&'static SlDelivery> {
    let state = store.data();
    let mut known = std::ptr::null::<SlDelivery>();
    // SAFETY: where C answers true it is set.
    unsafe {
        let out = (&raw mut known).cast();
        if required(state.host().view)(state.instance(), handle, SlView::DELIVERY, out) {
            return Ok(&*known);
        }
    }
    Err(wasmtime::Error::msg("the host does not know the delivery"))
}

/// One request to an object, which gets the answer, too. With `last` the handle is
/// dropped afterwards.
pub fn tell<'a, R, A: Answer + 'static>(
    store: Store<'a>,
    handle: u32,
    request: &R,
    last: bool,
) -> Later<'a, Reply<()>> {
    let host = *store.data().host();
    let instance = Instance(store.data().instance());
    let verb = verb_of(request);
    let mut answers: Vec<MaybeUninit<A>> = Vec::with_capacity(1);
    // SAFETY: as in `one`.
    let started = unsafe {
        let none = std::ptr::null_mut();
        start(store.data(), handle, request, 1, answers.as_mut_ptr(), none)
    };
    let finish = move |mut answers: Vec<A>| {
        let Some(answer) = answers.first_mut() else {
            return Err(no_answer());
        };
        let instance = instance;
        // SAFETY: as in `make`.
        unsafe {
            required(host.attach)(instance.0, handle, verb, std::ptr::from_mut(answer).cast());
            if last {
                required(host.drop)(instance.0, handle);
            }
        }
        Ok((check(answer.head()),))
    };
    complete(host, started, answers, 1, store, finish)
}

/// Every request begins with its verb (service.h).
fn verb_of<R>(request: &R) -> u32 {
    const { assert!(size_of::<R>() >= size_of::<u32>() && align_of::<R>() >= align_of::<u32>()) };
    // SAFETY: see above.
    unsafe { *std::ptr::from_ref(request).cast::<u32>() }
}

/// C's instance, in a future of it.
#[derive(Clone, Copy)]
struct Instance(*mut c_void);

// SAFETY: an instance may be used from any thread, one at a time.
unsafe impl Send for Instance {}

/// The bytes in a name of the manifest; C refuses a longer one.
const NAME_MAX: usize = 128;

/// Open a resource of the manifest, of this capability.
pub fn open(store: &Store<'_>, capability: &std::ffi::CStr, name: &Text) -> Result<Reply<u32>> {
    let mut texts = Converted::default();
    let name = name.read(NAME_MAX, &mut texts)?;
    let state = store.data();
    let mut handle = 0;
    let mut err = MaybeUninit::<SlError>::uninit();
    // SAFETY: name is borrowed until C returns; err is filled where it fails.
    unsafe {
        let open = required(state.host().open);
        match open(state.instance(), capability.as_ptr(), name, &mut handle, err.as_mut_ptr()) {
            Status::OK => Ok(Ok(handle)),
            _ => Ok(Err(Error::of(&err.assume_init(), false))),
        }
    }
}

/// The guest has dropped a handle. C is told once.
pub fn drop_handle(store: &Store<'_>, handle: u32) -> Result<()> {
    let state = store.data();
    // SAFETY: the handle is the instance's.
    unsafe { required(state.host().drop)(state.instance(), handle) };
    Ok(())
}

/// The error for a call that touches too much of the guest's memory.
fn too_large(touched: usize) -> Error {
    Error {
        code: ErrorCode::TooLarge,
        message: format!(
            "a call with {touched} bytes: at most {CALL_BYTES_MAX} together; make several calls"
        ),
        retryable: false,
    }
}

/// Start a call that touches this much memory. A call that takes long is moved to the
/// background, like a guest that computes for long: no other guest waits for it, and its
/// own deadline still holds.
pub fn aside<'a, T: Send + 'a>(
    touched: Touched,
    go: impl FnOnce() -> Result<Later<'a, T>> + Send + 'a,
) -> Later<'a, T> {
    if !touched.takes_long() || is_background() {
        return go().unwrap_or_else(|error| now(Err(error)));
    }
    Box::new(async move {
        to_background().await;
        // A command stays on its thread; another thread takes over the runtime's work.
        let later = if is_background() { go() } else { tokio::task::block_in_place(go) };
        Box::into_pin(later?).await
    })
}

/// Start a call with `count` requests, unless they touch too much together. A single
/// request has its own limits, which C checks.
pub fn within_call<'a, T: Send + 'a>(
    touched: Touched,
    count: usize,
    go: impl FnOnce() -> Result<Later<'a, Reply<T>>> + Send + 'a,
) -> Later<'a, Reply<T>> {
    if touched.bytes() > CALL_BYTES_MAX && count > 1 {
        return now(Ok(Err(too_large(touched.bytes()))));
    }
    aside(touched, go)
}
