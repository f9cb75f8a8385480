// SPDX-License-Identifier: Apache-2.0
//! The structs of `slight_bridge.h`, which build.rs generates; what Rust does with
//! them; and what every function at the boundary does: fill an error, catch a panic.

use std::borrow::Cow;
use std::ffi::{c_char, c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};

#[allow(dead_code, non_camel_case_types, unnecessary_transmutes)] // as C has them
mod generated {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

pub use generated::*;
pub use generated::{SlEnd as End, SlSqlValueBindgenTy1 as SlSqlData, SlStatus as Status};

/// C's limits, as sizes.
macro_rules! sizes {
    ($($name:ident = $limit:ident;)*) => {
        $(pub const $name: usize = $limit.0 as usize;)*
    };
}

sizes! {
    KV_MANY_MAX = SL_KV_MANY_MAX;
    KV_KEY_MAX = SL_KV_KEY_MAX;
    KV_CURSOR_MAX = SL_KV_CURSOR_MAX;
    KV_VERSION_MAX = SL_KV_VERSION_MAX;
    SQL_PARAMETERS_MAX = SL_SQL_PARAMETERS_MAX;
    SQL_SETS_MAX = SL_SQL_SETS_MAX;
    SQL_STATEMENT_MAX = SL_SQL_STATEMENT_MAX;
    LOCKD_KEY_MAX = SL_LOCKD_KEY_MAX;
    MQ_MANY_MAX = SL_MQ_MANY_MAX;
    MQ_RECEIVE_MAX = SL_MQ_RECEIVE_MAX;
    MQ_GROUP_MAX = SL_MQ_GROUP_MAX;
    MQ_REASON_MAX = SL_MQ_REASON_MAX;
    PUBSUB_MANY_MAX = SL_PUBSUB_MANY_MAX;
    PUBSUB_RECEIVE_MAX = SL_PUBSUB_RECEIVE_MAX;
    PUBSUB_NAME_MAX = SL_PUBSUB_NAME_MAX;
    ATTRIBUTES_MAX = SL_ATTRIBUTES_MAX;
    ATTRIBUTE_BYTES_MAX = SL_ATTRIBUTE_BYTES_MAX;
}

/// The text in a buffer of C's, up to its NUL.
pub fn text_in(buffer: &[c_char]) -> Cow<'_, str> {
    // SAFETY: a char of C is a byte.
    let bytes = unsafe { slice(buffer.as_ptr().cast::<u8>(), buffer.len()) };
    CStr::from_bytes_until_nul(bytes).map_or(Cow::Borrowed(""), CStr::to_string_lossy)
}

/// A function of C's that slight_bridge.h says is never NULL.
pub fn required<F>(function: Option<F>) -> F {
    function.expect("a function that slight_bridge.h requires is NULL")
}

/// A number of C's that counts bytes or things in memory.
pub fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

// --- Errors -------------------------------------------------------------------

impl SlError {
    /// One line, cut at a character's boundary, ended by a NUL.
    pub fn fill(&mut self, status: Status, message: &str) {
        self.status = status;
        let end = message.floor_char_boundary(self.message.len() - 1);
        for (to, from) in self.message.iter_mut().zip(message.as_bytes()[..end].iter()) {
            *to = (*from).max(b' ') as c_char;
        }
        self.message[end] = 0;
    }

    pub fn text(&self) -> Cow<'_, str> {
        text_in(&self.message)
    }
}

/// What a function of the bridge fails with.
pub struct Failure(pub Status, pub String);

pub type Fallible<T> = Result<T, Failure>;

pub fn fail<T>(status: Status, message: impl Into<String>) -> Fallible<T> {
    Err(Failure(status, message.into()))
}

// --- Bytes --------------------------------------------------------------------

impl SlBytes {
    pub const EMPTY: SlBytes = SlBytes { ptr: std::ptr::null(), len: 0 };

