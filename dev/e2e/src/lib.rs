//! The end-to-end suite, the same on the sandbox and on a real control plane.
