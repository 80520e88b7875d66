//! One scenario with fields changed from a command line.

use super::collide::given_twice;
use super::point::{Base, Patch, patched};
use super::words;
use crate::scenario::kept::KeptScenario;
use crate::scenario::resolve::{Scenario, ScenarioOverrides};
use crate::scenario::resolved::Resolved;
use crate::scenario::source::document;
use crate::syntax::error::ScenarioError;
use crate::syntax::tree::Chosen;

impl Scenario {
    /// Loads a scenario by path or name, with values put into its fields: `FIELD=VALUE`, in order.
    ///
    /// # Errors
    /// As [`load`](Self::load); when a setting names no field or its value is not valid there, with
    /// the place in the setting; when two settings name the same field.
    pub fn load_with(path_or_name: &str, settings: &[String]) -> Result<Self, ScenarioError> {
        Self::load_for(path_or_name, settings, &[])
    }

    /// As [`load_with`](Self::load_with), for policies that will be chosen by
    /// [`with_overrides`](Self::with_overrides): the file's others need not be such as can be run on its machine. None
    /// are all of the file.
    ///
    /// # Errors
    /// As [`load_with`](Self::load_with).
    pub fn load_for(
        path_or_name: &str,
        settings: &[String],
        policies: &[String],
    ) -> Result<Self, ScenarioError> {
        let base = Base::load_for(path_or_name, Chosen::of(policies, settings))?;
        Self::changed(&base, settings)
    }

    /// As [`load_with`](Self::load_with), from text; `file` is its name in messages.
    ///
    /// # Errors
    /// As [`load_with`](Self::load_with).
    pub fn from_str_with(
        file: &str,
        text: &str,
        settings: &[String],
    ) -> Result<Self, ScenarioError> {
        Self::changed(&Base::new(document(file, text)?)?.0, settings)
    }

    /// Every value of a scenario as it is run, and where each comes from: the file, a setting, a preset, or the
    /// format's default.
    ///
    /// # Errors
    /// As [`load_with`](Self::load_with) and [`with_overrides`](Self::with_overrides).
    pub fn resolved_with(
        path_or_name: &str,
        settings: &[String],
        overrides: &ScenarioOverrides,
    ) -> Result<Vec<Resolved>, ScenarioError> {
        let base = Base::load_for(path_or_name, Chosen::of(&overrides.policies, settings))?;
        let patches: Vec<Patch> =
            settings.iter().map(|text| words::setting(text)).collect::<Result<_, _>>()?;
        let patches: Vec<&Patch> = patches.iter().collect();
        given_twice(&patches, &base.places(&patches)?)?;
        base.resolved(&patches, overrides)
    }

    /// The scenario with what a command line changed besides, and with the files that it names: what gives the same
    /// runs without them. What is expected of the file's own policies, and published of them, is left out where others
    /// are run.
    ///
    /// # Errors
    /// When the text is none of a scenario.
    pub fn as_run(&self, overrides: &ScenarioOverrides) -> Result<KeptScenario, ScenarioError> {
        let mut settings = Vec::new();
        if !overrides.policies.is_empty() {
            let names: Vec<String> =
                self.policies.iter().map(|policy| format!("\"{}\"", policy.name)).collect();
            settings.push(format!("policies=[{}]", names.join(",")));
            settings.push(format!("baseline=\"{}\"", self.baseline));
            settings.extend(["expect=[]", "published=[]"].map(str::to_owned));
        }
        settings.extend(overrides.seed.map(|seed| format!("seed={seed}")));
        settings.extend(overrides.replications.map(|count| format!("replications={count}")));
        if settings.is_empty() {
            return self.kept();
        }
        let patches = settings.iter().map(|text| words::setting(text));
        let patches: Vec<Patch> = patches.collect::<Result<_, _>>()?;
        let doc = document(&self.name, &self.text)?;
        let (doc, _) = patched(&doc, &patches.iter().collect::<Vec<_>>())?;
        self.kept_as(doc, true)
    }

    fn changed(base: &Base, settings: &[String]) -> Result<Self, ScenarioError> {
        let patches: Vec<Patch> =
            settings.iter().map(|text| words::setting(text)).collect::<Result<_, _>>()?;
        let patches: Vec<&Patch> = patches.iter().collect();
        given_twice(&patches, &base.places(&patches)?)?;
        Ok(base.with(&patches, "with this value")?.0)
    }
}
