//! The compiled half of the benchmarks, with the standard library only: `rustc -O main.rs`.
//!
//! `load` drains a topic over raw sockets: what an engine can do when its client costs next to nothing.
//! `stub` is the opposite: an engine that costs next to nothing.

mod http;
mod load;
mod stub;
mod waiting;

use std::collections::HashMap;
use std::env;
use std::process::exit;

/// What stands on the command line, as pairs of `--name value`.
pub struct Options(HashMap<String, String>);

impl Options {
    fn read(arguments: &[String]) -> Options {
        let mut found = HashMap::new();
        for pair in arguments.chunks(2) {
            match (pair[0].strip_prefix("--"), pair.get(1)) {
                (Some(name), Some(value)) => found.insert(name.to_string(), value.clone()),
                _ => fail(&format!("not understood: {}", pair.join(" "))),
            };
        }
        Options(found)
    }

    pub fn text(&self, name: &str, otherwise: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| otherwise.to_string())
    }

    pub fn number(&self, name: &str, otherwise: u64) -> u64 {
        match self.0.get(name).map(|text| text.parse()) {
            None => otherwise,
            Some(Ok(number)) => number,
            Some(Err(_)) => fail(&format!("--{name} takes a whole number")),
        }
    }
}

/// Say what is wrong, and end.
pub fn fail(what: &str) -> ! {
    eprintln!("loader: {what}");
    exit(2)
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == "load" => load::run(&Options::read(rest)),
        Some((command, rest)) if command == "stub" => stub::run(&Options::read(rest)),
        _ => fail("say `load` or `stub`, then --name value ..."),
    }
}