    pub fn of(bytes: &[u8]) -> Self {
        SlBytes { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// # Safety
    /// `ptr` points to `len` bytes that stay as they are for `'a`.
    pub unsafe fn get<'a>(self) -> &'a [u8] {
        // SAFETY: the caller's promise.
        unsafe { slice(self.ptr, self.len) }
    }

    /// # Safety
    /// As `get`.
    pub unsafe fn text<'a>(self, what: &str) -> Fallible<&'a str> {
        // SAFETY: the caller's promise.
        match std::str::from_utf8(unsafe { self.get() }) {
            Ok(text) => Ok(text),
            Err(_) => fail(Status::INVALID_ARGUMENT, format!("{what} is not UTF-8")),
        }
    }
}

impl SlBuf {
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: an sl_buf has len bytes at ptr, and nobody changes it while its
        // answer is borrowed.
        unsafe { slice(self.ptr, self.len) }
    }
}

extern "C" {
    /// The C library's: what an `sl_buf` holds came from its malloc.
    fn free(ptr: *mut c_void);
}

impl Drop for SlBuf {
    fn drop(&mut self) {
        // SAFETY: its own memory, or NULL.
        unsafe { free(self.ptr.cast()) }
    }
}

// SAFETY: held bytes do not change, and are released from any thread (bytes.h).
unsafe impl Send for SlHeld {}
// SAFETY: as above.
unsafe impl Sync for SlHeld {}

impl AsRef<[u8]> for SlHeld {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: held until drop.
        unsafe { self.bytes.get() }
    }
}

impl Drop for SlHeld {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: once, with its owner (bytes.h).
            unsafe { release(self.owner) }
        }
    }
}

impl SlSink {
    pub fn write(&self, bytes: &[u8]) {
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { required(self.write)(self.context, SlBytes::of(bytes)) }
    }
}

// --- Requests and answers ------------------------------------------------------

macro_rules! requests {
    ($($request:ident has $verb:ident;)*) => {
        $(impl $request {
            /// A request with this verb, and nothing else.
            pub fn new(verb: $verb) -> Self {
                $request { verb: verb.0, ..Self::default() }
            }
        })*
    };
}

requests! {
    SlKvRequest has SlKvVerb;
    SlSqlRequest has SlSqlVerb;
    SlLockdRequest has SlLockdVerb;
    SlMqRequest has SlMqVerb;
    SlPubsubRequest has SlPubsubVerb;
}

/// An answer that C filled; dropping it frees what it holds.
///
/// # Safety
/// It begins with the members of an `SlAnswer`.
pub unsafe trait Answer: Send + Sized {
    fn head(&self) -> &SlAnswer {
        // SAFETY: the trait's promise.
        unsafe { &*std::ptr::from_ref(self).cast::<SlAnswer>() }
    }
}

macro_rules! answers {
    ($($answer:ident),*) => {
        // SAFETY: what an answer holds belongs to whoever has it.
        $(unsafe impl Send for $answer {})*
        // SAFETY: each begins with these members (SL_ASSERT_IS_ANSWER).
        $(unsafe impl Answer for $answer {})*
    };
}

answers!(SlKvAnswer, SlSqlAnswer, SlLockdAnswer, SlMqAnswer, SlPubsubAnswer);

// --- The boundary ---------------------------------------------------------------

/// # Safety
/// `ptr` is NULL with a count of 0, or points to `count` things that live for
/// `'a`.
pub unsafe fn slice<'a, T>(ptr: *const T, count: usize) -> &'a [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(ptr, count) }
}

/// Run `body`; a panic in it becomes an error. For functions with an `err`.
///
/// # Safety
/// `err` is NULL or points to an `sl_error`.
pub unsafe fn ffi_guard(err: *mut SlError, body: impl FnOnce() -> Fallible<()>) -> Status {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Status::OK,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure(Status::INTERNAL, panic_text(&*panic)),
    };
    // SAFETY: the caller's promise.
    if let Some(err) = unsafe { err.as_mut() } {
        err.fill(failure.0, &failure.1);
    }
    failure.0
}

/// Run `body` where there is no `err`; a panic in it answers `otherwise`.
pub fn ffi_guard_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a defect of slight, please report it: {}", text.unwrap_or("panic"))
}
