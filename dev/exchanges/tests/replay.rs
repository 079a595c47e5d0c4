//! Every recorded exchange with kube-apiserver, replayed on the sandbox in process.

use std::collections::BTreeSet;

use kube::Client;
use landfall_exchanges::compare::compare;
use landfall_exchanges::play::{Server, play};
use landfall_exchanges::table::{chapters, directory};
use landfall_sandbox::Sandbox;

/// Fewer than these would mean that the table was not found, or that too little of it is promised.
const EXCHANGES_MIN: usize = 400;

/// FIXME: exchanges whose answer is known to differ from the real server's: `chapter | promise`, a line each, below the reason. The list may
/// only shrink: an exchange that is not in it must be answered as recorded, and one that is in it must differ.
fn known_differences() -> anyhow::Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(directory().join("known-differences.txt"))?;
    Ok(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_string).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_answers_recorded_requests_as_kube_apiserver_did() -> anyhow::Result<()> {
    let known = known_differences()?;
    // EXCHANGES_ALL=1 tells the known differences too.
    let tells_all = std::env::var_os("EXCHANGES_ALL").is_some();
    let mut report = String::new();
    let mut outdated = known.clone();
    let (mut equal, mut surprises) = (0, 0);
    for chapter in chapters()? {
        let sandbox = Sandbox::builder().without_controllers().nodes(0).start().await?;
        let server = Server {
            admin: Client::new(sandbox.client_service(), "default"),
            anonymous: Client::new(sandbox.anonymous_service(), "default"),
        };
        let answers = play(&server, &chapter).await?;
        let (compared, failures) = compare(&chapter, &answers)?;
        equal += compared - failures.len();
        for failure in failures {
            let name = format!("{} | {}", failure.chapter, failure.promise);
            outdated.remove(&name);
            if tells_all || !known.contains(&name) {
                surprises += 1;
                report.push_str(&format!("\n{name}\n    {}\n", failure.differences.join("\n    ")));
            }
        }
    }
    assert!(surprises == 0, "{surprises} exchanges differ that did not before:\n{report}");
    assert!(outdated.is_empty(), "known-differences.txt lists what is answered as recorded: {outdated:#?}");
    assert!(equal >= EXCHANGES_MIN, "only {equal} exchanges are answered as recorded");
    Ok(())
}
