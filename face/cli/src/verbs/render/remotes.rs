//! Renders that ask for what lies outside of their files: fetched between attempts, if the user allows it.

use landfall_kustomize::{AllowList, Answers, Question, ROUNDS_MAX};

use crate::Outside;
use crate::outside::Fetched;

/// Attempts a render until it asks for nothing more. What was fetched is told, with the state that it was fetched at.
pub(crate) async fn attempt<T>(
    outside: &dyn Outside,
    allowed: &AllowList,
    mut render: impl FnMut(&Answers) -> T,
) -> anyhow::Result<T> {
    let mut answers = Answers::new();
    for _ in 0..ROUNDS_MAX {
        let rendered = render(&answers);
        let open = answers.take_open();
        if open.is_empty() {
            return Ok(rendered);
        }
        for question in open {
            let fetched = match refusal(&question, allowed) {
                Some(reason) => Fetched::refused(&question, reason),
                None => outside.fetch(&question).await,
            };
            match (&question, fetched) {
                (Question::Remote(request), Fetched::Remote(answer)) => {
                    if let Ok((_, pin)) = &answer {
                        outside.tell(&format!("# {} is taken at {pin}", request.url));
                    }
                    answers.answer_remote(request, answer.map(|(content, _)| content));
                }
                (Question::Chart(source), Fetched::Chart(answer)) => {
                    answers.answer_chart(source, answer.map(|(chart, _)| chart));
                }
                (Question::Remote(request), Fetched::Chart(_)) => {
                    answers.answer_remote(request, Err("a chart is no answer".to_owned()));
                }
                (Question::Chart(source), Fetched::Remote(_)) => {
                    answers.answer_chart(source, Err("a file is no answer".to_owned()));
                }
            }
        }
    }
    anyhow::bail!(
        "remote resources name others, {ROUNDS_MAX} deep\nhint: look for one that names itself under changing addresses"
    )
}

/// Why a question is not answered, if it is not.
fn refusal(question: &Question, allowed: &AllowList) -> Option<String> {
    let address = match question {
        Question::Remote(request) if request.wants_file => request.url.as_str(),
        Question::Remote(request) => request.repository.as_deref().unwrap_or(&request.url),
        // `--enable-helm` is what allows charts, as in the reference.
        Question::Chart(_) => return None,
    };
    if allowed.allows(address) {
        return None;
    }
    Some(match allowed.is_empty() {
        true => "nothing is fetched unless it is allowed; allow its host with --allow-remote HOST[/PATH], or every place with --allow-remote '*'".to_owned(),
        false => format!("{address} is not among the places that --allow-remote names; add it to them"),
    })
}
