//! The clock, files, environment and signals of the machine.

pub mod clock;
pub mod directory;
