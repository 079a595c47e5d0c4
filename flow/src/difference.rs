//! How an application's objects are compared: its own rules over those of the installation.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use landfall_diff::compare::Difference;
use landfall_diff::rules::{Options, Rules};
use landfall_diff::schemas::WithCustom;
use landfall_model::application::{Application, IgnoreDifference};
use landfall_model::status::{Condition, ConditionType};
use serde_json::Value;

/// The rules of one application, ready to use. Cheap to copy.
#[derive(Clone)]
pub struct Comparison {
    rules: Arc<Rules>,
    /// What is wrong with the rules, as warnings for their author.
    pub problems: Arc<Vec<String>>,
    /// Changes when the rules do.
    pub digest: u64,
}

impl Comparison {
    /// Puts an application's `ignoreDifferences` over those of the installation.
    pub fn of(application: &Application, of_installation: &[IgnoreDifference], options: &Options) -> Self {
        let all: Vec<IgnoreDifference> =
            of_installation.iter().chain(&application.spec.ignore_differences).cloned().collect();
        let (rules, problems) = Rules::new(&all, options.clone());
        let mut hasher = DefaultHasher::new();
        (serde_json::to_string(&all).expect("rules serialise"), format!("{options:?}")).hash(&mut hasher);
        let digest = hasher.finish();
        Self { rules: Arc::new(rules), problems: Arc::new(problems), digest }
    }

    /// Says whether what is there differs from what is wanted.
    pub fn differs(&self, wanted: &Value, live: &Value, schemas: &WithCustom) -> bool {
        !landfall_diff::compare::compare(Some(wanted), Some(live), &self.rules, schemas).is_in_sync()
    }

    /// Says how what is there differs from what is wanted, in full.
    pub fn difference(&self, wanted: Option<&Value>, live: Option<&Value>, schemas: &WithCustom) -> Difference {
        landfall_diff::compare::compare(wanted, live, &self.rules, schemas)
    }

    /// Gives the places that the rules name the value they have in the cluster.
    pub fn carry_ignored(&self, wanted: &Value, live: &Value, schemas: &WithCustom) -> Value {
        landfall_diff::carry::carry_ignored(wanted, live, &self.rules, schemas)
    }

    /// What is wrong with the rules, as a condition.
    pub fn condition(&self) -> Option<Condition> {
        if self.problems.is_empty() {
            return None;
        }
        let message = format!("ignoreDifferences: {}", self.problems.join("; "));
        Some(Condition { condition_type: ConditionType::InvalidSpecError, message, last_transition_time: None })
    }
}
