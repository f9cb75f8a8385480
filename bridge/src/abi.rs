// SPDX-License-Identifier: Apache-2.0
//! The structs of `slight_bridge.h`, member for member, and the few things that
//! every function at the border does: fill an error, catch a panic.
//!
//! The header asserts the same sizes and offsets for C.

use std::ffi::{c_char, c_void};
use std::mem::{offset_of, size_of};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// `enum sl_status`, in its order.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code)] // C makes the ones that Rust does not
pub enum Status {
    Ok,
    InvalidArgument,
    NotFound,
    AlreadyExists,
    Conflict,
    PermissionDenied,
    Unauthenticated,
    TooLarge,
    Timeout,
    Unavailable,
    Unsupported,
    Internal,
}

const MESSAGE_MAX: usize = 512;

#[repr(C)]
pub struct SlError {
    /// A `Status`; read as a number, since C wrote it.
    pub status: i32,
    pub message: [u8; MESSAGE_MAX],
}

impl SlError {
    /// One line, cut at a character's border, ended by a NUL.
    pub fn fill(&mut self, status: Status, message: &str) {
        self.status = status as i32;
        let mut end = message.len().min(MESSAGE_MAX - 1);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        for (to, from) in self.message.iter_mut().zip(message.as_bytes()[..end].iter()) {
            *to = if *from < b' ' { b' ' } else { *from };
        }
        self.message[end] = 0;
    }

    /// What C wrote, up to its NUL.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        let end = self.message.iter().position(|b| *b == 0);
        String::from_utf8_lossy(&self.message[..end.unwrap_or(MESSAGE_MAX)])
    }
}

/// What a function of the bridge fails with.
pub struct Failure(pub Status, pub String);

pub type Fallible<T> = Result<T, Failure>;

