//! The payloads of each sender, as their documentation has them; unknown fields are nobody's business.

use serde_json::Value;

use crate::push::{PushEvent, Sender};

/// Reads what was pushed. Errors: what is missing.
pub(crate) fn read(sender: Sender, value: &Value) -> Result<Vec<PushEvent>, String> {
    match sender {
        Sender::GitHub | Sender::Gogs => github_like(sender, value),
        Sender::GitLab => gitlab(value),
        Sender::BitbucketCloud => bitbucket_cloud(value),
        Sender::BitbucketServer => bitbucket_server(value),
    }
}

/// GitHub's shape, which Gogs, Gitea and Forgejo took over.
fn github_like(sender: Sender, value: &Value) -> Result<Vec<PushEvent>, String> {
    let urls = urls(value, &["/repository/clone_url", "/repository/ssh_url", "/repository/html_url"]);
    let is_whole = value.get("forced").and_then(Value::as_bool) != Some(true)
        && value
            .get("total_commits")
            .and_then(Value::as_u64)
            .is_none_or(|total| Some(total) == commits(value).map(|commits| commits.len() as u64))
        // GitHub names 2048 commits at most and does not say whether there were more.
        && commits(value).is_some_and(|commits| commits.len() < 2048);
    Ok(vec![single(sender, value, urls, "/repository/default_branch", is_whole)?])
}

fn gitlab(value: &Value) -> Result<Vec<PushEvent>, String> {
    if !["push", "tag_push"].contains(&text(value, "/object_kind").unwrap_or("")) {
        return Ok(Vec::new());
    }
    let places = [
        "/project/git_http_url",
        "/project/git_ssh_url",
        "/project/web_url",
        "/repository/git_http_url",
        "/repository/git_ssh_url",
    ];
    // GitLab names 20 commits at most and says how many there were.
    let total = value.get("total_commits_count").and_then(Value::as_u64);
    let is_whole = total.is_some() && total == commits(value).map(|commits| commits.len() as u64);
    Ok(vec![single(Sender::GitLab, value, urls(value, &places), "/project/default_branch", is_whole)?])
}

fn bitbucket_cloud(value: &Value) -> Result<Vec<PushEvent>, String> {
    let mut urls = urls(value, &["/repository/links/html/href"]);
    if let Some(name) = text(value, "/repository/full_name") {
        add(&mut urls, &format!("https://bitbucket.org/{name}.git"));
        add(&mut urls, &format!("git@bitbucket.org:{name}.git"));
    }
    let urls = some(urls)?;
    let changes = value.pointer("/push/changes").and_then(Value::as_array).ok_or("push.changes is missing")?;
    let event = |change: &Value| {
        let side = if change.get("new").is_some_and(|new| !new.is_null()) { "/new" } else { "/old" };
        let name = text(change, &format!("{side}/name")).ok_or("a change has neither new.name nor old.name")?;
        let is_tag = text(change, &format!("{side}/type")).is_some_and(|kind| kind.ends_with("tag"));
        Ok(PushEvent {
            sender: Sender::BitbucketCloud,
            repository_urls: urls.clone(),
            reference: format!("{}{name}", if is_tag { "refs/tags/" } else { "refs/heads/" }),
            before: commit(change, "/old/target/hash"),
            after: commit(change, "/new/target/hash"),
            default_branch: text(value, "/repository/mainbranch/name").map(str::to_owned),
            changed_files: None,
        })
    };
    changes.iter().map(event).collect()
}

fn bitbucket_server(value: &Value) -> Result<Vec<PushEvent>, String> {
    let mut urls = Vec::new();
    for link in value.pointer("/repository/links/clone").and_then(Value::as_array).into_iter().flatten() {
        if let Some(url) = text(link, "/href") {
            add(&mut urls, url);
        }
    }
    if urls.is_empty() {
        return Err("repository.links.clone names no address; Bitbucket Server 5.10 and later send it".to_owned());
    }
    let changes = value.get("changes").and_then(Value::as_array).ok_or("changes is missing")?;
    let event = |change: &Value| {
        let reference =
            text(change, "/ref/id").or_else(|| text(change, "/refId")).ok_or("a change has no ref.id")?.to_owned();
        Ok(PushEvent {
            sender: Sender::BitbucketServer,
            repository_urls: urls.clone(),
            reference,
            before: commit(change, "/fromHash"),
            after: commit(change, "/toHash"),
            default_branch: None,
            changed_files: None,
        })
    };
    changes.iter().map(event).collect()
}

/// A payload about one reference with `ref`, `before`, `after` and `commits`.
fn single(
    sender: Sender,
    value: &Value,
    urls: Vec<String>,
    default_branch: &str,
    is_whole: bool,
) -> Result<PushEvent, String> {
    let reference = text(value, "/ref").ok_or("ref is missing: the payload is none of a push")?.to_owned();
    let (before, after) = (commit(value, "/before"), commit(value, "/after"));
    let changed_files = match (&before, &after) {
        (Some(before), Some(after)) if is_whole && before != after => changed_files(value),
        _ => None,
    };
    Ok(PushEvent {
        sender,
        repository_urls: some(urls)?,
        reference,
        before,
        after,
        default_branch: text(value, default_branch).map(str::to_owned),
        changed_files,
    })
}

/// The paths that the payload's commits name; `None` if there are no commits, or one does not say.
fn changed_files(value: &Value) -> Option<Vec<String>> {
    let commits = commits(value).filter(|commits| !commits.is_empty())?;
    let mut files = Vec::new();
    for commit in commits {
        for list in ["added", "modified", "removed"] {
            let paths = commit.get(list)?.as_array()?;
            files.extend(paths.iter().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    files.sort();
    files.dedup();
    Some(files)
}

fn commits(value: &Value) -> Option<&Vec<Value>> {
    value.get("commits").and_then(Value::as_array)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A commit; the one that is all zeros means that there is none.
fn commit(value: &Value, pointer: &str) -> Option<String> {
    text(value, pointer).filter(|id| id.bytes().any(|digit| digit != b'0')).map(str::to_owned)
}

fn urls(value: &Value, pointers: &[&str]) -> Vec<String> {
    let mut urls = Vec::new();
    pointers.iter().filter_map(|pointer| text(value, pointer)).for_each(|url| add(&mut urls, url));
    urls
}

fn add(urls: &mut Vec<String>, url: &str) {
    if !urls.iter().any(|known| known == url) {
        urls.push(url.to_owned());
    }
}

fn some(urls: Vec<String>) -> Result<Vec<String>, String> {
    if urls.is_empty() { Err("the payload does not say which repository it is about".to_owned()) } else { Ok(urls) }
}
