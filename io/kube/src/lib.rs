//! The Cluster port over a real Kubernetes API.
