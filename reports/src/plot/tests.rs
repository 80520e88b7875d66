//! No text may leave the page or cover another, whatever is plotted.

use super::scene::{Scene, Shape, Text};
use super::{of_comparison, page};
use crate::fixture;
use scenarios::Comparison;

fn all() -> [(&'static str, Comparison); 3] {
    [("natapov", fixture::natapov()), ("nothing", fixture::nothing()), ("crowd", fixture::crowd())]
}

/// Fails when a text leaves the page or covers another.
#[track_caller]
pub(super) fn check_texts(what: &str, scene: &Scene) {
    let mut texts: Vec<&Text> = Vec::new();
    for shape in &scene.shapes {
        if let Shape::Text(text) = shape {
            texts.push(text);
        }
    }
    for (index, text) in texts.iter().enumerate() {
        let (left, top, right, bottom) = text.extent();
        let inside = left >= 0.0 && top >= 0.0 && right <= scene.width && bottom <= scene.height;
        assert!(inside, "{what}: {text:?} leaves the page");
        for other in &texts[..index] {
            let (l, t, r, b) = other.extent();
            let apart = right <= l || r <= left || bottom <= t || b <= top;
            assert!(apart, "{what}: {text:?} covers {other:?}");
        }
    }
}

#[test]
fn texts_stay_on_the_page_and_apart() {
    for (name, comparison) in all() {
        for figure in of_comparison(&comparison) {
            figure.check_texts(name);
        }
    }
}

#[test]
fn svg_is_text_with_a_view_box() {
    for (_, comparison) in all() {
        for figure in of_comparison(&comparison) {
            let svg = figure.svg().unwrap();
            assert!(svg.starts_with(r#"<svg width="800" "#), "{}", &svg[..80]);
            assert!(svg.contains(r#"viewBox="0 0 3200 "#));
            assert!(svg.contains("sans-serif"));
            assert!(svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}

#[test]
fn plots_are_the_same_every_time() {
    let comparison = fixture::natapov();
    for (one, other) in of_comparison(&comparison).iter().zip(of_comparison(&comparison)) {
        assert_eq!(one.svg().unwrap(), other.svg().unwrap());
        assert_eq!(one.png().unwrap(), other.png().unwrap());
    }
}

#[test]
fn names_cannot_break_the_svg() {
    let mut comparison = fixture::natapov();
    comparison.policies[0].policy = "<b>&\u{1}\"".to_owned();
    for figure in of_comparison(&comparison) {
        let svg = figure.svg().unwrap();
        assert!(svg.contains("&lt;b&gt;&amp; &quot;"));
        assert!(!svg.contains('\u{1}'));
    }
}

#[test]
fn absurd_values_are_drawn_as_nothing() {
    let mut comparison = fixture::natapov();
    comparison.policies[0].metrics[0].mean = f64::NAN;
    comparison.policies[1].metrics[0].stderr = Some(f64::INFINITY);
    let svg = of_comparison(&comparison)[0].svg().unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn long_words_are_elided_in_the_middle() {
    assert_eq!(page::elide("apf-v7-2010", 12.0, 200.0), "apf-v7-2010");
    let short = page::elide("a-very-long-name-of-a-policy", 12.0, 80.0);
    assert!(short.starts_with("a-ver") && short.ends_with("olicy"), "{short}");
}

/// Writes all plots of all fixtures into the folder that `APFSIM_GALLERY` names, to be looked at.
#[test]
#[ignore = "for eyes: APFSIM_GALLERY=DIR cargo test -p reports --lib plot::tests -- --ignored"]
fn gallery() {
    let folder = std::path::PathBuf::from(std::env::var_os("APFSIM_GALLERY").unwrap());
    for (name, comparison) in all() {
        for figure in of_comparison(&comparison) {
            let file = folder.join(format!("{name}-{}", figure.name()));
            std::fs::write(file.with_extension("svg"), figure.svg().unwrap()).unwrap();
            std::fs::write(file.with_extension("png"), figure.png().unwrap()).unwrap();
        }
    }
}
