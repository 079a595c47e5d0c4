//! A Kubernetes API server in process, with simulated workloads.
