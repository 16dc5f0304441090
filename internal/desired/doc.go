// SPDX-License-Identifier: Apache-2.0

// Package desired builds the Kubernetes objects of a Federation: a pure function of the Federation and a few facts, one
// kind of object per file. It reads nothing and writes nothing.
package desired
