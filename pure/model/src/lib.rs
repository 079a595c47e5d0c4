//! The nouns of Landfall: object keys, Kubernetes objects, Applications, projects, plans, outcomes and health.
