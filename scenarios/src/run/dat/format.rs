//! The layouts of events, from the texts that tracefs shows.

use super::value::Datum;

/// Of Linux 6.12 on x86-64, with exits named as on AMD (include/trace/events and arch/x86/kvm/trace.h).
const LINUX_6_12: &str = include_str!("formats.txt");

/// An event.
struct Format {
    system: &'static str,
    name: &'static str,
    id: u64,
    text: &'static str,
    fields: Vec<Field>,
    /// Bytes of a record without what stands behind it.
    size: usize,
}

struct Field {
    name: &'static str,
    at: usize,
    size: usize,
    /// The bytes stand behind the record; here is where, and how many.
    elsewhere: bool,
}

/// All events.
pub(super) struct Formats(Vec<Format>);

impl Formats {
    pub(super) fn linux_6_12() -> Self {
        let blocks = LINUX_6_12.split("system: ").skip(1);
        Self(blocks.filter_map(format).collect())
    }

    /// A record: common fields and its own. None of an event that is not known, or lacks a field.
    pub(super) fn encode(
        &self,
        name: &[u8],
        common: &[(&str, Datum<'_>)],
        own: &[(&str, Datum<'_>)],
    ) -> Option<Vec<u8>> {
        let format = self.0.iter().find(|format| format.name.as_bytes() == name)?;
        let mut record = vec![0; format.size];
        for field in &format.fields {
            let datum = match field.name {
                "common_type" => Datum::Number(format.id),
                _ => given(common, field.name).or_else(|| given(own, field.name))?,
            };
            field.put(&mut record, datum);
        }
        Some(record)
    }

    /// Appends what a file says of events, by their systems.
    pub(super) fn head(&self, out: &mut Vec<u8>) {
        let mut systems: Vec<&str> = self.0.iter().map(|format| format.system).collect();
        systems.sort_unstable();
        systems.dedup();
        out.extend((systems.len() as u32).to_le_bytes());
        for system in systems {
            let own: Vec<&Format> = self.0.iter().filter(|it| it.system == system).collect();
            out.extend_from_slice(system.as_bytes());
            out.push(0);
            out.extend((own.len() as u32).to_le_bytes());
            own.iter().for_each(|format| sized(out, format.text.as_bytes()));
        }
    }
}

/// The field of that name.
fn given<'a>(list: &[(&str, Datum<'a>)], wanted: &str) -> Option<Datum<'a>> {
    list.iter().find(|(name, _)| *name == wanted).map(|(_, datum)| *datum)
}

impl Field {
    fn put(&self, record: &mut Vec<u8>, datum: Datum<'_>) {
        match datum {
            Datum::Number(number) => {
                let bytes = number.to_le_bytes();
                record[self.at..self.at + self.size].copy_from_slice(&bytes[..self.size]);
            }
            Datum::Text(text) if self.elsewhere => {
                let at = record.len();
                record.extend_from_slice(text);
                record.push(0);
                let place = ((text.len() + 1) << 16 | at) as u32;
                record[self.at..self.at + 4].copy_from_slice(&place.to_le_bytes());
            }
            Datum::Text(text) => {
                // The last byte stays the end.
                let length = text.len().min(self.size - 1);
                record[self.at..self.at + length].copy_from_slice(&text[..length]);
            }
        }
    }
}

/// Appends a text behind its length.
pub(super) fn sized(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text);
}

/// An event from its block; a test holds that none is left out.
fn format(block: &'static str) -> Option<Format> {
    let (system, text) = block.split_once('\n')?;
    let text = text.trim_end_matches('\n');
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let fields: Vec<Field> = text.lines().filter_map(field).collect();
    let size = fields.iter().map(|field| field.at + field.size).max()?.next_multiple_of(8);
    Some(Format {
        system,
        name: value("name: ")?,
        id: value("ID: ")?.parse().ok()?,
        text,
        fields,
        size,
    })
}

/// A line as `field:unsigned int vcpu_id; offset:8; size:4; signed:0;`, with tabs.
fn field(line: &'static str) -> Option<Field> {
    let mut parts = line.trim().strip_prefix("field:")?.split(';');
    let declared = parts.next()?;
    let mut number = |key: &str| parts.next()?.trim().strip_prefix(key)?.parse().ok();
    let (at, size) = (number("offset:")?, number("size:")?);
    let name = declared.rsplit([' ', '*']).next()?;
    let name = name.split('[').next().unwrap_or(name);
    Some(Field { name, at, size, elsewhere: declared.starts_with("__data_loc") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_an_event_whose_fields_do_not_overlap() {
        let formats = Formats::linux_6_12();
        assert_eq!(formats.0.len(), LINUX_6_12.matches("system: ").count());
        for format in &formats.0 {
            assert_eq!(
                format.fields.len(),
                format.text.matches("\tfield:").count(),
                "{}",
                format.name
            );
            assert!(format.text.contains("print fmt: "), "{}", format.name);
            let mut end = 0;
            for field in &format.fields {
                assert!(field.at >= end && (1..=16).contains(&field.size), "{}", field.name);
                end = field.at + field.size;
            }
        }
        let mut ids: Vec<u64> = formats.0.iter().map(|format| format.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), formats.0.len());
    }
}
