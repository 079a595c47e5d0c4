//! Seeded random cases for comparing with Kubernetes' own libraries, and how answers are compared.

pub mod answer;
pub mod cases;
pub mod generate;
