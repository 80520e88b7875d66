//! Pages of folders that reports were written into.

use serde_json::Value;

use super::*;
use crate::{Compared, fixture, write_all};

fn page_of(files: &[(&str, &str)]) -> String {
    let files = Files::of(files);
    page(&Data::of(&files).unwrap(), &files)
}

fn data_in(page: &str) -> Value {
    let begin = page.split_once("id=\"data\">").unwrap().1;
    serde_json::from_str(begin.split_once("</script>").unwrap().0).unwrap()
}

fn summary() -> String {
    crate::json::object(&fixture::natapov())
}

#[test]
fn a_folder_has_a_page_and_the_page_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path(), &Compared::kept(&fixture::natapov())).unwrap();
    std::fs::write(folder.path().join(SCENARIO), "{ \"cpu\": \"skylake-sp\" }").unwrap();
    let (path, left_out) = write_page(folder.path()).unwrap();
    assert!(left_out.is_empty(), "{left_out:?}");
    let first = std::fs::read_to_string(&path).unwrap();
    write_page(folder.path()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    let data = data_in(&first);
    assert_eq!(data["policies"], serde_json::json!(["sync", "halt", "apf-v7-2010"]));
    assert_eq!(data["presets"][0]["name"], "skylake-sp");
    assert!(data["presets"][0]["values"][0]["source"].as_str().unwrap().len() > 5);
    let files = data["files"].as_array().unwrap();
    for name in ["scenario.json", "summary.json", "runs.csv"] {
        assert!(
            files.iter().any(|file| file["name"] == name && file["text"].is_string()),
            "{name}"
        );
    }
    assert!(first.len() < 5_000_000);
}

#[test]
fn nothing_is_fetched_from_elsewhere() {
    let page = page_of(&[("summary.json", &summary())]);
    for word in ["<script src", "<link rel=\"stylesheet\"", "@import", "url(", "fetch("] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn the_verdict_tells_better_worse_and_what_cannot_be_told() {
    let page = page_of(&[("summary.json", &summary())]);
    let verdict = data_in(&page)["verdict"].as_str().unwrap().to_owned();
    assert!(verdict.contains("apf-v7-2010 is better than sync"), "{verdict}");
    assert!(verdict.contains("No invariant was broken."), "{verdict}");
    let mut other = fixture::natapov();
    for ratio in &mut other.ratios {
        (ratio.mean, ratio.ci95) = (1.001, Some((0.99, 1.01)));
    }
    let page = page_of(&[("summary.json", &crate::json::object(&other))]);
    let verdict = data_in(&page)["verdict"].as_str().unwrap().to_owned();
    assert!(verdict.contains("apf-v7-2010 cannot be told from sync"), "{verdict}");
    for ratio in &mut other.ratios {
        (ratio.mean, ratio.ci95) = (1.002, Some((1.001, 1.003)));
    }
    let page = page_of(&[("summary.json", &crate::json::object(&other))]);
    let verdict = data_in(&page)["verdict"].as_str().unwrap().to_owned();
    assert!(verdict.contains("apf-v7-2010 is within half a percent of sync"), "{verdict}");
    let page = page_of(&[("summary.json", &crate::json::object(&fixture::broken()))]);
    let verdict = data_in(&page)["verdict"].as_str().unwrap().to_owned();
    assert!(verdict.contains("Invariants were broken: INV-"), "{verdict}");
}

#[test]
fn policies_that_did_the_same_have_no_verdict() {
    let mut comparison = fixture::natapov();
    for ratio in comparison.ratios.iter_mut().filter(|ratio| ratio.policy == "halt") {
        (ratio.mean, ratio.ci95) = (1.0, Some((1.0, 1.0)));
    }
    let page = page_of(&[("summary.json", &crate::json::object(&comparison))]);
    let verdict = data_in(&page)["verdict"].as_str().unwrap().to_owned();
    assert!(verdict.contains("halt did the same as sync, record by record."), "{verdict}");
    assert!(!verdict.contains("halt cannot") && !verdict.contains("halt is"), "{verdict}");
    assert!(verdict.contains("apf-v7-2010 is better than sync"), "{verdict}");
}

#[test]
fn text_of_a_scenario_cannot_end_the_script_or_be_taken_for_tags() {
    let mut comparison = fixture::natapov();
    comparison.title = "</script><b>{{data}}".to_owned();
    let page = page_of(&[("summary.json", &crate::json::object(&comparison))]);
    assert_eq!(data_in(&page)["title"], "</script><b>{{data}}");
    assert!(page.contains("<h1>&lt;/script&gt;&lt;b&gt;{{data}}</h1>"));
}

#[test]
fn an_anatomy_of_another_scenario_stays_away() {
    let anatomy = |scenario: &str| {
        format!(
            r#"{{"scenario":"{scenario}","title":"t","policies":[{{"policy":"sync","faults":[
            {{"pick":"median","rank":1,"latency_ps":2000000000,"parts":[{{"part":"host","ps":2000000000}}]}}]}}]}}"#
        )
    };
    let own = anatomy("natapov-2010");
    let data = data_in(&page_of(&[("summary.json", &summary()), ("anatomy.json", &own)]));
    assert_eq!(data["anatomy"]["parts"], serde_json::json!(["host"]));
    assert_eq!(data["anatomy"]["rows"][0]["latency"], 0.002);
    let other = anatomy("smoke");
    let data = data_in(&page_of(&[("summary.json", &summary()), ("anatomy.json", &other)]));
    assert_eq!(data["anatomy"], Value::Null);
    let data = data_in(&page_of(&[("anatomy.json", &own)]));
    assert_eq!(data["verdict"], "The median took 2.00 ms under sync.");
}

