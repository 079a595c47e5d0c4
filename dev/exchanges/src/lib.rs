//! Requests to the Kubernetes API with the answers that the real server gave: recorded once, replayed on the sandbox.
//!
//! ```text
//!  conformance/kubernetes/NAME.yaml --[table]--> exchanges --[play]--> answers --[normal]--> what does not change by chance
//!                                                                                   |
//!  conformance/kubernetes/answers/NAME.json <--recorded from kube-apiserver --------'--> compared with the sandbox'
//! ```
//!
//! Every exchange is named by what it promises. `cargo xtask exchanges record` asks a real kube-apiserver again;
//! this crate's tests replay all of them in process, without one.

pub mod compare;
pub mod normal;
pub mod play;
pub mod table;
