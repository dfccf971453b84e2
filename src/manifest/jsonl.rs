//! JSON Lines: an object a line.

use super::entry::{Entry, PASSWORD, Position, entry, set};
use super::error::{Problem, column_of};
use super::lines::Lines;
use super::reader::Body;
use super::warning::Reading;
use crate::model::ManifestLine;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::io::BufRead;

/// The lines of JSON Lines.
pub(super) struct Jsonl(Lines);

impl Jsonl {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self(Lines::new(input))
    }
}

impl Body for Jsonl {
    /// The next entry; blank lines are skipped.
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            match self.0.next()? {
                Ok((_, bytes)) if bytes.trim_ascii().is_empty() => {}
                Ok((number, bytes)) => return Some(read(number, bytes, reading)),
                Err(problem) => return Some(Err(problem)),
            }
        }
    }
}

fn read(number: u64, bytes: &[u8], reading: &mut Reading) -> Result<Entry, Problem> {
    if let Err(e) = std::str::from_utf8(bytes) {
        return Err(Problem::line(number, column_of(bytes, e.valid_up_to()), "not UTF-8; JSON is text in UTF-8"));
    }
    if bytes.trim_ascii_start().starts_with(b"[") {
        let message = "an array; JSON Lines has one object a line (`jq -c '.[]'` makes them of an array)";
        return Err(Problem::line(number, 1, message));
    }
    let Fields(fields) = serde_json::from_slice(bytes)
        .map_err(|e| Problem::line(number, column_of(bytes, e.column().saturating_sub(1)), &without_place(&e)))?;
    let at_key = |key: &str, message: &str| Problem::line(number, column_of(bytes, find_key(bytes, key)), message);
    let mut line = ManifestLine::default();
    let veiled = fields.iter().any(|(key, _)| key == PASSWORD);
    for (key, value) in fields {
        set(&mut line, &key, value, veiled).map_err(|message| at_key(&key, &message))?;
    }
    entry(line.into(), Position { line: number, column: 1 }, reading).map_err(|bad| at_key(bad.key, &bad.message))
}

/// The parser's message without its own place.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text).to_owned()
}

/// Where a key stands in the line, in bytes; 0 where it is absent, or written with escapes.
fn find_key(line: &[u8], key: &str) -> usize {
    let quoted = format!("\"{key}\"");
    let quoted = quoted.as_bytes();
    line.windows(quoted.len())
        .enumerate()
        .filter(|(_, window)| *window == quoted)
        .map(|(at, _)| at)
        .find(|at| line.get(at + quoted.len()..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b":")))
        .unwrap_or(0)
}

/// The pairs of an object in their order; a key that comes twice is an error, where a map would keep the last.
pub(super) struct Fields(pub(super) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"url\":\"ftp://host/file\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut pairs: Vec<(String, Value)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom(format!("the key `{key}` comes twice")));
                    }
                    // A line may hold half a million keys, and twice is looked for among all of them.
                    if pairs.len() >= 64 {
                        return Err(A::Error::custom("more than 64 keys"));
                    }
                    pairs.push((key, value));
                }
                Ok(Fields(pairs))
            }
        }
        input.deserialize_map(Pairs)
    }
}
