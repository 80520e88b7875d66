//! The digest of a run: one number that differs when any record differs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use xxhash_rust::xxh3::Xxh3;

use crate::base::record::{Event, Record};

/// The digest of a trace, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DigestValue(pub u128);

impl fmt::Display for DigestValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest of 32 hexadecimal digits")]
pub struct ParseDigestError(String);

impl FromStr for DigestValue {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Some(text)
            .filter(|text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| u128::from_str_radix(text, 16).ok())
            .map(Self)
            .ok_or_else(|| ParseDigestError(text.to_owned()))
    }
}

impl Serialize for DigestValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DigestValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// XXH3 (128 bits) over the time (8 bytes, little-endian) and the byte form of every record.
/// How records are cut into batches does not matter.
#[derive(Clone)]
pub struct Digest {
    hash: Xxh3,
    bytes: Vec<u8>,
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Digest").field(&self.value()).finish()
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl Digest {
    /// The digest of no records.
    pub fn new() -> Self {
        Self { hash: Xxh3::new(), bytes: Vec::new() }
    }

    /// Takes in the next records.
    pub fn observe(&mut self, records: &[Record]) {
        const TIME: usize = 8;
        const LONGEST: usize = TIME + Event::LONGEST;
        if self.bytes.len() < records.len() * LONGEST {
            self.bytes.resize(records.len() * LONGEST, 0);
        }
        let mut at = 0;
        for record in records {
            let room = &mut self.bytes[at..at + LONGEST];
            room[..TIME].copy_from_slice(&record.time.as_ps().to_le_bytes());
            at += TIME + record.event.encode(&mut room[TIME..]);
        }
        self.hash.update(&self.bytes[..at]);
    }

    /// The digest of all records so far; observing may go on.
    pub fn value(&self) -> DigestValue {
        DigestValue(self.hash.digest128())
    }
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;

    use super::*;
    use crate::base::ids::VcpuId;
    use crate::base::record::Event;

    fn records(n: u16) -> Vec<Record> {
        (0..n)
            .map(|i| Record {
                time: SimTime::from_ps(u64::from(i) * 7),
                event: Event::KvmEntry { vcpu: VcpuId(i % 3) },
            })
            .collect()
    }

    fn digest(batches: &[&[Record]]) -> DigestValue {
        let mut digest = Digest::new();
        for batch in batches {
            digest.observe(batch);
        }
        digest.value()
    }

    #[test]
    fn batches_do_not_matter() {
        let all = records(1000);
        assert_eq!(digest(&[&all]), digest(&[&all[..1], &[], &all[1..700], &all[700..]]));
    }

    #[test]
    fn time_content_order_and_length_matter() {
        let all = records(10);
        let whole = digest(&[&all]);
        let mut later = all.clone();
        later[3].time = SimTime::from_ps(22);
        let mut swapped = all.clone();
        swapped.swap(4, 5);
        let mut other = all.clone();
        other[9].event = Event::ApfUnhalt { vcpu: VcpuId(0) };
        for changed in [&later[..], &swapped, &other, &all[..9]] {
            assert_ne!(whole, digest(&[changed]));
        }
    }

    /// Stored digests are good only as long as these values stay.
    #[test]
    fn the_form_is_stable() {
        assert_eq!(digest(&[]).to_string(), "99aa06d3014798d86001c324468d497f");
        assert_eq!(digest(&[&records(3)]).to_string(), "152144f54ba1f3350c339b455b1efb52");
    }

    #[test]
    fn text_form_round_trips() {
        let value = DigestValue(0x1f);
        let text = value.to_string();
        assert_eq!(text, "0000000000000000000000000000001f");
        assert_eq!(text.parse(), Ok(value));
        for wrong in ["", "1f", "+000000000000000000000000000001f", &format!("{text}0")] {
            assert!(wrong.parse::<DigestValue>().is_err(), "{wrong}");
        }
    }
}
