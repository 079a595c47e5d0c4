//! A chart and the charts below it during one render: aliases, disabled charts, imported values.
//!
//! Helm edits its charts while it renders, through pointers that aliases share; templates can see the results. So a render
//! works on a [`Family`]: copies of the changing parts, by index, sharing exactly where Helm shares.
//! Source: Helm 3.21.4 `pkg/chartutil/dependencies.go`, Helm 4.2.4 `pkg/chart/v2/util/dependencies.go`.

use std::sync::Arc;

use landfall_gotemplate::types;
use landfall_gotemplate::value::{Map, Value};

use crate::Profile;
use crate::chart::{Chart, Dependency, ImportValue};
use crate::error::Error;
use crate::values::coalesce::{self, Nulls};

/// Bounds the charts of one family: aliases of umbrella charts multiply.
pub(crate) const MEMBERS_MAX: usize = 5000;

/// A chart of a [`Family`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Member(usize);

/// All charts of one render.
pub(crate) struct Family<'a> {
    members: Vec<Card<'a>>,
    /// Declared dependencies, shared by copies of a chart under Helm 3.
    declared: Vec<Declared>,
    profile: Profile,
}

struct Card<'a> {
    chart: &'a Chart,
    /// The chart's name, or its alias.
    name: String,
    parent: Option<Member>,
    children: Vec<Member>,
    /// Indices into `Family::declared`; `None` where the chart declares none.
    declared: Option<Vec<usize>>,
    values: Map,
}

#[derive(Clone)]
struct Declared {
    dependency: Dependency,
    /// Helm rewrites what it has imported into a form that it does not import again.
    is_imported: bool,
}

impl<'a> Family<'a> {
    /// Takes a chart with everything below it, as it was loaded.
    ///
    /// Errors: default values that cannot be read.
    pub(crate) fn new(root: &'a Chart, profile: Profile) -> Result<Self, Error> {
        let mut family = Self { members: Vec::new(), declared: Vec::new(), profile };
        family.take(root, None)?;
        Ok(family)
    }

    /// The chart that is rendered.
    pub(crate) fn root(&self) -> Member {
        Member(0)
    }

    pub(crate) fn profile(&self) -> Profile {
        self.profile
    }

