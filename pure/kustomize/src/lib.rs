//! Builds kustomizations: a file tree in, objects out, identical to kustomize build.