pub fn fail<T>(status: Status, message: impl Into<String>) -> Fallible<T> {
    Err(Failure(status, message.into()))
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlBytes {
    pub ptr: *const u8,
    pub len: usize,
}

impl SlBytes {
    pub const EMPTY: SlBytes = SlBytes { ptr: std::ptr::null(), len: 0 };

    pub fn of(bytes: &[u8]) -> Self {
        SlBytes { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// # Safety
    /// `ptr` points to `len` bytes that stay as they are for `'a`.
    pub unsafe fn get<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }

    /// # Safety
    /// As `get`.
    pub unsafe fn text<'a>(self, what: &str) -> Fallible<&'a str> {
        // SAFETY: the caller's promise.
        match std::str::from_utf8(unsafe { self.get() }) {
            Ok(text) => Ok(text),
            Err(_) => fail(Status::InvalidArgument, format!("{what} is not UTF-8")),
        }
    }
}

#[repr(C)]
pub struct SlBuf {
    pub ptr: *mut u8,
    pub len: usize,
    pub capacity: usize,
    pub limit: usize,
}

impl SlBuf {
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: an sl_buf has len bytes at ptr, and nobody changes it while
        // its answer is borrowed.
        unsafe { SlBytes { ptr: self.ptr, len: self.len }.get() }
    }
}

#[repr(C)]
pub struct SlHeld {
    pub bytes: SlBytes,
    pub owner: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// Bytes that C holds for us, for `bytes::Bytes::from_owner`.
pub struct Held(SlHeld);

// SAFETY: held bytes do not change, and are released from any thread (bytes.h).
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl Held {
    /// Take what an answer holds; it is empty afterwards.
    pub fn take(from: &mut SlHeld) -> Self {
        let empty = SlHeld { bytes: SlBytes::EMPTY, owner: std::ptr::null_mut(), release: None };
        Held(std::mem::replace(from, empty))
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: held until drop.
        unsafe { self.0.bytes.get() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: once, with its owner (bytes.h).
            unsafe { release(self.0.owner) }
        }
    }
}

#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Exists,
    Set,
    Delete,
    Increment,
    Keys,
}

#[repr(i32)]
#[derive(Clone, Copy)]
pub enum Condition {
    Always,
    Absent,
    Version,
}

#[repr(C)]
pub struct SlKvRequest {
    pub verb: Verb,
    pub condition: Condition,
    pub key: SlBytes,
    pub value: SlBytes,
    pub version: SlBytes,
    pub cursor: SlBytes,
    pub ttl_ms: u64,
    pub delta: i64,
    pub limit: u32,
    pub has_ttl: bool,
    pub want_version: bool,
}

impl SlKvRequest {
    pub fn new(verb: Verb, key: SlBytes) -> Self {
        SlKvRequest {
            verb,
            condition: Condition::Always,
            key,
            value: SlBytes::EMPTY,
            version: SlBytes::EMPTY,
            cursor: SlBytes::EMPTY,
            ttl_ms: 0,
            delta: 0,
            limit: 0,
            has_ttl: false,
            want_version: false,
        }
    }
}

pub const KV_MANY_MAX: usize = 1000;
pub const KV_KEY_MAX: usize = 1024;
pub const KV_CURSOR_MAX: usize = 1 << 20;
pub const KV_VERSION_MAX: usize = 64;

/// `SL_ANSWER_HEAD`, with which every answer begins.
#[repr(C)]
pub struct Head {
    pub err: SlError,
    pub retryable: bool,
    pub refused: bool,
}

/// An answer that C filled; dropping it frees what it holds.
///
/// # Safety
/// It begins with the members of a head, and is at least as large and aligned.
pub unsafe trait Answer: Send + Sized {
    fn head(&self) -> &Head {
        // SAFETY: the trait's promise.
        unsafe { &*std::ptr::from_ref(self).cast::<Head>() }
    }
}

#[repr(C)]
pub struct SlKvAnswer {
    pub err: SlError,
    pub retryable: bool,
    pub refused: bool,
    pub found: bool,
    pub number: i64,
    pub value: SlHeld,
    pub version: [u8; KV_VERSION_MAX + 1],
    pub key_count: u32,
    pub keys: SlBuf,
    pub next: SlBuf,
}

extern "C" {
    /// The C library's: what an `sl_buf` holds came from its malloc.
    fn free(ptr: *mut c_void);
}

impl SlKvAnswer {
    pub fn version(&self) -> String {
        let end = self.version.iter().position(|b| *b == 0);
        let bytes = &self.version[..end.unwrap_or(KV_VERSION_MAX)];
        String::from_utf8_lossy(bytes).into_owned()
    }
}

// SAFETY: its parts are freed from any thread (bytes.h).
unsafe impl Send for SlKvAnswer {}

// SAFETY: as the trait asks (src/kv/kv.h).
unsafe impl Answer for SlKvAnswer {}

impl Drop for SlKvAnswer {
    fn drop(&mut self) {
        drop(Held::take(&mut self.value));
        // SAFETY: both are an answer's own, and NULL is fine.
        unsafe {
            free(self.keys.ptr.cast());
            free(self.next.ptr.cast());
        }
    }
}

pub const SQL_PARAMETERS_MAX: usize = 32766;
pub const SQL_SETS_MAX: usize = 10000;
pub const SQL_STATEMENT_MAX: usize = 1 << 20;

#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SqlVerb {
    Query,
    Execute,
    ExecuteMany,
    Begin,
    Commit,
    Rollback,
    CursorOpen,
    CursorNext,
}

