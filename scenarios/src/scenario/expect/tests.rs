//! What is expected is read.

use super::parse::parse;
use super::*;

const POLICIES: [&str; 3] = ["sync", "halt", "apf-v7-2010"];

fn read(text: &str) -> Claim {
    parse(text, &POLICIES, &[]).unwrap_or_else(|error| panic!("{text}: {error:?}")).claim
}

fn number(text: &str) -> (Option<String>, Bound) {
    match read(text) {
        Claim::Number { against, bound, .. } => (against, bound),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn numbers_are_read_in_the_unit_of_their_metric() {
    for (text, bound) in [
        ("fault_latency_p99 halt < 30ms", Bound::Below(0.03)),
        ("fault_latency_p99 halt<=1.5us", Bound::AtMost(1.5e-6)),
        ("halted_time sync == 0", Bound::Equal(0.0)),
        ("async_faults halt != 7", Bound::Other(7.0)),
        ("cpu_share_idle halt > 5%", Bound::Above(0.05)),
        ("cpu_share_idle halt >=0.05", Bound::AtLeast(0.05)),
        ("work_total halt in 1e3..2e3", Bound::Between(1e3, 2e3)),
        ("  exits   sync  in 1 .. 1 ", Bound::Between(1.0, 1.0)),
    ] {
        let (against, read) = number(text);
        assert_eq!(against, None);
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-15;
        let same = match (read, bound) {
            (Bound::Below(a), Bound::Below(b))
            | (Bound::AtMost(a), Bound::AtMost(b))
            | (Bound::Above(a), Bound::Above(b))
            | (Bound::AtLeast(a), Bound::AtLeast(b)) => close(a, b),
            (a, b) => a == b,
        };
        assert!(same, "{text}: {read:?}");
    }
    for text in ["work_total halt/sync >= 1.5", "work_total halt / sync>=1.5"] {
        assert_eq!(number(text), (Some("sync".into()), Bound::AtLeast(1.5)), "{text}");
    }
    for (text, bound) in [
        ("request_rate halt better than sync", Bound::Above(1.0)),
        ("request_latency_p99[server] halt better than sync", Bound::Below(1.0)),
        ("request_rate halt >= 0.5", Bound::AtLeast(0.5)),
    ] {
        assert_eq!(number(text).1, bound, "{text}");
    }
}

#[test]
fn other_claims_are_read() {
    assert_eq!(read("invariants clean"), Claim::Clean { policy: None });
    let policy = Some("halt".to_owned());
    assert_eq!(read("invariants clean in halt"), Claim::Clean { policy });
    for (text, weakness) in [("INV-13 violated by halt", false), ("INV-13 weak in halt", true)] {
        let expect =
            Claim::Breaks { invariant: "INV-13".into(), weakness, policy: "halt".to_owned() };
        assert_eq!(read(text), expect);
    }
    let digest = "0123456789abcdef0123456789abcdef";
    assert_eq!(read(&format!("digest {digest}")), Claim::Digest(digest.parse().expect("one")));
}

#[test]
fn what_is_wrong_with_a_line_is_told() {
    for (text, message, help) in [
        ("", "this expects nothing", "such as"),
        ("work_totl halt > 1", "there is no metric `work_totl`", "did you mean `work_total`?"),
        ("work_total hlt > 1", "`hlt` is not among", "did you mean `halt`?"),
        ("work_total halt/snyc > 1", "`snyc` is not among", "did you mean `sync`?"),
        ("work_total halt/halt > 1", "`halt` is compared with itself", "two"),
        ("work_total", "`work_total` of which policy?", "such as"),
        ("work_total halt", "nothing is said of `work_total`", "such as"),
        ("work_total halt => 1", "`=>` is no comparison", "`>=`"),
        ("work_total halt = 1", "`=` is no comparison", "`==`"),
        ("work_total halt > ", "`` is not a value here", "without unit"),
        ("work_total halt > 1s", "`1s` is not a value here", "without unit"),
        ("work_total halt > inf", "`inf` is not a value here", "without unit"),
        ("halted_time halt > 1", "`1` is not a value here", "30ms"),
        ("halted_time halt/sync > 1ms", "`1ms` is not a value here", "1.5"),
        ("exits halt better than sync", "neither more nor less of `exits` is better", "`<`"),
        ("request_rate[] halt > 1", "there is no metric `request_rate[]`", "request_rate"),
        ("work_total[server] halt > 1", "there is no metric", "work_total"),
        ("work_total halt in 1", "this range has no end", "in 0.95 .. 1.05"),
        ("work_total halt in 2 .. 1", "this range is empty", "first"),
        ("INV-99 violated by halt", "there is no invariant `INV-99`", "apfsim invariants"),
        ("INV-13 broken by halt", "it is not said how", "INV-13 violated by POLICY"),
        ("INV-13 violated by hlt", "`hlt` is not among", "did you mean `halt`?"),
        ("invariants tidy", "says nothing of invariants", "`invariants clean`"),
        ("digest 12", "is not a digest", "apfsim compare"),
    ] {
        let error = parse(text, &POLICIES, &[]).expect_err(text);
        assert!(error.message.contains(message), "{text}: {}", error.message);
        assert!(error.help.contains(help), "{text}: {}", error.help);
    }
}
