//! Normalises desired and live objects and says how they differ.
