// SPDX-License-Identifier: Apache-2.0
//! `slight:mq/queue@0.1.0`.

use std::borrow::Cow;

use wasmtime::component::{
    ComponentType, Lift, Linker, Lower, Resource, ResourceType, WasmList, WasmStr,
};
use wasmtime::Result;

use crate::abi::{
    slice, Answer, MqVerb, SlBytes, SlMqAnswer, SlMqMessage, SlMqRequest, SlPair, MQ_MANY_MAX,
    MQ_RECEIVE_MAX,
};
use crate::attributes::{
    attribute_texts, lowered, pairs_of, text, Attributes, TextPair, ATTRIBUTES_MAX,
};
use crate::call::{
    check, drop_handle, each, head, make_many, many, now, one, open, tell, Later, Reply, Store,
};
use crate::program::State;

/// The resource types; what they stand for, only C knows.
struct Queue;
struct Message;

/// A message to send, in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Outgoing {
    payload: WasmList<u8>,
    attributes: Attributes,
    #[component(name = "delay-ms")]
    delay_ms: Option<u64>,
    group: Option<WasmStr>,
    #[component(name = "deduplication-id")]
    deduplication_id: Option<WasmStr>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct ReceiveOptions {
    limit: u32,
    #[component(name = "wait-ms")]
    wait_ms: u64,
    #[component(name = "visibility-ms")]
    visibility_ms: Option<u64>,
}

/// A received message; borrows from C's, which lives as long as its handle.
#[derive(ComponentType, Lower)]
#[component(record)]
pub struct Delivery {
    id: &'static str,
    payload: &'static [u8],
    attributes: Vec<(&'static str, &'static str)>,
    group: Option<&'static str>,
    #[component(name = "delivery-count")]
    delivery_count: u32,
    #[component(name = "enqueued-at-ms")]
    enqueued_at_ms: u64,
}

impl Delivery {
    /// # Safety
    /// `message` and all that it points to live, unchanged, as long as this does.
    pub unsafe fn of(message: &SlMqMessage) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Delivery {
                id: text(message.id),
                payload: slice(message.payload.ptr, message.payload.len),
                attributes: lowered(message.attributes, message.attribute_count),
                group: (!message.group.ptr.is_null()).then(|| text(message.group)),
                delivery_count: message.delivery_count,
                enqueued_at_ms: message.enqueued_at_ms,
            }
        }
    }
}

/// The texts of a message to send, as they lie in the guest's memory; converted
/// where its strings are not UTF-8.
struct Texts<'a> {
    attributes: Vec<TextPair<'a>>,
    group: Option<Cow<'a, str>>,
    deduplication_id: Option<Cow<'a, str>>,
}

fn optional<'a>(store: &'a Store<'_>, text: &Option<WasmStr>) -> Result<Option<Cow<'a, str>>> {
    text.as_ref().map(|text| text.to_str(store)).transpose()
}

fn texts_of<'a>(
    store: &'a Store<'_>,
    message: &Outgoing,
    attributes: &[(WasmStr, WasmStr)],
) -> Result<Texts<'a>> {
    Ok(Texts {
        attributes: attribute_texts(store, attributes)?,
        group: optional(store, &message.group)?,
        deduplication_id: optional(store, &message.deduplication_id)?,
    })
}

/// None is no bytes at no place; an empty one has a place.
fn bytes_of(text: &Option<Cow<'_, str>>) -> SlBytes {
    text.as_ref().map_or(SlBytes::EMPTY, |text| SlBytes::of(text.as_bytes()))
}

/// Run `go` with a request for each message.
fn with_messages<T>(
    mut store: Store<'_>,
    messages: &[Outgoing],
    go: impl FnOnce(&Store<'_>, &[SlMqRequest]) -> T,
) -> Result<T> {
    let attributes: Vec<Vec<(WasmStr, WasmStr)>> = messages
        .iter()
        .map(|message| head(&mut store, &message.attributes, ATTRIBUTES_MAX + 1))
        .collect::<Result<_>>()?;
    let texts: Vec<Texts<'_>> = messages
        .iter()
        .zip(&attributes)
        .map(|(message, attributes)| texts_of(&store, message, attributes))
        .collect::<Result<_>>()?;
    let pairs: Vec<Vec<SlPair>> = texts.iter().map(|texts| pairs_of(&texts.attributes)).collect();
    let requests: Vec<SlMqRequest> = messages
        .iter()
        .zip(texts.iter().zip(&pairs))
        .map(|(message, (texts, pairs))| SlMqRequest {
            payload: SlBytes::of(message.payload.as_le_slice(&store)),
            attributes: pairs.as_ptr(),
            attribute_count: pairs.len(),
            group: bytes_of(&texts.group),
            deduplication_id: bytes_of(&texts.deduplication_id),
            delay_ms: message.delay_ms.unwrap_or(0),
            ..SlMqRequest::new(MqVerb::Send)
        })
        .collect();
    Ok(go(&store, &requests))
}

fn sent(answer: &mut SlMqAnswer) -> Reply<String> {
    check(answer.head()).map(|()| answer.id().into_owned())
}

fn send(
    store: Store<'_>,
    queue: &Resource<Queue>,
    message: Outgoing,
) -> Later<'static, Reply<String>> {
    with_messages(store, &[message], |store, requests| one(store, queue.rep(), &requests[0], sent))
        .unwrap_or_else(|error| now(Err(error)))
}

