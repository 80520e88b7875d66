//! As many replications as a precision takes.

use crate::kit::program;

fn compare(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    command.args(["compare", "smoke", "--set", "duration=50ms"]).args(args);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_precision_is_the_same_comparison_with_more_replications() {
    let (status, coarse, told) = compare(&["--precision", "90%", "-q"]);
    assert_eq!((status, told.as_str()), (Some(0), ""));
    let number = |text: &str| -> u32 {
        let at = text.rfind("replications ").unwrap() + "replications ".len();
        text[at..].split_whitespace().next().unwrap().parse().unwrap()
    };
    let (_, finer, told) = compare(&["--precision", "0.3%"]);
    assert!(number(&finer) > number(&coarse), "{coarse}{finer}");
    assert!(told.contains("replications: ratios to within 0."), "{told}");
    let (_, same, _) = compare(&["--replications", &number(&finer).to_string(), "-q"]);
    assert_eq!(finer, same);
    for wrong in ["2", "0%", "-1%", "200%", "x%", "NaN%"] {
        let (status, _, told) = compare(&[&format!("--precision={wrong}")]);
        assert!(status == Some(2) && told.contains("such as `2%`"), "{wrong}: {told}");
    }
}
