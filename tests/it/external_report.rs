//! The page of a folder of results in a real browser (Chromium, headless): no errors on its console, nothing
//! fetched, toggles, sorting and hovering work, no text covers another, at two widths. With `APFSIM_SHOTS=DIR`
//! it leaves pictures there, for people to look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{printed, program};

const PROBE: &str = include_str!("../tools/page_probe.js");
/// A desktop, and a phone.
const WIDTHS: [u32; 2] = [1280, 390];

fn browser() -> &'static str {
    let there = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    ["chromium", "chromium-browser", "google-chrome"].iter().find(there).expect("a browser")
}

fn browsed(page: &Path, options: &[String]) -> String {
    let profile = TempDir::new().unwrap();
    let output = Command::new(browser())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--disable-dev-shm-usage", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(options)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A page that has another one in a frame of a width, as windows have a least width, and that shows what the
/// other one tells it.
fn framed(folder: &Path, page: &str, width: u32, height: u32) -> PathBuf {
    let path = folder.join(format!("frame-{width}.html"));
    let style = format!("border:0;width:{width}px;height:{height}px");
    let text = format!(
        "<body style='margin:0'><iframe src='{page}' style='{style}'></iframe><script>
        addEventListener('message', event => {{
            const told = document.createElement('pre');
            told.id = 'probe';
            told.textContent = event.data;
            document.body.append(told);
        }});
        </script>"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// What the probe saw on a page at a width.
fn seen(folder: &Path, width: u32) -> Value {
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    let head = format!("<head>\n<script>{PROBE}</script>");
    std::fs::write(folder.join("probed.html"), page.replacen("<head>", &head, 1)).unwrap();
    let frame = framed(folder, "probed.html", width, 2000);
    let dom = browsed(&frame, &["--dump-dom".to_owned(), "--window-size=1300,2100".to_owned()]);
    let text = dom.split_once("<pre id=\"probe\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let text = text.unwrap_or_else(|| panic!("no probe at {width}: {} bytes", dom.len())).0;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let seen: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(seen["width"], width);
    seen
}

/// Leaves pictures of a page.
fn shoot(folder: &Path, name: &str) {
    let Some(shots) = std::env::var_os("APFSIM_SHOTS") else { return };
    for (width, height) in WIDTHS.into_iter().zip([1900, 2400]) {
        let page = framed(folder, "report.html", width, height);
        let shot = Path::new(&shots).join(format!("report-{name}-{width}.png"));
        let window = format!("--window-size={},{height}", width.max(500));
        browsed(&page, &[window, format!("--screenshot={}", shot.display())]);
        assert!(shot.exists(), "{}", shot.display());
    }
}

#[track_caller]
fn check(folder: &Path, name: &str, sections: &[&str]) {
    let size = std::fs::metadata(folder.join("report.html")).unwrap().len();
    assert!(size < 5_000_000, "{name}: {size} bytes");
    for width in WIDTHS {
        let seen = seen(folder, width);
        let what = format!("{name} at {width}");
        assert_eq!(seen["errors"], json!([]), "{what}");
        assert_eq!(seen["ready"], true, "{what}");
        assert_eq!(seen["fetched"], json!([]), "{what}");
        assert_eq!(seen["overlaps"], json!([]), "{what}");
        assert_eq!(seen["scrolls_aside"], false, "{what}");
        for section in sections {
            let all = seen["sections"].as_array().unwrap();
            assert!(all.iter().any(|own| own == section), "{what}: {section} of {all:?}");
        }
        check_toggles(&seen["toggles"], &what);
        let (up, down) = (&seen["sorts"]["up"], &seen["sorts"]["down"]);
        let mut turned = up.as_array().unwrap().clone();
        turned.reverse();
        assert!(turned.len() > 2 && json!(turned) == *down, "{what}: {up} {down}");
        assert_ne!(seen["papers"][0], seen["papers"][1], "{what}");
        assert!(seen["saved"].as_array().unwrap().len() > 2, "{what}: {}", seen["saved"]);
        if seen["charts"].as_u64() > Some(0) {
            let hovered = seen["hovered"].as_array().unwrap();
            let told = hovered.iter().filter(|value| *value != "–" && *value != "");
            assert!(told.count() >= 2, "{what}: {hovered:?}");
        }
    }
    shoot(folder, name);
}

/// A policy that is hidden leaves every table and plot, and comes back.
#[track_caller]
fn check_toggles(toggles: &Value, what: &str) {
    if toggles["chips"].as_u64() < Some(2) {
        return;
    }
    assert_eq!(toggles["before"], toggles["after"], "{what}");
    let count = |when: &str| toggles[when]["hidden"].as_u64().unwrap();
    assert!(count("toggled") > count("before"), "{what}: {toggles}");
    let lines = |when: &str| toggles[when]["lines"].as_array().unwrap().clone();
    for (before, toggled) in lines("before").iter().zip(lines("toggled")) {
        assert_eq!(before.as_u64().unwrap(), toggled.as_u64().unwrap() + 1, "{what}: {toggles}");
    }
}

#[test]
fn the_page_of_the_2010_benchmark_with_its_anatomy() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    let some = ["--duration", "5s", "-q", "--out", out];
    printed(program().args(["compare", "natapov-2010", "--replications", "3"]).args(some));
    printed(program().args(["anatomy", "natapov-2010"]).args(some));
    let sections = ["Every metric", "Latency of major faults", "Over time", "Anatomy of faults"];
    check(folder.path(), "natapov-2010", &sections);
    check(folder.path(), "natapov-2010", &["Tasks", "Pictures", "Scenario", "Presets", "Data"]);
}

#[test]
fn the_page_of_a_grid() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    let axes = ["--axis", "host.memory_limit=16MiB,20MiB,24MiB,28MiB"];
    let more = ["--axis", "host.swap.read_ahead=1,2,4,8"];
    let some = ["--duration", "100ms", "-q", "--out", out];
    printed(program().args(["sweep", "smoke"]).args(axes).args(more).args(some));
    check(folder.path(), "grid", &["The points", "Invariants", "Data"]);
}

#[test]
fn the_page_of_a_sweep_along_one_axis() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    let axis = ["--axis", "host.swap.device.read_latency=20us..2ms/5"];
    let some = ["--duration", "100ms", "-q", "--out", out];
    printed(program().args(["sweep", "smoke"]).args(axis).args(some));
    check(folder.path(), "axis", &["The points", "Pictures"]);
}

#[test]
fn the_page_of_a_restore() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    printed(program().args(["compare", "snapshot-restore", "-q", "--out", out]));
    check(folder.path(), "restore", &["Every metric", "Latency of major faults", "Scenario"]);
}
