//! What Git servers tell when somebody pushed: payloads read, signatures verified. Pure: headers and bytes in, pushes out.
//!
//! ```text
//! headers -> sender -> is it who it says? (keys) -> payload -> pushes -> whose address is it? (place)
//! ```
//! The entry is [`read::read`].

pub mod keys;
mod payload;
pub mod place;
pub mod push;
pub mod read;
