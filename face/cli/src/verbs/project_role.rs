//! `landfall proj role`: roles of projects, their policies and tokens. Source: Argo CD 3.5
//! `cmd/argocd/commands/project_role.go`.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, moment, seconds, text};
use super::project::{read, write};
use super::sign_in::claims;
use crate::Outside;
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};

/// Arguments of `landfall proj role`.
#[derive(Debug, Args)]
pub(crate) struct RoleArguments {
    #[command(subcommand)]
    verb: RoleVerb,
}

#[derive(Debug, Subcommand)]
enum RoleVerb {
    /// List the roles of a project.
    List {
        /// The project.
        project: String,
        /// The format: wide, name, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Show a role.
    Get {
        /// The project.
        project: String,
        /// The role.
        role: String,
    },
    /// Make a role.
    Create {
        /// The project.
        project: String,
        /// The role.
        role: String,
        /// A description.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Delete a role.
    Delete {
        /// The project.
        project: String,
        /// The role.
        role: String,
    },
    /// Permit or deny something to a role.
    AddPolicy(PolicyArguments),
    /// Take a policy of a role back.
    RemovePolicy(PolicyArguments),
    /// Give a group the role.
    AddGroup {
        /// The project.
        project: String,
        /// The role.
        role: String,
        /// The group, as the OpenID provider names it.
        group: String,
    },
    /// Take the role from a group.
    RemoveGroup {
        /// The project.
        project: String,
        /// The role.
        role: String,
        /// The group.
        group: String,
    },
    /// Make a token of a role.
    CreateToken {
        /// The project.
        project: String,
        /// The role.
        role: String,
        /// How long it lasts, as 24h or 30d; for ever if it is left out.
        #[arg(short, long, default_value = "0s", value_name = "DURATION")]
        expires_in: String,
        /// An id of your own.
        #[arg(short, long, default_value = "")]
        id: String,
        /// Print the token alone.
        #[arg(short, long)]
        token_only: bool,
    },
    /// Delete a token of a role.
    DeleteToken {
        /// The project.
        project: String,
        /// The role.
        role: String,
        /// When it was made, in seconds: `list-tokens` shows it.
        issued_at: String,
    },
    /// List the tokens of a role.
    ListTokens {
        /// The project.
        project: String,
        /// The role.
        role: String,
        /// Seconds instead of dates.
        #[arg(short, long)]
        unixtime: bool,
    },
}

#[derive(Debug, Args)]
struct PolicyArguments {
    /// The project.
    project: String,
    /// The role.
    role: String,
    /// What is permitted or denied, as `sync`.
    #[arg(short, long, value_name = "ACTION")]
    action: String,
    /// Of which applications, as a glob.
    #[arg(short, long, value_name = "GLOB")]
    object: String,
    /// Whether it is permitted or denied.
    #[arg(short, long, value_enum, default_value = "allow")]
    permission: Permission,
    /// To which kind of things.
    #[arg(short, long, default_value = "applications", value_name = "RESOURCE")]
    resource: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Permission {
    /// Permitted.
    Allow,
    /// Denied.
    Deny,
}

impl PolicyArguments {
    fn line(&self) -> String {
        let Self { project, role, action, object, permission, resource } = self;
        let permission = match permission {
            Permission::Allow => "allow",
            Permission::Deny => "deny",
        };
        format!("p, proj:{project}:{role}, {resource}, {action}, {project}/{object}, {permission}")
    }
}

/// Does what was asked.
pub(super) async fn run(arguments: RoleArguments, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    match arguments.verb {
        RoleVerb::List { project, output } => {
            let project = read(client, &project).await?;
            let roles = project["spec"]["roles"].as_array().cloned().unwrap_or_default();
            let shown = match output.as_str() {
                "name" => roles.iter().map(|role| format!("{}\n", text(role, "name"))).collect(),
                "wide" | "" => {
                    let mut table = Table::with_head(&["ROLE-NAME", "DESCRIPTION"]);
                    roles.iter().for_each(|role| table.row([text(role, "name"), text(role, "description")]));
                    table.text()
                }
                other => machine(&Value::Array(roles), other)?,
            };
            outside.print(&shown)?;
        }
        RoleVerb::Get { project, role } => {
            let found = read(client, &project).await?;
            let at = position(&found, &role)?;
            outside.print(&details(&found, at))?;
        }
        RoleVerb::Create { project, role, description } => {
            let mut found = read(client, &project).await?;
            if position(&found, &role).is_ok() {
                bail!("the project has a role {role} already");
            }
            let mut roles = found["spec"]["roles"].as_array().cloned().unwrap_or_default();
            roles.push(json!({"name": role, "description": description}));
            found["spec"]["roles"] = Value::Array(roles);
            write(client, found).await?;
            outside.print(&format!("Role '{role}' created\n"))?;
        }
        RoleVerb::Delete { project, role } => {
            let mut found = read(client, &project).await?;
            let at = position(&found, &role)?;
            found["spec"]["roles"].as_array_mut().context("a role stands in a list")?.remove(at);
            write(client, found).await?;
            outside.print(&format!("Role '{role}' deleted\n"))?;
        }
        RoleVerb::AddPolicy(policy) => {
            let line = policy.line();
            change(client, &policy.project, &policy.role, "policies", |list| list.push(json!(line))).await?;
        }
        RoleVerb::RemovePolicy(policy) => {
            let line = policy.line();
            change(client, &policy.project, &policy.role, "policies", |list| list.retain(|item| *item != json!(line)))
                .await?;
        }
        RoleVerb::AddGroup { project, role, group } => {
            change(client, &project, &role, "groups", |list| list.push(json!(group))).await?;
            outside.print(&format!("Group '{group}' added to role '{role}'\n"))?;
        }
        RoleVerb::RemoveGroup { project, role, group } => {
            change(client, &project, &role, "groups", |list| list.retain(|item| *item != json!(group))).await?;
            outside.print(&format!("Group '{group}' removed from role '{role}'\n"))?;
        }
        RoleVerb::CreateToken { project, role, expires_in, id, token_only } => {
            let path = tokens(&project, &role);
            let body = json!({"project": project, "role": role, "id": id, "expiresIn": seconds(&expires_in)?});
            let answer = client.post(&path, body).await?;
            let token = text(&answer, "token");
            if token_only {
                outside.print(&format!("{token}\n"))?;
                return Ok(SUCCESS);
            }
            let claims = claims(token);
            let end = moment(&claims["exp"]).unwrap_or_else(|| "Never".to_owned());
            outside.print(&format!(
                "Create token succeeded for proj:{project}:{role}.\n  ID: {}\n  Issued At: {}\n  Expires At: {end}\n  Token: {token}\n",
                text(&claims, "jti"),
                moment(&claims["iat"]).unwrap_or_default(),
            ))?;
        }
        RoleVerb::DeleteToken { project, role, issued_at } => {
            let issued_at: i64 =
                issued_at.parse().context("ISSUED_AT is a number of seconds: `proj role list-tokens -u` shows it")?;
            client.call("DELETE", &format!("{}/{issued_at}", tokens(&project, &role)), &[], None).await?;
        }
        RoleVerb::ListTokens { project, role, unixtime } => {
            let found = read(client, &project).await?;
            let at = position(&found, &role)?;
            let list = listed(&found, at);
            if list.is_empty() {
                outside.print(&format!("No tokens for {project}.{role}\n"))?;
                return Ok(SUCCESS);
            }
            let mut table = Table::with_head(&["ID", "ISSUED AT", "EXPIRES AT"]);
            for token in &list {
                let shown = |name: &str, never: &str| match unixtime {
                    true => token[name].as_i64().map_or(never.to_owned(), |second| second.to_string()),
                    false => moment(&token[name]).unwrap_or_else(|| never.to_owned()),
                };
                table.row([text(token, "id").to_owned(), shown("iat", ""), shown("exp", "<none>")]);
            }
            outside.print(&table.text())?;
        }
    }
    Ok(SUCCESS)
}

fn tokens(project: &str, role: &str) -> String {
    format!("/api/v1/projects/{}/roles/{}/token", encoded(project), encoded(role))
}

fn position(project: &Value, role: &str) -> anyhow::Result<usize> {
    let roles = project["spec"]["roles"].as_array().map_or(&[][..], Vec::as_slice);
    let name = text(&project["metadata"], "name");
    let found = roles.iter().position(|known| text(known, "name") == role);
    found.with_context(|| {
        format!("role '{role}' does not exist in project '{name}'\nhint: `landfall proj role list {name}`")
    })
}

async fn change(
    client: &Client,
    project: &str,
    role: &str,
    field: &str,
    change: impl FnOnce(&mut Vec<Value>),
) -> anyhow::Result<()> {
    let mut found = read(client, project).await?;
    let at = position(&found, role)?;
    let place = &mut found["spec"]["roles"][at][field];
    let mut list = place.as_array().cloned().unwrap_or_default();
    change(&mut list);
    *place = Value::Array(list);
    write(client, found).await
}

fn listed(project: &Value, at: usize) -> Vec<Value> {
    let role = &project["spec"]["roles"][at];
    let of_status = &project["status"]["jwtTokensByRole"][text(role, "name")]["items"];
    let list = of_status.as_array().filter(|list| !list.is_empty()).or_else(|| role["jwtTokens"].as_array());
    list.cloned().unwrap_or_default()
}

fn details(project: &Value, at: usize) -> String {
    let role = &project["spec"]["roles"][at];
    let name = text(role, "name");
    let project_name = text(&project["metadata"], "name");
    let words =
        |field: &str| role[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
    let mut lines = vec![
        format!("Role Name:     {name}"),
        format!("Description:   {}", text(role, "description")),
        "Policies:".to_owned(),
        format!("p, proj:{project_name}:{name}, projects, get, {project_name}, allow"),
    ];
    lines.extend(words("policies").into_iter().map(str::to_owned));
    lines.push(format!("Groups:        {}", words("groups").join(", ")));
    lines.push("JWT Tokens:".to_owned());
    let mut table = Table::with_head(&["ID", "ISSUED-AT", "EXPIRES-AT"]);
    for token in listed(project, at) {
        let end = moment(&token["exp"]).unwrap_or_else(|| "<none>".to_owned());
        table.row([text(&token, "id").to_owned(), moment(&token["iat"]).unwrap_or_default(), end]);
    }
    lines.join("\n") + "\n" + &table.text()
}
