//! What the kernels do, mechanism by mechanism, since when, and where that is known from.

use models::apf::rules::{
    Applied, Backport, Change, Generation, Origin, Setting, before_the_next, generations,
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
        "before_the_next": values(early(generation)),
        "backports": values(backports(generation)),
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
        pieces.extend(listing("mainline releases before the next generation:", early(self.0)));
        pieces.extend(listing("later releases of this long-term tree:", backports(self.0)));
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
            "before_the_next": values(early(self.0)),
            "backports": values(backports(self.0)),
        }))
    }
}

/// What a release does otherwise than its generation: the release, what it has, where that is known from.
type Later = (&'static str, Setting, &'static str);

/// What mainline releases up to the next generation do otherwise.
fn early(generation: &Generation) -> Vec<Later> {
    let of = |change: &Change| (change.since.unwrap_or_default(), change.new, change.source);
    before_the_next(generation).map(of).collect()
}

/// What later releases of the generation's long-term tree do otherwise.
fn backports(generation: &Generation) -> Vec<Later> {
    let of = |backport: &Backport| (backport.release, backport.new, backport.source);
    generation.backports.iter().map(of).collect()
}

fn listing(title: &str, later: Vec<Later>) -> Vec<Piece> {
    let entry = |(release, new, source): Later| {
        (release.to_owned(), format!("{} is {new}. Source: {source}", new.mechanism().name()))
    };
    let entries: Vec<_> = later.into_iter().map(entry).collect();
    match entries.is_empty() {
        true => Vec::new(),
        false => vec![Piece::Line(title.to_owned()), Piece::Listing(entries, 2)],
    }
}

fn values(later: Vec<Later>) -> Vec<Value> {
    let value = |(release, new, source): Later| {
        json!({
            "release": release,
            "mechanism": new.mechanism().name(),
            "value": new.to_string(),
            "source": source,
        })
    };
    later.into_iter().map(value).collect()
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
