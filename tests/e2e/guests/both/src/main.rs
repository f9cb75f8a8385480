// SPDX-License-Identifier: Apache-2.0
//! A program for WASI 0.3. The standard library gives it the entry of 0.2 as well.

use wasip3::exports::cli::run::Guest;

struct Program;

wasip3::cli::command::export!(Program);

impl Guest for Program {
    async fn run() -> Result<(), ()> {
        println!("the entry of 0.3");
        Ok(())
    }
}

fn main() {
    println!("the entry of 0.2");
}