    pub(crate) fn chart(&self, member: Member) -> &'a Chart {
        self.card(member).chart
    }

    /// The name that values and paths use: the alias, if there is one.
    pub(crate) fn name(&self, member: Member) -> &str {
        &self.card(member).name
    }

    pub(crate) fn values(&self, member: Member) -> &Map {
        &self.card(member).values
    }

    pub(crate) fn children(&self, member: Member) -> impl Iterator<Item = Member> + '_ {
        self.card(member).children.iter().copied()
    }

    pub(crate) fn has_child(&self, member: Member, name: &str) -> bool {
        self.children(member).any(|child| self.name(child) == name)
    }

    pub(crate) fn is_root(&self, member: Member) -> bool {
        self.card(member).parent.is_none()
    }

    /// The path of a chart from the root: `app/charts/redis`.
    pub(crate) fn path(&self, member: Member) -> String {
        match self.card(member).parent {
            Some(parent) => format!("{}/charts/{}", self.path(parent), self.name(member)),
            None => self.name(member).to_owned(),
        }
    }

    /// The dependencies that a chart declares, as they stand now; `None` if it declares none.
    pub(crate) fn dependencies(&self, member: Member) -> Option<impl Iterator<Item = &Dependency> + '_> {
        let declared = self.card(member).declared.as_ref()?;
        Some(declared.iter().map(|index| &self.declared[*index].dependency))
    }

    /// Applies aliases, tags and conditions, drops what is disabled, and imports values.
    ///
    /// Errors: values that cannot be coalesced; too many charts.
    pub(crate) fn settle(&mut self, values: &Value, warnings: &mut Vec<String>) -> Result<(), Error> {
        self.enable(self.root(), values, "", warnings)?;
        self.import_values(self.root(), warnings)
    }

    fn card(&self, member: Member) -> &Card<'a> {
        &self.members[member.0]
    }

    fn take(&mut self, chart: &'a Chart, parent: Option<Member>) -> Result<Member, Error> {
        let declared = chart.metadata.dependencies.as_ref().map(|dependencies| {
            let first = self.declared.len();
            let taken = dependencies.iter().cloned();
            self.declared.extend(taken.map(|dependency| Declared { dependency, is_imported: false }));
            (first..self.declared.len()).collect()
        });
        let defaults = chart.default_values(self.profile)?;
        let entries = defaults.iter().map(|(key, value)| (key.as_str().into(), Value::from_json(value))).collect();
        let member = self.add(Card {
            chart,
            name: chart.metadata.name.clone(),
            parent,
            children: Vec::new(),
            declared,
            values: Map::new(&types::MAP_ANY, entries),
        })?;
        for subchart in &chart.subcharts {
            let subchart: &'a Arc<Chart> = subchart;
            let child = self.take(subchart, Some(member))?;
            self.members[member.0].children.push(child);
        }
        Ok(member)
    }

    fn add(&mut self, card: Card<'a>) -> Result<Member, Error> {
        if self.members.len() >= MEMBERS_MAX {
            return Err(Error::new(
                crate::error::ErrorKind::Limit,
                format!("the chart has more than {MEMBERS_MAX} charts below it, aliases counted"),
            ));
        }
        self.members.push(card);
        Ok(Member(self.members.len() - 1))
    }

    fn set_children(&mut self, member: Member, children: Vec<Member>) {
        for child in &children {
            self.members[child.0].parent = Some(member);
        }
        self.members[member.0].children = children;
    }

    /// Copies a chart to use it under a declared dependency. Helm 3 copies the chart alone and shares what is below it, so
    /// that several aliases meet there; Helm 4 copies one level more.
    fn copy_for(&mut self, original: Member, alias: &str) -> Result<Member, Error> {
        let card = self.card(original);
        let (chart, parent) = (card.chart, card.parent);
        let name = if alias.is_empty() { card.name.clone() } else { alias.to_owned() };
        let (children, values) = (card.children.clone(), card.values.clone());
        let mut declared = card.declared.clone();
        if let (Profile::Helm4, Some(indices)) = (self.profile, &mut declared) {
            for index in indices {
                self.declared.push(self.declared[*index].clone());
                *index = self.declared.len() - 1;
            }
        }
        let copy = self.add(Card { chart, name, parent, children: children.clone(), declared, values })?;
        if self.profile == Profile::Helm4 {
            let mut copies = Vec::with_capacity(children.len());
            for child in children {
                let card = self.card(child);
                let card = Card {
                    chart: card.chart,
                    name: card.name.clone(),
                    parent: Some(copy),
                    children: card.children.clone(),
                    declared: card.declared.clone(),
                    values: card.values.clone(),
                };
                copies.push(self.add(card)?);
            }
            self.set_children(copy, copies);
        }
        Ok(copy)
    }

    fn enable(&mut self, chart: Member, values: &Value, path: &str, warnings: &mut Vec<String>) -> Result<(), Error> {
        let Some(declared) = self.card(chart).declared.clone() else { return Ok(()) };
        let present = self.card(chart).children.clone();
        let mut children: Vec<Member> = Vec::new();
        for child in &present {
            let is_declared = declared.iter().any(|index| self.is_meant(*index, *child));
            if !is_declared {
                children.push(*child);
            }
        }
        for index in &declared {
            if let Some(original) = present.iter().find(|child| self.is_meant(*index, **child)) {
                let alias = self.declared[*index].dependency.alias.clone();
                children.push(self.copy_for(*original, &alias)?);
            }
            let dependency = &mut self.declared[*index].dependency;
            if !dependency.alias.is_empty() {
                dependency.name = dependency.alias.clone();
            }
        }
        self.set_children(chart, children);
        for index in &declared {
            self.declared[*index].dependency.enabled = true;
        }
        let merged = coalesce::coalesce(self, chart, values, Nulls::Remove, warnings)?;
        for index in &declared {
            let dependency = &mut self.declared[*index].dependency;
            decide_by_tags(dependency, &merged, warnings);
            decide_by_conditions(dependency, &merged, path, warnings);
        }
        let disabled: Vec<String> = {
            let dependencies = declared.iter().map(|index| &self.declared[*index].dependency);
            dependencies.filter(|dependency| !dependency.enabled).map(|dependency| dependency.name.clone()).collect()
        };
        let is_kept = |name: &str| !disabled.iter().any(|gone| gone == name);
        let kept: Vec<Member> = self.children(chart).filter(|child| is_kept(self.name(*child))).collect();
        let declared: Vec<usize> =
            declared.into_iter().filter(|index| is_kept(&self.declared[*index].dependency.name)).collect();
        let merged = Value::Map(merged);
        for child in &kept {
            let path = format!("{path}{}.", self.name(*child));
            self.enable(*child, &merged, &path, warnings)?;
        }
        self.members[chart.0].declared = Some(declared).filter(|declared| !declared.is_empty());
        self.set_children(chart, kept);
        Ok(())
    }

    /// Says whether a declared dependency means a chart: by name, and by a version that satisfies the constraint.
    fn is_meant(&self, declared: usize, chart: Member) -> bool {
        let dependency = &self.declared[declared].dependency;
        dependency.name == self.name(chart)
            && crate::is_compatible(&dependency.version, &self.card(chart).chart.metadata.version)
    }

    fn import_values(&mut self, chart: Member, warnings: &mut Vec<String>) -> Result<(), Error> {
        for child in self.card(chart).children.clone() {
            self.import_values(child, warnings)?;
        }
        let Some(declared) = self.card(chart).declared.clone() else { return Ok(()) };
        let merged = coalesce::coalesce(self, chart, &Value::Nil, Nulls::Keep, warnings)?;
        let mut imported = coalesce::new_map();
        for index in declared {
            let Declared { dependency, is_imported } = &self.declared[index];
            if *is_imported {
                continue;
            }
            for import in &dependency.import_values {
                let (child, parent) = match import {
                    ImportValue::Table { child, parent } => (child.clone(), parent.as_str()),
                    ImportValue::Export(name) => (format!("exports.{name}"), "."),
                    ImportValue::Other(_) => continue,
                };
                let Some(table) = coalesce::table_at(&merged, &format!("{}.{child}", dependency.name)) else {
                    warnings.push(format!("ImportValues missing table from chart {}: {child}", dependency.name));
                    continue;
                };
                let source = nested_in(parent, table);
                coalesce::tables(&imported, &source, "", Nulls::Keep, warnings);
            }
            self.declared[index].is_imported = true;
        }
        let Value::Map(own) = coalesce::deep_copy(&Value::Map(merged)) else { return Ok(()) };
        coalesce::tables(&own, &imported, "", Nulls::Keep, warnings);
        imported = own;
        self.members[chart.0].values = imported;
        Ok(())
    }
}

