//! Assesses the health of live Kubernetes objects and of the applications that own them.
