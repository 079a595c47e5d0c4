//! The sandbox through `kube::Client`: one file for each part, one program for all.

mod apply;
mod common;
mod crash;
mod custom_resources;
mod faults;
mod hostile;
mod metrics;
mod persistence;
mod tls;
mod verbs;
mod workloads;
