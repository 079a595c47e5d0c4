//! The order of the output: as read, or by kind with Namespaces and definitions first and webhooks last.

use std::cmp::Ordering;

use crate::Reorder;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::{KINDS_FIRST, KINDS_LAST};
use crate::ids::ResId;
use crate::kustomization::{LegacyOrder, SortOptions};
use crate::resource::Resource;

/// Sorts as `sortOptions` says, else as the caller does.
pub(crate) fn order(
    build: &Build<'_>,
    resources: &mut Vec<Resource>,
    options: Option<&SortOptions>,
    reorder: Reorder,
) -> Result<()> {
    let bad = |message: &str, hint: &str| {
        Err(BuildError::new(ErrorClass::BadSortOptions, message).field("sortOptions").hint(hint))
    };
    let built_in = || LegacyOrder {
        first: KINDS_FIRST.iter().map(|kind| (*kind).to_owned()).collect(),
        last: KINDS_LAST.iter().map(|kind| (*kind).to_owned()).collect(),
    };
    let legacy = match (options, reorder) {
        (Some(options), _) => match (options.order.as_str(), &options.legacy) {
            ("legacy", Some(legacy)) => legacy.clone(),
            ("legacy", None) => built_in(),
            ("fifo", None) => return Ok(()),
            ("fifo", Some(_)) => {
                return bad(
                    "legacySortOptions is set, but the order is fifo",
                    "write order: legacy, or leave legacySortOptions out",
                );
            }
            _ => return bad(&format!("order is {:?}", options.order), "write order: fifo or order: legacy"),
        },
        (None, Reorder::None) => return Ok(()),
        (None, Reorder::Legacy | Reorder::Unspecified) => built_in(),
    };
    let mut keyed: Vec<(ResId, Resource)> = resources
        .drain(..)
        .filter_map(|resource| resource.root.map(|root| (build.current_id(root), resource)))
        .collect();
    keyed.sort_by(|left, right| compare(&left.0, &right.0, &legacy));
    resources.extend(keyed.into_iter().map(|(_, resource)| resource));
    build.check_conflicts(resources)
}

fn rank(kind: &str, order: &LegacyOrder) -> i64 {
    let place = |list: &[String]| list.iter().rposition(|entry| entry == kind).and_then(|at| i64::try_from(at).ok());
    let first_count = i64::try_from(order.first.len()).unwrap_or(i64::MAX);
    match (place(&order.last), place(&order.first)) {
        (Some(at), _) => at + 1,
        (None, Some(at)) => at - first_count,
        (None, None) => 0,
    }
}

fn or<'t>(text: &'t str, absent: &'t str) -> &'t str {
    if text.is_empty() { absent } else { text }
}

fn compare(left: &ResId, right: &ResId, order: &LegacyOrder) -> Ordering {
    let gvk =
        |id: &ResId| format!("{}_{}_{}", or(id.gvk.group(), "~G"), or(id.gvk.version(), "~V"), or(&id.gvk.kind, "~K"));
    if left.gvk.same(&right.gvk) {
        let whole = |id: &ResId| {
            format!(
                "{}.{}.{}|{}|{}",
                or(&id.gvk.kind, "[noKind]"),
                or(id.gvk.version(), "[noVer]"),
                or(id.gvk.group(), "[noGrp]"),
                or(&id.namespace, "~X"),
                or(&id.name, "~N")
            )
        };
        return whole(left).cmp(&whole(right));
    }
    let by_rank = rank(&left.gvk.kind, order).cmp(&rank(&right.gvk.kind, order));
    let is_namespace = |id: &ResId| &*id.gvk.kind == "Namespace";
    by_rank.then_with(|| {
        let by_gvk = gvk(left).cmp(&gvk(right));
        let both = is_namespace(left) && is_namespace(right);
        if both && (left.gvk.group().is_empty() || right.gvk.group().is_empty()) { by_gvk.reverse() } else { by_gvk }
    })
}