/// Puts a table at the end of a dotted path; `.` is the table itself.
fn nested_in(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, key| {
        let entries = std::iter::once((key.into(), Value::Map(inner))).collect();
        Map::new(&types::MAP_ANY, entries)
    })
}

fn decide_by_tags(dependency: &mut Dependency, values: &Map, warnings: &mut Vec<String>) {
    let Some(tags) = coalesce::table_at(values, "tags") else { return };
    let (mut has_true, mut has_false) = (false, false);
    for tag in &dependency.tags {
        match tags.get(tag.as_bytes()) {
            Some(Value::Bool(true)) => has_true = true,
            Some(Value::Bool(false)) => has_false = true,
            Some(_) => {
                warnings.push(format!("Tag '{tag}' for chart {} returned non-bool value", dependency.name));
            }
            None => {}
        }
    }
    dependency.enabled = has_true || !has_false;
}

fn decide_by_conditions(dependency: &mut Dependency, values: &Map, path: &str, warnings: &mut Vec<String>) {
    for condition in dependency.condition.trim().split(',').filter(|condition| !condition.is_empty()) {
        match coalesce::value_at(values, &format!("{path}{condition}")) {
            Some(Value::Bool(truth)) => {
                dependency.enabled = truth;
                return;
            }
            Some(_) => warnings
                .push(format!("Condition path '{condition}' for chart {} returned non-bool value", dependency.name)),
            None => {}
        }
    }
}
