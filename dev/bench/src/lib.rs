//! Benchmarks and the calibrator.
