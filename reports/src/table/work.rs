//! Work by policy, as in the letters that published it.

use models::trace::metrics::WORK_TOTAL;
use scenarios::{Comparison, PolicyResult, Published};

use crate::format::grouped;
use crate::page::{Column, Grid, Piece};

pub(super) fn block(comparison: &Comparison) -> Vec<Piece> {
    let unit = comparison
        .policies
        .iter()
        .find_map(|policy| policy.metric(WORK_TOTAL))
        .map_or("units", |work| work.unit.as_str());
    let mut grid = Grid::new(vec![
        Column::left(format!("Work ({unit})")),
        Column::right("mean"),
        Column::right("std error"),
        Column::right("ratio"),
        Column::left("95% interval"),
    ]);
    for policy in &comparison.policies {
        grid.row(simulated(comparison, policy));
        if let Some(published) = comparison.published(&policy.policy, WORK_TOTAL) {
            grid.row(as_published(comparison, published));
        }
    }
    let published = sources(comparison).into_iter().map(|source| {
        let text = format!("Published: {source}");
        Piece::Text { text, first: 0, further: 2 }
    });
    std::iter::once(Piece::Grid(grid)).chain(published).collect()
}

fn simulated(comparison: &Comparison, policy: &PolicyResult) -> Vec<String> {
    let mut cells = vec![format!("  {}", policy.policy)];
    let Some(work) = policy.metric(WORK_TOTAL) else {
        cells.push("-".to_owned());
        return cells;
    };
    cells.push(grouped(work.mean));
    cells.push(work.stderr.map(grouped).unwrap_or_default());
    let ratio = comparison.ratio(&policy.policy, WORK_TOTAL);
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

fn as_published(comparison: &Comparison, published: &Published) -> Vec<String> {
    let baseline = comparison.published(&comparison.baseline, WORK_TOTAL);
    let ratio = baseline.map(|baseline| published.mean / baseline.mean).map(decimal);
    vec![
        "    published".to_owned(),
        grouped(published.mean),
        published.stderr.map(grouped).unwrap_or_default(),
        ratio.unwrap_or_default(),
    ]
}

fn decimal(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.3}") } else { "-".to_owned() }
}

/// Where published work comes from; each source once.
fn sources(comparison: &Comparison) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    for published in comparison.published.iter().filter(|entry| entry.metric == WORK_TOTAL) {
        if !published.source.is_empty() && !sources.contains(&published.source.as_str()) {
            sources.push(&published.source);
        }
    }
    sources
}
