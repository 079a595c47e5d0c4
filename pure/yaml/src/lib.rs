//! YAML and JSON read and written as Kubernetes' Go libraries do, byte for byte, with positions for messages.
