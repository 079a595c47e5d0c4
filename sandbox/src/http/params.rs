//! Query parameters of a request, read once and checked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::path::percent_decoded;
use crate::error::{ApiError, Cause};
use crate::json;

/// What happens with fields that the schema does not know or that occur twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    /// They are dropped in silence.
    Ignore,
    /// They are dropped with a warning.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// The parameters of a query string, the last of equal names winning.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    values: BTreeMap<String, String>,
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Reads a query string.
    pub(crate) fn parse(query: &str) -> Self {
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (percent_decoded(&key.replace('+', " ")), percent_decoded(&value.replace('+', " ")))
            })
            .collect();
        Self { values: pairs.iter().cloned().collect(), pairs }
    }

    /// The parameter's value, "" when absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// True for `true` and `1`, and for a parameter without a value.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| matches!(value.as_str(), "true" | "True" | "1" | "t" | "T" | ""))
    }

    /// All values of a parameter, in their order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// True for a parameter that is there and not `false`.
    pub(crate) fn flag_given(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| value != "false")
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        match self.text(name) {
            "" => Ok(None),
            // Less than nothing is nothing.
            text => text
                .parse::<i64>()
                .map(|number| Some(u64::try_from(number).unwrap_or(0)))
                .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
        }
    }

    /// A resourceVersion; "" and absent read as `None`.
    pub(crate) fn resource_version(&self) -> Result<Option<u64>, ApiError> {
        let text = self.text("resourceVersion");
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            ApiError::bad_request(format!(
                "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        })
    }

    /// `?dryRun=All`; `kind` is that of the options, such as `CreateOptions`.
    pub(crate) fn dry_run(&self, kind: &str) -> Result<bool, ApiError> {
        dry_run(self.text("dryRun"), kind)
    }

    /// `?fieldValidation=`; `kind` is that of the options.
    pub(crate) fn field_validation(&self, kind: &str) -> Result<FieldValidation, ApiError> {
        match self.text("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                let known = ["", "Ignore", "Strict", "Warn"];
                Err(ApiError::bad_options(kind, vec![Cause::not_supported("fieldValidation", &json!(other), &known)]))
            }
        }
    }

    /// Puts the deletion parameters of the query under those of a `DeleteOptions` body.
    pub(crate) fn delete_options(&self, mut body: Value) -> Value {
        let options = json::as_map(&mut body);
        for name in ["propagationPolicy", "orphanDependents", "gracePeriodSeconds", "dryRun"] {
            let text = self.text(name);
            if text.is_empty() || options.contains_key(name) {
                continue;
            }
            let value = match name {
                "orphanDependents" => json!(text == "true"),
                "gracePeriodSeconds" => text.parse::<i64>().map_or(Value::Null, Value::from),
                "dryRun" => json!([text]),
                _ => json!(text),
            };
            options.insert(name.to_string(), value);
        }
        body
    }
}

/// Reads a `dryRun` value: nothing or `All`.
pub(crate) fn dry_run(text: &str, kind: &str) -> Result<bool, ApiError> {
    match text {
        "" => Ok(false),
        "All" => Ok(true),
        other => {
            let cause = Cause::not_supported("dryRun", &json!([other]), &["All"]);
            Err(ApiError::bad_options(kind, vec![cause]))
        }
    }
}
