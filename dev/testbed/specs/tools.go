//go:build tools

// Package tools keeps Kubernetes' end-to-end suite in this module's requirements.
// `go test -c k8s.io/kubernetes/test/e2e` builds it.
package tools

import _ "k8s.io/kubernetes/test/e2e"
