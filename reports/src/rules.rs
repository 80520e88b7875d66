//! What the kernels do, mechanism by mechanism, since when, and where that is known from.

use models::apf::rules::{
    Applied, Backport, Change, Generation, Origin, before_the_next, generations,
};
use serde_json::{Value, json};

use crate::page::{Page, Piece};
use crate::report::Report;

/// The generations.
#[derive(Clone, Copy, Debug)]
pub struct Generations;

impl Report for Generations {
    fn page(&self) -> Page {
        let line = |g: &Generation| (g.name.to_owned(), format!("{}  {}", g.date, g.summary));
        Page::of([vec![Piece::Listing(generations().iter().map(line).collect(), 0)]])
    }

    fn object(&self) -> String {
        text(&Value::Array(generations().iter().map(generation).collect()))
    }
}

fn generation(generation: &Generation) -> Value {
    let change = |applied: &Applied| {
        json!({
            "mechanism": applied.mechanism.name(),
            "old": applied.old.to_string(),
            "new": applied.new.to_string(),
            "source": applied.source,
        })
    };
    json!({
        "name": generation.name,
        "date": generation.date,
        "parent": generation.parent,
        "summary": generation.summary,
        "changes": generation.applied().iter().map(change).collect::<Vec<_>>(),
        "before_the_next": early_values(generation),
        "backports": backport_values(generation),
    })
}

/// Every mechanism of one generation.
#[derive(Clone, Copy, Debug)]
pub struct Mechanisms<'a>(pub &'a Generation);

impl Report for Mechanisms<'_> {
    fn page(&self) -> Page {
        let Generation { name, date, summary, .. } = self.0;
        let entry = |origin: &Origin| {
            let Origin { setting, since, source } = origin;
            let mechanism = setting.mechanism();
            let says = mechanism.describes();
            let text = format!("{setting}, since {since}. {says} Source: {source}");
            (mechanism.name().to_owned(), text)
        };
        let title = Piece::text(format!("{name} ({date}): {summary}"));
        let mut pieces =
            vec![title, Piece::Listing(self.0.origins().iter().map(entry).collect(), 2)];
        pieces.extend(early(self.0));
        pieces.extend(backports(self.0));
        Page::of([pieces])
    }

    fn object(&self) -> String {
        let value = |origin: &Origin| {
            let mechanism = origin.setting.mechanism();
            json!({
                "mechanism": mechanism.name(),
                "side": mechanism.side().name(),
                "describes": mechanism.describes(),
                "value": origin.setting.to_string(),
                "since": origin.since,
                "source": origin.source,
            })
        };
        text(&json!({
            "name": self.0.name,
            "date": self.0.date,
            "parent": self.0.parent,
            "summary": self.0.summary,
            "mechanisms": self.0.origins().iter().map(value).collect::<Vec<_>>(),
            "before_the_next": early_values(self.0),
            "backports": backport_values(self.0),
        }))
    }
}

/// What mainline releases up to the next generation do otherwise.
fn early(generation: &Generation) -> Vec<Piece> {
    let entry = |change: &Change| {
        let text = format!(
            "{} is {}. Source: {}",
            change.new.mechanism().name(),
            change.new,
            change.source
        );
        (change.since.unwrap_or_default().to_owned(), text)
    };
    let entries: Vec<_> = before_the_next(generation).map(entry).collect();
    if entries.is_empty() {
        return Vec::new();
    }
    let title = "mainline releases before the next generation:".to_owned();
    vec![Piece::Line(title), Piece::Listing(entries, 2)]
}

fn early_values(generation: &Generation) -> Vec<Value> {
    let value = |change: &Change| {
        json!({
            "release": change.since,
            "mechanism": change.new.mechanism().name(),
            "value": change.new.to_string(),
            "source": change.source,
        })
    };
    before_the_next(generation).map(value).collect()
}

/// What later releases of the generation's long-term tree do otherwise.
fn backports(generation: &Generation) -> Vec<Piece> {
    if generation.backports.is_empty() {
        return Vec::new();
    }
    let entry = |backport: &Backport| {
        let Backport { release, new, source } = backport;
        let text = format!("{} is {new}. Source: {source}", new.mechanism().name());
        ((*release).to_owned(), text)
    };
    let entries: Vec<_> = generation.backports.iter().map(entry).collect();
    let title = "later releases of this long-term tree:".to_owned();
    vec![Piece::Line(title), Piece::Listing(entries, 2)]
}

fn backport_values(generation: &Generation) -> Vec<Value> {
    let value = |backport: &Backport| {
        json!({
            "release": backport.release,
            "mechanism": backport.new.mechanism().name(),
            "value": backport.new.to_string(),
            "source": backport.source,
        })
    };
    generation.backports.iter().map(value).collect()
}

/// The mechanisms in which two generations differ.
#[derive(Clone, Copy, Debug)]
pub struct Differences<'a> {
    /// The first.
    pub old: &'a Generation,
    /// The second.
    pub new: &'a Generation,
}

impl Differences<'_> {
    fn pairs(&self) -> Vec<(Origin, Origin)> {
        let pairs = self.old.origins().into_iter().zip(self.new.origins());
        pairs.filter(|(old, new)| old.setting != new.setting).collect()
    }

    /// When it changed, and the source. The value of the generation that is older came into being
    /// before; the change is the other's.
    fn source(&self, before: &Origin, after: &Origin) -> (&'static str, &'static str) {
        let newer = if self.new.date < self.old.date { before } else { after };
        (newer.since, newer.source)
    }
}

impl Report for Differences<'_> {
    fn page(&self) -> Page {
        let pairs = self.pairs();
        let entry = |(before, after): &(Origin, Origin)| {
            let (since, source) = self.source(before, after);
            let text = format!(
                "{} -> {}. Changed in {since}. Source: {source}",
                before.setting, after.setting
            );
            (before.setting.mechanism().name().to_owned(), text)
        };
        let (old, new, count) = (self.old.name, self.new.name, pairs.len());
        let title = Piece::text(format!("{old} -> {new}: {count} mechanisms differ"));
        Page::of([vec![title, Piece::Listing(pairs.iter().map(entry).collect(), 2)]])
    }

    fn object(&self) -> String {
        let value = |(before, after): &(Origin, Origin)| {
            let (since, source) = self.source(before, after);
            json!({
                "mechanism": before.setting.mechanism().name(),
                "old": before.setting.to_string(),
                "new": after.setting.to_string(),
                "changed_in": since,
                "source": source,
            })
        };
        text(&json!({
            "old": self.old.name,
            "new": self.new.name,
            "differences": self.pairs().iter().map(value).collect::<Vec<_>>(),
        }))
    }
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}
