// SPDX-License-Identifier: Apache-2.0
//! Count the words of standard input in the key-value store "default", and print
//! the ten most frequent ones with their totals over all runs.

use std::collections::HashMap;
use std::io::Read;
use std::process::ExitCode;

wit_bindgen::generate!({
    path: [
        "../../wit/types",
        "../../wit/kv",
        "../../wit/lockd",
        "../../wit/mq",
        "../../wit/pubsub",
        "../../wit/sql",
        "../../wit/wasi-io",
        "../../wit/wasi-clocks",
        "../../wit/wasi-random",
        "../../wit/wasi-filesystem",
        "../../wit/wasi-sockets",
        "../../wit/wasi-cli",
        "../../wit/wasi-http",
        "../../wit/slight",
    ],
    world: "slight:slight/command",
    generate_all,
});

use slight::kv::store::{Bucket, Error};

const SHOWN: usize = 10;

struct Count {
    word: String,
    here: i64,
    total: i64,
}

/// A word is a sequence of letters; case is ignored.
fn count_text(text: &[u8]) -> HashMap<String, i64> {
    let mut counts = HashMap::new();
    let words = text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    for word in words {
        let word = String::from_utf8_lossy(word).to_ascii_lowercase();
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

/// Add each count to its total in the store. Concurrent runs are safe.
fn add_totals(counts: HashMap<String, i64>) -> Result<Vec<Count>, Error> {
    let bucket = Bucket::open("default")?;
    counts
        .into_iter()
        .map(|(word, here)| {
            let total = bucket.increment(&word, here)?;
            Ok(Count { word, here, total })
        })
        .collect()
}

fn main() -> ExitCode {
    let mut text = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut text) {
        eprintln!("wordcount: {error}");
        return ExitCode::FAILURE;
    }
    let mut counts = match add_totals(count_text(&text)) {
        Ok(counts) => counts,
        Err(error) => {
            eprintln!("wordcount: {}", error.message);
            return ExitCode::FAILURE;
        }
    };
    counts.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.word.cmp(&b.word)));
    println!("{:<16} {:>10} {:>10}", "word", "this text", "all runs");
    for count in counts.iter().take(SHOWN) {
        println!("{:<16} {:>10} {:>10}", count.word, count.here, count.total);
    }
    ExitCode::SUCCESS
}
