//! Taking over the ownership of other managers without touching the object: from client-side apply, or from another GitOps tool.
//!
//! A field that a former manager still owns is never pruned by our apply. Folding its entry into ours hands the fields over; the
//! next apply then removes what the configuration has no more.
//!
//! Source: client-go v0.36, util/csaupgrade.

use serde_json::{Value, json};

use crate::managed::{ManagedFields, Manager, Operation, ReadError};

/// A manager whose fields are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former<'a> {
    /// Its name, for example `kubectl-client-side-apply` or `argocd-controller`.
    pub manager: &'a str,
    /// Its way of writing: `Update` for client-side apply, `Apply` for another server-side applier.
    pub operation: Operation,
}

/// managedFields with the former managers' entries folded into our Apply entry; `None` if there is nothing to take over.
///
/// Only entries of the object itself are touched, not those of subresources. An entry of another version than ours is dropped with
/// its fields unless ours is only just made from it, as upstream does: its paths may not exist in our version.
///
/// # Errors
/// managedFields that cannot be read.
pub fn taken_over(object: &Value, formers: &[Former<'_>], manager: &str) -> Result<Option<ManagedFields>, ReadError> {
    let before = ManagedFields::of(object)?;
    let mut after = before.clone();
    let me = Manager::applier(manager);
    for former in formers {
        let is_former = |candidate: &Manager| {
            candidate.name == former.manager
                && candidate.operation == former.operation
                && candidate.subresource.is_empty()
                && *candidate != me
        };
        let entries: Vec<Manager> = after.owned.keys().filter(|m| is_former(m)).cloned().collect();
        for entry in entries {
            let Some(theirs) = after.owned.remove(&entry) else {
                continue;
            };
            match after.owned.get_mut(&me) {
                None => {
                    after.owned.insert(me.clone(), theirs);
                }
                Some(mine) if mine.api_version == theirs.api_version => {
                    mine.fields = mine.fields.union(&theirs.fields);
                }
                Some(_) => {}
            }
        }
    }
    Ok((after != before).then_some(after))
}

/// The JSON patch that stores the take-over if the object is still the one that was read; `None` if there is nothing to take over.
///
/// # Errors
/// As [`taken_over`].
pub fn patch(object: &Value, formers: &[Former<'_>], manager: &str) -> Result<Option<Value>, ReadError> {
    let Some(managed) = taken_over(object, formers, manager)? else {
        return Ok(None);
    };
    let version = object.pointer("/metadata/resourceVersion");
    Ok(Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": managed.write()},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, api_version: &str, field: &str) -> Value {
        json!({
            "manager": manager, "operation": operation, "apiVersion": api_version,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {format!("f:{field}"): {}}}
        })
    }

    const KUBECTL: Former<'_> = Former { manager: "kubectl-client-side-apply", operation: Operation::Update };

    #[test]
    fn the_entry_of_client_side_apply_is_folded_into_ours() {
        let object = json!({"metadata": {"resourceVersion": "7", "managedFields": [
            entry("us", "Apply", "apps/v1", "a"),
            entry("kubectl-client-side-apply", "Update", "apps/v1", "b"),
            entry("hpa", "Update", "apps/v1", "c"),
        ]}});
        let managed = taken_over(&object, &[KUBECTL], "us").expect("reads").expect("changes");
        let entries = managed.write();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {"f:a": {}, "f:b": {}}}));
        let patch = patch(&object, &[KUBECTL], "us").expect("reads").expect("changes");
        assert_eq!(patch[1]["value"], "7");
    }

    #[test]
    fn without_an_entry_of_ours_theirs_becomes_ours() {
        let object = json!({"metadata": {"managedFields": [
            entry("kubectl-client-side-apply", "Update", "apps/v1", "b"),
        ]}});
        let managed = taken_over(&object, &[KUBECTL], "us").expect("reads").expect("changes");
        assert_eq!(managed.write()[0]["manager"], "us");
        assert_eq!(managed.write()[0]["operation"], "Apply");
    }

    #[test]
    fn there_is_nothing_to_do_twice() {
        let object = json!({"metadata": {"managedFields": [entry("us", "Apply", "apps/v1", "a")]}});
        assert_eq!(taken_over(&object, &[KUBECTL], "us").expect("reads"), None);
        assert_eq!(patch(&object, &[KUBECTL], "us").expect("reads"), None);
    }
}
