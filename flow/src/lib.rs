//! The reconcile loop over the ports: caches, queues, the executor.
