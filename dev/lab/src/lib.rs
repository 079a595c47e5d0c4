//! Seeded simulation of random histories against invariants.
