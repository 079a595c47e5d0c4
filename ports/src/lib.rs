//! Small async traits for the outside world, and their plain request and answer types.
