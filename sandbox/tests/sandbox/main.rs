//! The sandbox through `kube::Client`: one file for each part, one program for all.

mod apply;
mod common;
mod custom_resources;
mod persistence;
mod tls;
mod verbs;
mod workloads;
