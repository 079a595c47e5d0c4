//! Whole stories over the crate's path: what is promised (`promises`), single
//! answers (`answers`), and random histories with crashes (`histories`).

mod answers;
mod histories;
mod promises;
mod world;
