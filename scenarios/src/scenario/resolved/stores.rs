//! The names of what is said of stores.

use models::config::StoreConfig;

use super::lines::{Unit, device, plain, written};
use super::row::Named;

/// What has come so far of the lines of stores.
pub(super) struct Stores {
    /// Of each image: the place of its store in the file. None: another image of one that was named, as several
    /// virtual machines have, says the same again.
    places: Vec<Option<usize>>,
    seen: usize,
    /// The device of which lines come is a volume.
    volume: bool,
}

impl Stores {
    pub(super) fn new(images: &[StoreConfig]) -> Self {
        let mut places = 0..;
        let place = |image: &StoreConfig| match image.shares {
            None => places.next(),
            Some(_) => None,
        };
        Self { places: images.iter().map(place).collect(), seen: 0, volume: false }
    }

    /// The values of a line.
    pub(super) fn line(&mut self, field: &str, value: &str) -> Vec<Named> {
        if field.is_empty() {
            self.seen += 1;
        }
        let place = self.seen.checked_sub(1).and_then(|at| self.places.get(at).copied());
        let Some(Some(place)) = place else { return Vec::new() };
        let base = format!("host.stores[{place}]");
        let handler = |field: &str, value: &str| plain(format!("{base}.handler.{field}"), value);
        let several = |prefix: &str, names: [&str; 3]| {
            let values = value.split(' ');
            let row = |(name, value): (&str, &str)| handler(&format!("{prefix}{name}"), value);
            names.into_iter().zip(values).map(row).collect()
        };
        match field {
            "" => {
                let name = value.rsplit(':').next().unwrap_or(value);
                vec![plain(format!("{base}.name"), name)]
            }
            "vm" | "shares" => Vec::new(),
            "device" => {
                self.volume = value == "volume";
                vec![device(&format!("{base}.device"), "", value, self.volume)]
            }
            "advice" => vec![plain(format!("{base}.advice"), value)],
            "read_ahead_pages" => {
                vec![plain(format!("{base}.read_ahead"), written(value, Unit::Pages))]
            }
            "handler" => several("", ["readers", "installers", "batch"]),
            "around" => vec![handler("around", &written(value, Unit::Pages))],
            "latency" => vec![handler("latency", &written(value, Unit::Time))],
            "prefetch" => several("prefetch.", ["threads", "batch", "before_start"]),
            "prefetch.pace" => vec![handler(
                "prefetch.rate",
                &format!("a page each {}", written(value, Unit::Time)),
            )],
            "prefetch.run" => vec![handler("prefetch.pages", value)],
            _ => match field.strip_prefix("device.") {
                Some(own) => vec![device(&format!("{base}.device"), own, value, self.volume)],
                None => vec![handler(field, value)],
            },
        }
    }
}