/// What a value holds: `type_` says which.
#[repr(C)]
#[derive(Clone, Copy)]
pub union SlSqlData {
    pub boolean: bool,
    pub int64: i64,
    pub float64: f64,
    pub bytes: SlBytes,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlSqlValue {
    pub type_: u32,
    pub data: SlSqlData,
}

#[repr(C)]
pub struct SlSqlColumn {
    pub name: SlBytes,
    pub type_name: SlBytes,
}

#[repr(C)]
pub struct SlSqlParameters {
    pub values: *const SlSqlValue,
    pub count: usize,
}

#[repr(C)]
pub struct SlSqlRequest {
    pub verb: SqlVerb,
    pub isolation: u32,
    pub statement: SlBytes,
    pub sets: *const SlSqlParameters,
    pub set_count: usize,
    pub cursor: u64,
    pub limit: u32,
    pub read_only: bool,
    pub in_transaction: bool,
}

impl SlSqlRequest {
    pub fn new(verb: SqlVerb, statement: SlBytes) -> Self {
        SlSqlRequest {
            verb,
            isolation: 0,
            statement,
            sets: std::ptr::null(),
            set_count: 0,
            cursor: 0,
            limit: 0,
            read_only: false,
            in_transaction: false,
        }
    }
}

#[repr(C)]
pub struct SlSqlAnswer {
    pub err: SlError,
    pub retryable: bool,
    pub refused: bool,
    pub has_last_insert_id: bool,
    pub columns: *const SlSqlColumn,
    pub column_count: usize,
    pub values: *const SlSqlValue,
    pub row_count: usize,
    pub affected: u64,
    pub last_insert_id: i64,
    pub cursor: u64,
    pub memory: SlHeld,
}

// SAFETY: its memory belongs to whoever has it.
unsafe impl Send for SlSqlAnswer {}

impl Drop for SlSqlAnswer {
    fn drop(&mut self) {
        drop(Held::take(&mut self.memory));
    }
}

// SAFETY: as the trait asks (src/sql/sql.h).
unsafe impl Answer for SlSqlAnswer {}

#[repr(u32)]
#[derive(Clone, Copy)]
pub enum LockdVerb {
    Acquire,
    Renew,
    Release,
    IsLocked,
}

#[repr(C)]
pub struct SlLockdRequest {
    pub verb: LockdVerb,
    pub has_wait: bool,
    pub keep_alive: bool,
    pub key: SlBytes,
    pub holder: SlBytes,
    pub ttl_ms: u64,
    pub wait_ms: u64,
}

impl SlLockdRequest {
    pub fn new(verb: LockdVerb, key: SlBytes) -> Self {
        SlLockdRequest {
            verb,
            has_wait: false,
            keep_alive: false,
            key,
            holder: SlBytes::EMPTY,
            ttl_ms: 0,
            wait_ms: 0,
        }
    }
}

pub const LOCKD_KEY_MAX: usize = 512;
const LOCKD_HOLDER_MAX: usize = 128;

#[repr(C)]
pub struct SlLockdAnswer {
    pub err: SlError,
    pub retryable: bool,
    pub refused: bool,
    pub locked: bool,
    pub fencing_token: u64,
    pub ttl_ms: u64,
    pub asked_at: i64,
    pub holder: [u8; LOCKD_HOLDER_MAX + 1],
}

// SAFETY: it begins with a Head.
unsafe impl Answer for SlLockdAnswer {}

#[repr(C)]
pub struct SlLockState {
    pub key: SlBytes,
    pub fencing_token: u64,
    pub ttl_ms: u64,
    pub held: bool,
}

pub const MQ_MANY_MAX: usize = 1000;
pub const MQ_RECEIVE_MAX: usize = 100;
pub const MQ_GROUP_MAX: usize = 128;
pub const MQ_REASON_MAX: usize = 1024;

#[repr(u32)]
#[derive(Clone, Copy)]
pub enum MqVerb {
    Send,
    Receive,
    Complete,
    Abandon,
    Extend,
    DeadLetter,
    Depth,
}

#[repr(C)]
pub struct SlMqRequest {
    pub verb: MqVerb,
    pub limit: u32,
    pub payload: SlBytes,
    pub attributes: *const SlPair,
    pub attribute_count: usize,
    pub group: SlBytes,
    pub deduplication_id: SlBytes,
    pub receipt: SlBytes,
    pub reason: SlBytes,
    pub delay_ms: u64,
    pub wait_ms: u64,
    pub visibility_ms: u64,
    pub has_visibility: bool,
}

impl SlMqRequest {
    pub fn new(verb: MqVerb) -> Self {
        SlMqRequest {
            verb,
            limit: 0,
            payload: SlBytes::EMPTY,
            attributes: std::ptr::null(),
            attribute_count: 0,
            group: SlBytes::EMPTY,
            deduplication_id: SlBytes::EMPTY,
            receipt: SlBytes::EMPTY,
            reason: SlBytes::EMPTY,
            delay_ms: 0,
            wait_ms: 0,
            visibility_ms: 0,
            has_visibility: false,
        }
    }
}

#[repr(C)]
pub struct SlDelivery {
    pub topic: SlBytes,
    pub id: SlBytes,
    pub payload: SlBytes,
    pub key: SlBytes,
    pub attributes: *const SlPair,
    pub attribute_count: usize,
    pub receipt: SlBytes,
    pub sent_at_ms: u64,
    pub delivery_count: u32,
}

#[repr(C)]
pub struct SlDeliveries {
    pub items: *mut *mut SlDelivery,
    pub count: usize,
    pub memory: SlHeld,
}

impl Drop for SlDeliveries {
    fn drop(&mut self) {
        drop(Held::take(&mut self.memory));
    }
}

const MQ_ID_MAX: usize = 128;

#[repr(C)]
pub struct SlMqAnswer {
    pub err: SlError,
    pub retryable: bool,
    pub refused: bool,
    id: [u8; MQ_ID_MAX + 1],
    pub depth: u64,
    pub deliveries: SlDeliveries,
}

impl SlMqAnswer {
    pub fn id(&self) -> std::borrow::Cow<'_, str> {
        let end = self.id.iter().position(|byte| *byte == 0);
        String::from_utf8_lossy(&self.id[..end.unwrap_or(MQ_ID_MAX)])
    }
}