#[test]
fn a_folder_without_results_says_which_commands_leave_some() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_page(folder.path()).unwrap_err().to_string();
    assert!(error.contains("--out"), "{error}");
    std::fs::write(folder.path().join("runs.jsonl"), "{}\n").unwrap();
    let error = write_page(folder.path()).unwrap_err().to_string();
    assert!(error.contains("finished runs") && error.contains("again"), "{error}");
    let other = write_page(&folder.path().join("runs.jsonl")).unwrap_err().to_string();
    assert!(other.contains("it is a file"), "{other}");
    let missing = write_page(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("no such folder") && missing.contains("`--out` of"), "{missing}");
}

/// Whatever is cut, empty, or of something else: results make an error with the file, the place and what to do;
/// the rest is left out, and said.
#[test]
fn damaged_files_are_named_and_what_is_whole_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_all(folder.path(), &Compared::kept(&fixture::natapov())).unwrap();
    std::fs::write(at(SCENARIO), "{}").unwrap();
    for name in ["runs.csv", "series.csv", "fault-latency.csv", "metrics.csv", SCENARIO] {
        let whole = std::fs::read(at(name)).unwrap();
        for damaged in [&whole[..whole.len() - 2], &b""[..], &b"\xff\xfe\x00"[..]] {
            std::fs::write(at(name), damaged).unwrap();
            let (path, left_out) = write_page(folder.path()).unwrap();
            let told = left_out.iter().filter(|told| told.contains(&format!("`{name}`"))).count();
            assert_eq!((told, left_out.len()), (1, 1), "{name}: {left_out:?}");
            let page = data_in(&std::fs::read_to_string(path).unwrap());
            assert_eq!(page["notes"].as_array().unwrap().last().unwrap()["text"], left_out[0]);
        }
        std::fs::write(at(name), whole).unwrap();
    }
    let whole = std::fs::read(at("summary.json")).unwrap();
    for cut in [0, 1, whole.len() / 3, whole.len() - 3] {
        std::fs::write(at("summary.json"), &whole[..cut]).unwrap();
        let error = write_page(folder.path()).unwrap_err().to_string();
        assert!(error.contains("`summary.json` is damaged"), "{error}");
        assert!(error.contains(" line ") && error.contains("`--out`"), "{error}");
    }
    for other in ["[]", "17", "{\"name\": \"left-pad\"}", "{\"scenario\": \"s\", \"policies\": []}"]
    {
        std::fs::write(at("summary.json"), other).unwrap();
        let error = write_page(folder.path()).unwrap_err().to_string();
        assert!(error.contains("`summary.json` is none of this program"), "{error}");
    }
    std::fs::write(at("summary.json"), &whole).unwrap();
    std::fs::write(at("anatomy.json"), "{\"scenario\"").unwrap();
    let (_, left_out) = write_page(folder.path()).unwrap();
    assert!(left_out.len() == 1 && left_out[0].contains("`anatomy.json`"), "{left_out:?}");
}

