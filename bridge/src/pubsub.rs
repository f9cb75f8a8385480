// SPDX-License-Identifier: Apache-2.0
//! `slight:pubsub/topics@0.2.0`.

use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use wasmtime::Result;

use crate::abi::{
    slice, Answer, SlBytes, SlDelivery, SlPair, SlPubsubAnswer, SlPubsubRequest, SlPubsubVerb,
    PUBSUB_MANY_MAX, PUBSUB_NAME_MAX, PUBSUB_RECEIVE_MAX,
};
use crate::attributes::{lowered, text, Attributes};
use crate::call::{
    check, delivery, drop_handle, each, make, make_many, many, now, one, open, tell, within_call,
    Later, Reply, Store,
};
use crate::instance::State;
use crate::lift::{Blob, Converted, Items, Text, Touched};

/// The resource types. Only C knows what their handles mean.
struct Broker;
struct Subscription;
struct Delivery;

/// An event to publish, in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Outgoing {
    payload: Blob,
    key: Option<Blob>,
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
    topic: Text,
    group: Text,
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
    pub unsafe fn of(event: &SlDelivery) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Event {
                topic: text(event.topic),
                id: text(event.id),
                payload: slice(event.payload.ptr, event.payload.len),
                key: (!event.key.ptr.is_null()).then(|| slice(event.key.ptr, event.key.len)),
                attributes: lowered(event.attributes, event.attribute_count),
                published_at_ms: event.sent_at_ms,
            }
        }
    }
}

impl Outgoing {
    fn touched(&self, before: Touched) -> Touched {
        let sum = self.key.iter().fold(before.blob(&self.payload), Touched::blob);
        self.attributes.touched(sum)
    }

    fn request(&self, topic: SlBytes, pairs: &[SlPair]) -> SlPubsubRequest {
        SlPubsubRequest {
            topic,
            payload: self.payload.bytes(),
            key: self.key.as_ref().map_or(SlBytes::EMPTY, Blob::bytes),
            attributes: pairs.as_ptr(),
            attribute_count: pairs.len(),
            ..SlPubsubRequest::new(SlPubsubVerb::PUBLISH)
        }
    }
}

/// Run `go` with a request for each event.
fn with_events<'a, T: Send + 'static>(
    topic: Text,
    events: impl AsRef<[Outgoing]> + Send + 'a,
    go: impl FnOnce(&[SlPubsubRequest]) -> Later<'a, Reply<T>> + Send + 'a,
) -> Later<'a, Reply<T>> {
    let all = events.as_ref();
    let touched = all.iter().fold(Touched::default(), |sum, event| event.touched(sum));
    within_call(touched, all.len(), move || {
        let events = events.as_ref();
        let mut texts = Converted::default();
        let topic = topic.read(PUBSUB_NAME_MAX, &mut texts)?;
        let pairs: Vec<Vec<SlPair>> =
            events.iter().map(|event| event.attributes.pairs(&mut texts)).collect::<Result<_>>()?;
        let requests: Vec<SlPubsubRequest> =
            events.iter().zip(&pairs).map(|(event, pairs)| event.request(topic, pairs)).collect();
        Ok(go(&requests))
    })
}

fn nothing(answer: &mut SlPubsubAnswer) -> Reply<()> {
    check(answer.head())
}

fn publish(store: Store<'_>, broker: u32, topic: Text, event: Outgoing) -> Later<'_, Reply<()>> {
    with_events(topic, [event], move |requests| one(&store, broker, &requests[0], nothing))
}

fn publish_many(
    store: Store<'_>,
    broker: u32,
    topic: Text,
    events: Events,
) -> Later<'_, Reply<Vec<Reply<()>>>> {
    with_events(topic, events.0, move |requests| {
        many(&store, broker, requests, |answers: &mut [SlPubsubAnswer]| each(answers, nothing))
    })
}

fn subscribe<'a>(
    store: Store<'a>,
    broker: &Resource<Broker>,
    options: &SubscribeOptions,
) -> Later<'a, Reply<Resource<Subscription>>> {
    let mut texts = Converted::default();
    let topic = options.topic.read(PUBSUB_NAME_MAX, &mut texts);
    let group = options.group.read(PUBSUB_NAME_MAX, &mut texts);
    let (topic, group) = match (topic, group) {
        (Ok(topic), Ok(group)) => (topic, group),
        (Err(error), _) | (_, Err(error)) => return now(Err(error)),
    };
    let request = SlPubsubRequest {
        topic,
        group,
        from_earliest: options.start == Start::Earliest,
        ..SlPubsubRequest::new(SlPubsubVerb::SUBSCRIBE)
    };
    make(store, broker.rep(), &request, |_: &mut SlPubsubAnswer, made| Resource::new_own(made))
}

fn receive<'a>(
    store: Store<'a>,
    this: &Resource<Subscription>,
    limit: u32,
    wait_ms: u64,
) -> Later<'a, Reply<Vec<Resource<Delivery>>>> {
    let request = SlPubsubRequest { limit, wait_ms, ..SlPubsubRequest::new(SlPubsubVerb::RECEIVE) };
    let most = PUBSUB_RECEIVE_MAX;
    make_many::<_, SlPubsubAnswer, _>(store, this.rep(), &request, most, Resource::new_own)
}

fn get(store: &Store<'_>, this: &Resource<Delivery>) -> Result<(Event,)> {
    // SAFETY: it lives as long as the handle, which the guest cannot drop before
    // this is in its memory.
    unsafe { Ok((Event::of(delivery(store, this.rep())?),)) }
}

type Events = Items<Outgoing, PUBSUB_MANY_MAX>;

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.instance("slight:pubsub/types@0.2.0")?;
    let mut pubsub = linker.instance("slight:pubsub/topics@0.2.0")?;

    pubsub.resource("broker", ResourceType::host::<Broker>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    pubsub.resource("subscription", ResourceType::host::<Subscription>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    pubsub.resource("delivery", ResourceType::host::<Delivery>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    pubsub.func_wrap("[static]broker.open", |store: Store<'_>, (name,): (Text,)| {
        Ok((open(&store, c"pubsub", &name)?.map(Resource::<Broker>::new_own),))
    })?;
    pubsub.func_wrap_async(
        "[method]broker.publish",
        |store, (this, topic, event): (Resource<Broker>, Text, Outgoing)| {
            publish(store, this.rep(), topic, event)
        },
    )?;
    pubsub.func_wrap_async(
        "[method]broker.publish-many",
        |store, (this, topic, events): (Resource<Broker>, Text, Events)| {
            publish_many(store, this.rep(), topic, events)
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
        "[method]delivery.acknowledge",
        |store, (this,): (Resource<Delivery>,)| {
            let request = SlPubsubRequest::new(SlPubsubVerb::ACKNOWLEDGE);
            tell::<_, SlPubsubAnswer>(store, this.rep(), &request, false)
        },
    )?;
    Ok(())
}
