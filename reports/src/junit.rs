//! Results of `apfsim test` in the XML form that build servers read. There are no times in it, so
//! that equal results are equal files.

use std::fmt::Write as _;

use scenarios::experiments::suite::{CaseOutcome, CaseResult};

/// The whole document: a suite a file, a case an expectation.
pub fn document(results: &[CaseResult]) -> String {
    let mut body = String::new();
    let mut all = Counts::default();
    for result in results {
        let (counts, cases) = cases(result);
        all.add(&counts);
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            "  <testsuite name=\"{}\" {counts}>\n{cases}  </testsuite>\n",
            escaped(&result.file)
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"apfsim\" {all}>\n{body}</testsuites>\n"
    )
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tests, failures, errors, skipped } = self;
        write!(
            f,
            "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\""
        )
    }
}

fn cases(result: &CaseResult) -> (Counts, String) {
    let class = escaped(&result.file);
    let head =
        |name: &str| format!("    <testcase classname=\"{class}\" name=\"{}\"", escaped(name));
    let mut counts = Counts::default();
    let mut text = String::new();
    match &result.outcome {
        CaseOutcome::Skipped(reason) => {
            counts = Counts { tests: 1, skipped: 1, ..counts };
            let head = head("scenario");
            let _ = writeln!(text, "{head}><skipped message=\"{}\"/></testcase>", escaped(reason));
        }
        CaseOutcome::Broken(error) => {
            counts = Counts { tests: 1, errors: 1, ..counts };
            let _ = writeln!(text, "{}", failed(&head("scenario"), &error.to_string()));
        }
        CaseOutcome::Failed(error) => {
            counts = Counts { tests: 1, errors: 1, ..counts };
            let _ = writeln!(text, "{}", failed(&head("runs"), &error.to_string()));
        }
        CaseOutcome::Run { judgements, .. } => {
            for line in judgements {
                counts.tests += 1;
                let head = head(&line.expected);
                if line.met {
                    let _ = writeln!(text, "{head}/>");
                } else {
                    counts.failures += 1;
                    let message = escaped(&format!("measured {}", line.measured));
                    let _ = writeln!(text, "{head}><failure message=\"{message}\"/></testcase>");
                }
            }
        }
    }
    (counts, text)
}

/// A case that came to no end.
fn failed(head: &str, message: &str) -> String {
    format!("{head}><error message=\"{}\"/></testcase>", escaped(message))
}

/// Text as it may stand in an attribute. What XML cannot hold at all is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use scenarios::experiments::judge::Judgement;

    use super::*;

    #[test]
    fn whatever_is_told_is_well_formed() {
        let judgements = vec![
            Judgement {
                expected: "a < \"b\" & c".into(),
                measured: "1\n2\u{1}".into(),
                met: false,
            },
            Judgement { expected: "exits sync > 1".into(), measured: "2".into(), met: true },
        ];
        let digest = "0123456789abcdef0123456789abcdef".parse().expect("a digest");
        let run = CaseOutcome::Run { digest, judgements };
        let results = [
            CaseResult { file: "x&y.json".into(), outcome: run },
            CaseResult { file: "z.json".into(), outcome: CaseOutcome::Skipped("why") },
        ];
        assert_eq!(
            document(&results),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="apfsim" tests="3" failures="1" errors="0" skipped="1">
  <testsuite name="x&amp;y.json" tests="2" failures="1" errors="0" skipped="0">
    <testcase classname="x&amp;y.json" name="a &lt; &quot;b&quot; &amp; c"><failure message="measured 1&#10;2�"/></testcase>
    <testcase classname="x&amp;y.json" name="exits sync &gt; 1"/>
  </testsuite>
  <testsuite name="z.json" tests="1" failures="0" errors="0" skipped="1">
    <testcase classname="z.json" name="scenario"><skipped message="why"/></testcase>
  </testsuite>
</testsuites>
"#
        );
    }
}
