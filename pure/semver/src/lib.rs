//! Semantic versions and constraints as Masterminds/semver resolves them.
