//! One binary that takes a commit to running, verified software on Kubernetes.

fn main() {}
