// SPDX-License-Identifier: Apache-2.0
//! `slight:kv/store@0.1.0`: arguments as they lie in the guest's memory go to C,
//! answers go back. Only typed functions; nothing is decided here.

use std::borrow::Cow;

use bytes::Bytes;
use wasmtime::component::{
    ComponentType, Lift, Linker, Lower, Resource, ResourceType, WasmList, WasmStr,
};
use wasmtime::Result;

use crate::abi::{Answer, Condition, Held, SlBytes, SlKvAnswer, SlKvRequest, Verb, KV_MANY_MAX};
use crate::call::{all, check, drop_handle, each, head, many, now, one, open, texts, Later};
use crate::call::{Reply, Store};
use crate::program::State;

/// The resource type `bucket`; what it stands for, only C knows.
struct Bucket;

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

/// What each function makes of its answer.
fn value(answer: &mut SlKvAnswer) -> Reply<Option<Bytes>> {
    check(answer.head())?;
    Ok(answer.found.then(|| Bytes::from_owner(Held::take(&mut answer.value))))
}

fn entry(answer: &mut SlKvAnswer) -> Reply<Option<Entry>> {
    let version = answer.version();
    Ok(value(answer)?.map(|value| Entry { value, version }))
}

fn found(answer: &mut SlKvAnswer) -> Reply<bool> {
    check(answer.head()).map(|()| answer.found)
}

fn nothing(answer: &mut SlKvAnswer) -> Reply<()> {
    check(answer.head())
}

fn version(answer: &mut SlKvAnswer) -> Reply<String> {
    check(answer.head()).map(|()| answer.version())
}

fn number(answer: &mut SlKvAnswer) -> Reply<i64> {
    check(answer.head()).map(|()| answer.number)
}

fn page(answer: &mut SlKvAnswer) -> Reply<Page> {
    check(answer.head())?;
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

/// A request made of texts and bytes that lie in the guest's memory.
macro_rules! requests_one {
    ($store:ident, $bucket:ident, $verb:expr, $key:ident, $convert:expr, |$request:ident| $fill:block) => {{
        let started = (|| {
            let key = $key.to_str(&$store)?;
            let mut $request = SlKvRequest::new($verb, key.as_bytes());
            $fill
            Ok(one(&$store, $bucket.rep(), &$request, $convert))
        })();
        started.unwrap_or_else(|error| now(Err(error)))
    }};
}

fn many_keys<T: Send + 'static>(
    mut store: Store<'_>,
    bucket: &Resource<Bucket>,
    verb: Verb,
    keys: &WasmList<WasmStr>,
    convert: impl FnOnce(&mut [SlKvAnswer]) -> T + Send + 'static,
) -> Result<Later<'static, T>> {
    let keys = head(&mut store, keys, KV_MANY_MAX + 1)?;
    let keys = texts(&store, &keys)?;
    let requests: Vec<_> = keys.iter().map(|key| SlKvRequest::new(verb, key.as_bytes())).collect();
    Ok(many(&store, bucket.rep(), &requests, convert))
}

fn set_many(
    mut store: Store<'_>,
    bucket: &Resource<Bucket>,
    entries: &WasmList<(WasmStr, WasmList<u8>)>,
) -> Result<Later<'static, Reply<Vec<Reply<()>>>>> {
    let entries = head(&mut store, entries, KV_MANY_MAX + 1)?;
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
    Ok(many(&store, bucket.rep(), &requests, |answers| each(answers, nothing)))
}

type This = Resource<Bucket>;

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    let mut kv = linker.instance("slight:kv/store@0.1.0")?;

    kv.resource("bucket", ResourceType::host::<Bucket>(), |store, bucket| {
        drop_handle(&store, bucket)
    })?;
    kv.func_wrap("[static]bucket.open", |store: Store<'_>, (name,): (WasmStr,)| {
        Ok((open(&store, c"kv", &name)?.map(Resource::<Bucket>::new_own),))
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
