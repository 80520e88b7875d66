//! What the kernels do, mechanism by mechanism, since when, and where that is known from.

use models::apf::rules::{
    Applied, Backport, Change, Generation, Origin, Release, Setting, before_the_next, generations,
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

/// A generation, or a kernel release that has one.
#[derive(Clone, Debug)]
pub struct Kernel {
    generation: &'static Generation,
    /// The release as it was asked for, where it is one.
    release: Option<(String, Release)>,
}

impl From<&'static Generation> for Kernel {
    fn from(generation: &'static Generation) -> Self {
        Self { generation, release: None }
    }
}

impl Kernel {
    /// What the release does that was asked for by this name.
    pub fn of_release(name: &str, release: Release) -> Self {
        Self { generation: release.generation, release: Some((name.to_owned(), release)) }
    }

    fn name(&self) -> &str {
        self.release.as_ref().map_or(self.generation.name, |(name, _)| name)
    }

    fn origins(&self) -> Vec<Origin> {
        match &self.release {
            Some((_, release)) => release.origins(),
            None => self.generation.origins(),
        }
    }

    /// What it is, in a line.
    fn title(&self) -> String {
        let Generation { name, date, summary, .. } = self.generation;
        let Some((release, its)) = &self.release else {
            return format!("{name} ({date}): {summary}");
        };
        let besides = match its.settings().count() {
            0 => String::new(),
            1 => ", and 1 mechanism as in newer kernels".to_owned(),
            count => format!(", and {count} mechanisms as in newer kernels"),
        };
        format!("{release}: generation {name} ({date}){besides}")
    }

    /// What mainline releases up to the next generation do otherwise, and this one does not.
    fn early(&self) -> Vec<Later> {
        let had = |later: &Later| self.has(|its| its.early.iter().any(|it| it.new == later.1));
        early(self.generation).into_iter().filter(|later| !had(later)).collect()
    }

    /// What later releases of the generation's long-term tree do otherwise, and this one does not.
    fn backports(&self) -> Vec<Later> {
        let had = |later: &Later| self.has(|its| its.backports.iter().any(|it| it.new == later.1));
        backports(self.generation).into_iter().filter(|later| !had(later)).collect()
    }

    fn has(&self, of: impl Fn(&Release) -> bool) -> bool {
        self.release.as_ref().is_some_and(|(_, release)| of(release))
    }

    /// What is later has more.
    fn age(&self) -> (&str, usize) {
        let more = self.release.as_ref().map_or(0, |(_, release)| release.settings().count());
        (self.generation.date, more)
    }
}

/// Every mechanism of one kernel.
#[derive(Clone, Debug)]
pub struct Mechanisms(pub Kernel);

impl Report for Mechanisms {
    fn page(&self) -> Page {
        let entry = |origin: &Origin| {
            let Origin { setting, since, source } = origin;
            let mechanism = setting.mechanism();
            let says = mechanism.describes();
            let text = format!("{setting}, since {since}. {says} Source: {source}");
            (mechanism.name().to_owned(), text)
        };
        let title = Piece::text(self.0.title());
        let mut pieces =
            vec![title, Piece::Listing(self.0.origins().iter().map(entry).collect(), 2)];
        pieces.extend(listing("mainline releases before the next generation:", self.0.early()));
        pieces.extend(listing("later releases of this long-term tree:", self.0.backports()));
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
        let Generation { name, date, parent, summary, .. } = self.0.generation;
        text(&json!({
            "name": self.0.name(),
            "generation": name,
            "date": date,
            "parent": parent,
            "summary": summary,
            "mechanisms": self.0.origins().iter().map(value).collect::<Vec<_>>(),
            "before_the_next": values(self.0.early()),
            "backports": values(self.0.backports()),
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

/// The mechanisms in which two kernels differ.
#[derive(Clone, Debug)]
pub struct Differences {
    /// The first.
    pub old: Kernel,
    /// The second.
    pub new: Kernel,
}

impl Differences {
    fn pairs(&self) -> Vec<(Origin, Origin)> {
        let pairs = self.old.origins().into_iter().zip(self.new.origins());
        pairs.filter(|(old, new)| old.setting != new.setting).collect()
    }

    /// When it changed, and the source. The value of the generation that is older came into being
    /// before; the change is the other's.
    fn source(&self, before: &Origin, after: &Origin) -> (&'static str, &'static str) {
        let newer = if self.new.age() < self.old.age() { before } else { after };
        (newer.since, newer.source)
    }
}

impl Report for Differences {
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
        let (old, new, count) = (self.old.name(), self.new.name(), pairs.len());
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
            "old": self.old.name(),
            "new": self.new.name(),
            "differences": self.pairs().iter().map(value).collect::<Vec<_>>(),
        }))
    }
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}
