// SPDX-License-Identifier: Apache-2.0
//! `slight:mq/queue@0.2.0`.

use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use wasmtime::Result;

use crate::abi::{
    slice, text_in, Answer, SlBytes, SlDelivery, SlMqAnswer, SlMqRequest, SlMqVerb, SlPair,
    MQ_GROUP_MAX, MQ_MANY_MAX, MQ_REASON_MAX, MQ_RECEIVE_MAX,
};
use crate::attributes::{lowered, text, Attributes};
use crate::call::{
    check, delivery, drop_handle, each, make_many, many, now, one, open, tell, within_call, Later,
    Reply, Store,
};
use crate::instance::State;
use crate::lift::{Blob, Converted, Items, Text, Touched};

/// The resource types. Only C knows what their handles mean.
struct Queue;
struct Message;

/// A message to send, in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Outgoing {
    payload: Blob,
    attributes: Attributes,
    #[component(name = "delay-ms")]
    delay_ms: Option<u64>,
    group: Option<Text>,
    #[component(name = "deduplication-id")]
    deduplication_id: Option<Text>,
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
    pub unsafe fn of(message: &SlDelivery) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Delivery {
                id: text(message.id),
                payload: slice(message.payload.ptr, message.payload.len),
                attributes: lowered(message.attributes, message.attribute_count),
                group: (!message.key.ptr.is_null()).then(|| text(message.key)),
                delivery_count: message.delivery_count,
                enqueued_at_ms: message.sent_at_ms,
            }
        }
    }
}

impl Outgoing {
    fn touched(&self, before: Touched) -> Touched {
        let texts = [&self.group, &self.deduplication_id];
        let sum = texts.into_iter().flatten().fold(before, |sum, text| sum.text(text));
        self.attributes.touched(sum.blob(&self.payload))
    }

    fn request(&self, pairs: &[SlPair], texts: &mut Converted) -> Result<SlMqRequest> {
        Ok(SlMqRequest {
            payload: self.payload.bytes(),
            attributes: pairs.as_ptr(),
            attribute_count: pairs.len(),
            group: optional(&self.group, texts)?,
            deduplication_id: optional(&self.deduplication_id, texts)?,
            delay_ms: self.delay_ms.unwrap_or(0),
            ..SlMqRequest::new(SlMqVerb::SEND)
        })
    }
}

/// None is a NULL pointer; an empty text is not.
fn optional(text: &Option<Text>, texts: &mut Converted) -> Result<SlBytes> {
    text.as_ref().map_or(Ok(SlBytes::EMPTY), |text| text.read(MQ_GROUP_MAX, texts))
}

/// Run `go` with a request for each message.
fn with_messages<'a, T: Send + 'static>(
    messages: impl AsRef<[Outgoing]> + Send + 'a,
    go: impl FnOnce(&[SlMqRequest]) -> Later<'a, Reply<T>> + Send + 'a,
) -> Later<'a, Reply<T>> {
    let all = messages.as_ref();
    let touched = all.iter().fold(Touched::default(), |sum, message| message.touched(sum));
    within_call(touched, all.len(), move || {
        let messages = messages.as_ref();
        let mut texts = Converted::default();
        let pairs: Vec<Vec<SlPair>> = messages
            .iter()
            .map(|message| message.attributes.pairs(&mut texts))
            .collect::<Result<_>>()?;
        let requests: Vec<SlMqRequest> = messages
            .iter()
            .zip(&pairs)
            .map(|(message, pairs)| message.request(pairs, &mut texts))
            .collect::<Result<_>>()?;
        Ok(go(&requests))
    })
}

fn sent(answer: &mut SlMqAnswer) -> Reply<String> {
    check(answer.head()).map(|()| text_in(&answer.id).into_owned())
}