#[test]
fn a_sweep_that_was_cut_shows_its_whole_points() {
    let line = |point: u32| {
        format!(
            r#"{{"sweep":"s","point":{point},"label":"{point}","axes":{{}},"comparison":{{"scenario":"smoke",
            "policies":[{{"policy":"sync","metrics":{{}},"findings":[]}}],"ratios":[]}}}}"#
        )
        .replace('\n', "")
    };
    let cut = format!("{}\n{}\n{}", line(0), line(1), &line(2)[..40]);
    let data = data_in(&page_of(&[("sweep.jsonl", &cut)]));
    assert_eq!(data["sweep"]["points"].as_array().unwrap().len(), 2);
    let note = data["notes"][0]["text"].as_str().unwrap();
    assert!(note.contains("`sweep.jsonl` ends in line 3"), "{note}");
    for (bad, told) in [
        (format!("{}\n{}\n{}\n", line(0), &line(1)[..40], line(2)), "damaged in line 2, column 40"),
        (String::new(), "is empty"),
        ("{}\n".to_owned(), "is none of this program"),
    ] {
        let what = Data::of(&Files::of(&[("sweep.jsonl", &bad)])).err().unwrap();
        assert!(what.contains(told) && what.contains("--out"), "{what}");
    }
}

#[test]
fn a_grid_has_its_axes_in_numbers_and_each_point_its_place() {
    let line = |point: u32, hz: &str, limit: &str, ratio: f64| {
        let metrics = r#"{"work_total":{"mean":5.0,"stderr":null,"unit":"units"}}"#;
        format!(
            r#"{{"sweep":"s","point":{point},"label":"hz {hz}, limit {limit}","axes":{{"hz":"{hz}","limit":"{limit}"}},
            "comparison":{{"scenario":"smoke","title":"t","baseline":"sync","measure":"work_total","policies":[
            {{"policy":"sync","metrics":{metrics},"findings":[]}},{{"policy":"apf","metrics":{metrics},"findings":[]}}],
            "ratios":[{{"policy":"apf","metric":"work_total","mean":{ratio},"ci95":null}}]}}}}"#
        )
        .replace('\n', "")
    };
    let lines = [
        line(0, "100", "8MiB", 1.5),
        line(1, "100", "16MiB", 1.25),
        line(2, "250", "8MiB", 1.75),
        line(3, "250", "16MiB", 2.0),
    ]
    .join("\n");
    let runs = "point,hz,limit,limit_bytes,scenario_hash\n0,100,8MiB,8,h\n1,100,16MiB,16,h\n2,250,8MiB,8,h\n3,250,16MiB,16,h\n";
    let data = data_in(&page_of(&[("sweep.jsonl", &lines), ("runs.csv", runs)]));
    let sweep = &data["sweep"];
    assert_eq!(sweep["axes"][0]["numbers"], serde_json::json!([100.0, 250.0]));
    assert_eq!(sweep["axes"][1]["numbers"], serde_json::json!([8.0, 16.0]));
    assert_eq!(sweep["axes"][1]["values"], serde_json::json!(["8MiB", "16MiB"]));
    assert_eq!(sweep["points"][2]["at"], serde_json::json!([1, 0]));
    assert_eq!(sweep["ratios"]["apf"][3][0], 2.0);
    assert_eq!(
        data["verdict"],
        "apf has from 1.25 (hz 100, limit 16MiB) to 2.00 (hz 250, limit 16MiB) times the work_total of sync."
    );
}
