//! JSON patch, JSON merge patch, strategic merge and structured merge (server-side apply).
