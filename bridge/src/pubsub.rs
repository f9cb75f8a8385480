// SPDX-License-Identifier: Apache-2.0
//! `slight:pubsub/topics@0.1.0`.

use wasmtime::component::{
    ComponentType, Lift, Linker, Lower, Resource, ResourceType, WasmList, WasmStr,
};
use wasmtime::Result;

use crate::abi::{
    slice, Answer, PubsubVerb, SlBytes, SlPair, SlPubsubAnswer, SlPubsubEvent, SlPubsubRequest,
    PUBSUB_MANY_MAX, PUBSUB_RECEIVE_MAX,
};
use crate::attributes::{
    attribute_texts, lowered, pairs_of, text, Attributes, TextPair, ATTRIBUTES_MAX,
};
use crate::call::{
    check, drop_handle, each, head, make, make_many, many, now, one, open, tell, Later, Reply,
    Store,
};
use crate::program::State;

/// The resource types; what they stand for, only C knows.
struct Broker;
struct Subscription;
struct Delivery;

/// An event to publish, in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Outgoing {
    payload: WasmList<u8>,
    key: Option<WasmList<u8>>,
    attributes: Attributes,
}

#[derive(ComponentType, Lift, Clone, Copy, PartialEq)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)] // the guest makes them
enum Start {
    #[component(name = "earliest")]
    Earliest,
    #[component(name = "latest")]
    Latest,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct SubscribeOptions {
    topic: WasmStr,
    group: WasmStr,
    start: Start,
}

/// A received event; borrows from C's, which lives as long as its handle.
#[derive(ComponentType, Lower)]
#[component(record)]
pub struct Event {
    topic: &'static str,
    id: &'static str,
    payload: &'static [u8],
    key: Option<&'static [u8]>,
    attributes: Vec<(&'static str, &'static str)>,
    #[component(name = "published-at-ms")]
    published_at_ms: u64,
}

impl Event {
    /// # Safety
    /// `event` and all that it points to live, unchanged, as long as this does.
    pub unsafe fn of(event: &SlPubsubEvent) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Event {
                topic: text(event.topic),
                id: text(event.id),
                payload: slice(event.payload.ptr, event.payload.len),
                key: (!event.key.ptr.is_null()).then(|| slice(event.key.ptr, event.key.len)),
                attributes: lowered(event.attributes, event.attribute_count),
                published_at_ms: event.published_at_ms,
            }
        }
    }
}

/// Run `go` with a request for each event.
fn with_events<T>(
    mut store: Store<'_>,
    topic: &WasmStr,
    events: &[Outgoing],
    go: impl FnOnce(&Store<'_>, &[SlPubsubRequest]) -> T,
) -> Result<T> {
    let attributes: Vec<Vec<(WasmStr, WasmStr)>> = events
        .iter()
        .map(|event| head(&mut store, &event.attributes, ATTRIBUTES_MAX + 1))
        .collect::<Result<_>>()?;
    let texts: Vec<Vec<TextPair<'_>>> =
        attributes.iter().map(|list| attribute_texts(&store, list)).collect::<Result<_>>()?;
    let pairs: Vec<Vec<SlPair>> = texts.iter().map(|texts| pairs_of(texts)).collect();
    let topic = topic.to_str(&store)?;
    let requests: Vec<SlPubsubRequest> = events
        .iter()
        .zip(&pairs)
        .map(|(event, pairs)| SlPubsubRequest {
            topic: SlBytes::of(topic.as_bytes()),
            payload: SlBytes::of(event.payload.as_le_slice(&store)),
            key: event
                .key
                .as_ref()
                .map_or(SlBytes::EMPTY, |key| SlBytes::of(key.as_le_slice(&store))),
            attributes: pairs.as_ptr(),
            attribute_count: pairs.len(),
            ..SlPubsubRequest::new(PubsubVerb::Publish)
        })
        .collect();
    Ok(go(&store, &requests))
}

fn nothing(answer: &mut SlPubsubAnswer) -> Reply<()> {
    check(answer.head())
}

fn publish(
    store: Store<'_>,
    broker: &Resource<Broker>,
    topic: &WasmStr,
    event: Outgoing,
) -> Later<'static, Reply<()>> {
    with_events(store, topic, &[event], |store, requests| {
        one(store, broker.rep(), &requests[0], nothing)
    })
    .unwrap_or_else(|error| now(Err(error)))
}