fn send(store: Store<'_>, queue: u32, message: Outgoing) -> Later<'_, Reply<String>> {
    with_messages([message], move |requests| one(&store, queue, &requests[0], sent))
}

fn send_many(
    store: Store<'_>,
    queue: u32,
    messages: Messages,
) -> Later<'_, Reply<Vec<Reply<String>>>> {
    with_messages(messages.0, move |requests| {
        many(&store, queue, requests, |answers: &mut [SlMqAnswer]| each(answers, sent))
    })
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
        ..SlMqRequest::new(SlMqVerb::RECEIVE)
    };
    make_many::<_, SlMqAnswer, _>(store, queue.rep(), &request, MQ_RECEIVE_MAX, Resource::new_own)
}

fn get(store: &Store<'_>, this: &Resource<Message>) -> Result<(Delivery,)> {
    // SAFETY: it lives as long as the handle, which the guest cannot drop before
    // this is in its memory.
    unsafe { Ok((Delivery::of(delivery(store, this.rep())?),)) }
}

fn dead_letter<'a>(
    store: Store<'a>,
    this: &Resource<Message>,
    reason: &Text,
) -> Later<'a, Reply<()>> {
    let mut texts = Converted::default();
    let mut request = SlMqRequest::new(SlMqVerb::DEAD_LETTER);
    match reason.read(MQ_REASON_MAX, &mut texts) {
        Ok(reason) => request.reason = reason,
        Err(error) => return now(Err(error)),
    }
    tell::<_, SlMqAnswer>(store, this.rep(), &request, false)
}

type Messages = Items<Outgoing, MQ_MANY_MAX>;
type ThisQueue = Resource<Queue>;
type ThisMessage = Resource<Message>;

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.instance("slight:mq/types@0.2.0")?;
    let mut mq = linker.instance("slight:mq/queue@0.2.0")?;

    mq.resource("queue", ResourceType::host::<Queue>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    mq.resource("message", ResourceType::host::<Message>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    mq.func_wrap("[static]queue.open", |store: Store<'_>, (name,): (Text,)| {
        Ok((open(&store, c"mq", &name)?.map(Resource::<Queue>::new_own),))
    })?;
    mq.func_wrap_async("[method]queue.send", |store, (this, message): (ThisQueue, Outgoing)| {
        send(store, this.rep(), message)
    })?;
    mq.func_wrap_async(
        "[method]queue.send-many",
        |store, (this, messages): (ThisQueue, Messages)| send_many(store, this.rep(), messages),
    )?;
    mq.func_wrap_async(
        "[method]queue.receive",
        |store, (this, options): (ThisQueue, ReceiveOptions)| receive(store, &this, &options),
    )?;
    mq.func_wrap_async("[method]queue.depth", |store, (this,): (ThisQueue,)| {
        one(&store, this.rep(), &SlMqRequest::new(SlMqVerb::DEPTH), |answer: &mut SlMqAnswer| {
            check(answer.head()).map(|()| answer.depth)
        })
    })?;
    mq.func_wrap("[method]message.get", |store: Store<'_>, (this,): (ThisMessage,)| {
        get(&store, &this)
    })?;
    mq.func_wrap_async("[method]message.complete", |store, (this,): (ThisMessage,)| {
        let request = SlMqRequest::new(SlMqVerb::COMPLETE);
        tell::<_, SlMqAnswer>(store, this.rep(), &request, false)
    })?;
    mq.func_wrap_async(
        "[method]message.abandon",
        |store, (this, delay_ms): (ThisMessage, u64)| {
            let mut request = SlMqRequest::new(SlMqVerb::ABANDON);
            request.delay_ms = delay_ms;
            tell::<_, SlMqAnswer>(store, this.rep(), &request, false)
        },
    )?;
    mq.func_wrap_async(
        "[method]message.dead-letter",
        |store, (this, reason): (ThisMessage, Text)| dead_letter(store, &this, &reason),
    )?;
    mq.func_wrap_async(
        "[method]message.extend",
        |store, (this, visibility_ms): (ThisMessage, u64)| {
            let mut request = SlMqRequest::new(SlMqVerb::EXTEND);
            request.visibility_ms = visibility_ms;
            tell::<_, SlMqAnswer>(store, this.rep(), &request, false)
        },
    )?;
    Ok(())
}
