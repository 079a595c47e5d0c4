//! Label selectors as Kubernetes' APIs write them (`metav1.LabelSelector`).
//! Source: Kubernetes `apimachinery/pkg/apis/meta/v1/helpers.go` (LabelSelectorAsSelector).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A label selector: everything in it has to hold. An empty one selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels and the values that they must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement of a [`LabelSelector`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values, for `In` and `NotIn`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Says whether labels are selected. A requirement with an operator that is not known selects nothing.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let labels_match = self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        labels_match && self.match_expressions.iter().all(|requirement| requirement.matches(labels))
    }

    /// Says what is wrong with the selector, in words.
    pub fn problem(&self) -> Option<String> {
        self.match_expressions.iter().find_map(|requirement| match requirement.operator.as_str() {
            "In" | "NotIn" if requirement.values.is_empty() => {
                Some(format!("{} {}: values are missing", requirement.key, requirement.operator))
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => None,
            other => Some(format!("{}: operator {other:?} must be In, NotIn, Exists or DoesNotExist", requirement.key)),
        })
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(selector: serde_json::Value, labels: &[(&str, &str)]) -> bool {
        let selector: LabelSelector = serde_json::from_value(selector).expect("valid");
        selector.matches(&labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn everything_in_a_selector_has_to_hold() {
        assert!(selects(json!({}), &[]));
        assert!(selects(json!({"matchLabels": {"a": "1"}}), &[("a", "1"), ("b", "2")]));
        assert!(!selects(json!({"matchLabels": {"a": "1"}}), &[("a", "2")]));
        let expression = |operator: &str, values: &[&str]| json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": operator, "values": values}]});
        assert!(selects(expression("In", &["2", "3"]), &[("a", "1"), ("b", "2")]));
        assert!(!selects(expression("In", &["2"]), &[("a", "1")]));
        assert!(selects(expression("NotIn", &["2"]), &[("a", "1")]));
        assert!(selects(expression("Exists", &[]), &[("a", "1"), ("b", "")]));
        assert!(selects(expression("DoesNotExist", &[]), &[("a", "1")]));
        assert!(!selects(expression("Like", &["2"]), &[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn what_is_wrong_with_a_selector_is_said() {
        let selector: LabelSelector =
            serde_json::from_value(json!({"matchExpressions": [{"key": "b", "operator": "Like"}]})).expect("readable");
        assert!(selector.problem().is_some_and(|problem| problem.contains("Like")));
    }
}
