//go:build tools

// Package kwok keeps the program that stands in for nodes in the module graph.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