fn publish_many(
    mut store: Store<'_>,
    broker: &Resource<Broker>,
    topic: &WasmStr,
    events: &WasmList<Outgoing>,
) -> Later<'static, Reply<Vec<Reply<()>>>> {
    let handle = broker.rep();
    let started = head(&mut store, events, PUBSUB_MANY_MAX + 1).and_then(|events| {
        with_events(store, topic, &events, |store, requests| {
            many(store, handle, requests, |answers: &mut [SlPubsubAnswer]| each(answers, nothing))
        })
    });
    started.unwrap_or_else(|error| now(Err(error)))
}

fn subscribe<'a>(
    store: Store<'a>,
    broker: &Resource<Broker>,
    options: &SubscribeOptions,
) -> Later<'a, Reply<Resource<Subscription>>> {
    let names = (|| {
        let topic = options.topic.to_str(&store)?.into_owned();
        Ok((topic, options.group.to_str(&store)?.into_owned()))
    })();
    let (topic, group) = match names {
        Ok(names) => names,
        Err(error) => return now(Err(error)),
    };
    let request = SlPubsubRequest {
        topic: SlBytes::of(topic.as_bytes()),
        group: SlBytes::of(group.as_bytes()),
        from_earliest: options.start == Start::Earliest,
        ..SlPubsubRequest::new(PubsubVerb::Subscribe)
    };
    make(store, broker.rep(), &request, |_: &mut SlPubsubAnswer, made| Resource::new_own(made))
}

fn receive<'a>(
    store: Store<'a>,
    this: &Resource<Subscription>,
    limit: u32,
    wait_ms: u64,
) -> Later<'a, Reply<Vec<Resource<Delivery>>>> {
    let request = SlPubsubRequest { limit, wait_ms, ..SlPubsubRequest::new(PubsubVerb::Receive) };
    let most = PUBSUB_RECEIVE_MAX;
    make_many::<_, SlPubsubAnswer, _>(store, this.rep(), &request, most, Resource::new_own)
}

fn get(store: &Store<'_>, this: &Resource<Delivery>) -> Result<(Event,)> {
    let state = store.data();
    // SAFETY: what C answers lives as long as the handle, which the guest cannot
    // drop before this is in its memory.
    unsafe {
        let event = (state.host().pubsub_event)(state.instance(), this.rep());
        let event: &SlPubsubEvent = event
            .as_ref()
            .ok_or_else(|| wasmtime::Error::msg("the host does not know the event"))?;
        Ok((Event::of(event),))
    }
}

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.instance("slight:pubsub/types@0.1.0")?;
    let mut pubsub = linker.instance("slight:pubsub/topics@0.1.0")?;

    pubsub.resource("broker", ResourceType::host::<Broker>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    pubsub.resource("subscription", ResourceType::host::<Subscription>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    pubsub.resource("delivery", ResourceType::host::<Delivery>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    pubsub.func_wrap("[static]broker.open", |store: Store<'_>, (name,): (WasmStr,)| {
        Ok((open(&store, c"pubsub", &name)?.map(Resource::<Broker>::new_own),))
    })?;
    pubsub.func_wrap_async(
        "[method]broker.publish",
        |store, (this, topic, event): (Resource<Broker>, WasmStr, Outgoing)| {
            publish(store, &this, &topic, event)
        },
    )?;
    pubsub.func_wrap_async(
        "[method]broker.publish-many",
        |store, (this, topic, events): (Resource<Broker>, WasmStr, WasmList<Outgoing>)| {
            publish_many(store, &this, &topic, &events)
        },
    )?;
    pubsub.func_wrap_async(
        "[method]broker.subscribe",
        |store, (this, options): (Resource<Broker>, SubscribeOptions)| {
            subscribe(store, &this, &options)
        },
    )?;
    pubsub.func_wrap_async(
        "[method]subscription.receive",
        |store, (this, limit, wait_ms): (Resource<Subscription>, u32, u64)| {
            receive(store, &this, limit, wait_ms)
        },
    )?;
    pubsub
        .func_wrap("[method]delivery.get", |store: Store<'_>, (this,): (Resource<Delivery>,)| {
            get(&store, &this)
        })?;
    pubsub.func_wrap_async(
        "[static]delivery.acknowledge",
        |store, (this,): (Resource<Delivery>,)| {
            let request = SlPubsubRequest::new(PubsubVerb::Acknowledge);
            tell::<_, SlPubsubAnswer>(store, this.rep(), &request, true)
        },
    )?;
    Ok(())
}
