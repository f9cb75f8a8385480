// SPDX-License-Identifier: Apache-2.0
//! `slight:kv/store@0.2.0`: arguments as they lie in the guest's memory go to C,
//! answers go back. Only typed functions; nothing is decided here.

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use wasmtime::Result;

use crate::abi::{
    text_in, Answer, SlKvAnswer, SlKvCondition, SlKvRequest, SlKvVerb, KV_CURSOR_MAX, KV_KEY_MAX,
    KV_MANY_MAX, KV_VERSION_MAX,
};
use crate::call::{
    all, aside, check, drop_handle, each, many, now, one, open, Later, Reply, Store,
};
use crate::instance::State;
use crate::lift::{Blob, Converted, Items, Text, Touched};

/// The resource type `bucket`. Only C knows what its handles mean.
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
    Version(Text),
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

/// The results of the functions, from their answers.
fn value(answer: &mut SlKvAnswer) -> Reply<Option<Bytes>> {
    check(answer.head())?;
    Ok(answer.found.then(|| Bytes::from_owner(std::mem::take(&mut answer.value))))
}

fn version_of(answer: &SlKvAnswer) -> String {
    text_in(&answer.version).into_owned()
}

fn entry(answer: &mut SlKvAnswer) -> Reply<Option<Entry>> {
    let version = version_of(answer);
    Ok(value(answer)?.map(|value| Entry { value, version }))
}

fn found(answer: &mut SlKvAnswer) -> Reply<bool> {
    check(answer.head()).map(|()| answer.found)
}

fn nothing(answer: &mut SlKvAnswer) -> Reply<()> {
    check(answer.head())
}

/// None where the service has no versions.
fn written(answer: &mut SlKvAnswer) -> Reply<Option<String>> {
    check(answer.head())?;
    Ok(Some(version_of(answer)).filter(|version| !version.is_empty()))
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

/// A request with texts and bytes in the guest's memory.
macro_rules! requests_one {
    ($store:ident, $bucket:ident, $verb:expr, $key:ident, $convert:expr, |$request:ident, $texts:ident| $fill:block) => {
        requests_one!($store, $bucket, $verb, $key, $convert, Touched::default(), |$request, $texts| $fill)
    };
    ($store:ident, $bucket:ident, $verb:expr, $key:ident, $convert:expr, $touched:expr, |$request:ident, $texts:ident| $fill:block) => {
        aside($touched, move || {
            let mut $texts = Converted::default();
            let key = $key.read(KV_KEY_MAX, &mut $texts)?;
            let mut $request = SlKvRequest { key, ..SlKvRequest::new($verb) };
            $fill
            Ok(one(&$store, $bucket.rep(), &$request, $convert))
        })
    };
}

fn many_keys<T: Send + 'static>(
    store: &Store<'_>,
    bucket: &Resource<Bucket>,
    verb: SlKvVerb,
    keys: &Keys,
    convert: impl FnOnce(&mut [SlKvAnswer]) -> T + Send + 'static,
) -> Result<Later<'static, T>> {
    let mut texts = Converted::default();
    let requests: Vec<_> = keys
        .0
        .iter()
        .map(|key| {
            let key = key.read(KV_KEY_MAX, &mut texts)?;
            Ok(SlKvRequest { key, ..SlKvRequest::new(verb) })
        })
        .collect::<Result<_>>()?;
    Ok(many(store, bucket.rep(), &requests, convert))
}

fn set_many(
    store: &Store<'_>,
    bucket: u32,
    entries: &Entries,
) -> Result<Later<'static, Reply<Vec<Reply<()>>>>> {
    let mut texts = Converted::default();
    let requests: Vec<_> = entries
        .0
        .iter()
        .map(|(key, value)| {
            let (key, value) = (key.read(KV_KEY_MAX, &mut texts)?, value.bytes());
            Ok(SlKvRequest { key, value, ..SlKvRequest::new(SlKvVerb::SET) })
        })
        .collect::<Result<_>>()?;
    // C refuses the call where they are too much, before it copies any.
    Ok(many(store, bucket, &requests, |answers| each(answers, nothing)))
}

