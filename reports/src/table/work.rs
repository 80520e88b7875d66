//! The measure by policy: work as in the letters that published it, unless a scenario asks for another one.

use scenarios::{Comparison, PolicyResult, Published};

use crate::measure::Measure;
use crate::page::{Column, Grid, Piece};

pub(super) fn block(comparison: &Comparison) -> Vec<Piece> {
    let measure = Measure::of(comparison);
    let mut grid = Grid::new(vec![
        Column::left(measure.heading()),
        Column::right("mean"),
        Column::right("std error"),
        Column::right("ratio"),
        Column::left("95% interval"),
    ]);
    for policy in &comparison.policies {
        grid.row(simulated(comparison, &measure, policy));
        if let Some(published) = comparison.published(&policy.policy, &comparison.measure) {
            grid.row(as_published(comparison, &measure, published));
        }
    }
    let published = sources(comparison).into_iter().map(|source| {
        let text = format!("Published: {source}");
        Piece::Text { text, first: 0, further: 2 }
    });
    std::iter::once(Piece::Grid(grid)).chain(published).collect()
}

fn simulated(comparison: &Comparison, measure: &Measure<'_>, policy: &PolicyResult) -> Vec<String> {
    let mut cells = vec![format!("  {}", policy.policy)];
    let Some(work) = policy.metric(&comparison.measure) else {
        cells.push("-".to_owned());
        return cells;
    };
    cells.push(measure.value(work.mean));
    cells.push(work.stderr.map(|error| measure.value(error)).unwrap_or_default());
    let ratio = comparison.ratio(&policy.policy, &comparison.measure);
    let is_baseline = policy.policy == comparison.baseline && comparison.policies.len() > 1;
    cells.push(match ratio {
        Some(ratio) => decimal(ratio.mean),
        None if is_baseline => decimal(1.0),
        None => String::new(),
    });
    let interval = ratio.and_then(|ratio| ratio.ci95);
    cells.push(
        interval
            .map(|(low, high)| format!("[{}, {}]", decimal(low), decimal(high)))
            .unwrap_or_default(),
    );
    cells
}

fn as_published(
    comparison: &Comparison,
    measure: &Measure<'_>,
    published: &Published,
) -> Vec<String> {
    let baseline = comparison.published(&comparison.baseline, &comparison.measure);
    let ratio = baseline.map(|baseline| published.mean / baseline.mean).map(decimal);
    vec![
        "    published".to_owned(),
        measure.value(published.mean),
        published.stderr.map(|error| measure.value(error)).unwrap_or_default(),
        ratio.unwrap_or_default(),
    ]
}

fn decimal(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.3}") } else { "-".to_owned() }
}

/// Where published work comes from; each source once.
fn sources(comparison: &Comparison) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    for published in comparison.published.iter().filter(|entry| entry.metric == comparison.measure)
    {
        if !published.source.is_empty() && !sources.contains(&published.source.as_str()) {
            sources.push(&published.source);
        }
    }
    sources
}
