//! Argo CD's `kustomize` block of an Application, as changes of the kustomization file it is applied to.
