//! Text that is almost right: bytes and JSON, changed at random from a seed, so that a change can
//! be made again.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

/// Fragments that break parsers.
const MORSELS: [&[u8]; 16] = [
    b"{",
    b"}",
    b"[",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\xff\xfe",
    b"\xf0\x9f\x94\x91",
    b"\r\n\r\n",
    b"</html>",
    b"{{",
    b"%}",
];

/// The source of randomness.
pub struct Mutator(StdRng);

impl Mutator {
    /// The one that `seed` leads to.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Returns `true` once in `times`, at random.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.0.random_ratio(1, times.max(1))
    }

    /// One of `all`, of which there is at least one.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        all.choose(&mut self.0).unwrap_or(&all[0])
    }

    /// `text` with a few changes. If it is JSON, it mostly stays JSON.
    pub fn changed(&mut self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for _ in 0..self.0.random_range(1..4) {
            text = match serde_json::from_slice(&text) {
                Ok(mut value) if !self.once_in(3) => {
                    self.change_value(&mut value);
                    value.to_string().into_bytes()
                }
                _ => self.change_bytes(text),
            };
        }
        text
    }

    fn change_bytes(&mut self, mut text: Vec<u8>) -> Vec<u8> {
        let from = self.0.random_range(0..=text.len());
        let to = self.0.random_range(from..=text.len());
        match self.0.random_range(0..5) {
            0 => text.truncate(from),
            1 => drop(text.drain(from..to)),
            2 => {
                let again = text[from..to].to_vec();
                text.splice(from..from, again);
            }
            3 => {
                let morsel = *self.one_of(&MORSELS);
                text.splice(from..from, morsel.iter().copied());
            }
            _ => {
                if let Some(byte) = text.get_mut(from) {
                    *byte ^= 1 << self.0.random_range(0..8);
                }
            }
        }
        text
    }

    /// Changes something somewhere in it.
    fn change_value(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) if !members.is_empty() && !self.once_in(8) => {
                let keys: Vec<String> = members.keys().cloned().collect();
                let key = self.one_of(&keys).clone();
                match self.0.random_range(0..6) {
                    0 => drop(members.remove(&key)),
                    1 => {
                        let moved = members.remove(&key).unwrap_or_default();
                        members.insert(key.to_uppercase(), moved);
                    }
                    _ => self.change_value(&mut members[&key]),
                }
            }
            Value::Array(entries) if !entries.is_empty() && !self.once_in(4) => {
                let index = self.0.random_range(0..entries.len());
                match self.0.random_range(0..4) {
                    0 => drop(entries.remove(index)),
                    1 => entries.push(entries[index].clone()),
                    _ => self.change_value(&mut entries[index]),
                }
            }
            value => *value = self.another(value),
        }
    }

    fn another(&mut self, value: &Value) -> Value {
        let text = value.as_str().unwrap_or("1");
        let others = [
            json!(null),
            json!(true),
            json!(""),
            json!(" "),
            json!(-1),
            json!(u64::MAX),
            json!(1e300),
            json!([value]),
            json!({ "value": value }),
            json!(format!("{text}\u{0}\n")),
            json!(format!(" {text} ")),
            json!(text.to_uppercase()),
            json!(text.repeat(100)),
            json!(text.chars().rev().collect::<String>()),
            json!("9999-12-31T23:59:60Z"),
            json!("../../etc?x=1#y"),
        ];
        self.one_of(&others).clone()
    }
}