// SAFETY: its memory belongs to whoever has it.
unsafe impl Send for SlMqAnswer {}

// SAFETY: as the trait asks (src/mq/mq.h).
unsafe impl Answer for SlMqAnswer {}

pub const PUBSUB_MANY_MAX: usize = 1000;
pub const PUBSUB_RECEIVE_MAX: usize = 1000;
pub const PUBSUB_NAME_MAX: usize = 249;

/// Those that a guest's calls need; C has more.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum PubsubVerb {
    Publish,
    Subscribe,
    Receive,
    Acknowledge,
}

#[repr(C)]
pub struct SlPubsubRequest {
    pub verb: PubsubVerb,
    pub limit: u32,
    pub topic: SlBytes,
    pub payload: SlBytes,
    pub key: SlBytes,
    pub attributes: *const SlPair,
    pub attribute_count: usize,
    pub group: SlBytes,
    pub member: SlBytes,
    pub receipt: SlBytes,
    pub wait_ms: u64,
    pub delay_ms: u64,
    pub from_earliest: bool,
}

impl SlPubsubRequest {
    pub fn new(verb: PubsubVerb) -> Self {
        SlPubsubRequest {
            verb,
            limit: 0,
            topic: SlBytes::EMPTY,
            payload: SlBytes::EMPTY,
            key: SlBytes::EMPTY,
            attributes: std::ptr::null(),
            attribute_count: 0,
            group: SlBytes::EMPTY,
            member: SlBytes::EMPTY,
            receipt: SlBytes::EMPTY,
            wait_ms: 0,
            delay_ms: 0,
            from_earliest: false,
        }
    }
}

#[repr(C)]
pub struct SlPubsubAnswer {
    pub err: SlError,
    pub retryable: bool,
    pub refused: bool,
    pub deliveries: SlDeliveries,
}

// SAFETY: its memory belongs to whoever has it.
unsafe impl Send for SlPubsubAnswer {}

// SAFETY: as the trait asks (src/pubsub/pubsub.h).
unsafe impl Answer for SlPubsubAnswer {}

#[repr(C)]
pub struct SlSink {
    pub context: *mut c_void,
    pub write: unsafe extern "C" fn(*mut c_void, SlBytes),
}

