//! The end-to-end suite. Each scenario is written once and runs on both control planes; where they differ, the embedded one
//! is wrong.

macro_rules! on_both_planes {
    ($($name:ident),+ $(,)?) => {
        mod on_the_sandbox { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(landfall_e2e::plane::Kind::Sandbox).await.unwrap(); })+ }
        mod on_a_real_control_plane { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(landfall_e2e::plane::Kind::Testbed).await.unwrap(); })+ }
    };
}

mod charts;
mod faults;
mod main_job;
mod options;
mod settings;
