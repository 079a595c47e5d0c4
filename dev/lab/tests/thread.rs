//! The thinnest histories: one application, one commit, one change; and what random histories showed, as single tests.

use std::sync::Arc;
use std::time::Duration;

use landfall_lab::gate::{Call, Fate, Script, Undisturbed, When};
use landfall_lab::git::{Files, History};
use landfall_lab::world::{World, application, simulate};

fn files(color: &str) -> Files {
    Files::from([(
        "app/settings.yaml".to_owned(),
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{color: {color}}}\n"),
    )])
}

#[test]
fn a_commit_reaches_the_simulated_cluster_and_an_hour_passes_in_a_moment() {
    simulate(async |timeline| {
        let mut world = World::start(timeline.clone(), 1).await?;
        let url = "https://git.example.test/shop.git";
        world.around.git.commit(url, &files("blue"), History::Continued, timeline.now());
        world.apply(&application("shop", url, "app")).await?;
        world.revive(Arc::new(Undisturbed));
        let shop = ["shop".to_owned()];
        world.settle(&shop, Duration::from_secs(60)).await?;
        world.around.git.commit(url, &files("green"), History::Continued, timeline.now());
        world.settle(&shop, Duration::from_secs(60)).await?;
        world.run_for(Duration::from_secs(3600)).await;
        world.check_that_nothing_is_left_to_do(&shop).await?;
        assert_eq!(world.around.judge.violations(), Vec::<String>::new());
        assert!(timeline.elapsed() > Duration::from_secs(3600));
        Ok(())
    })
    .unwrap();
}

const URL: &str = "https://git.example.test/shop.git";

/// Answers of the Git server arrive late.
struct LateListings;

impl Script for LateListings {
    fn fate(&self, call: &Call) -> Fate {
        match call.verb {
            "list refs" => Fate::Late(Duration::from_secs(5), When::After),
            _ => Fate::Pass,
        }
    }
}

#[test]
fn a_push_that_is_told_of_while_its_repository_is_listed_is_seen_at_once() {
    simulate(async |timeline| {
        let mut world = World::start(timeline.clone(), 1).await?;
        let shop = ["shop".to_owned()];
        world.around.git.commit(URL, &files("blue"), History::Continued, timeline.now());
        world.apply(&application("shop", URL, "app")).await?;
        world.revive(Arc::new(LateListings));
        world.settle(&shop, Duration::from_secs(60)).await?;
        world.process.controller.repository_changed(URL);
        world.run_for(Duration::from_secs(1)).await;
        world.around.git.commit(URL, &files("green"), History::Continued, timeline.now());
        world.process.controller.repository_changed(URL);
        world.settle(&shop, Duration::from_secs(14)).await
    })
    .unwrap();
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    simulate(async |timeline| {
        let mut world = World::start(timeline.clone(), 1).await?;
        let shop = ["shop".to_owned()];
        world.around.git.commit(URL, &files("blue"), History::Continued, timeline.now());
        world.apply(&application("shop", URL, "app")).await?;
        world.revive(Arc::new(Undisturbed));
        world.settle(&shop, Duration::from_secs(60)).await?;
        world.set_clock_wrong_by(-7_200);
        world.around.git.commit(URL, &files("green"), History::Continued, timeline.now());
        world.settle(&shop, Duration::from_secs(60)).await
    })
    .unwrap();
}
