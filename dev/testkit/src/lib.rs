//! A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok in
//! the place of nodes. Built from the Go modules under dev/testbed, once, into a cache folder; started on free ports with
//! a throw-away PKI; stopped when dropped.
//!
//! ```text
//! build  Go modules -> programs in <cache>/testbed/<digest of the go.sum files>
//! pki    certificate authority, serving and client certificates, kubeconfigs
//! run    processes, readiness, the end
//! ```

pub mod argocd;
pub mod build;
pub mod pki;
pub mod run;
pub mod schemathesis;