impl SlSink {
    pub fn write(&self, bytes: &[u8]) {
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (self.write)(self.context, SlBytes::of(bytes)) }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlHost {
    pub instance_new: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    pub instance_free: unsafe extern "C" fn(*mut c_void),
    pub open:
        unsafe extern "C" fn(*mut c_void, *const c_char, SlBytes, *mut u32, *mut SlError) -> i32,
    pub drop: unsafe extern "C" fn(*mut c_void, u32),
    pub call: unsafe extern "C" fn(
        *mut c_void,
        u32,
        *const c_void,
        usize,
        *mut c_void,
        *mut u32,
        *mut crate::wait::Wait,
        *mut *mut c_void,
    ) -> bool,
    pub attach: unsafe extern "C" fn(*mut c_void, u32, u32, *mut c_void),
    pub collect: unsafe extern "C" fn(*mut c_void, *mut c_void),
    pub release: unsafe extern "C" fn(*mut c_void),
    pub view: unsafe extern "C" fn(*mut c_void, u32, View, *mut c_void) -> bool,
    pub attach_many: unsafe extern "C" fn(
        *mut c_void,
        u32,
        *mut c_void,
        *mut u32,
        *mut usize,
        *mut SlError,
    ) -> i32,
    pub may_request: unsafe extern "C" fn(*mut c_void, *const SlHttpServer) -> bool,
    pub hold: unsafe extern "C" fn(*mut c_void, usize, usize) -> bool,
    pub request_failed: unsafe extern "C" fn(*mut c_void, *const SlHttpServer, RequestFault),
}

/// What a guest may know of an open object without asking its service.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum View {
    Columns,
    Lock,
    Delivery,
}

#[repr(C)]
pub struct SlColumns {
    pub columns: *const SlSqlColumn,
    pub count: usize,
}

