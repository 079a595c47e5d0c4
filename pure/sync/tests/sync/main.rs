//! Whole stories over the crate's path: what users rely on, by topic (`ordering`, `automatic`, `removal`, `asked`), single
//! answers as tables (`answers`), and random histories with crashes (`histories`), all in a small world (`world`).

mod answers;
mod asked;
mod automatic;
mod histories;
mod ordering;
mod removal;
mod world;
