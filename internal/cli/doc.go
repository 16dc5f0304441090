// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line of kubectl xmppfed. A verb collects facts from the cluster or from files, and hands
// them to a pure function that makes the text: those live in the packages below this one.
package cli
