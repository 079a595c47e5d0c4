//! Which objects of the built-in kinds are refused, kind by kind.

use serde_json::Value;

use crate::crd;
use crate::error::Cause;
use crate::operations::Core;
use crate::registry::Resource;

/// Checks an object of a built-in kind.
pub(super) fn validate(_core: &Core, resource: &Resource, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    match resource.key.as_str() {
        crd::CRD_RESOURCE => crd::validate(value, old, causes),
        _ => {}
    }
}
