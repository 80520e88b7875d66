//! Policies that a file describes itself.

use super::*;

const CUSTOM: &str = r#""policies": ["sync", {
    "name": "mine", "base": "v6.12",
    "set": { "cap": 16, "token_id_bits": 4, "wake_all_on_enable": false, "setup_order": "schedule-first" },
    "defects": ["no-eoi", "ignore-cap"]
  }]"#;

#[test]
fn a_custom_policy_is_a_built_in_one_with_changes() {
    use models::apf::rules::{SetupOrder, TokenRule};
    use models::apf::{Defect, Rules};
    let text = SMALL.replace(r#""policies": ["sync", "halt"]"#, CUSTOM);
    let scenario =
        Scenario::from_str("f", &text).unwrap_or_else(|error| panic!("{}", error.render()));
    let mine = &scenario.policies[1];
    let base = models::presets::policies::policy("apf-v6.12").expect("known");
    let rules = Rules {
        cap: 16,
        token: TokenRule { id_bits: 4, ..base.rules.token },
        wake_all_on_enable: false,
        setup_order: SetupOrder::ScheduleFirst,
        ..base.rules
    };
    assert_eq!((mine.name.as_str(), mine.rules), ("mine", rules));
    assert_eq!((mine.host_async, mine.guest_enabled), (true, true));
    let defects: Vec<_> = mine.defects.iter().collect();
    assert_eq!(defects, [Defect::IgnoreCap, Defect::NoEoi]);

    // The command line knows it too.
    let overrides = ScenarioOverrides { policies: vec!["mine".into()], ..Default::default() };
    let only = scenario.clone().with_overrides(&overrides).expect("a policy of the scenario");
    assert_eq!(only.policies, std::slice::from_ref(mine));

    let mut seen = std::collections::BTreeSet::from([scenario.hash()]);
    for (from, to) in [("16", "17"), ("\"no-eoi\", ", ""), ("false", "true")] {
        let changed = Scenario::from_str("f", &text.replace(from, to)).expect("valid");
        assert!(seen.insert(changed.hash()), "{to}");
    }
}

#[test]
fn what_is_wrong_with_a_custom_policy_is_told() {
    let told = |from: &str, to: &str, expect: &str| {
        assert_eq!(CUSTOM.matches(from).count(), 1, "{from}");
        check(r#""policies": ["sync", "halt"]"#, &CUSTOM.replace(from, to), expect);
    };
    told(
        r#""mine""#,
        r#""halt""#,
        "f:35:13: in `policies[1].name`: `halt` is a built-in policy
  help: give the custom policy another name",
    );
    told(
        r#""v6.12""#,
        r#""v9.21""#,
        "f:35:29: in `policies[1].base`: there is no policy `v9.21`
  help: did you mean `apf-v7.3`? valid: ...",
    );
    told(
        r#""v6.12""#,
        r#""user-uffd""#,
        "f:35:29: in `policies[1].base`: `user-uffd` cannot be run: no policy has this generation
  help: `apfsim explore --rules user-uffd` searches it; valid: ...",
    );
    told(
        r#""cap": 16"#,
        r#""caps": 16"#,
        "f:36:22: in `policies[1].set.caps`: there is no mechanism `caps`
  help: did you mean `cap`? valid: ...",
    );
    told(
        r#""cap": 16"#,
        r#""cap": 0"#,
        "f:36:21: in `policies[1].set.cap`: `cap` cannot be `0`
  help: a whole number from 1 to 65536",
    );
    told(
        r#""cap": 16"#,
        r#""cap": [16]"#,
        "f:36:21: in `policies[1].set.cap`: expected a word in double quotes, a number, true or false, found a list",
    );
    told(
        r#""schedule-first""#,
        r#""scheduled-first""#,
        "f:36:89: in `policies[1].set.setup_order`: `setup_order` cannot be `scheduled-first`
  help: did you mean `schedule-first`? valid: `schedule-first`, `link-first`",
    );
    told(
        r#""setup_order": "schedule-first""#,
        r#""kick": "wake-blocked-only""#,
        "f:36:82: in `policies[1].set.kick`: `drain=all-on-request-and-ack` with \
         `kick=wake-blocked-only` cannot be combined: workers make the request exactly where the host \
         looks for items on request
  help: set the other mechanism too, or begin with another `base`",
    );
    told(
        r#""token_id_bits": 4"#,
        r#""token_id_bits": 24"#,
        "f:36:42: in `policies[1].set.token_id_bits`: `token=id:24 vcpu:12` is not possible: \
         a token has 32 bits for both
  help: set the other mechanism too, or begin with another `base`",
    );
    told(
        r#""setup_order": "schedule-first""#,
        r#""resolved_by": "userfaultfd""#,
        "f:36:89: in `policies[1].set.resolved_by`: userfaultfd is what every policy has for a store with a `handler`
  help: `kernel`; `apfsim explore --rules user-uffd` searches its protocol",
    );
    told(
        r#""no-eoi", "#,
        r#""no-eio", "#,
        "f:37:17: in `policies[1].defects[0]`: there is no defect `no-eio`
  help: did you mean `no-eoi`? valid: ...",
    );
    told(
        r#""no-eoi", "#,
        r#""ignore-cap", "#,
        "f:37:31: in `policies[1].defects[1]`: the name `ignore-cap` is given twice
  help: `policies[1].defects[0]` has that name already",
    );
    told(
        r#""base": "v6.12","#,
        r#""preset": "v6.12","#,
        "f:35:21: in `policies[1].preset`: unknown field `preset`
  help: valid: `name`, `base`, `set`, `defects`",
    );
}