/// Why a guest's request failed, of what whoever runs it can do something about.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum RequestFault {
    NoCertificates,
    HeadTooLarge,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlClientLimits {
    pub max_requests: u32,
    pub max_response_fields: u32,
    pub max_idle_connections: u32,
    pub max_addresses: u32,
    pub idle_timeout_ms: u64,
    pub connect_timeout_ms: u64,
    pub response_timeout_ms: u64,
    pub address_timeout_ms: u64,
    pub first_piece_timeout_ms: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlLimits {
    pub max_resources: u32,
    pub max_handles: u32,
    pub max_call_bytes: u64,
    pub max_random_bytes: u64,
    pub max_fields_bytes: u64,
    pub max_name_bytes: u64,
    pub body_chunk_bytes: u64,
    pub client: SlClientLimits,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlHttpLimits {
    pub max_header_fields: u32,
    pub max_request_id: u32,
    pub queue_timeout_ms: u64,
    pub backlog: u32,
    pub keepalive_idle_s: u32,
    pub keepalive_interval_s: u32,
    pub keepalive_probes: u32,
    pub min_idle_ms: u64,
    pub probe_interval_ms: u64,
    pub max_discard_bytes: u64,
    pub discard_timeout_ms: u64,
    pub max_linger_bytes: u64,
    pub linger_timeout_ms: u64,
    pub linger_idle_timeout_ms: u64,
}

/// Where a guest's request would go.
#[repr(C)]
pub struct SlHttpServer {
    pub host: SlBytes,
    pub address: SlBytes,
    pub port: u16,
    pub is_tls: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlEngineConfig {
    pub threads: u32,
    pub max_instances: u32,
    pub max_memory: u64,
    pub warm_instances: u32,
    pub keep_resident: u64,
    pub max_table_elements: u64,
}

#[repr(C)]
pub struct SlRoom {
    pub asked: u32,
    pub instances: u32,
    pub short: crate::pool::Short,
}

#[repr(C)]
pub struct SlExtern {
    pub name: SlBytes,
    pub package: SlBytes,
    pub interface: SlBytes,
    pub version: SlBytes,
    pub is_instance: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlPair {
    pub name: SlBytes,
    pub value: SlBytes,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlDirectory {
    pub host_path: SlBytes,
    pub guest_path: SlBytes,
    pub writable: bool,
}

#[repr(C)]
pub struct SlRun {
    pub args: *const SlBytes,
    pub arg_count: usize,
    pub env: *const SlPair,
    pub env_count: usize,
    pub directories: *const SlDirectory,
    pub directory_count: usize,
    pub inherit_stdin: bool,
    pub stdout_is_terminal: bool,
    pub stderr_is_terminal: bool,
    pub max_memory: u64,
    pub timeout_ms: u64,
    pub output: Option<unsafe extern "C" fn(*mut c_void, i32, SlBytes)>,
    pub write: Option<unsafe extern "C" fn(*mut c_void, i32, SlBytes, bool) -> i64>,
    pub output_context: *mut c_void,
}

#[repr(C)]
pub struct SlHttpRoute {
    pub program: *const crate::program::Program,
    pub reuse: u32,
    pub max_requests: u32,
    pub content_type: SlBytes,
}

#[repr(C)]
pub struct SlHttpConfig {
    pub listen: SlBytes,
    pub routes: *const SlHttpRoute,
    pub route_count: usize,
    pub max_header_bytes: u64,
    pub max_body_bytes: u64,
    pub idle_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub max_connections: u32,
    pub max_requests: u32,
    pub find: unsafe extern "C" fn(*mut c_void, SlBytes) -> usize,
    pub ended: unsafe extern "C" fn(*mut c_void, *const SlHttpEnd),
    pub context: *mut c_void,
    pub answer: Option<unsafe extern "C" fn(*mut c_void, usize, SlSink) -> u32>,
    pub max_peer_connections: u32,
    pub close_idle: bool,
    pub may_ask: Option<unsafe extern "C" fn(*mut c_void, SlBytes) -> bool>,
    pub between_bytes_timeout_ms: u64,
    pub total_timeout_ms: u64,
    pub min_rate: u64,
    pub limits: *const SlHttpLimits,
}

#[repr(C)]
pub struct SlHttpEnd {
    pub route: usize,
    pub method: SlBytes,
    pub path: SlBytes,
    pub request_id: SlBytes,
    pub status: u32,
    pub end: End,
    pub ns: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub message: SlBytes,
    pub backtrace: SlBytes,
    pub is_cut: bool,
}

#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Returned,
    Exited,
    Trapped,
    TimedOut,
    Failed,
    Retry,
    Rejected,
}

#[repr(C)]
pub struct SlOutcome {
    pub end: End,
    pub exit_code: i32,
    pub message: SlBytes,
    pub backtrace: SlBytes,
}

#[repr(C)]
pub struct SlToml {
    pub kind: i32,
    pub key_place: SlPlace,
    pub place: SlPlace,
    pub key: *const u8,
    pub text: *const u8,
    pub integer: i64,
    pub boolean: bool,
    pub children: *const SlToml,
    pub child_count: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlPlace {
    pub line: u32,
    pub column: u32,
}

#[repr(C)]
pub struct SlWitFile {
    pub path: SlBytes,
    pub text: SlBytes,
}

#[repr(C)]
pub struct SlComponentize {
    pub core: SlBytes,
    pub files: *const SlWitFile,
    pub file_count: usize,
    pub world: SlBytes,
}

/// A number of C's that counts bytes or things in memory.
pub fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

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
pub unsafe fn border(err: *mut SlError, body: impl FnOnce() -> Fallible<()>) -> i32 {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Status::Ok as i32,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure(Status::Internal, panic_text(&*panic)),
    };
    // SAFETY: the caller's promise.
    if let Some(err) = unsafe { err.as_mut() } {
        err.fill(failure.0, &failure.1);
    }
    failure.0 as i32
}

/// Run `body` where there is no `err`; a panic in it answers `otherwise`.
pub fn quiet_border<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a defect of slight, please report it: {}", text.unwrap_or("panic"))
}

/// The same as `SL_BRIDGE_SIZE` and `SL_BRIDGE_SHAPE` of the header.
macro_rules! shape {
    ($type:ty, $size:literal $(, $member:ident = $at:literal)*) => {
        const _: () = assert!(size_of::<$type>() == $size);
        $(const _: () = assert!(offset_of!($type, $member) == $at);)*
    };
}

shape!(SlError, 516, message = 4);
shape!(SlBytes, 16);
shape!(SlBuf, 32, limit = 24);
shape!(SlHeld, 32, release = 24);
shape!(
    SlKvRequest,
    96,
    condition = 4,
    key = 8,
    value = 24,
    version = 40,
    cursor = 56,
    ttl_ms = 72,
    delta = 80,
    limit = 88,
    has_ttl = 92,
    want_version = 93
);
shape!(
    SlKvAnswer,
    696,
    found = 518,
    number = 520,
    value = 528,
    version = 560,
    key_count = 628,
    keys = 632,
    next = 664
);
shape!(Head, 520, retryable = 516, refused = 517);
shape!(SlSqlValue, 24, data = 8);
shape!(SlSqlColumn, 32);
shape!(SlSqlParameters, 16);
shape!(SlSqlRequest, 56, statement = 8, sets = 24, cursor = 40, limit = 48, in_transaction = 53);
shape!(
    SlSqlAnswer,
    608,
    has_last_insert_id = 518,
    columns = 520,
    values = 536,
    affected = 552,
    memory = 576
);
shape!(SlLockdRequest, 56, has_wait = 4, keep_alive = 5, key = 8, holder = 24, ttl_ms = 40);
shape!(SlLockdAnswer, 680, locked = 518, fencing_token = 520, asked_at = 536, holder = 544);
shape!(SlLockState, 40, fencing_token = 16, held = 32);
shape!(
    SlMqRequest,
    136,
    limit = 4,
    attributes = 24,
    group = 40,
    receipt = 72,
    delay_ms = 104,
    has_visibility = 128
);
shape!(SlMqAnswer, 704, id = 518, depth = 648, deliveries = 656);
shape!(
    SlPubsubRequest,
    144,
    limit = 4,
    attributes = 56,
    group = 72,
    receipt = 104,
    delay_ms = 128,
    from_earliest = 136
);
shape!(SlDelivery, 112, key = 48, attributes = 64, receipt = 80, delivery_count = 104);
shape!(SlDeliveries, 48, count = 8, memory = 16);
shape!(SlPubsubAnswer, 568, deliveries = 520);
shape!(
    SlHost,
    104,
    call = 32,
    release = 56,
    view = 64,
    attach_many = 72,
    may_request = 80,
    hold = 88,
    request_failed = 96
);
shape!(SlColumns, 16);
shape!(SlClientLimits, 56, idle_timeout_ms = 16);
shape!(SlLimits, 104, client = 48);
shape!(SlHttpLimits, 88, min_idle_ms = 32);
shape!(SlEngineConfig, 40, keep_resident = 24);
shape!(SlRoom, 12);
shape!(SlExtern, 72, is_instance = 64);
shape!(SlRun, 96, inherit_stdin = 48, timeout_ms = 64, output = 72);
shape!(SlOutcome, 40, backtrace = 24);
shape!(SlHttpServer, 40, address = 16, port = 32, is_tls = 34);
shape!(SlHttpRoute, 32, max_requests = 12, content_type = 16);
shape!(
    SlHttpConfig,
    152,
    max_header_bytes = 32,
    max_connections = 64,
    find = 72,
    ended = 80,
    answer = 96,
    close_idle = 108,
    may_ask = 112,
    total_timeout_ms = 128,
    limits = 144
);
shape!(SlHttpEnd, 128, status = 56, ns = 64, message = 88, is_cut = 120);
shape!(SlToml, 72, key = 24, child_count = 64);
shape!(SlDirectory, 40);
shape!(SlComponentize, 48, world = 32);
