//! Decides, plans and concludes synchronisations: phases, waves, hooks, prune, self-heal, windows, retry and rollback.