type This = Resource<Bucket>;
type Keys = Items<Text, KV_MANY_MAX>;
type Entries = Items<(Text, Blob), KV_MANY_MAX>;

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    let mut kv = linker.instance("slight:kv/store@0.2.0")?;

    kv.resource("bucket", ResourceType::host::<Bucket>(), |store, bucket| {
        drop_handle(&store, bucket)
    })?;
    kv.func_wrap("[static]bucket.open", |store: Store<'_>, (name,): (Text,)| {
        Ok((open(&store, c"kv", &name)?.map(Resource::<Bucket>::new_own),))
    })?;
    kv.func_wrap_async("[method]bucket.get", |store, (this, key): (This, Text)| {
        requests_one!(store, this, SlKvVerb::GET, key, value, |_request, _texts| {})
    })?;
    kv.func_wrap_async("[method]bucket.get-entry", |store, (this, key): (This, Text)| {
        requests_one!(store, this, SlKvVerb::GET, key, entry, |request, _texts| {
            request.want_version = true;
        })
    })?;
    kv.func_wrap_async("[method]bucket.exists", |store, (this, key): (This, Text)| {
        requests_one!(store, this, SlKvVerb::EXISTS, key, found, |_request, _texts| {})
    })?;
    kv.func_wrap_async("[method]bucket.set", |store, (this, key, value): (This, Text, Blob)| {
        requests_one!(
            store,
            this,
            SlKvVerb::SET,
            key,
            nothing,
            Touched::default().blob(&value),
            |request, _texts| {
                request.value = value.bytes();
            }
        )
    })?;
    kv.func_wrap_async(
        "[method]bucket.set-with",
        |store, (this, key, value, options): (This, Text, Blob, SetOptions)| {
            requests_one!(
                store,
                this,
                SlKvVerb::SET,
                key,
                written,
                Touched::default().blob(&value),
                |request, texts| {
                    request.value = value.bytes();
                    request.want_version = true;
                    request.has_ttl = options.ttl_ms.is_some();
                    request.ttl_ms = options.ttl_ms.unwrap_or(0);
                    request.condition = match &options.condition {
                        WriteCondition::Always => SlKvCondition::ALWAYS,
                        WriteCondition::Absent => SlKvCondition::ABSENT,
                        WriteCondition::Version(version) => {
                            request.version = version.read(KV_VERSION_MAX, &mut texts)?;
                            SlKvCondition::VERSION
                        }
                    };
                }
            )
        },
    )?;
    kv.func_wrap_async("[method]bucket.delete", |store, (this, key): (This, Text)| {
        requests_one!(store, this, SlKvVerb::DELETE, key, found, |_request, _texts| {})
    })?;
    kv.func_wrap_async(
        "[method]bucket.delete-if",
        |store, (this, key, version): (This, Text, Text)| {
            requests_one!(store, this, SlKvVerb::DELETE, key, nothing, |request, texts| {
                request.version = version.read(KV_VERSION_MAX, &mut texts)?;
                request.condition = SlKvCondition::VERSION;
            })
        },
    )?;
    kv.func_wrap_async(
        "[method]bucket.increment",
        |store, (this, key, delta): (This, Text, i64)| {
            requests_one!(store, this, SlKvVerb::INCREMENT, key, number, |request, _texts| {
                request.delta = delta;
            })
        },
    )?;
    kv.func_wrap_async(
        "[method]bucket.keys",
        |store, (this, prefix, cursor, limit): (This, Text, Option<Text>, u32)| {
            requests_one!(store, this, SlKvVerb::KEYS, prefix, page, |request, texts| {
                if let Some(cursor) = &cursor {
                    request.cursor = cursor.read(KV_CURSOR_MAX, &mut texts)?;
                }
                request.limit = limit;
            })
        },
    )?;
    kv.func_wrap_async("[method]bucket.get-many", |store, (this, keys): (This, Keys)| {
        many_keys(&store, &this, SlKvVerb::GET, &keys, |answers| all(answers, value))
            .unwrap_or_else(|error| now(Err(error)))
    })?;
    kv.func_wrap_async("[method]bucket.set-many", |store, (this, entries): (This, Entries)| {
        let touched = entries.0.iter().fold(Touched::default(), |sum, (_, value)| sum.blob(value));
        aside(touched, move || set_many(&store, this.rep(), &entries))
    })?;
    kv.func_wrap_async("[method]bucket.delete-many", |store, (this, keys): (This, Keys)| {
        many_keys(&store, &this, SlKvVerb::DELETE, &keys, |answers| each(answers, found))
            .unwrap_or_else(|error| now(Err(error)))
    })?;
    Ok(())
}