fn send_many(
    mut store: Store<'_>,
    queue: &Resource<Queue>,
    messages: &WasmList<Outgoing>,
) -> Later<'static, Reply<Vec<Reply<String>>>> {
    let handle = queue.rep();
    let started = head(&mut store, messages, MQ_MANY_MAX + 1).and_then(|messages| {
        with_messages(store, &messages, |store, requests| {
            many(store, handle, requests, |answers: &mut [SlMqAnswer]| each(answers, sent))
        })
    });
    started.unwrap_or_else(|error| now(Err(error)))
}

fn receive<'a>(
    store: Store<'a>,
    queue: &Resource<Queue>,
    options: &ReceiveOptions,
) -> Later<'a, Reply<Vec<Resource<Message>>>> {
    let request = SlMqRequest {
        limit: options.limit,
        wait_ms: options.wait_ms,
        has_visibility: options.visibility_ms.is_some(),
        visibility_ms: options.visibility_ms.unwrap_or(0),
        ..SlMqRequest::new(MqVerb::Receive)
    };
    make_many::<_, SlMqAnswer, _>(store, queue.rep(), &request, MQ_RECEIVE_MAX, Resource::new_own)
}

fn get(store: &Store<'_>, this: &Resource<Message>) -> Result<(Delivery,)> {
    let state = store.data();
    // SAFETY: what C answers lives as long as the handle, which the guest cannot
    // drop before this is in its memory.
    unsafe {
        let message = (state.host().mq_message)(state.instance(), this.rep());
        let message: &SlMqMessage = message
            .as_ref()
            .ok_or_else(|| wasmtime::Error::msg("the host does not know the message"))?;
        Ok((Delivery::of(message),))
    }
}

fn dead_letter<'a>(
    store: Store<'a>,
    this: &Resource<Message>,
    reason: &WasmStr,
) -> Later<'a, Reply<()>> {
    let reason = match reason.to_str(&store) {
        Ok(reason) => reason.into_owned(),
        Err(error) => return now(Err(error)),
    };
    let mut request = SlMqRequest::new(MqVerb::DeadLetter);
    request.reason = SlBytes::of(reason.as_bytes());
    tell::<_, SlMqAnswer>(store, this.rep(), &request, true)
}

type ThisQueue = Resource<Queue>;
type ThisMessage = Resource<Message>;

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.instance("slight:mq/types@0.1.0")?;
    let mut mq = linker.instance("slight:mq/queue@0.1.0")?;

    mq.resource("queue", ResourceType::host::<Queue>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    mq.resource("message", ResourceType::host::<Message>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    mq.func_wrap("[static]queue.open", |store: Store<'_>, (name,): (WasmStr,)| {
        Ok((open(&store, c"mq", &name)?.map(Resource::<Queue>::new_own),))
    })?;
    mq.func_wrap_async("[method]queue.send", |store, (this, message): (ThisQueue, Outgoing)| {
        send(store, &this, message)
    })?;
    mq.func_wrap_async(
        "[method]queue.send-many",
        |store, (this, messages): (ThisQueue, WasmList<Outgoing>)| {
            send_many(store, &this, &messages)
        },
    )?;
    mq.func_wrap_async(
        "[method]queue.receive",
        |store, (this, options): (ThisQueue, ReceiveOptions)| receive(store, &this, &options),
    )?;
    mq.func_wrap_async("[method]queue.depth", |store, (this,): (ThisQueue,)| {
        one(&store, this.rep(), &SlMqRequest::new(MqVerb::Depth), |answer: &mut SlMqAnswer| {
            check(answer.head()).map(|()| answer.depth)
        })
    })?;
    mq.func_wrap("[method]message.get", |store: Store<'_>, (this,): (ThisMessage,)| {
        get(&store, &this)
    })?;
    mq.func_wrap_async("[static]message.complete", |store, (this,): (ThisMessage,)| {
        let request = SlMqRequest::new(MqVerb::Complete);
        tell::<_, SlMqAnswer>(store, this.rep(), &request, true)
    })?;
    mq.func_wrap_async(
        "[static]message.abandon",
        |store, (this, delay_ms): (ThisMessage, u64)| {
            let mut request = SlMqRequest::new(MqVerb::Abandon);
            request.delay_ms = delay_ms;
            tell::<_, SlMqAnswer>(store, this.rep(), &request, true)
        },
    )?;
    mq.func_wrap_async(
        "[static]message.dead-letter",
        |store, (this, reason): (ThisMessage, WasmStr)| dead_letter(store, &this, &reason),
    )?;
    mq.func_wrap_async(
        "[method]message.extend",
        |store, (this, visibility_ms): (ThisMessage, u64)| {
            let mut request = SlMqRequest::new(MqVerb::Extend);
            request.visibility_ms = visibility_ms;
            tell::<_, SlMqAnswer>(store, this.rep(), &request, false)
        },
    )?;
    Ok(())
}
