// SPDX-License-Identifier: Apache-2.0

// Package crd holds the generated CustomResourceDefinitions, for programs that judge manifests without a cluster.
package crd

import "embed"

// Files are the definitions, one YAML file for each kind, in the directory bases.
//
//go:embed bases/*.yaml
var Files embed.FS
