// SPDX-License-Identifier: Apache-2.0
//! Bills orders: a handler of the queue's messages. A message may be delivered
//! twice. The order's id is the key of its row, so the second insert has no effect;
//! the event may be published twice.

wit_bindgen::generate!({
    path: [
        "../../../wit/types",
        "../../../wit/kv",
        "../../../wit/lockd",
        "../../../wit/mq",
        "../../../wit/pubsub",
        "../../../wit/sql",
        "../../../wit/wasi-io",
        "../../../wit/wasi-clocks",
        "../../../wit/wasi-random",
        "../../../wit/wasi-filesystem",
        "../../../wit/wasi-sockets",
        "../../../wit/wasi-cli",
        "../../../wit/wasi-http",
        "../../../wit/slight",
    ],
    world: "slight:slight/worker",
    generate_all,
});

use exports::slight::mq::handler::{Failure, Guest};
use slight::mq::types::Delivery;
use slight::pubsub::topics::Broker;
use slight::pubsub::types::Outgoing;
use slight::sql::database::{Connection, Value};
use slight::types::errors::{Error, ErrorCode};

/// The same table as in accept.c.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS orders \
     (id VARCHAR(36) PRIMARY KEY, item VARCHAR(1000) NOT NULL)";
const INSERT: &str = "INSERT INTO orders (id, item) VALUES (?, ?)";

/// `AlreadyExists` means that an earlier delivery did this step.
fn ignore_existing(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.code == ErrorCode::AlreadyExists => Ok(()),
        result => result,
    }
}

fn bill_order(id: &str, item: &str) -> Result<(), Error> {
    let ledger = Connection::open("ledger")?;
    let row = [Value::Text(id.to_string()), Value::Text(item.to_string())];
    // Another worker may create the table at the same time.
    ignore_existing(ledger.execute(TABLE, &[]).map(drop))?;
    ignore_existing(ledger.execute(INSERT, &row).map(drop))
}

fn publish_billed(id: &str) -> Result<(), Error> {
    let billed = Outgoing {
        payload: id.as_bytes().to_vec(),
        key: Some(id.as_bytes().to_vec()),
        attributes: Vec::new(),
    };
    Broker::open("events")?.publish("billed", &billed)
}

struct Bill;

impl Guest for Bill {
    fn handle(_queue: String, message: Delivery) -> Result<(), Failure> {
        let order = message.attributes.iter().find(|(name, _)| name == "order");
        let Some((_, id)) = order else {
            return Err(Failure::Reject("no attribute \"order\"".into()));
        };
        let Ok(item) = std::str::from_utf8(&message.payload) else {
            return Err(Failure::Reject("what is ordered is not text".into()));
        };
        let done = bill_order(id, item).and_then(|()| publish_billed(id));
        done.map_err(|error| match error.code {
            ErrorCode::InvalidArgument => Failure::Reject(error.message),
            _ => Failure::Retry(error.message),
        })
    }
}

export!(Bill);
