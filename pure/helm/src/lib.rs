//! Renders Helm charts: chart bytes, values and capabilities in; objects, hooks, notes and warnings out.
